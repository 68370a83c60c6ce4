//! What scenarios need (memory, CPUs, a generator process), and running them one by one.

use std::io;

use core_affinity::CoreId;
use dpdk::{Eal, EalArgs, HugePages, PktMempool, SocketId};
use rvs_perf::bench::catalogue::{Bench, LinkKind, Scenario};
use rvs_perf::bench::memif::{Link, LinkError};
use rvs_perf::bench::pages::{self, Reserved};
use rvs_perf::bench::workers;
use rvs_perf::generator::serve;
use rvs_perf::report::figure::Figure;
use rvs_perf::report::machine::Machine;
use rvs_perf::report::progress::Progress;
use rvs_perf::report::run::{self, Run};

use crate::Failure;
use crate::keeper::Keeper;
use crate::options::Options;
use crate::table::Table;

/// Memory of DPDK here: pools and rings.
const MEMORY_MIB: u32 = 128;
const POOL_COUNT: u32 = 8191;
const POOL_CACHE: u32 = 256;
/// Tables of ten million flows, with something to spare.
const TABLES_MIB: u64 = 1536;
const TABLES_QUICK_MIB: u64 = 768;

/// Measures the scenarios; tells whether all have valid figures, which are kept where that was
/// asked for.
pub(crate) fn run(
    options: &Options,
    mut scenarios: Vec<Scenario>,
    table: Table,
) -> Result<bool, Failure> {
    let began = run::now();
    let mut keeper = Keeper::open(options, &began)?;
    let mut notes = Vec::new();
    let mut note = |text: String| {
        table.line(&text);
        notes.push(text);
    };
    let cpus: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|cpu| cpu.id).collect();
    let own = cpus.last().copied().unwrap_or(0);
    let tables = if options.quick { TABLES_QUICK_MIB } else { TABLES_MIB };
    let pools = u64::from(MEMORY_MIB + serve::MEMORY_MIB);
    let reserved = pages::reserve(pools + tables);
    let huge = reserved.is_ok();
    if let Err(error) = &reserved {
        note(format!("No huge pages for the tables and the generator: {error}."));
    }
    let reserved = reserved.unwrap_or_default();
    give_back_on_signal(reserved.twin());

    let pages = if huge { HugePages::InMemory } else { HugePages::None };
    let args = EalArgs::new("rvs-bench").memory_mib(MEMORY_MIB).huge_pages(pages);
    let prefix = format!("rvs-bench-{}", std::process::id());
    let eal = Eal::init(&args.main_cpus([own]).file_prefix(prefix))?;
    let pinned = core_affinity::set_for_current(CoreId { id: own });
    let room = dpdk::mempool::DATA_ROOM;
    let pool = PktMempool::create(&eal, "bench", POOL_COUNT, POOL_CACHE, room, SocketId::ANY)?;
    let link = if scenarios.iter().any(|scenario| scenario.link() == LinkKind::Memif) {
        let link = open_link(&eal, &pool, &cpus, huge);
        let only = "Only memory is measured, nothing between processes";
        link.inspect_err(|why| note(format!("{only}: {why}."))).ok()
    } else {
        None
    };
    if link.is_none() {
        scenarios.retain(|scenario| scenario.link() != LinkKind::Memif);
    }
    let bench = Bench {
        link,
        pool: pool.clone(),
        pools: workers::Pools::create(&eal)?,
        cpus: (own, cpus.first().copied().filter(|cpu| *cpu != own)),
        effort: options.effort(),
        frame_sizes: options.frame_size,
        table: options.table(),
        eal,
    };
    let machine = Machine::this(cpus.len(), huge, pinned);
    let mut run = Run::new(began, machine, options.settings(), scenarios.len());
    run.notes = notes;
    table.head(&run);
    measure(&mut run, scenarios, bench, &mut keeper, table);
    let in_use = pool.in_use();
    if in_use > 0 {
        let note = format!("{in_use} buffers were not given back");
        table.line(&note);
        run.notes.push(note);
        keeper.keep(&run);
    }
    // Whoever has stopped reading has seen enough.
    let measured = run.is_valid() || run.figures.is_empty() && !table.has_reader();
    Ok(keeper.conclude(&run) && measured && in_use == 0)
}

/// One scenario after the other.
fn measure(
    run: &mut Run,
    scenarios: Vec<Scenario>,
    mut bench: Bench,
    keeper: &mut Keeper,
    table: Table,
) {
    let progress = Progress::on_stderr(scenarios.len());
    for scenario in scenarios {
        if !table.has_reader() {
            return;
        }
        progress.begin(&scenario.to_string());
        let outcome = scenario.run(&mut bench);
        progress.advance();
        let figure = Figure::of(scenario, outcome, run.machine.tsc_mhz);
        progress.aside(|| {
            table.row(&figure);
            run.figures.push(figure);
            keeper.keep(run);
        });
    }
}

/// Why nothing is measured between processes.
#[derive(Debug, thiserror::Error)]
enum NoLink {
    #[error("that takes two CPUs")]
    OneCpu,
    #[error("that takes huge pages")]
    OrdinaryPages,
    #[error("where rvs-gen is cannot be told: {0}")]
    Nowhere(#[from] io::Error),
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Starts the generator.
fn open_link(eal: &Eal, pool: &PktMempool, cpus: &[usize], huge: bool) -> Result<Link, NoLink> {
    let [first, _, ..] = *cpus else { return Err(NoLink::OneCpu) };
    if !huge {
        return Err(NoLink::OrdinaryPages);
    }
    let program = std::env::current_exe()?.with_file_name("rvs-gen");
    Ok(Link::open(eal, pool, &program, first)?)
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
