//! What the daemon knows of itself, for its listings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use conf::Config;
use dataplane::publish::Running;
use dataplane::stats::WorkerStats;
use tokio::sync::Mutex;

use crate::identity::Registry;
use crate::listing::Ring;
use crate::port::RunningPort;

/// Everything that can be asked.
#[derive(Debug)]
pub(crate) struct State {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// The configuration that runs.
    pub(crate) config: Config,
    /// The kind and amount of packet memory, in words.
    pub(crate) memory: String,
    /// DPDK's release.
    pub(crate) dpdk: String,
    /// When the daemon started.
    pub(crate) started: Instant,
    /// The numbers of services and real servers.
    pub(crate) registry: Registry,
    /// Ports, in the order of the configuration.
    pub(crate) ports: Vec<RunningPort>,
    /// Workers, in the order of the configuration.
    pub(crate) workers: Vec<Seat>,
}

/// The control thread's view of a worker.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Its lcore.
    pub(crate) lcore: u32,
    /// The generation it runs.
    pub(crate) running: Running,
    /// Its counters.
    pub(crate) stats: Arc<WorkerStats>,
    /// Its control ring; one listing at a time.
    pub(crate) ring: Mutex<Ring>,
}

impl State {
    /// The sum over all workers of what `count` reads.
    pub(crate) fn sum(&self, count: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.workers.iter().map(|worker| count(&worker.stats)).sum()
    }

    /// The names of all services, by number.
    pub(crate) fn service_names(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.registry.service_count()];
        for service in &self.config.services {
            let id = self.registry.find_service(service.protocol, service.vip);
            if let Some(name) = id.and_then(|id| names.get_mut(id.index())) {
                name.clone_from(&service.name);
            }
        }
        names
    }

    /// The name of a port.
    pub(crate) fn port_name(&self, index: usize) -> &str {
        self.ports.get(index).map_or("?", |port| port.name.as_str())
    }
}
