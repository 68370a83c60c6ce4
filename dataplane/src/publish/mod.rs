//! Publication of snapshots: the control thread swaps a pointer, workers see it at their next turn.
//!
//! `protocol.rs` is the protocol, written against the few types of `sync.rs`, so that
//! `tests/loom_publish.rs` can compile the same file with loom's types and try all interleavings.

mod protocol;
mod sync;

use crate::snapshot::Snapshot;

pub use protocol::{Numbered, Running};

/// The control thread's side.
pub type Publisher = protocol::Publisher<Snapshot>;
/// A worker's side: one load a turn while nothing changes.
pub type Reader = protocol::Reader<Snapshot>;

impl Numbered for Snapshot {
    fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_disjoint, cache_lines};

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

    #[test]
    fn no_two_threads_write_to_a_cache_line() {
        let publisher = Publisher::new(snapshot(1));
        let readers: Vec<Reader> = (0..4).map(|_| publisher.reader()).collect();
        let control = cache_lines(&publisher.shared.latest).collect();
        let workers = readers.iter().map(|reader| cache_lines(&*reader.running.0).collect());
        assert_disjoint(workers.chain([control]));
    }

    #[test]
    fn readers_tell_what_they_run() {
        let mut publisher = Publisher::new(snapshot(1));
        let mut reader = publisher.reader();
        let running = reader.running();
        assert_eq!(running.generation(), 1);
        publisher.publish(snapshot(2));
        publisher.publish(snapshot(3));
        assert_eq!(running.generation(), 1, "it has not looked yet");
        reader.load();
        assert_eq!(running.generation(), 3, "it may skip one");
        assert_eq!(publisher.reclaim(), 0);
    }
}
