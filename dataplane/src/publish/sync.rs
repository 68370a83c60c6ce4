//! What the protocol relies on: a shared pointer, an atomic number, and a slot for a pointer.

pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

/// A place for a pointer that one thread replaces while others take copies of it.
///
/// Both calls take effect at one moment in between their begin and end, in the same order for all
/// threads, and whoever gets a pointer sees all that was written before it was put there. A pointer
/// that [`Self::swap`] returned is in the hands of those only who took a copy before.
#[derive(Debug)]
pub(super) struct Slot<T>(ArcSwap<T>);

impl<T> Slot<T> {
    pub(super) fn new(value: Arc<T>) -> Self {
        Self(ArcSwap::new(value))
    }

    /// A copy of the pointer.
    pub(super) fn copy(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts another pointer there and returns the old one.
    pub(super) fn swap(&self, value: Arc<T>) -> Arc<T> {
        self.0.swap(value)
    }
}
