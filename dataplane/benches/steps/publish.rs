//! The snapshot in force: looked at once a turn, and taken up when there is another.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use rvs_dataplane::publish::Publisher;
use rvs_dataplane::snapshot::Snapshot;

pub(crate) fn all(criterion: &mut Criterion) {
    let snapshot = |generation| Snapshot::new(generation, Vec::new(), &[]);
    let mut publisher = Publisher::new(snapshot(1));
    let mut reader = publisher.reader();
    criterion.bench_function("publish/read", |bencher| {
        bencher.iter(|| black_box(reader.load().generation));
    });
    // Both sides together, and the old one freed.
    let mut generation = 1;
    criterion.bench_function("publish/replace", |bencher| {
        bencher.iter_batched(
            || {
                generation += 1;
                snapshot(generation)
            },
            |next| {
                publisher.publish(next);
                black_box(reader.load().generation);
                publisher.reclaim()
            },
            BatchSize::SmallInput,
        );
    });
}
