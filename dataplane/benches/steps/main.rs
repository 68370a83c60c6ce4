//! Micro-benchmarks of the steps that a packet takes, each by itself on random inputs.
//!
//! `cargo bench -p rvs-dataplane --no-default-features --bench steps -- FILTER` measures those
//! whose name contains FILTER. Whole turns of a worker are measured by `perf/icount/benches`.
//! `docs/PERFORMANCE.md` says how to read the figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a benchmark whose inputs cannot be made must fail where it makes them"
)]

mod checksum;
mod flow_table;
mod forward;
mod handover;
mod inputs;
mod parse;
mod publish;
mod sched;
mod steering;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    // Steps take nanoseconds, so a second sees each of them millions of times.
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    parse::all(&mut criterion);
    flow_table::all(&mut criterion);
    sched::all(&mut criterion);
    forward::all(&mut criterion);
    checksum::all(&mut criterion);
    steering::all(&mut criterion);
    publish::all(&mut criterion);
    handover::all(&mut criterion);
    criterion.final_summary();
}
