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
pub(super) use order::is_less;
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
    /// Whether the counts above were ever read.
    is_known: Cell,
    /// IPVS' OVERLOAD: a connection reached the upper threshold, and none that ended since left
    /// less than the lower.
    overloaded: Cell,
    /// Where it was away while it was overloaded: below how many connections it then was not any
    /// more, by the thresholds that it had. 0 otherwise.
    was_free_below: Cell,
    /// Whether it has active connections for less than half of its weight.
    has_room: Cell,
}

/// What one worker knew of an overloaded real server that was taken from the list.
#[derive(Clone, Copy, Debug)]
pub struct Overloaded {
    /// Own and others' connections.
    own: Load,
    others: Load,
    free_below: u32,
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

/// Below how many connections a real server takes new ones again: the lower threshold, or three
/// quarters of the upper.
fn free_below(dest: &Dest) -> u32 {
    match (dest.lower_threshold, dest.upper_threshold) {
        (0, 0) => u32::MAX,
        (0, upper) => upper - upper / 4,
        (lower, _) => lower,
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

    /// Takes over what was known before: the counts, so that it shows which connections began or
    /// ended meanwhile, and who is overloaded. `was_at` places a real server in the old list and
    /// says whether the mark of overload stays.
    pub fn inherit(&self, old: &Self, was_at: impl Fn(usize) -> Option<(usize, bool)>) {
        for (place, leaf) in self.leaves.iter().enumerate() {
            let Some((place, stays)) = was_at(place) else { continue };
            let Some(before) = old.leaves.get(place) else { continue };
            leaf.active.set(before.active.get());
            leaf.inactive.set(before.inactive.get());
            leaf.others_active.set(before.others_active.get());
            leaf.others_inactive.set(before.others_inactive.get());
            leaf.is_known.set(before.is_known.get());
            leaf.overloaded.set(if stays { before.overloaded.get() } else { 0 });
            leaf.was_free_below.set(before.was_free_below.get());
        }
    }

    /// What is known of the real server at `place`, if it is overloaded.
    #[must_use]
    pub fn overloaded(&self, dests: &[Dest], place: usize) -> Option<Overloaded> {
        let leaf = self.leaves.get(place).filter(|leaf| leaf.overloaded.get() != 0)?;
        let own = Load { active: leaf.active.get(), inactive: leaf.inactive.get() };
        let others =
            Load { active: leaf.others_active.get(), inactive: leaf.others_inactive.get() };
        Some(Overloaded { own, others, free_below: free_below(dests.get(place)?) })
    }

    /// Marks the real server at `place`, which has come back, as overloaded, unless so many of its
    /// connections have ended meanwhile that it is not.
    pub fn recall(&self, place: usize, before: &Overloaded) {
        let Some(leaf) = self.leaves.get(place) else { return };
        leaf.active.set(before.own.active);
        leaf.inactive.set(before.own.inactive);
        leaf.others_active.set(before.others.active);
        leaf.others_inactive.set(before.others.inactive);
        leaf.is_known.set(1);
        leaf.overloaded.set(1);
        leaf.was_free_below.set(before.free_below);
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
            let before = self.known_total(place);
            self.read_own(place, dest, counted);
            self.read_others(place, dest, counted);
            self.judge(place, dest, before);
        }
        if let Some(next) = &self.next {
            next.play_all(|earlier, later| self.is_better(next, dests, earlier, later));
        }
    }

    /// A connection of the real server at `place` began, ended or changed its state.
    pub fn changed(&self, dests: &[Dest], place: usize, counted: &Counted) {
        let Some(dest) = dests.get(place) else { return };
        if self.is_filled.get() == 0 {
            self.fill(dests, counted);
            return;
        }
        let before = self.known_total(place);
        self.read_own(place, dest, counted);
        self.settle(dests, place, dest, before);
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
            let before = self.known_total(place);
            if self.read_others(place, dest, counted) {
                self.settle(dests, place, dest, before);
            }
        }
    }

    fn read_own(&self, place: usize, dest: &Dest, counted: &Counted) {
        let Some(leaf) = self.leaves.get(place) else { return };
        let own = of(&counted.own, dest.real);
        leaf.active.set(own.active);
        leaf.inactive.set(own.inactive);
        leaf.is_known.set(1);
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

    /// All connections of a real server as of the last look at it, if there was one.
    fn known_total(&self, place: usize) -> Option<u64> {
        let is_known = self.leaves.get(place)?.is_known.get() != 0;
        is_known.then(|| self.load(place).total())
    }

    fn settle(&self, dests: &[Dest], place: usize, dest: &Dest, before: Option<u64>) {
        self.judge(place, dest, before);
        if let Some(next) = &self.next {
            next.play(place, |earlier, later| self.is_better(next, dests, earlier, later));
        }
    }

    /// Sets the mark of overload when a connection has begun and clears it when one has ended, as
    /// IPVS does, and notes whether there is room. Thresholds that are changed mark nobody.
    fn judge(&self, place: usize, dest: &Dest, before: Option<u64>) {
        let Some(leaf) = self.leaves.get(place) else { return };
        let load = self.load(place);
        let has_room = u32::from(u64::from(load.active) * 2 < u64::from(dest.weight));
        self.with_room.set(self.with_room.get() + has_room - leaf.has_room.get());
        leaf.has_room.set(has_room);
        let total = load.total();
        let upper = u64::from(dest.upper_threshold);
        let free_below = match leaf.was_free_below.get() {
            0 => free_below(dest),
            away => away,
        };
        leaf.was_free_below.set(0);
        if before.is_some_and(|before| total > before) && upper > 0 && total >= upper {
            leaf.overloaded.set(1);
        } else if before.is_some_and(|before| total < before) && total < u64::from(free_below) {
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
