//! How long a scrape of `/metrics` takes to make: reading all counters, and the text. It is CPU
//! time, of which other programs take none away.
//!
//! `cargo bench -p rvs-ctrl`

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark whose inputs cannot be made must fail where it makes them"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use nix::time::{ClockId, clock_gettime};
use rvs_ctrl::metrics_bench::Many;

/// What this thread has had of a CPU.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has one").into()
}

fn scrapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scrape");
    group.sample_size(20);
    for (services, each, shown) in
        [(1000, 10, "all"), (10_000, 10, "none"), (10_000, 10, "10000"), (10_000, 10, "all")]
    {
        let many = Many::new(services, each, shown);
        let scraped = many.scrape();
        let name = format!("{services} services x {each}, real_servers: {shown}");
        println!("{name}: {} lines, {} bytes", scraped.lines, scraped.bytes);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let before = cpu_time();
                for _ in 0..count {
                    black_box(many.scrape());
                }
                cpu_time() - before
            });
        });
    }
    group.finish();
}

criterion_group!(benches, scrapes);
criterion_main!(benches);
