//! From a checked configuration to running workers: EAL, pools, ports, snapshot, threads.
//!
//! Whatever fails here, everything started before it ends again, in the order of `shutdown.rs`.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use conf::{Config, Device, Limits};
use dataplane::control;
use dataplane::director::Sizes;
use dataplane::handover::Peers;
use dataplane::ownership::{Team, WorkerIdx};
use dataplane::publish::Publisher;
use dataplane::sched::Counted;
use dataplane::stats::WorkerStats;
use dpdk::{Eal, EalArgs, Mbuf, PktMempool};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::apply::{self, Applier};
use crate::device;
use crate::edit::{Desk, Replacement};
use crate::error::CtrlError;
use crate::identity::{Registry, Unused};
use crate::listing::Ring;
use crate::machine;
use crate::memory::{Memory, NO_HUGE};
use crate::metrics::Exporter;
use crate::numa::{self, Layout, PoolSize, Pools, Topology};
use crate::port::{self, Queues, Started};
use crate::serve::Access;
use crate::shutdown::Running;
use crate::snapshot;
use crate::state::{InForce, Seat, Seats, State};
use crate::steering::{Plan, Rules, SteeringError};
use crate::worker::{self, Parts, Workers};

/// The name that EAL's own complaints about its arguments begin with.
const EAL_NAME: &str = "rvs-eal";

/// The number of the configuration that the daemon starts with.
pub(crate) const FIRST_GENERATION: u64 = 1;

/// Starts everything `config` (of `file`) asks for. The end of a worker is told through `ended`.
pub(crate) fn start(
    file: &Path,
    config: Config,
    access: Access,
    ended: &UnboundedSender<u32>,
) -> Result<Running, CtrlError> {
    for port in &config.ports {
        device::check(port)?;
    }
    let memory = choose_memory(&config)?;
    let pool_sizes = PoolSize::all(&config, &memory.layout, memory.pages)?;
    memory.announce();

    let prefix = file_prefix(&config.control.socket);
    let directory = RuntimeDirectory::of(&prefix);
    let eal = Arc::new(start_eal(&config, &memory, &prefix)?);
    directory.remove();
    let pools = Pools::create(&eal, &memory.layout, &pool_sizes)?;
    let Started { ports, queues, plan } = port::start_all(&eal, &config, &pools.queues())?;
    let mut rules = Rules::new(&plan);

    let mut registry = Registry::new(&config.limits, config.workers.len());
    let named = registry.assign(&config, FIRST_GENERATION, &Unused);
    let facts = apply::facts(&ports);
    let first = snapshot::build(&config, &facts, &named, &mut registry, FIRST_GENERATION);
    let publisher = Publisher::new(first);
    apply::steer(&mut rules, &config, &ports);
    let machine = Machine { eal: &eal, pools: &pools, publisher: &publisher, plan: &plan };
    let (seats, parts) = seat_workers(&config, queues, &machine)?;
    let name = file.display().to_string();
    let initial = Replacement::new(config.clone(), &registry);
    let state = State {
        // Who asks for it may be in another directory.
        file: std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()),
        from_file: ArcSwap::from_pointee(initial.desired()),
        desk: Desk::new(initial, name.clone()),
        in_force: ArcSwap::from_pointee(InForce::new(config, named, name, FIRST_GENERATION)),
        applier: Mutex::new(Applier::new(publisher, registry, rules)),
        machine: machine::facts(),
        access: Arc::new(access),
        memory: memory.describe(),
        layout: memory.layout,
        dpdk: dpdk::version(),
        started: Instant::now(),
        ports,
        workers: Seats(seats.into()),
        rates: ArcSwap::default(),
        metrics: Exporter::new(dpdk::tsc::hz()),
    };
    let workers = Workers::launch(parts, ended)?;
    Ok(Running { workers, state: Arc::new(state), pools, eal, directory })
}

/// What the workers share.
struct Machine<'a> {
    eal: &'a Arc<Eal>,
    pools: &'a Pools,
    publisher: &'a Publisher,
    plan: &'a Plan,
}

/// What each worker is given: its queues, its rings to the others, and its pool.
type Given<'a> = ((Queues, Peers<Mbuf>), &'a PktMempool);

/// The control thread's and the thread's own part of each worker.
fn seat_workers(
    config: &Config,
    queues: Vec<Queues>,
    machine: &Machine<'_>,
) -> Result<(Vec<Seat>, Vec<Parts>), SteeringError> {
    let sizes = sizes(&config.limits);
    let count = u16::try_from(config.workers.len()).unwrap_or(u16::MAX);
    let seed = worker::random();
    let peers = Peers::mesh(count).into_iter();
    // A worker counts with every packet: counters are near to it.
    let make_stats = || WorkerStats::new(sizes.services, sizes.real_servers);
    let stats = config.workers.iter().map(|&lcore| Arc::new(numa::made_on(lcore, make_stats)));
    let stats: Vec<_> = stats.collect();
    let given = queues.into_iter().zip(peers).zip(machine.pools.by_worker());
    let workers = (0..count).map(WorkerIdx).zip(&config.workers).zip(given);
    let seat = |((me, &lcore), ((queues, peers), pool)): ((WorkerIdx, &u32), Given<'_>)| {
        let (here, there) = control::rings();
        let counted = Counted::of(&stats, me.index());
        let snapshots = machine.publisher.reader();
        let team = machine.plan.team(Team::new(me, count, seed))?;
        let seat = Seat {
            lcore,
            running: snapshots.running(),
            stats: Arc::clone(&counted.own),
            ring: Mutex::new(Ring::new(here)),
        };
        let parts = Parts {
            lcore,
            eal: Arc::clone(machine.eal),
            team,
            peers: (count > 1).then_some(peers),
            queues,
            pool: pool.clone(),
            sizes,
            snapshots,
            control: there,
            counted,
        };
        Ok((seat, parts))
    };
    workers.map(seat).collect()
}

/// How much a worker makes room for.
pub(crate) fn sizes(limits: &Limits) -> Sizes {
    let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    let (services, real_servers) = (count(limits.services), count(limits.real_servers));
    Sizes { flows: limits.flows, templates: limits.templates, services, real_servers }
}

/// Where the memory of workers and ports is to be, and of which kind. Says which are far apart.
fn choose_memory(config: &Config) -> Result<Memory, CtrlError> {
    let topology = Topology::read();
    let port_nodes = config.ports.iter().map(|port| numa::of_device(&port.device)).collect();
    let mib = config.dpdk.memory_mib;
    let buffers = |workers| numa::buffers(config, workers);
    let layout = Layout::new(&topology, &config.workers, port_nodes, mib, buffers);
    for warning in numa::warnings(config, &layout, &topology) {
        tracing::warn!("{warning}");
    }
    Memory::choose(config, layout)
}

fn start_eal(config: &Config, memory: &Memory, prefix: &str) -> Result<Eal, CtrlError> {
    let mut args = EalArgs::new(EAL_NAME)
        .memory_mib(config.dpdk.memory_mib)
        .memory_by_node(memory.layout.by_node())
        .huge_pages(memory.pages)
        .main_cpus(main_cpus(&config.workers))
        .file_prefix(prefix)
        .extra(config.dpdk.eal_args.iter().filter(|arg| *arg != NO_HUGE).cloned());
    for port in &config.ports {
        if let Device::Pci(address) = &port.device {
            args = args.pci_allow(address);
        }
    }
    tracing::debug!("EAL arguments: {}", args.to_args().join(" "));
    Eal::init(&args).map_err(|source| CtrlError::Eal {
        memory: memory.describe(),
        advice: memory.advice(),
        source,
    })
}

/// CPUs for everything but forwarding: those this process may use that no worker has. Empty, which
/// leaves the control thread where it is, when the workers take them all.
fn main_cpus(workers: &[u32]) -> Vec<usize> {
    let mine = core_affinity::get_core_ids().unwrap_or_default();
    let is_worker = |cpu: usize| workers.iter().any(|&lcore| usize::try_from(lcore) == Ok(cpu));
    mine.into_iter().map(|core| core.id).filter(|&cpu| !is_worker(cpu)).collect()
}

/// What tells this daemon's files under DPDK's runtime directory from those of others: as unique
/// as the control socket, of which every running daemon has its own.
fn file_prefix(socket: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    socket.hash(&mut hasher);
    format!("rvs-{:016x}", hasher.finish())
}

/// The directory that EAL makes for itself and leaves behind. EAL shares nothing with others
/// here, so it is empty and goes as soon as EAL is up, or has failed.
#[derive(Debug)]
pub(crate) struct RuntimeDirectory(PathBuf);

impl RuntimeDirectory {
    /// The one for `prefix`, where EAL puts it.
    fn of(prefix: &str) -> Self {
        let base = if nix::unistd::getuid().is_root() {
            PathBuf::from("/var/run")
        } else {
            std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
        };
        Self(base.join("dpdk").join(prefix))
    }

    fn remove(&self) {
        // There is none without EAL, or if EAL was told to use another. One with something in it,
        // as extra EAL arguments can bring about, is tried again in the end.
        let _ = fs::remove_dir(&self.0);
    }
}

impl Drop for RuntimeDirectory {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_threads_leave_the_workers_alone() {
        let all = main_cpus(&[]);
        assert!(!all.is_empty());
        let first = u32::try_from(all[0]).unwrap();
        assert!(!main_cpus(&[first]).contains(&all[0]));
    }

    #[test]
    fn every_socket_has_its_own_prefix() {
        let prefix = file_prefix(Path::new("/run/rvs/rvs.sock"));
        assert_eq!(prefix, file_prefix(Path::new("/run/rvs/rvs.sock")));
        assert_ne!(prefix, file_prefix(Path::new("/run/rvs/other.sock")));
        assert!(prefix.starts_with("rvs-"));
    }
}
