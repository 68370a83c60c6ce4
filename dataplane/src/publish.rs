//! Publication of snapshots: the control thread swaps a pointer, workers see it at their next turn.
//!
//! A worker never frees a snapshot: the publisher keeps every replaced one until nobody else holds
//! it, and frees it then on the control thread.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use crate::snapshot::Snapshot;

/// The control thread's side.
#[derive(Debug)]
pub struct Publisher {
    current: Arc<ArcSwap<Snapshot>>,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// Publishes a first snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(snapshot)), retired: Vec::new() }
    }

    /// A worker's side.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { cache: Cache::new(Arc::clone(&self.current)) }
    }

    /// The snapshot in force.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Replaces the snapshot in force.
    pub fn publish(&mut self, snapshot: Snapshot) {
        self.retired.push(self.current.swap(Arc::new(snapshot)));
    }

    /// Frees the replaced snapshots that no worker holds any more; returns how many are left.
    pub fn reclaim(&mut self) -> usize {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.retired.len()
    }
}

/// A worker's side: one pointer comparison a turn while nothing changes.
#[derive(Debug)]
pub struct Reader {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
}

impl Reader {
    /// The snapshot in force.
    #[inline]
    pub fn load(&mut self) -> &Snapshot {
        self.cache.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(generation: u64) -> Snapshot {
        Snapshot::new(generation, Vec::new(), &[])
    }

    #[test]
    fn a_replaced_snapshot_lives_until_every_reader_moved_on() {
        let mut publisher = Publisher::new(snapshot(1));
        let (mut quick, mut slow) = (publisher.reader(), publisher.reader());
        assert_eq!((quick.load().generation, slow.load().generation), (1, 1));

        publisher.publish(snapshot(2));
        assert_eq!(quick.load().generation, 2);
        assert_eq!(publisher.reclaim(), 1, "the slow reader still holds generation 1");
        assert_eq!(slow.load().generation, 2);
        assert_eq!(publisher.reclaim(), 0);
        assert_eq!(publisher.current().generation, 2);
    }
}
