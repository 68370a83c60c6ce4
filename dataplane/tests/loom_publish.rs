//! A model of the publication of snapshots: loom runs `src/publish/protocol.rs` itself, with its
//! own types under it, in all interleavings of one control thread and one or two workers that the
//! memory model allows.
//!
//! What must hold: no worker ever frees a snapshot; a worker never goes back to an older one; when
//! a worker has announced a generation, everything it did under earlier ones can be seen; once all
//! have moved on, nothing retired is left. The last tests break the protocol in one place each,
//! and the model must notice.

#![allow(
    clippy::unwrap_used,
    clippy::tests_outside_test_module,
    missing_docs,
    reason = "an integration test is all test: what it cannot do fails it"
)]

#[path = "../src/publish/protocol.rs"]
#[allow(dead_code, unreachable_pub, reason = "the model does not use all of it")]
mod protocol;

/// What the protocol relies on, as loom has it.
mod sync {
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

    /// The slot's contract, kept by a lock: loom has no slot of its own.
    #[derive(Debug)]
    pub(super) struct Slot<T>(loom::sync::Mutex<Arc<T>>);

    impl<T> Slot<T> {
        pub(super) fn new(value: Arc<T>) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(super) fn copy(&self) -> Arc<T> {
            Arc::clone(&self.0.lock().unwrap())
        }

        pub(super) fn swap(&self, value: Arc<T>) -> Arc<T> {
            std::mem::replace(&mut self.0.lock().unwrap(), value)
        }
    }
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread::{self, JoinHandle, ThreadId};
use protocol::{Numbered, Publisher, Reader, Running};
use sync::{Arc, AtomicU64, Ordering};

/// A snapshot that knows on which thread it may be freed.
#[derive(Debug)]
struct Snapshot {
    generation: u64,
    control: ThreadId,
}

impl Snapshot {
    fn new(generation: u64) -> Self {
        Self { generation, control: thread::current().id() }
    }
}

impl Numbered for Snapshot {
    fn generation(&self) -> u64 {
        self.generation
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // A failed assertion elsewhere unwinds through here on any thread.
        if !std::thread::panicking() {
            assert_eq!(thread::current().id(), self.control, "freed on a worker");
        }
    }
}

/// Tries all interleavings of `body`.
fn all_interleavings(body: impl Fn() + Send + Sync + 'static) {
    loom::model(body);
}

/// A worker that turns `turns` times. Under the first generation it opens a flow at every turn.
fn worker(
    mut reader: Reader<Snapshot>,
    flows: Arc<AtomicU64>,
    turns: usize,
) -> JoinHandle<Reader<Snapshot>> {
    thread::spawn(move || {
        let mut before = 0;
        for _ in 0..turns {
            let generation = reader.load().generation;
            assert!(generation >= before, "from {before} back to {generation}");
            before = generation;
            if generation == 1 {
                // One writer: a plain load and store, as the counters of a worker.
                flows.store(flows.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
        }
        reader
    })
}

/// What control may conclude at this moment: once the worker has left the first generation, it has
/// opened as many flows as it ever will.
fn concluded(running: &Running, flows: &AtomicU64) -> Option<u64> {
    (running.generation() > 1).then(|| flows.load(Ordering::Relaxed))
}

#[test]
fn one_worker_takes_up_two_generations() {
    all_interleavings(|| {
        let mut publisher = Publisher::new(Snapshot::new(1));
        let reader = publisher.reader();
        let running = reader.running();
        let flows = Arc::new(AtomicU64::new(0));
        let thread = worker(reader, Arc::clone(&flows), 2);
        publisher.publish(Snapshot::new(2));
        let early = concluded(&running, &flows);
        publisher.reclaim();
        publisher.publish(Snapshot::new(3));
        publisher.reclaim();
        let late = concluded(&running, &flows);

        let mut reader = thread.join().unwrap();
        let opened = flows.load(Ordering::Relaxed);
        for seen in [early, late].into_iter().flatten() {
            assert_eq!(seen, opened, "flows were opened behind an announcement");
        }
        assert_eq!(reader.load().generation, 3);
        assert_eq!(running.generation(), 3);
        assert_eq!(publisher.reclaim(), 0, "nothing retired is left");
    });
}

#[test]
fn two_workers_move_on_in_any_order() {
    all_interleavings(|| {
        let mut publisher = Publisher::new(Snapshot::new(1));
        let readers = [publisher.reader(), publisher.reader()];
        let flows = [0; 2].map(|count| Arc::new(AtomicU64::new(count)));
        let threads: Vec<_> =
            readers.into_iter().zip(&flows).map(|(r, f)| worker(r, Arc::clone(f), 1)).collect();
        publisher.publish(Snapshot::new(2));
        let left = publisher.reclaim();
        assert!(left <= 1);
        for thread in threads {
            let mut reader = thread.join().unwrap();
            assert_eq!(reader.load().generation, 2);
        }
        assert_eq!(publisher.reclaim(), 0);
    });
}

/// Whether the model notices that something is wrong with `body`.
fn is_noticed(body: impl Fn() + Send + Sync + 'static) -> bool {
    catch_unwind(AssertUnwindSafe(|| all_interleavings(body))).is_err()
}

#[test]
fn freeing_what_was_replaced_at_once_is_noticed() {
    assert!(is_noticed(|| {
        let publisher = Publisher::new(Snapshot::new(1));
        let thread = worker(publisher.reader(), Arc::default(), 1);
        // Not kept as retired: whoever lets go last frees it.
        drop(publisher.shared.slot.swap(Arc::new(Snapshot::new(2))));
        publisher.shared.latest.store(2, Ordering::Release);
        thread.join().unwrap();
    }));
}

#[test]
fn raising_the_number_before_the_swap_is_noticed() {
    assert!(is_noticed(|| {
        let mut publisher = Publisher::new(Snapshot::new(1));
        let thread = worker(publisher.reader(), Arc::default(), 2);
        // The worker may look in between, and never again until the generation after.
        publisher.shared.latest.store(2, Ordering::Release);
        publisher.retired.push(publisher.shared.slot.swap(Arc::new(Snapshot::new(2))));
        let mut reader = thread.join().unwrap();
        assert_eq!(reader.load().generation, 2, "a generation was missed");
    }));
}

/// Like [`Reader::load`], with the announcement made by `announce`.
fn careless_turn(
    reader: &mut Reader<Snapshot>,
    flows: &AtomicU64,
    announce: impl Fn(&mut Reader<Snapshot>, u64),
) {
    let latest = reader.shared.latest.load(Ordering::Acquire);
    if latest != reader.seen {
        announce(reader, latest);
    }
    if reader.current.generation == 1 {
        flows.store(flows.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// Whether the model notices a worker that announces in this way, in so many turns.
fn announcement_is_noticed(
    turns: usize,
    announce: impl Fn(&mut Reader<Snapshot>, u64) + Copy + Send + Sync + 'static,
) -> bool {
    is_noticed(move || {
        let mut publisher = Publisher::new(Snapshot::new(1));
        let mut reader = publisher.reader();
        let running = reader.running();
        let flows = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&flows);
        let thread = thread::spawn(move || {
            for _ in 0..turns {
                careless_turn(&mut reader, &counted, announce);
            }
            reader
        });
        publisher.publish(Snapshot::new(2));
        let seen = concluded(&running, &flows);
        let reader = thread.join().unwrap();
        if let Some(seen) = seen {
            assert_eq!(seen, flows.load(Ordering::Relaxed));
        }
        drop(reader);
    })
}

fn move_on(reader: &mut Reader<Snapshot>, latest: u64) {
    reader.current = reader.shared.slot.copy();
    reader.seen = latest;
}

#[test]
fn the_right_announcement_passes_and_careless_ones_are_noticed() {
    let right = |reader: &mut Reader<Snapshot>, latest| {
        move_on(reader, latest);
        reader.running.0.store(latest, Ordering::Release);
    };
    assert!(!announcement_is_noticed(2, right), "the yardstick itself");

    let relaxed = |reader: &mut Reader<Snapshot>, latest| {
        move_on(reader, latest);
        reader.running.0.store(latest, Ordering::Relaxed);
    };
    assert!(announcement_is_noticed(2, relaxed), "announced without its past");

    let early = |reader: &mut Reader<Snapshot>, latest| {
        // One turn too early: the old snapshot is still used for this one.
        reader.running.0.store(latest, Ordering::Release);
    };
    assert!(announcement_is_noticed(1, early), "announced before it moved on");
}
