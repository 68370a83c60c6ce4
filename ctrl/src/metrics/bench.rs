//! What the benchmarks measure: scrapes of many services.

use std::fmt::Write as _;
use std::sync::Arc;

use conf::Machine;
use dataplane::control;
use dataplane::publish::Publisher;
use dataplane::service::{RealId, ServiceId};
use dataplane::snapshot::Snapshot;
use dataplane::stats::WorkerStats;
use tokio::runtime::{self, Runtime};
use tokio::sync::Mutex;

use super::encode::Encoder;
use super::{services, workers};
use crate::identity::{Registry, Unused};
use crate::listing::Ring;
use crate::state::{InForce, Seat, Seats};

/// What a daemon with many services has.
#[derive(Debug)]
pub struct Many {
    in_force: InForce,
    workers: Seats,
    runtime: Runtime,
}

/// What came of a scrape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scraped {
    /// Lines of text.
    pub lines: usize,
    /// Bytes of text.
    pub bytes: usize,
}

impl Many {
    /// So many services with so many real servers each, at two workers that have counted
    /// something for each. `shown` is what the file says under `metrics.real_servers`.
    ///
    /// # Panics
    /// If there cannot be so many.
    #[must_use]
    pub fn new(service_count: u32, real_servers_each: u32, shown: &str) -> Self {
        let counted = || Arc::new(counted(service_count, service_count * real_servers_each));
        Self::at([counted(), counted()].into(), service_count, real_servers_each, shown)
    }

    /// The same at workers with these counters.
    ///
    /// # Panics
    /// If there cannot be so many.
    #[must_use]
    #[expect(clippy::panic, reason = "for benchmarks alone")]
    pub fn at(
        counters: Vec<Arc<WorkerStats>>,
        service_count: u32,
        real_servers_each: u32,
        shown: &str,
    ) -> Self {
        let text = file(counters.len(), (service_count, real_servers_each), shown);
        let config = conf::parse("bench.yaml", &text, &Machine::default());
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let mut registry = Registry::new(&config.limits, config.workers.len());
        let named = registry.assign(&config, 1, &Unused);
        let publisher = Publisher::new(Snapshot::new(1, Vec::new(), &[]));
        let seat = |(&lcore, stats)| Seat {
            lcore,
            running: publisher.reader().running(),
            stats,
            ring: Mutex::new(Ring::new(control::rings().0)),
        };
        let workers = Seats(config.workers.iter().zip(counters).map(seat).collect());
        let name = "bench.yaml".to_owned();
        let in_force = InForce::new(config, named, name, 1);
        let runtime = runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
        Self { in_force, workers, runtime }
    }

    /// Reads everything and makes the text.
    #[must_use]
    pub fn scrape(&self) -> Scraped {
        let services = self.runtime.block_on(services::tables(&self.in_force, &self.workers));
        let mut encoder = Encoder::default();
        workers::add(&self.workers, 1, &mut encoder);
        services.add(&mut encoder);
        let mut scraped = Scraped::default();
        for piece in encoder {
            scraped.bytes += piece.len();
            scraped.lines += piece.iter().filter(|byte| **byte == b'\n').count();
        }
        scraped
    }
}

fn file(workers: usize, (service_count, real_servers_each): (u32, u32), shown: &str) -> String {
    let workers: Vec<_> = (1..=workers).collect();
    let mut text = format!(
        "version: 1\nworkers: {workers:?}\nmetrics: {{real_servers: {shown}}}\nports:\n  \
         wan: {{device: net_null0, addresses: [192.0.2.2/24]}}\n  \
         lan: {{device: net_null1, addresses: [10.0.0.2/8]}}\n\
         routes: [{{to: 0.0.0.0/0, via: 192.0.2.1}}]\nservices:\n"
    );
    for service in 0..service_count {
        let (third, last) = (service / 250, service % 250 + 1);
        let _ = writeln!(
            text,
            "  service-{service:05}:\n    vip: 172.16.{third}.{last}:443\n    protocol: tcp\n    \
             mode: nat\n    real_servers:"
        );
        for real in 0..real_servers_each {
            let _ = writeln!(text, "    - {{address: 10.{}.{third}.{last}:8443}}", real + 1);
        }
    }
    text
}

fn counted(services: u32, real_servers: u32) -> WorkerStats {
    let stats = WorkerStats::new(services as usize, real_servers as usize);
    for number in 0..real_servers {
        let ids = (ServiceId(number % services), RealId(number));
        stats.count_connection(ids);
        for traffic in [stats.real_server(ids.1).map(|real| &real.traffic), stats.service(ids.0)] {
            let Some(traffic) = traffic else { continue };
            traffic.in_packets.add(1_000_003 * u64::from(number));
            traffic.in_bytes.add(700_000_001 * u64::from(number));
            traffic.out_packets.add(900_007 * u64::from(number));
            traffic.out_bytes.add(1_300_000_003 * u64::from(number));
        }
    }
    stats
}
