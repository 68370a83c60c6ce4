//! What the daemon knows of itself, for its listings and for what changes it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use conf::edit::Desired;
use conf::{Config, Machine, ServiceKey};
use dataplane::publish::Running;
use dataplane::service::{RealId, ServiceId};
use dataplane::stats::{TrafficStats, WorkerStats};
use tokio::sync::Mutex;

use crate::api::proto::Traffic;
use crate::apply::Applier;
use crate::edit::{Desk, Revision};
use crate::identity::{Named, Usage};
use crate::listing::Ring;
use crate::metrics::Exporter;
use crate::numa::Layout;
use crate::port::RunningPort;
use crate::rates::RateTable;
use crate::serve::Access;

/// Everything that can be asked.
#[derive(Debug)]
pub(crate) struct State {
    /// The configuration file that the daemon was started with.
    pub(crate) file: PathBuf,
    /// What the configuration is to be.
    pub(crate) desk: Desk,
    /// The configuration that runs; replaced as a whole.
    pub(crate) in_force: ArcSwap<InForce>,
    /// The configuration as it was last read from a file and put into force, without what commands
    /// have changed since.
    pub(crate) from_file: ArcSwap<Desired>,
    /// Who replaces it; one at a time.
    pub(crate) applier: Mutex<Applier>,
    /// What configurations are checked against.
    pub(crate) machine: Machine,
    /// Who may use the API.
    pub(crate) access: Arc<Access>,
    /// The kind and amount of packet memory, in words.
    pub(crate) memory: String,
    /// On which NUMA nodes workers and ports are.
    pub(crate) layout: Layout,
    /// DPDK's release.
    pub(crate) dpdk: String,
    /// When the daemon started.
    pub(crate) started: Instant,
    /// Ports, in the order of the configuration.
    pub(crate) ports: Vec<RunningPort>,
    /// Workers, in the order of the configuration.
    pub(crate) workers: Seats,
    /// What metrics need besides.
    pub(crate) metrics: Exporter,
    /// How fast things go; replaced as a whole.
    pub(crate) rates: ArcSwap<RateTable>,
}

/// The configuration that runs.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    /// The configuration.
    pub(crate) config: Arc<Config>,
    /// The numbers of its services and real servers.
    pub(crate) named: Named,
    /// The file it came from, as whoever applied it called it.
    pub(crate) name: String,
    /// How often commands have changed it since it came from there.
    pub(crate) commands: u64,
    /// Counts accepted changes; what is desired may be ahead.
    pub(crate) revision: Revision,
    /// Counts up with every configuration; the first is 1.
    pub(crate) generation: u64,
    /// Since when it is in force.
    pub(crate) since: Instant,
    /// The places of services, if anybody wanted to know them.
    places: OnceLock<HashMap<ServiceKey, usize>>,
}

impl InForce {
    /// What a file says, in force from now on.
    pub(crate) fn new(config: Config, named: Named, name: String, generation: u64) -> Self {
        let (config, since) = (Arc::new(config), Instant::now());
        let (commands, revision, places) = (0, 0, OnceLock::new());
        Self { config, named, name, commands, revision, generation, since, places }
    }

    /// The place of a service, in `config` and `named`.
    pub(crate) fn place(&self, key: ServiceKey) -> Option<usize> {
        let places = self.places.get_or_init(|| {
            let services = self.config.services.iter().enumerate();
            services.map(|(place, service)| (service.key, place)).collect()
        });
        places.get(&key).copied()
    }

    /// The names of all services, by number; empty where there is none.
    pub(crate) fn service_names(&self) -> Vec<String> {
        let count = self.named.iter().map(|service| service.id.index() + 1).max();
        let mut names = vec![String::new(); count.unwrap_or_default()];
        for (service, named) in self.config.services.iter().zip(&self.named) {
            if let Some(name) = names.get_mut(named.id.index()) {
                name.clone_from(&service.name);
            }
        }
        names
    }
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

/// All workers. Clones are the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Seats(pub(crate) Arc<[Seat]>);

impl Seats {
    /// Each worker, in the order of the configuration.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Seat> {
        self.0.iter()
    }

    /// The sum over all workers of what `count` reads.
    pub(crate) fn sum(&self, count: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.iter().map(|seat| count(&seat.stats)).sum()
    }

    /// A worker that does not run `generation` or a later one yet.
    pub(crate) fn behind(&self, generation: u64) -> Option<&Seat> {
        self.iter().find(|seat| seat.running.generation() < generation)
    }

    fn traffic<'a>(&'a self, of: impl Fn(&'a WorkerStats) -> Option<&'a TrafficStats>) -> Traffic {
        let all = self.iter().filter_map(|seat| of(&seat.stats));
        all.fold(Traffic::default(), |sum, stats| sum.plus(stats))
    }
}

impl Usage for Seats {
    fn oldest_generation(&self) -> u64 {
        self.iter().map(|seat| seat.running.generation()).min().unwrap_or_default()
    }

    fn flows(&self, id: RealId) -> u64 {
        self.sum(|stats| {
            // Templates name a real server as flows do.
            stats.real_server(id).map_or(0, |real| {
                let templates = real.templates.value() + real.template_copies.value();
                real.active.value() + real.inactive.value() + templates
            })
        })
    }

    fn real_server(&self, id: RealId) -> Traffic {
        self.traffic(|stats| stats.real_server(id).map(|real| &real.traffic))
    }

    fn service(&self, id: ServiceId) -> Traffic {
        self.traffic(|stats| stats.service(id))
    }
}

impl State {
    /// The name of a port.
    pub(crate) fn port_name(&self, index: usize) -> &str {
        self.ports.get(index).map_or("?", |port| port.name.as_str())
    }
}
