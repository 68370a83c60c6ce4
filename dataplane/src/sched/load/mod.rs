//! [`Loads`]: how busy the real servers of a service are, as one worker sees them.
//!
//! Every worker counts its own flows ([`crate::stats`]); a scheduler that looks at connections
//! needs those of all workers. So each worker keeps, per real server, its own counts and what it
//! last read of the others', and reads a few of the others' anew with every pick. With one worker
//! the counts are exact at every pick.
//!
//! The control thread makes the memory, one element for each worker, and the worker alone writes
//! it: by atomics without any ordering, which are plain loads and stores.

mod order;
mod tournament;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::limits::LOOKS_PER_TICK;
use crate::service::{Dest, RealId};
use crate::stats::WorkerStats;
use crate::time::Tick;

pub use order::Order;
use tournament::Tournament;

/// A number that one worker writes.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU32);

impl Cell {
    #[inline]
    pub(super) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    #[inline]
    pub(super) fn set(&self, value: u32) {
        self.0.store(value, Relaxed);
    }
}

/// What one worker knows of a real server's connections.
#[derive(Debug, Default)]
struct Leaf {
    active: Cell,
    inactive: Cell,
    others_active: Cell,
    others_inactive: Cell,
    /// IPVS' OVERLOAD: the upper threshold was reached, and the lower has not been since.
    overloaded: Cell,
    /// Whether it has active connections for less than half of its weight.
    has_room: Cell,
}

/// Connections of a real server over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// In an active state.
    pub active: u32,
    /// In any other.
    pub inactive: u32,
}

impl Load {
    /// What a connection costs IPVS' least-connection schedulers: an active one as much as 256
    /// others.
    #[inline]
    #[must_use]
    pub fn cost(self) -> u64 {
        u64::from(self.active) * 256 + u64::from(self.inactive)
    }

    /// All connections.
    #[inline]
    #[must_use]
    pub fn total(self) -> u64 {
        u64::from(self.active) + u64::from(self.inactive)
    }
}

/// The loads of a service's real servers, in list order, and who is next by them.
#[derive(Debug)]
pub struct Loads {
    leaves: Box<[Leaf]>,
    next: Option<Tournament>,
    /// The real server whose others' counts are read next.
    cursor: Cell,
    /// The tick in which more of them were read last.
    looked: Cell,
    /// How many have active connections for less than half of their weight.
    with_room: Cell,
    /// Whether the worker has taken in its own counts.
    is_filled: Cell,
}

/// Where a worker reads connections: its own counters and those of the others.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Its own.
    pub own: Arc<WorkerStats>,
    /// The others'.
    pub others: Arc<[Arc<WorkerStats>]>,
}

impl Counted {
    /// Of worker `me` among those with these counters, of which it must be one.
    #[must_use]
    pub fn of(all: &[Arc<WorkerStats>], me: usize) -> Self {
        let others = all.iter().enumerate().filter(|(worker, _)| *worker != me);
        let others = others.map(|(_, stats)| Arc::clone(stats)).collect();
        Self { own: Arc::clone(&all[me]), others }
    }

    /// Of a worker alone.
    #[must_use]
    pub fn alone(own: Arc<WorkerStats>) -> Self {
        Self { own, others: Arc::new([]) }
    }
}

fn of(stats: &WorkerStats, real: RealId) -> Load {
    let Some(real) = stats.real_server(real) else { return Load::default() };
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Load { active: number(real.active.value()), inactive: number(real.inactive.value()) }
}

impl Loads {
    /// For as many workers, of a service with these real servers; `order` is the scheduler's, if it
    /// has one.
    #[must_use]
    pub fn for_workers(workers: usize, dests: &[Dest], order: Option<Order>) -> Arc<[Self]> {
        let new = || Self {
            leaves: dests.iter().map(|_| Leaf::default()).collect(),
            next: order.map(|order| Tournament::new(dests.len(), order)),
            cursor: Cell::default(),
            looked: Cell::default(),
            with_room: Cell::default(),
            is_filled: Cell::default(),
        };
        (0..workers).map(|_| new()).collect()
    }

    /// Takes over which real servers are overloaded from what was there before, for the real
    /// servers that `was_at` places in the old list and whose upper threshold was not raised.
    pub fn inherit(&self, old: &Self, was_at: impl Fn(usize) -> Option<usize>) {
        for (place, leaf) in self.leaves.iter().enumerate() {
            if let Some(before) = was_at(place).and_then(|place| old.leaves.get(place)) {
                leaf.overloaded.set(before.overloaded.get());
            }
        }
    }

    /// Connections of the real server at `place` as known here.
    #[inline]
    #[must_use]
    pub fn load(&self, place: usize) -> Load {
        let Some(leaf) = self.leaves.get(place) else { return Load::default() };
        Load {
            active: leaf.active.get().saturating_add(leaf.others_active.get()),
            inactive: leaf.inactive.get().saturating_add(leaf.others_inactive.get()),
        }
    }

    /// Whether the real server at `place` takes nothing new until some of its connections end.
    #[inline]
    #[must_use]
    pub fn is_overloaded(&self, place: usize) -> bool {
        self.leaves.get(place).is_some_and(|leaf| leaf.overloaded.get() != 0)
    }

    /// Whether any real server has active connections for less than half of its weight.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.with_room.get() > 0
    }

    /// The real server that the scheduler's order puts first.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<usize> {
        self.next.as_ref()?.winner()
    }

    /// Takes in the worker's own counts the first time, all of them.
    #[inline]
    pub fn fill(&self, dests: &[Dest], counted: &Counted) {
        if self.is_filled.get() == 0 {
            self.is_filled.set(1);
            self.fill_all(dests, counted);
        }
    }

    #[cold]
    fn fill_all(&self, dests: &[Dest], counted: &Counted) {
        for (place, dest) in dests.iter().enumerate() {
            self.read_own(place, dest, counted);
            self.read_others(place, dest, counted);
            self.judge(place, dest);
        }
        if let Some(next) = &self.next {
            next.play_all(|earlier, later| self.is_better(next, dests, earlier, later));
        }
    }

    /// A connection of the real server at `place` began, ended or changed its state.
    pub fn changed(&self, dests: &[Dest], place: usize, counted: &Counted) {
        let Some(dest) = dests.get(place).filter(|_| self.is_filled.get() != 0) else { return };
        self.read_own(place, dest, counted);
        self.settle(dests, place, dest);
    }

    /// Reads anew how many connections other workers have, for the next real server; for more of
    /// them once a tick, so that a list is gone over soon even where connections are rare.
    #[inline]
    pub fn look_around(&self, dests: &[Dest], now: Tick, counted: &Counted) {
        if !counted.others.is_empty() {
            let is_first = self.looked.get() != now.0;
            self.looked.set(now.0);
            self.look_at(dests, if is_first { LOOKS_PER_TICK } else { 1 }, counted);
        }
    }

    fn look_at(&self, dests: &[Dest], count: usize, counted: &Counted) {
        for _ in 0..count.min(dests.len()) {
            let place = self.cursor.get() as usize % dests.len();
            #[expect(clippy::cast_possible_truncation, reason = "below the number of dests")]
            self.cursor.set((place + 1) as u32);
            let dest = &dests[place];
            if self.read_others(place, dest, counted) {
                self.settle(dests, place, dest);
            }
        }
    }

    fn read_own(&self, place: usize, dest: &Dest, counted: &Counted) {
        let Some(leaf) = self.leaves.get(place) else { return };
        let own = of(&counted.own, dest.real);
        leaf.active.set(own.active);
        leaf.inactive.set(own.inactive);
    }

    /// Whether they have changed.
    fn read_others(&self, place: usize, dest: &Dest, counted: &Counted) -> bool {
        let Some(leaf) = self.leaves.get(place) else { return false };
        let sum = counted.others.iter().fold(Load::default(), |sum, other| {
            let load = of(other, dest.real);
            Load {
                active: sum.active.saturating_add(load.active),
                inactive: sum.inactive.saturating_add(load.inactive),
            }
        });
        let changed =
            (leaf.others_active.get(), leaf.others_inactive.get()) != (sum.active, sum.inactive);
        leaf.others_active.set(sum.active);
        leaf.others_inactive.set(sum.inactive);
        changed
    }

    fn settle(&self, dests: &[Dest], place: usize, dest: &Dest) {
        self.judge(place, dest);
        if let Some(next) = &self.next {
            next.play(place, |earlier, later| self.is_better(next, dests, earlier, later));
        }
    }

    /// Sets or clears the mark of overload, as IPVS does when a connection begins or ends, and
    /// notes whether there is room.
    fn judge(&self, place: usize, dest: &Dest) {
        let Some(leaf) = self.leaves.get(place) else { return };
        let load = self.load(place);
        let has_room = u32::from(u64::from(load.active) * 2 < u64::from(dest.weight));
        self.with_room.set(self.with_room.get() + has_room - leaf.has_room.get());
        leaf.has_room.set(has_room);
        let total = load.total();
        let (upper, lower) = (u64::from(dest.upper_threshold), u64::from(dest.lower_threshold));
        if upper > 0 && total >= upper {
            leaf.overloaded.set(1);
        } else if upper == 0 || lower > 0 && total < lower || lower == 0 && total * 4 < upper * 3 {
            leaf.overloaded.set(0);
        }
    }

    /// Whether the real server at `later` goes before the one at `earlier`.
    #[inline]
    fn is_better(
        &self,
        next: &Tournament,
        dests: &[Dest],
        earlier: Option<usize>,
        later: Option<usize>,
    ) -> bool {
        let of = |place: Option<usize>| {
            let place = place?;
            let dest = dests.get(place).filter(|_| !self.is_overloaded(place))?;
            Some((dest.weight, self.load(place)))
        };
        next.order().is_better(of(earlier), of(later))
    }
}

#[cfg(test)]
mod tests;
