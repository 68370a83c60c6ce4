//! Metrics of services and real servers.
//!
//! There may be a hundred thousand of them, so counters are read once, before the text is made:
//! what a worker counts into is taken from its cache once a scrape, and all columns of a row are of
//! one moment.

use conf::{Config, ForwardingMode, OwnAddresses, Service, ServiceKey};
use dataplane::forward::LocalPortShare;

use super::encode::Encoder;
use super::sheet::{Column, Labels, Sheet, Table, Value, labels};
use crate::api::proto::Traffic;
use crate::identity::{NamedRealServer, NamedService, Usage as _};
use crate::state::{InForce, Seats};

/// Real servers that are read before others on the control thread have their turn: half a
/// millisecond.
const REAL_SERVERS_AT_ONCE: usize = 2048;

/// What a real server has now.
#[derive(Clone, Copy, Debug, Default)]
struct Gauges {
    active: u64,
    inactive: u64,
    templates: u64,
}

/// A real server.
#[derive(Debug)]
struct RealRow {
    traffic: Traffic,
    now: Gauges,
    weight: u32,
    local_ports: Option<u64>,
}

/// A service.
#[derive(Debug)]
struct ServiceRow {
    traffic: Traffic,
    /// Sums over its real servers.
    now: Gauges,
    real_servers: u64,
    /// Those that take new connections.
    usable: u64,
    /// The largest share of its local ports that one of them has in use.
    local_ports_used: Option<f64>,
}

static SERVICE_INFO: Sheet<()> = Sheet {
    title: "Services",
    labels: &["service", "protocol, vip, vport", "mark", "mode", "scheduler"],
    columns: &[Column::info("rvs_service", "How packets of the service are forwarded.")],
};

static SERVICES: Sheet<ServiceRow> = Sheet {
    title: "Services",
    labels: &["service", "protocol, vip, vport", "mark"],
    columns: &[
        Column::gauge("rvs_service_real_servers", "Real servers configured.", |row| {
            Value::Int(row.real_servers)
        }),
        Column::gauge(
            "rvs_service_usable_real_servers",
            "Real servers that take new connections: with a weight, not draining, not `unusable`.",
            |row| Value::Int(row.usable),
        ),
        Column::counter("rvs_service_opened_connections", "Connections scheduled.", |row| {
            Value::Int(row.traffic.connections)
        }),
        Column::counter(
            "rvs_service_closed_connections",
            "Connections that have ended: their flow was forgotten.",
            |row| Value::Int(row.traffic.closed),
        ),
        Column::gauge(
            "rvs_service_active_connections",
            "TCP connections established or opening, SCTP associations established.",
            |row| Value::Int(row.now.active),
        ),
        Column::gauge(
            "rvs_service_inactive_connections",
            "Other connections: closing TCP, other SCTP, all of UDP.",
            |row| Value::Int(row.now.inactive),
        ),
        Column::gauge("rvs_service_templates", "Persistence templates.", |row| {
            Value::Int(row.now.templates)
        }),
        Column::counter("rvs_service_in_packets", "IP packets from clients.", |row| {
            Value::Int(row.traffic.in_packets)
        }),
        Column::counter("rvs_service_in_bytes", "Bytes of these packets.", |row| {
            Value::Int(row.traffic.in_bytes)
        }),
        Column::counter(
            "rvs_service_out_packets",
            "IP packets from real servers; none with dr and tun, whose replies do not pass here.",
            |row| Value::Int(row.traffic.out_packets),
        ),
        Column::counter("rvs_service_out_bytes", "Bytes of these packets.", |row| {
            Value::Int(row.traffic.out_bytes)
        }),
        Column::gauge(
            "rvs_service_local_ports_used_ratio",
            "The largest share of its local ports that a real server has in use; mode fullnat \
             only.",
            |row| row.local_ports_used.map_or(Value::Absent, Value::Real),
        ),
    ],
};

static REAL_SERVERS: Sheet<RealRow> = Sheet {
    title: "Real servers",
    labels: &["service", "protocol, vip, vport", "mark", "real_server"],
    columns: &[
        Column::gauge(
            "rvs_real_server_weight",
            "Its share of new connections; 0 while it takes none.",
            |row| Value::Int(u64::from(row.weight)),
        ),
        Column::counter("rvs_real_server_opened_connections", "Connections scheduled.", |row| {
            Value::Int(row.traffic.connections)
        }),
        Column::counter(
            "rvs_real_server_closed_connections",
            "Connections that have ended: their flow was forgotten.",
            |row| Value::Int(row.traffic.closed),
        ),
        Column::gauge(
            "rvs_real_server_active_connections",
            "TCP connections established or opening, SCTP associations established.",
            |row| Value::Int(row.now.active),
        ),
        Column::gauge(
            "rvs_real_server_inactive_connections",
            "Other connections: closing TCP, other SCTP, all of UDP.",
            |row| Value::Int(row.now.inactive),
        ),
        Column::gauge("rvs_real_server_templates", "Persistence templates.", |row| {
            Value::Int(row.now.templates)
        }),
        Column::counter("rvs_real_server_in_packets", "IP packets from clients.", |row| {
            Value::Int(row.traffic.in_packets)
        }),
        Column::counter("rvs_real_server_in_bytes", "Bytes of these packets.", |row| {
            Value::Int(row.traffic.in_bytes)
        }),
        Column::counter(
            "rvs_real_server_out_packets",
            "IP packets from it; none with dr and tun, whose replies do not pass here.",
            |row| Value::Int(row.traffic.out_packets),
        ),
        Column::counter("rvs_real_server_out_bytes", "Bytes of these packets.", |row| {
            Value::Int(row.traffic.out_bytes)
        }),
        Column::gauge(
            "rvs_real_server_local_ports_used",
            "Local addresses and ports in use towards it; mode fullnat only.",
            |row| row.local_ports.map(|_| row.now.active + row.now.inactive).into(),
        ),
        Column::gauge(
            "rvs_real_server_local_ports",
            "Local addresses and ports there are towards it; mode fullnat only.",
            |row| row.local_ports.into(),
        ),
    ],
};

/// What everything is read from.
#[derive(Debug)]
struct Of<'a> {
    config: &'a Config,
    workers: &'a Seats,
    own: OwnAddresses,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Tables {
    info: Table<()>,
    services: Table<ServiceRow>,
    real_servers: Table<RealRow>,
    /// How many more real servers may have series.
    left: usize,
    /// Those that have none.
    pub(super) omitted: u64,
}

impl Tables {
    /// Hands them over to become text.
    pub(super) fn add(self, encoder: &mut Encoder) {
        encoder.add(self.info);
        encoder.add(self.services);
        encoder.add(self.real_servers);
    }
}

/// Reads all services and real servers, some of them at a time.
pub(super) async fn tables(in_force: &InForce, workers: &Seats) -> Tables {
    let max = in_force.config.metrics.real_servers_max;
    let mut tables = Tables {
        info: Table::new(&SERVICE_INFO),
        services: Table::new(&SERVICES),
        real_servers: Table::new(&REAL_SERVERS),
        left: max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX)),
        omitted: 0,
    };
    let config = &in_force.config;
    let of = Of { config, workers, own: OwnAddresses::of(config) };
    let mut read = 0;
    for (service, named) in in_force.config.services.iter().zip(&in_force.named) {
        read += tables.read(service, named, &of);
        if read >= REAL_SERVERS_AT_ONCE {
            tokio::task::yield_now().await;
            read = 0;
        }
    }
    tables
}

impl Tables {
    /// Reads a service and its real servers; how many rows that was.
    fn read(&mut self, service: &Service, named: &NamedService, of: &Of<'_>) -> usize {
        let workers = of.workers;
        let own = labels(|labels| label(service, labels));
        let count = service.real_servers.len();
        let capacity = LocalPortShare::All.capacity(of.config.pool_of(service));
        let listed = count <= self.left;
        if listed {
            self.left -= count;
        } else {
            self.omitted += count as u64;
        }
        let mut row = ServiceRow {
            traffic: workers.service(named.id).since(&named.base),
            now: Gauges::default(),
            real_servers: count as u64,
            usable: 0,
            local_ports_used: None,
        };
        for (real, number) in service.real_servers.iter().zip(&named.real_servers) {
            let (traffic, now) = counts(workers, *number);
            row.now = row.now.plus(now);
            let weight = if of.own.unusable(real).is_some() { 0 } else { real.effective_weight() };
            row.usable += u64::from(weight > 0);
            let is_fullnat = real.mode == ForwardingMode::FullNat;
            let local_ports = is_fullnat.then_some(capacity);
            if is_fullnat {
                let used = share(now.active + now.inactive, capacity);
                row.local_ports_used = Some(row.local_ports_used.unwrap_or(0.0).max(used));
            }
            if listed {
                let real_row = RealRow { traffic, now, weight, local_ports };
                self.real_servers.push(real_row).copy(&own).show("real_server", real.address);
            }
        }
        let (mode, scheduler) = (service.mode.as_str(), service.scheduler.as_str());
        self.info.push(()).copy(&own).add("mode", mode).add("scheduler", scheduler);
        self.services.push(row).copy(&own);
        count + 1
    }
}

impl Gauges {
    const fn plus(self, other: Self) -> Self {
        Self {
            active: self.active + other.active,
            inactive: self.inactive + other.inactive,
            templates: self.templates + other.templates,
        }
    }
}

/// The labels that tell a service.
fn label(service: &Service, labels: &mut Labels<'_>) {
    labels.add("service", &service.name);
    match service.key {
        ServiceKey::Endpoint { protocol, vip } => {
            labels.add("protocol", protocol.as_str());
            labels.show("vip", vip.ip()).show("vport", vip.port());
        }
        ServiceKey::Mark(mark) => {
            labels.show("mark", mark);
        }
    }
}

/// What all workers have counted for a real server.
fn counts(workers: &Seats, named: NamedRealServer) -> (Traffic, Gauges) {
    let (mut traffic, mut now) = (Traffic::default(), Gauges::default());
    for real in workers.iter().filter_map(|seat| seat.stats.real_server(named.id)) {
        traffic = traffic.plus(&real.traffic);
        now = now.plus(Gauges {
            active: real.active.value(),
            inactive: real.inactive.value(),
            templates: real.templates.value(),
        });
    }
    (traffic.since(&named.base), now)
}

/// The share in use, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "ports are counted in millions")]
fn share(used: u64, capacity: u64) -> f64 {
    used as f64 / capacity.max(1) as f64
}
