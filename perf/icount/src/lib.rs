//! What callgrind counts: a real worker on ports in memory, the same in every run.
//!
//! Seeds, flows and the clock are fixed, buffers are plain boxes, and there is no DPDK in it.
//! [`Scenario`] says what there is to count; `rvs-icount` runs one of them, and `tests/baseline.rs`
//! compares the counts with `perf/baseline/instructions.json`. `benches/turn.rs` measures the time
//! of the same worker.

#![forbid(unsafe_code)]

pub mod bench;
pub mod buf;
pub mod frames;
mod scenario;
pub mod site;
pub mod wires;

pub use scenario::Scenario;

/// What callgrind has to be told to count: one function, by its path in this crate.
pub const COUNTED: &str = "*rvs_icount*bench*counted*";
