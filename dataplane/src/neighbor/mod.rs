//! Neighbours: which MAC address a next hop has, learnt and kept fresh by ARP (RFC 826, RFC 1122
//! section 2.3.2).
//!
//! A neighbour is asked for by broadcast until it answers, and its packets wait meanwhile, a few
//! of them. Once known it is asked again by unicast while it is in use, and forgotten when it does
//! not answer any more. Real servers and gateways of the snapshot are pinned: kept fresh always, so
//! that their first packet does not wait.
//!
//! Pinning goes by passes: the director goes over all next hops of a snapshot, a few per turn, and
//! pins each. What the last complete pass has not come by is no longer pinned from its end on. So a
//! next hop that a new snapshot keeps is pinned without a gap, and no step is longer for many.
//!
//! This table only decides; the director sends what it asks for.

mod entry;

use std::hash::BuildHasher;

use arrayvec::ArrayVec;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::control::NeighborReport;
use crate::io::Origin;
use crate::limits::{NEIGHBOR_COUNT_MAX, NEIGHBOR_QUEUE_COUNT, NEIGHBOR_QUEUE_LEN};
use crate::snapshot::NextHop;
use crate::stats::NeighborStats;
use crate::time::Tick;
use crate::wire::Mac;

pub use entry::Probe;
use entry::{Neighbor, PHASE_COUNT, Phase, State};

/// Next hops that can be remembered at once.
const HINT_COUNT: usize = 256;
/// Neighbours among which the one to make room is sought.
const EVICTION_CANDIDATES: usize = 64;

/// A frame that waits for a MAC address. Its Ethernet header is not written yet.
#[derive(Debug)]
pub struct Waiting<B> {
    /// The frame.
    pub frame: B,
    /// Whether its verdict is still open.
    pub origin: Origin,
}

type WaitQueue<B> = ArrayVec<Waiting<B>, NEIGHBOR_QUEUE_LEN>;

/// Where the place of a next hop may be noted.
#[inline(always)]
fn hint(hop: NextHop) -> usize {
    hop.address.to_bits() as usize % HINT_COUNT
}

/// What to do with a packet for a next hop.
#[derive(Debug)]
pub enum Resolution<B> {
    /// Send it to this MAC.
    Send(Mac, B),
    /// It waits now; if `ask`, send an ARP request.
    Queued {
        /// Whether the neighbour has to be asked at once.
        ask: bool,
    },
    /// Nobody waits for a neighbour that does not answer.
    Unresolved(B),
    /// Too many packets wait already.
    QueueFull(B),
}

/// What came of pinning a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// It was known already.
    Known,
    /// It is new and has to be asked for now.
    New,
    /// The table is full of neighbours that may not be forgotten.
    NoRoom,
}

/// All neighbours of one worker.
#[derive(Debug)]
pub struct NeighborTable<B> {
    neighbors: Vec<Neighbor>,
    index: HashTable<u32>,
    hasher: RandomState,
    queues: Vec<WaitQueue<B>>,
    free_queues: ArrayVec<u8, NEIGHBOR_QUEUE_COUNT>,
    /// Where the next tick goes on looking.
    cursor: usize,
    /// Those of each state, by [`Phase`], that this round has come by.
    phases: [u32; PHASE_COUNT],
    /// The pass over the snapshot's next hops that is under way, or was last; from 1 on.
    pass: u32,
    /// The last complete pass.
    floor: u32,
    /// Places of next hops by the last bits of their address, to find most without hashing.
    hints: Box<[u16; HINT_COUNT]>,
}

impl<B> Default for NeighborTable<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> NeighborTable<B> {
    /// An empty table with all the memory it will ever use.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "NEIGHBOR_QUEUE_COUNT is 64")]
    pub fn new() -> Self {
        Self {
            neighbors: Vec::with_capacity(NEIGHBOR_COUNT_MAX),
            // Twice the count, so that hashbrown cleans up in place and never grows.
            index: HashTable::with_capacity(2 * NEIGHBOR_COUNT_MAX),
            hasher: RandomState::default(),
            queues: (0..NEIGHBOR_QUEUE_COUNT).map(|_| WaitQueue::new()).collect(),
            free_queues: (0..NEIGHBOR_QUEUE_COUNT as u8).collect(),
            cursor: 0,
            phases: [0; PHASE_COUNT],
            pass: 1,
            floor: 1,
            hints: Box::new([0; HINT_COUNT]),
        }
    }

    /// The MAC of a next hop that has answered; nearly every packet's way.
    #[inline(always)]
    pub fn known(&mut self, hop: NextHop, now: Tick) -> Option<Mac> {
        let place = self.hints[hint(hop)];
        if let Some(neighbor) = self.neighbors.get_mut(usize::from(place))
            && neighbor.hop == hop
            && let State::Known(mac) = neighbor.state
        {
            neighbor.used = now;
            return Some(mac);
        }
        self.known_elsewhere(hop, now)
    }

    /// [`Self::known`] without a hint, which is left for the next time.
    #[inline(never)]
    fn known_elsewhere(&mut self, hop: NextHop, now: Tick) -> Option<Mac> {
        let place = self.find(hop)?;
        self.hints[hint(hop)] = u16::try_from(place).unwrap_or(0);
        let neighbor = self.neighbors.get_mut(place)?;
        neighbor.used = now;
        match neighbor.state {
            State::Known(mac) => Some(mac),
            State::Incomplete | State::Failed => None,
        }
    }

    /// The MAC of a next hop for `packet`, or a place to wait.
    #[cold]
    pub fn resolve(&mut self, hop: NextHop, packet: B, origin: Origin, now: Tick) -> Resolution<B> {
        let waiting = match self.find(hop) {
            Some(place) => {
                let neighbor = &mut self.neighbors[place];
                neighbor.used = now;
                if let State::Known(mac) = neighbor.state {
                    return Resolution::Send(mac, packet);
                }
                self.wait(place, Waiting { frame: packet, origin }).map(|()| false)
            }
            None => match self.add(hop, now, 0) {
                Some(place) => self.wait(place, Waiting { frame: packet, origin }).map(|()| true),
                None => return Resolution::QueueFull(packet),
            },
        };
        match waiting {
            Ok(ask) => Resolution::Queued { ask },
            Err(refusal) => refusal,
        }
    }

    /// Begins a pass over all next hops of the snapshot.
    pub fn begin_pass(&mut self) {
        // After 4 billion passes it begins again, above 0, which says "never".
        self.pass = self.pass.checked_add(1).unwrap_or(1);
        self.floor = self.floor.min(self.pass);
    }

    /// Ends the pass: what it has not pinned may be forgotten.
    pub fn end_pass(&mut self) {
        self.floor = self.pass;
    }

    /// Makes sure that a next hop of the snapshot is known and not forgotten before the end of the
    /// next pass.
    pub fn pin(&mut self, hop: NextHop, now: Tick) -> Pinned {
        match self.find(hop) {
            Some(place) => {
                self.neighbors[place].pinned_in = self.pass;
                Pinned::Known
            }
            None => match self.add(hop, now, self.pass) {
                Some(_) => Pinned::New,
                None => Pinned::NoRoom,
            },
        }
    }

    /// Notes that `hop` has `mac`, if anybody is interested in it, and returns the packets that
    /// waited for it through `release`.
    pub fn learn(&mut self, hop: NextHop, mac: Mac, now: Tick, release: impl FnMut(Waiting<B>)) {
        let Some(place) = self.find(hop) else { return };
        let neighbor = &mut self.neighbors[place];
        neighbor.state = State::Known(mac);
        neighbor.confirmed = now;
        neighbor.probes = 0;
        self.empty_queue(place, release);
    }

    /// Looks at up to `budget` neighbours: asks those that are due through `ask`, gives packets of
    /// neighbours that did not answer back through `give_up`, forgets unused ones. Sets `stats`
    /// when it has been through all.
    pub fn tick(
        &mut self,
        (now, budget): (Tick, usize),
        stats: &NeighborStats,
        mut ask: impl FnMut(Probe),
        mut give_up: impl FnMut(Waiting<B>),
    ) {
        if self.neighbors.is_empty() {
            self.end_round(stats);
        }
        for _ in 0..budget.min(self.neighbors.len()) {
            if self.cursor >= self.neighbors.len() {
                self.end_round(stats);
            }
            let neighbor = &mut self.neighbors[self.cursor];
            if neighbor.is_idle(self.floor, now) {
                self.forget(self.cursor);
                continue;
            }
            let is_due = neighbor.is_due(self.floor, now);
            if is_due {
                ask(neighbor.next_probe(now));
            }
            self.phases[neighbor.phase() as usize] += 1;
            if is_due && neighbor.state == State::Failed {
                self.empty_queue(self.cursor, &mut give_up);
            }
            self.cursor += 1;
        }
    }

    /// Tells what the round came by, and begins the next.
    fn end_round(&mut self, stats: &NeighborStats) {
        let [reachable, probing, incomplete, failed] = self.phases.map(u64::from);
        stats.reachable.set(reachable);
        stats.probing.set(probing);
        stats.incomplete.set(incomplete);
        stats.failed.set(failed);
        (self.cursor, self.phases) = (0, [0; PHASE_COUNT]);
    }

    /// Number of neighbours.
    #[must_use]
    pub fn len(&self) -> usize {
        self.neighbors.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.neighbors.is_empty()
    }

    /// The report on the neighbour at `position`, for listings that walk the table.
    #[must_use]
    pub fn report(&self, position: usize, now: Tick) -> Option<NeighborReport> {
        let neighbor = self.neighbors.get(position)?;
        let mac = match neighbor.state {
            State::Known(mac) => Some(mac),
            State::Incomplete | State::Failed => None,
        };
        let state = match neighbor.phase() {
            Phase::Reachable => "reachable",
            Phase::Probing => "probing",
            Phase::Incomplete => "incomplete",
            Phase::Failed => "failed",
        };
        let confirmed_s_ago =
            if mac.is_some() { now.since(neighbor.confirmed).as_secs_ceil() } else { 0 };
        Some(NeighborReport {
            port: neighbor.hop.port,
            address: neighbor.hop.address,
            mac,
            state,
            confirmed_s_ago,
            waiting: neighbor.queue.map_or(0, |queue| self.queues[usize::from(queue)].len()),
        })
    }

    fn find(&self, hop: NextHop) -> Option<usize> {
        let hash = self.hasher.hash_one(hop);
        let place = self.index.find(hash, |place| self.neighbors[*place as usize].hop == hop)?;
        Some(*place as usize)
    }

    /// Adds a neighbour that is about to be asked; `None` if no place can be made.
    fn add(&mut self, hop: NextHop, now: Tick, pinned_in: u32) -> Option<usize> {
        if self.neighbors.len() >= NEIGHBOR_COUNT_MAX {
            self.forget_one(now)?;
        }
        let place = self.neighbors.len();
        self.neighbors.push(Neighbor {
            hop,
            state: State::Incomplete,
            confirmed: now,
            used: now,
            probed: now,
            probes: 1,
            pinned_in,
            queue: None,
        });
        self.link(place);
        Some(place)
    }

    /// Makes room by forgetting the least recently used of a few neighbours that may go.
    #[cold]
    fn forget_one(&mut self, now: Tick) -> Option<()> {
        let count = self.neighbors.len();
        let candidates =
            (0..count.min(EVICTION_CANDIDATES)).map(|offset| (self.cursor + offset) % count);
        let victim = candidates
            .filter(|place| {
                let neighbor = &self.neighbors[*place];
                !neighbor.is_pinned(self.floor) && neighbor.queue.is_none()
            })
            .max_by_key(|place| now.since(self.neighbors[*place].used))?;
        self.forget(victim);
        Some(())
    }

    fn forget(&mut self, place: usize) {
        self.unlink(place);
        let last = self.neighbors.len() - 1;
        if place != last {
            self.unlink(last);
        }
        self.neighbors.swap_remove(place);
        if place != last {
            self.link(place);
        }
    }

    fn link(&mut self, place: usize) {
        let hash = self.hasher.hash_one(self.neighbors[place].hop);
        let (neighbors, hasher) = (&self.neighbors, &self.hasher);
        #[expect(clippy::cast_possible_truncation, reason = "below NEIGHBOR_COUNT_MAX")]
        self.index.insert_unique(hash, place as u32, |other| {
            hasher.hash_one(neighbors[*other as usize].hop)
        });
    }

    fn unlink(&mut self, place: usize) {
        let hash = self.hasher.hash_one(self.neighbors[place].hop);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other as usize == place) {
            entry.remove();
        }
    }

    #[cold]
    fn wait(&mut self, place: usize, waiting: Waiting<B>) -> Result<(), Resolution<B>> {
        let neighbor = &mut self.neighbors[place];
        if neighbor.state == State::Failed {
            return Err(Resolution::Unresolved(waiting.frame));
        }
        let Some(queue) = neighbor.queue.or_else(|| self.free_queues.pop()) else {
            return Err(Resolution::QueueFull(waiting.frame));
        };
        neighbor.queue = Some(queue);
        self.queues[usize::from(queue)]
            .try_push(waiting)
            .map_err(|full| Resolution::QueueFull(full.element().frame))
    }

    fn empty_queue(&mut self, place: usize, mut each: impl FnMut(Waiting<B>)) {
        if let Some(queue) = self.neighbors[place].queue.take() {
            for waiting in self.queues[usize::from(queue)].drain(..) {
                each(waiting);
            }
            let _ = self.free_queues.try_push(queue);
        }
    }
}

#[cfg(test)]
mod tests;
