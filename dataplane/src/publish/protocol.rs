//! The protocol: swap, number, look, announce, reclaim.
//!
//! 1. The publisher puts a new value into the slot, keeps the old one as retired, and raises the
//!    number of the latest generation.
//! 2. A reader compares that number with the one it saw last, once per turn. If it has changed, it
//!    takes a copy of the pointer, lets go of its old one, and then announces the generation of the
//!    new one.
//! 3. The publisher frees a retired value when nobody else holds it.
//!
//! Nothing is ever freed by a reader, since the publisher holds every value that a reader may have.
//! Who sees a generation announced sees all that the reader did under earlier ones: the counters of
//! what it left behind are final.

use std::fmt::Debug;

use crossbeam::utils::CachePadded;

use super::sync::{Arc, AtomicU64, Ordering, Slot};

/// A value that knows its place in the order of publication.
pub trait Numbered: Debug {
    /// Counts up with every published value.
    fn generation(&self) -> u64;
}

/// What both sides share.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) slot: Slot<T>,
    /// Generation of what is in the slot, raised after it was put there. All workers read it in
    /// every turn, so nothing else stands in its cache line, which would be taken from them.
    pub(super) latest: CachePadded<AtomicU64>,
}

/// The control thread's side.
#[derive(Debug)]
pub struct Publisher<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) retired: Vec<Arc<T>>,
}

impl<T: Numbered> Publisher<T> {
    /// Publishes a first value.
    #[must_use]
    pub fn new(value: T) -> Self {
        let latest = CachePadded::new(AtomicU64::new(value.generation()));
        let shared = Shared { slot: Slot::new(Arc::new(value)), latest };
        Self { shared: Arc::new(shared), retired: Vec::new() }
    }

    /// A worker's side.
    #[must_use]
    pub fn reader(&self) -> Reader<T> {
        let shared = Arc::clone(&self.shared);
        let seen = shared.latest.load(Ordering::Acquire);
        let current = shared.slot.copy();
        let announced = AtomicU64::new(current.generation());
        Reader { shared, current, seen, running: Running(Arc::new(CachePadded::new(announced))) }
    }

    /// The value in force.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        self.shared.slot.copy()
    }

    /// Replaces the value in force.
    pub fn publish(&mut self, value: T) {
        let generation = value.generation();
        self.retired.push(self.shared.slot.swap(Arc::new(value)));
        self.shared.latest.store(generation, Ordering::Release);
    }

    /// Frees the replaced values that no worker holds any more; returns how many are left.
    pub fn reclaim(&mut self) -> usize {
        self.retired.retain(|value| Arc::strong_count(value) > 1);
        self.retired.len()
    }
}

/// A worker's side: one load a turn while nothing changes.
#[derive(Debug)]
pub struct Reader<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) current: Arc<T>,
    pub(super) seen: u64,
    pub(super) running: Running,
}

impl<T: Numbered> Reader<T> {
    /// The value in force.
    #[inline]
    pub fn load(&mut self) -> &T {
        let latest = self.shared.latest.load(Ordering::Acquire);
        if latest != self.seen {
            self.take_up(latest);
        }
        &self.current
    }

    /// Prepares this reader for the thread it is called on. To be called before the first turn:
    /// what the slot keeps per thread is allocated now and not later.
    pub fn settle(&mut self) {
        let latest = self.shared.latest.load(Ordering::Acquire);
        self.take_up(latest);
    }

    /// Moves on to the latest value.
    #[cold]
    fn take_up(&mut self, latest: u64) {
        // It may be newer than `latest` says; the next turn looks again then.
        self.current = self.shared.slot.copy();
        self.seen = latest;
        self.running.0.store(self.current.generation(), Ordering::Release);
    }

    /// The generation this reader runs, for others to see.
    #[must_use]
    pub fn running(&self) -> Running {
        self.running.clone()
    }
}

/// The generation that a worker has announced.
#[derive(Clone, Debug)]
pub struct Running(pub(super) Arc<CachePadded<AtomicU64>>);

impl Running {
    /// The generation. Everything that the worker wrote under earlier ones can be seen after this.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
