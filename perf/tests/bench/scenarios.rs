//! Scenarios, each for a moment.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dataplane::forward::ForwardingMode;
use dpdk::{PktMempool, testing};
use rvs_perf::bench::effort::Effort;
use rvs_perf::bench::in_memory::{self, MemoryScenario};
use rvs_perf::bench::loop_ports::Feed;
use rvs_perf::bench::memif::Link;
use rvs_perf::bench::outcome::{Invalid, Outcome};
use rvs_perf::bench::over_link::{self, LinkScenario};
use rvs_perf::bench::{fill, played, reload, scrape, stages, workers};
use rvs_perf::generator::protocol::Kind;
use rvs_perf::generator::serve;
use rvs_perf::generator::sizes::FrameSizes;

const EFFORT: Effort = Effort {
    rounds: 3,
    packets: 5_000,
    warm_up: Duration::from_millis(5),
    window: Duration::from_millis(20),
};

/// Scenarios take whole CPUs, so one runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pools are never freed, so there is one for all.
fn pool() -> PktMempool {
    static POOL: OnceLock<PktMempool> = OnceLock::new();
    POOL.get_or_init(|| testing::pool(4095).expect("a pool")).clone()
}

#[track_caller]
fn measured(outcome: Result<Outcome, Invalid>, pool: &PktMempool) -> Outcome {
    let outcome = outcome.unwrap_or_else(|invalid| panic!("{invalid}"));
    assert!(outcome.rate.median > 0.0, "{outcome:?}");
    assert_eq!(pool.in_use(), 0, "{outcome:?}");
    outcome
}

fn remark(outcome: &Outcome, what: &str) -> f64 {
    let remark = outcome.remarks.iter().find(|remark| remark.what == what);
    remark.unwrap_or_else(|| panic!("no {what:?} in {outcome:?}")).value
}

#[test]
fn established_flows_in_memory() {
    let (_alone, pool) = (alone(), pool());
    for (mode, feed) in [
        (ForwardingMode::Dr, Feed::Requests),
        (ForwardingMode::Tunnel, Feed::Requests),
        (ForwardingMode::Nat, Feed::Both),
        (ForwardingMode::FullNat, Feed::Both),
    ] {
        for flows in [1, 1_000] {
            let scenario = MemoryScenario { mode, flows, feed };
            let outcome = measured(in_memory::run(scenario, EFFORT, &pool), &pool);
            assert!(outcome.ceiling.is_some_and(|ceiling| ceiling.median > 0.0), "{scenario:?}");
        }
    }
}

#[test]
fn established_flows_stage_by_stage() {
    let (_alone, pool) = (alone(), pool());
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel, ForwardingMode::FullNat] {
        let outcome = measured(stages::run(mode, 1_000, EFFORT, &pool), &pool);
        let names: Vec<&str> = outcome.remarks.iter().map(|remark| remark.what).collect();
        assert_eq!(names, stages::STAGES);
        assert!(remark(&outcome, "ports") > 0.0, "{outcome:?}");
    }
}

#[test]
fn new_flows_and_floods_in_memory() {
    let (_alone, pool) = (alone(), pool());
    for mode in [ForwardingMode::Dr, ForwardingMode::Nat, ForwardingMode::FullNat] {
        measured(played::new_flows(mode, 30_000, EFFORT, &pool), &pool);
    }
    measured(played::syn_flood(30_000, EFFORT, &pool), &pool);
    measured(played::miss_flood(EFFORT, &pool), &pool);
}

#[test]
fn connections_in_memory() {
    let (_alone, pool) = (alone(), pool());
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        measured(played::connections(mode, 30_000, EFFORT, &pool), &pool);
    }
}

#[test]
fn a_table_fills_up_to_the_last_flow() {
    let (_alone, pool) = (alone(), pool());
    for percent in [25, 100] {
        let outcome = measured(fill::run(percent, 20_000, EFFORT, &pool), &pool);
        let flows = remark(&outcome, "flows") + remark(&outcome, "refused");
        assert!(flows >= 20_000.0 * f64::from(percent) / 100.0, "{outcome:?}");
    }
}

/// The first CPU and the last, where there are two.
fn two_cpus() -> Option<[usize; 2]> {
    let cpus = core_affinity::get_core_ids()?;
    let (first, last) = (cpus.first()?.id, cpus.last()?.id);
    (first != last).then_some([first, last])
}

#[test]
fn two_workers_forward_beside_each_other() {
    let _alone = alone();
    let Some(cpus) = two_cpus() else { return println!("skipped: it takes two CPUs") };
    let pools = workers::Pools::create(testing::eal()).expect("pools");
    let outcome = workers::run(cpus, EFFORT, testing::eal(), &pools);
    let outcome = outcome.unwrap_or_else(|invalid| panic!("{invalid}"));
    assert!(remark(&outcome, "one worker") > 0.0, "{outcome:?}");
}

#[test]
fn reloads_lose_nothing() {
    let (_alone, pool) = (alone(), pool());
    let Some([first, _]) = two_cpus() else { return println!("skipped: it takes two CPUs") };
    let effort = Effort { rounds: 1, ..EFFORT };
    let outcome = measured(reload::run(first, effort, &pool), &pool);
    assert!(remark(&outcome, "reloads") >= 4.0, "{outcome:?}");
}

#[test]
fn scrapes_lose_nothing() {
    let (_alone, pool) = (alone(), pool());
    let Some([first, _]) = two_cpus() else { return println!("skipped: it takes two CPUs") };
    let effort = Effort { rounds: 1, ..EFFORT };
    let outcome = measured(scrape::run(first, effort, &pool), &pool);
    assert!(remark(&outcome, "without scrape") > 0.0, "{outcome:?}");
    assert!(remark(&outcome, "scrape, median") > 0.0, "{outcome:?}");
}

/// What a scenario comes to. On a busy machine one of the two processes may stand still for longer
/// than the other waits, which shows as loss or as nothing at all; but not three times in a row.
fn patiently(scenario: LinkScenario, link: &mut Link) -> Outcome {
    let mut last = None;
    for _ in 0..3 {
        match over_link::run(scenario, EFFORT, link) {
            Ok(outcome) if outcome.rate.most > 0.0 => return outcome,
            other => last = Some(other),
        }
    }
    panic!("{scenario:?}: {last:?}")
}

#[test]
fn established_flows_and_connections_between_two_processes() {
    let (_alone, pool) = (alone(), pool());
    let Some([first, _]) = two_cpus() else { return println!("skipped: it takes two CPUs") };
    let free = dpdk::hugepages::list().map_or(0, |pools| dpdk::hugepages::free_mib(&pools));
    if free < u64::from(serve::MEMORY_MIB) {
        return println!("skipped: {free} MiB of huge pages are free");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_rvs-gen"));
    let mut link = Link::open(testing::eal(), &pool, program, first)
        .unwrap_or_else(|error| panic!("no link: {error}"));
    let scenario = |mode, kind, flows| LinkScenario {
        mode,
        kind,
        flows,
        table: 300_000,
        frame_sizes: FrameSizes::SHORTEST,
    };
    for scenario in [
        scenario(ForwardingMode::Dr, Kind::Requests, Some(100)),
        scenario(ForwardingMode::Tunnel, Kind::Requests, Some(1)),
        scenario(ForwardingMode::Nat, Kind::Both, Some(100)),
        scenario(ForwardingMode::FullNat, Kind::Both, Some(100)),
        scenario(ForwardingMode::FullNat, Kind::Connections, None),
    ] {
        let outcome = patiently(scenario, &mut link);
        assert!(outcome.rate.most > 0.0, "{scenario:?}: {outcome:?}");
    }
    // Frames of all lengths pass, the longest even with the header of a tunnel around them.
    for (mode, kind, frame_sizes) in [
        (ForwardingMode::Tunnel, Kind::Requests, FrameSizes::One(1518)),
        (ForwardingMode::FullNat, Kind::Both, FrameSizes::Imix),
    ] {
        let scenario = LinkScenario { frame_sizes, ..scenario(mode, kind, Some(100)) };
        let outcome = patiently(scenario, &mut link);
        assert!(remark(&outcome, "packets checked") > 0.0, "{scenario:?}: {outcome:?}");
    }
    drop(link);
    assert_eq!(pool.in_use(), 0);
}
