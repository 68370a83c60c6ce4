//! `rvs-bench`: what the packet path of one worker costs, beside a MAC-swap loop in the same run.
//!
//! `make bench` builds and runs it; `rvs-bench --help` tells the flags, `docs/PERFORMANCE.md` the
//! method. The exit status is 0 if every scenario has valid figures, 1 if not, 2 for a wrong flag.
//!
//! ```text
//! options.rs   flags
//! table.rs     what is printed
//! ```

#![forbid(unsafe_code)]

mod options;
mod table;

use std::process::ExitCode;

use clap::Parser as _;
use core_affinity::CoreId;
use dpdk::{DpdkError, Eal, EalArgs, HugePages, PktMempool, SocketId};
use rvs_perf::bench::catalogue::{Bench, LinkKind, Scenario};
use rvs_perf::bench::memif::Link;
use rvs_perf::bench::pages::{self, Reserved};
use rvs_perf::bench::workers;
use rvs_perf::generator::serve;

use options::Options;
use table::Table;

/// Memory of DPDK here: pools and rings.
const MEMORY_MIB: u32 = 128;
const POOL_COUNT: u32 = 8191;
const POOL_CACHE: u32 = 256;
/// Tables of ten million flows, with something to spare.
const TABLES_MIB: u64 = 1536;
const TABLES_QUICK_MIB: u64 = 768;

fn main() -> ExitCode {
    let options = Options::parse();
    let table = Table::on_stdout();
    let scenarios = options.scenarios();
    if options.list {
        for scenario in &scenarios {
            table.line(&scenario.to_string());
        }
        return ExitCode::SUCCESS;
    }
    if scenarios.is_empty() {
        eprintln!("rvs-bench: no scenario has that in its name; --list names all");
        return ExitCode::from(2);
    }
    match bench(&options, scenarios, table) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rvs-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options, scenarios: Vec<Scenario>, table: Table) -> Result<bool, DpdkError> {
    let cpus: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|cpu| cpu.id).collect();
    let own = cpus.last().copied().unwrap_or(0);
    let tables = if options.quick { TABLES_QUICK_MIB } else { TABLES_MIB };
    let pools = u64::from(MEMORY_MIB + serve::MEMORY_MIB);
    let reserved = pages::reserve(pools + tables);
    let huge = reserved.is_ok();
    if let Err(error) = &reserved {
        table.line(&format!("No huge pages for the tables and the generator: {error}."));
    }
    let reserved = reserved.unwrap_or_default();
    give_back_on_signal(reserved.twin());

    let pages = if huge { HugePages::InMemory } else { HugePages::None };
    let args = EalArgs::new("rvs-bench").memory_mib(MEMORY_MIB).huge_pages(pages);
    let prefix = format!("rvs-bench-{}", std::process::id());
    let eal = Eal::init(&args.main_cpus([own]).file_prefix(prefix))?;
    let pinned = core_affinity::set_for_current(CoreId { id: own });
    let pool = PktMempool::create(
        &eal,
        "bench",
        POOL_COUNT,
        POOL_CACHE,
        dpdk::mempool::DATA_ROOM,
        SocketId::ANY,
    )?;
    let link = if scenarios.iter().any(|scenario| scenario.link() == LinkKind::Memif) {
        open_link(&eal, &pool, &cpus, huge, table)
    } else {
        None
    };
    let linked = link.is_some();
    let mut bench = Bench {
        link,
        pool: pool.clone(),
        pools: workers::Pools::create(&eal)?,
        cpus: (own, cpus.first().copied().filter(|cpu| *cpu != own)),
        effort: options.effort(),
        frame_len: options.frame_len(),
        table: options.table(),
        eal,
    };
    table.head(options, huge, pinned);
    let mut all_valid = true;
    for scenario in scenarios {
        if !table.has_reader() {
            break;
        }
        if scenario.link() == LinkKind::Memif && !linked {
            continue;
        }
        let outcome = scenario.run(&mut bench);
        table.row(&scenario.to_string(), &outcome);
        all_valid &= outcome.is_ok();
    }
    drop(bench);
    if pool.in_use() > 0 {
        table.line(&format!("{} buffers were not given back", pool.in_use()));
        all_valid = false;
    }
    Ok(all_valid)
}

/// Starts the generator, or says why there is none: what is measured in memory can go on.
fn open_link(
    eal: &Eal,
    pool: &PktMempool,
    cpus: &[usize],
    huge: bool,
    table: Table,
) -> Option<Link> {
    let missing = |why: &str| {
        table.line(&format!("Only memory is measured, nothing between processes: {why}."));
        None
    };
    let [first, _, ..] = *cpus else { return missing("that takes two CPUs") };
    if !huge {
        return missing("that takes huge pages");
    }
    let program = match std::env::current_exe() {
        Ok(own) => own.with_file_name("rvs-gen"),
        Err(error) => return missing(&error.to_string()),
    };
    Link::open(eal, pool, &program, first).map_or_else(|error| missing(&error.to_string()), Some)
}

/// Ctrl-C ends the run at once, but not before the huge pages are given back.
fn give_back_on_signal(reserved: Reserved) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            reserved.give_back();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}
