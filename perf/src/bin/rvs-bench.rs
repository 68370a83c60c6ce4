//! `rvs-bench`: cycles per packet of each forwarding mode, beside a MAC-swap loop in the same run.
//!
//! `rvs-bench [--quick]`; `make bench` builds and runs it. See `docs/PERFORMANCE.md`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use core_affinity::CoreId;
use dataplane::forward::ForwardingMode;
use dpdk::{DpdkError, Eal, EalArgs, HugePages, PktMempool, SocketId};
use rvs_perf::bench::loop_ports::Feed;
use rvs_perf::bench::measure::{self, Effort, Figures, Scenario};

const MEMORY_MIB: u32 = 128;
const POOL_COUNT: u32 = 8191;
const POOL_CACHE: u32 = 256;

fn main() -> ExitCode {
    let quick = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--quick") => true,
        Some(_) => {
            eprintln!("usage: rvs-bench [--quick]");
            return ExitCode::from(2);
        }
    };
    match bench(quick) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rvs-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(quick: bool) -> Result<bool, DpdkError> {
    let free = dpdk::hugepages::list().map_or(0, |pools| dpdk::hugepages::free_mib(&pools));
    let huge = free >= u64::from(MEMORY_MIB);
    let pages = if huge { HugePages::InMemory } else { HugePages::None };
    let prefix = format!("rvs-bench-{}", std::process::id());
    let args = EalArgs::new("rvs-bench").memory_mib(MEMORY_MIB).huge_pages(pages);
    let eal = Eal::init(&args.file_prefix(prefix))?;
    let cpu = core_affinity::get_core_ids().and_then(|cpus| cpus.last().copied());
    let pinned = cpu.is_some_and(|CoreId { id }| core_affinity::set_for_current(CoreId { id }));
    let pool = PktMempool::create(
        &eal,
        "bench",
        POOL_COUNT,
        POOL_CACHE,
        dpdk::mempool::DATA_ROOM,
        SocketId::ANY,
    )?;

    let kind = if huge { "huge pages" } else { "ordinary memory" };
    let hz = dpdk::tsc::hz();
    println!("One worker, 64-byte UDP frames, flows in random order, buffers in {kind},");
    println!("TSC {} MHz, {}.\n", hz / 1_000_000, if pinned { "pinned" } else { "not pinned" });
    println!(
        "{:<8} {:>9} {:<9} {:>9} {:>9} {:>15} {:>7} {:>7} {:>7}",
        "mode", "flows", "packets", "ceiling", "rvs", "(least-most)", "share", "Mpps", "first"
    );
    let effort = if quick {
        Effort { rounds: 3, packets: 1_000_000 }
    } else {
        Effort { rounds: 9, packets: 4_000_000 }
    };
    let mut all_valid = true;
    for scenario in scenarios(quick) {
        match measure::run(scenario, effort, &pool) {
            Ok(figures) => print_row(scenario, &figures, hz),
            Err(invalid) => {
                println!("{:<8} {:>9} invalid: {invalid}", scenario.mode.name(), scenario.flows);
                all_valid = false;
            }
        }
    }
    if pool.in_use() > 0 {
        println!("{} buffers were not given back", pool.in_use());
        all_valid = false;
    }
    Ok(all_valid)
}

fn scenarios(quick: bool) -> Vec<Scenario> {
    let flows: &[u32] =
        if quick { &[10_000, 1_000_000] } else { &[1, 10_000, 1_000_000, 10_000_000] };
    let kinds = [
        (ForwardingMode::Dr, Feed::Requests),
        (ForwardingMode::Tunnel, Feed::Requests),
        (ForwardingMode::Nat, Feed::Requests),
        (ForwardingMode::Nat, Feed::Both),
        (ForwardingMode::FullNat, Feed::Requests),
        (ForwardingMode::FullNat, Feed::Both),
    ];
    kinds
        .iter()
        .flat_map(|&(mode, feed)| flows.iter().map(move |&flows| Scenario { mode, flows, feed }))
        .collect()
}

fn print_row(scenario: Scenario, figures: &Figures, hz: u64) {
    let Figures { ceiling, worker, setup } = figures;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let mpps = hz as f64 / worker.median / 1e6;
    // One packet alone pays for everything that a turn of the loop does.
    let first = if scenario.flows < 1000 { "-".to_owned() } else { format!("{setup:.0}") };
    let packets = match scenario.feed {
        Feed::Both => "both",
        Feed::Requests | Feed::Nothing => "requests",
    };
    println!(
        "{:<8} {:>9} {packets:<9} {:>9.1} {:>9.1} {:>15} {:>6.0}% {mpps:>7.2} {first:>7}",
        scenario.mode.name(),
        scenario.flows,
        ceiling.median,
        worker.median,
        format!("({:.0}-{:.0})", worker.range.0, worker.range.1),
        100.0 * ceiling.median / worker.median,
    );
}
