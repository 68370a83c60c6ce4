//! Neighbours: which MAC address a next hop has, learnt and kept fresh by ARP (RFC 826, RFC 1122
//! section 2.3.2).
//!
//! A neighbour is asked for by broadcast until it answers, and its packets wait meanwhile, a few
//! of them. Once known it is asked again by unicast while it is in use, and forgotten when it does
//! not answer any more. Real servers and gateways of the snapshot are kept fresh always, so that
//! their first packet does not wait.
//!
//! This table only decides; the director sends what it asks for.

use std::hash::BuildHasher;

use arrayvec::ArrayVec;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::control::NeighborReport;
use crate::io::Origin;
use crate::limits::{NEIGHBOR_COUNT_MAX, NEIGHBOR_QUEUE_COUNT, NEIGHBOR_QUEUE_LEN};
use crate::snapshot::NextHop;
use crate::time::{Tick, Ticks};
use crate::wire::Mac;

/// A confirmed neighbour is asked again after this time, as Linux' base_reachable_time.
const REFRESH_AFTER: Ticks = Ticks::from_secs(30);
/// Time between two requests.
const PROBE_INTERVAL: Ticks = Ticks::from_secs(1);
/// Unanswered requests after which a neighbour counts as gone.
const PROBES_MAX: u8 = 3;
/// A neighbour that nobody used for this time is forgotten, as Linux' gc_stale_time.
const FORGET_AFTER: Ticks = Ticks::from_secs(60);
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked by broadcast, never answered.
    Incomplete,
    /// Answered.
    Known(Mac),
    /// Did not answer; asked again from time to time.
    Failed,
}

/// Where the place of a next hop may be noted.
#[inline(always)]
fn hint(hop: NextHop) -> usize {
    hop.address.to_bits() as usize % HINT_COUNT
}

// A power of two in size, to be found by a shift.
#[derive(Debug)]
#[repr(align(32))]
struct Neighbor {
    hop: NextHop,
    state: State,
    confirmed: Tick,
    used: Tick,
    probed: Tick,
    /// Requests sent since the last answer.
    probes: u8,
    /// Named by the snapshot: never forgotten.
    pinned: bool,
    /// Place in the pool of wait queues.
    queue: Option<u8>,
}

impl Neighbor {
    /// Whether it may be forgotten.
    fn is_idle(&self, now: Tick) -> bool {
        !self.pinned && self.queue.is_none() && now.since(self.used) >= FORGET_AFTER
    }

    /// Whether it has to be asked (again).
    fn is_due(&self, now: Tick) -> bool {
        let wanted = self.pinned || now.since(self.used) < REFRESH_AFTER;
        let stale = match self.state {
            State::Known(_) => now.since(self.confirmed) >= REFRESH_AFTER,
            State::Incomplete => true,
            State::Failed => wanted,
        };
        stale && (wanted || self.queue.is_some()) && now.since(self.probed) >= PROBE_INTERVAL
    }

    /// Moves to the next request: three by unicast to a known MAC, then three by broadcast, then
    /// it counts as failed and is asked on by broadcast while anybody wants it.
    fn next_probe(&mut self, now: Tick) -> Probe {
        self.probed = now;
        if self.probes >= PROBES_MAX {
            self.state = match self.state {
                State::Known(_) => State::Incomplete,
                State::Incomplete | State::Failed => State::Failed,
            };
            self.probes = 0;
        }
        self.probes += 1;
        let at = match self.state {
            State::Known(mac) => Some(mac),
            State::Incomplete | State::Failed => None,
        };
        Probe { hop: self.hop, at }
    }
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

/// An ARP request to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whom to ask for.
    pub hop: NextHop,
    /// The MAC to ask at; `None` asks everybody.
    pub at: Option<Mac>,
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
            None => match self.add(hop, now, false) {
                Some(place) => self.wait(place, Waiting { frame: packet, origin }).map(|()| true),
                None => return Resolution::QueueFull(packet),
            },
        };
        match waiting {
            Ok(ask) => Resolution::Queued { ask },
            Err(refusal) => refusal,
        }
    }

    /// Makes sure that a next hop of the snapshot is known and never forgotten. Returns whether it
    /// has to be asked for now.
    pub fn pin(&mut self, hop: NextHop, now: Tick) -> bool {
        match self.find(hop) {
            Some(place) => {
                self.neighbors[place].pinned = true;
                false
            }
            None => self.add(hop, now, true).is_some(),
        }
    }

    /// Lets every neighbour be forgotten again, before the next hops of a new snapshot are pinned.
    pub fn unpin_all(&mut self) {
        for neighbor in &mut self.neighbors {
            neighbor.pinned = false;
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
    /// neighbours that did not answer back through `give_up`, forgets unused ones.
    pub fn tick(
        &mut self,
        now: Tick,
        budget: usize,
        mut ask: impl FnMut(Probe),
        mut give_up: impl FnMut(Waiting<B>),
    ) {
        for _ in 0..budget.min(self.neighbors.len()) {
            if self.cursor >= self.neighbors.len() {
                self.cursor = 0;
            }
            let neighbor = &mut self.neighbors[self.cursor];
            if neighbor.is_idle(now) {
                self.forget(self.cursor);
                continue;
            }
            if neighbor.is_due(now) {
                ask(neighbor.next_probe(now));
                if neighbor.state == State::Failed {
                    self.empty_queue(self.cursor, &mut give_up);
                }
            }
            self.cursor += 1;
        }
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
        let (mac, state) = match neighbor.state {
            State::Incomplete => (None, "incomplete"),
            State::Failed => (None, "failed"),
            State::Known(mac) if neighbor.probes > 0 => (Some(mac), "probing"),
            State::Known(mac) => (Some(mac), "reachable"),
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
    fn add(&mut self, hop: NextHop, now: Tick, pinned: bool) -> Option<usize> {
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
            pinned,
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
                !neighbor.pinned && neighbor.queue.is_none()
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
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::snapshot::PortIdx;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);

    fn hop(last: u8) -> NextHop {
        NextHop { port: PortIdx(0), address: Ipv4Addr::new(10, 0, 0, last) }
    }

    fn seconds(count: u32) -> Tick {
        Tick(0).after(Ticks::from_secs(count))
    }

    fn tick(table: &mut NeighborTable<u32>, now: Tick) -> (Vec<Probe>, Vec<u32>) {
        let (mut probes, mut given_up) = (Vec::new(), Vec::new());
        table.tick(
            now,
            NEIGHBOR_COUNT_MAX,
            |probe| probes.push(probe),
            |waiting| given_up.push(waiting.frame),
        );
        (probes, given_up)
    }

    #[test]
    fn packets_wait_for_the_answer_in_order() {
        let mut table = NeighborTable::new();
        let now = seconds(1);
        let first = table.resolve(hop(1), 1, Origin::Received, now);
        assert!(matches!(first, Resolution::Queued { ask: true }), "{first:?}");
        let second = table.resolve(hop(1), 2, Origin::Received, now);
        assert!(matches!(second, Resolution::Queued { ask: false }), "{second:?}");
        let mut released = Vec::new();
        table.learn(hop(1), MAC, now, |waiting| released.push(waiting.frame));
        assert_eq!(released, [1, 2]);
        let third = table.resolve(hop(1), 3, Origin::Received, now);
        assert!(matches!(third, Resolution::Send(MAC, 3)), "{third:?}");
    }

    #[test]
    fn a_silent_neighbour_is_asked_three_times_and_then_fails() {
        let mut table = NeighborTable::new();
        let _ = table.resolve(hop(1), 1, Origin::Received, seconds(0));
        for second in 1..=2 {
            let (probes, given_up) = tick(&mut table, seconds(second));
            assert_eq!(probes, [Probe { hop: hop(1), at: None }]);
            assert!(given_up.is_empty());
        }
        let (probes, given_up) = tick(&mut table, seconds(3));
        assert_eq!((probes.len(), given_up), (1, vec![1]));
        let next = table.resolve(hop(1), 2, Origin::Received, seconds(3));
        assert!(matches!(next, Resolution::Unresolved(2)), "{next:?}");
        table.learn(hop(1), MAC, seconds(4), |_| panic!("nothing waits"));
        let next = table.resolve(hop(1), 3, Origin::Received, seconds(4));
        assert!(matches!(next, Resolution::Send(MAC, 3)), "{next:?}");
    }

    #[test]
    fn a_used_neighbour_is_refreshed_by_unicast_and_an_unused_one_forgotten() {
        let mut table = NeighborTable::new();
        let _ = table.resolve(hop(1), 1, Origin::Received, seconds(0));
        table.learn(hop(1), MAC, seconds(0), |_| ());
        assert!(tick(&mut table, seconds(29)).0.is_empty());
        let _ = table.resolve(hop(1), 1, Origin::Received, seconds(29));
        assert_eq!(tick(&mut table, seconds(30)).0, [Probe { hop: hop(1), at: Some(MAC) }]);
        table.learn(hop(1), MAC, seconds(30), |_| ());
        assert!(tick(&mut table, seconds(88)).0.is_empty(), "nobody uses it any more");
        tick(&mut table, seconds(89));
        assert!(table.is_empty());
    }

    #[test]
    fn a_pinned_neighbour_is_asked_until_it_comes_back() {
        let mut table: NeighborTable<u32> = NeighborTable::new();
        assert!(table.pin(hop(1), seconds(0)));
        assert!(!table.pin(hop(1), seconds(0)));
        for second in 1..300 {
            assert_eq!(tick(&mut table, seconds(second)).0.len(), 1, "at {second} s");
        }
        table.learn(hop(1), MAC, seconds(300), |_| ());
        assert!(tick(&mut table, seconds(301)).0.is_empty());
        let unicast = Probe { hop: hop(1), at: Some(MAC) };
        for second in 330..333 {
            assert_eq!(tick(&mut table, seconds(second)).0, [unicast]);
        }
        let state = |table: &NeighborTable<u32>, now| table.report(0, now).expect("one").state;
        assert_eq!(state(&table, seconds(332)), "probing");
        assert_eq!(tick(&mut table, seconds(333)).0, [Probe { hop: hop(1), at: None }]);
        assert_eq!(state(&table, seconds(333)), "incomplete");
    }

    #[test]
    fn queues_are_bounded_and_given_back() {
        let mut table = NeighborTable::new();
        let now = seconds(1);
        for packet in 0..NEIGHBOR_QUEUE_LEN {
            let resolution = table.resolve(hop(1), packet, Origin::Received, now);
            assert!(matches!(resolution, Resolution::Queued { .. }));
        }
        let over = table.resolve(hop(1), 99, Origin::Received, now);
        assert!(matches!(over, Resolution::QueueFull(99)));
        for neighbor in 2..=NEIGHBOR_QUEUE_COUNT {
            let address = hop(u8::try_from(neighbor).expect("64 neighbours"));
            assert!(matches!(
                table.resolve(address, 0, Origin::Received, now),
                Resolution::Queued { .. }
            ));
        }
        let over = table.resolve(hop(200), 0, Origin::Received, now);
        assert!(matches!(over, Resolution::QueueFull(0)));
        table.learn(hop(1), MAC, now, |_| ());
        assert!(matches!(
            table.resolve(hop(201), 0, Origin::Received, now),
            Resolution::Queued { .. }
        ));
    }

    #[test]
    fn a_full_table_forgets_the_least_recently_used() {
        let mut table = NeighborTable::new();
        let at = |number: usize| NextHop {
            port: PortIdx(0),
            address: Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number).expect("small")),
        };
        for number in 0..NEIGHBOR_COUNT_MAX {
            assert!(table.pin(at(number), seconds(0)));
        }
        assert!(matches!(
            table.resolve(at(9999), 0, Origin::Received, seconds(1)),
            Resolution::QueueFull(0)
        ));
        table.unpin_all();
        let resolution = table.resolve(at(9999), 0, Origin::Received, seconds(1));
        assert!(matches!(resolution, Resolution::Queued { ask: true }), "{resolution:?}");
        assert_eq!(table.len(), NEIGHBOR_COUNT_MAX);
    }
}
