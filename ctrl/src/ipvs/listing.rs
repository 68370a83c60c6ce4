//! Services and real servers as IPVS lists them, in plain numbers.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use conf::edit::Desired;
use conf::{Config, ForwardingMode, GueChecksum, RealServer, Service, ServiceKey, Tunnel};
use dataplane::flow::{FlowKey, FlowTable};
use dataplane::stats::RealServerStats;

use super::meaning::flags_of;
use super::uapi::{method, tunnel};
use crate::api::proto::{Rates, Traffic};
use crate::identity::{NamedRealServer, NamedService, Usage as _};
use crate::snapshot::protocol_number;
use crate::state::{InForce, Seat, State};

/// What was counted, and how fast it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    pub(super) traffic: Traffic,
    pub(super) rates: Rates,
}

/// A service. One with a mark has no address, and the protocol TCP, as Linux has it.
#[derive(Clone, Debug)]
pub(super) struct ServiceRow {
    pub(super) protocol: u16,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    /// 0 for a service with an address.
    pub(super) mark: u32,
    pub(super) scheduler: &'static str,
    pub(super) flags: u32,
    pub(super) timeout_s: u32,
    pub(super) netmask: Ipv4Addr,
    pub(super) engine: Option<&'static str>,
    pub(super) dest_count: usize,
    pub(super) statistics: Statistics,
}

/// A real server.
#[derive(Clone, Copy, Debug)]
pub(super) struct DestRow {
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    pub(super) method: u32,
    pub(super) tunnel: TunnelRow,
    pub(super) weight: u32,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    pub(super) active: u64,
    pub(super) inactive: u64,
    pub(super) persistent: u64,
    pub(super) statistics: Statistics,
}

/// How packets are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TunnelRow {
    pub(super) kind: u8,
    pub(super) port: u16,
    pub(super) flags: u16,
}

/// All that is configured, commands included, and what was counted of it.
#[derive(Debug)]
pub(super) struct Listing {
    desired: Desired,
    pub(super) counted: Counted,
}

/// What is in force, where counters are: what was accepted a moment ago may have none yet.
#[derive(Debug)]
pub(super) struct Counted(Arc<InForce>);

/// The numbers that a service and its real servers have in force.
#[derive(Clone, Copy, Debug)]
struct Numbers<'a> {
    service: &'a Service,
    named: &'a NamedService,
}

impl Listing {
    /// Takes a moment for each service there is.
    pub(super) fn new(state: &State) -> Self {
        let (desired, _) = state.desk.desired();
        Self { desired, counted: Counted::now(state) }
    }

    /// All services, those by mark last, as in Linux.
    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        let of = |by_mark: bool| {
            let all = self.desired.services().iter();
            all.filter(move |service| service.key.vip().is_none() == by_mark).map(|one| &**one)
        };
        of(false).chain(of(true))
    }
}

impl Counted {
    pub(super) fn now(state: &State) -> Self {
        Self(state.in_force.load_full())
    }

    /// The numbers of a service, if it is in force.
    fn numbers(&self, key: ServiceKey) -> Option<Numbers<'_>> {
        let place = self.0.place(key)?;
        let service = self.0.config.services.get(place)?;
        Some(Numbers { service, named: self.0.named.get(place)? })
    }

    /// A service as a row.
    pub(super) fn row(&self, state: &State, of: &Service) -> ServiceRow {
        service(state, of, self.numbers(of.key))
    }

    /// The real servers of a service as rows, in the order in which Linux has them: the newest
    /// first.
    pub(super) fn dests(&self, state: &State, of: &Service) -> Vec<DestRow> {
        let numbers = self.numbers(of.key);
        let all = of.real_servers.iter().enumerate().rev();
        let row = |(place, real): (usize, &RealServer)| {
            dest(state, real, numbers.and_then(|numbers| numbers.of(place, real.address)))
        };
        all.map(row).collect()
    }

    /// What was counted for all services, and how fast it comes now.
    pub(super) fn total(&self, state: &State) -> Statistics {
        let rates = state.rates.load();
        let mut sum = Statistics::default();
        for named in &self.0.named {
            let traffic = state.workers.service(named.id).since(&named.base);
            sum.traffic = sum.traffic.added(&traffic);
            let of = rates.service(named);
            sum.rates = Rates {
                connections: sum.rates.connections + of.connections,
                in_packets: sum.rates.in_packets + of.in_packets,
                out_packets: sum.rates.out_packets + of.out_packets,
                in_bytes: sum.rates.in_bytes + of.in_bytes,
                out_bytes: sum.rates.out_bytes + of.out_bytes,
            };
        }
        sum
    }

    /// What a worker has counted for all services since it began.
    pub(super) fn of_worker(&self, seat: &Seat) -> Traffic {
        let all = self.0.named.iter().filter_map(|named| seat.stats.service(named.id));
        all.fold(Traffic::default(), |sum, stats| sum.plus(stats))
    }
}

impl Numbers<'_> {
    /// The number of a real server, which usually has the same place.
    fn of(&self, place: usize, address: SocketAddrV4) -> Option<NamedRealServer> {
        let all = &self.service.real_servers;
        let is_it = |real: &RealServer| real.address == address;
        let place = match all.get(place).filter(|real| is_it(real)) {
            Some(_) => place,
            None => all.iter().position(is_it)?,
        };
        self.named.real_servers.get(place).copied()
    }
}

/// A service as a row.
fn service(state: &State, service: &Service, numbers: Option<Numbers<'_>>) -> ServiceRow {
    let (protocol, address, port, mark) = match service.key {
        ServiceKey::Endpoint { protocol, vip } => {
            (protocol_number(protocol), *vip.ip(), vip.port(), 0)
        }
        ServiceKey::Mark(mark) => {
            (protocol_number(conf::Protocol::Tcp), Ipv4Addr::UNSPECIFIED, 0, mark.get())
        }
    };
    let persistence = service.persistence;
    ServiceRow {
        protocol: protocol.into(),
        address,
        port,
        mark,
        scheduler: service.scheduler.as_str(),
        flags: flags_of(service),
        timeout_s: persistence.map_or(0, |persistence| persistence.timeout_s),
        netmask: persistence
            .map_or(conf::Persistence::WHOLE_ADDRESS, |persistence| persistence.mask),
        engine: persistence
            .and_then(|persistence| persistence.engine)
            .map(conf::PersistenceEngine::as_str),
        dest_count: service.real_servers.len(),
        statistics: numbers.map_or_else(Statistics::default, |Numbers { named, .. }| Statistics {
            traffic: state.workers.service(named.id).since(&named.base),
            rates: state.rates.load().service(named),
        }),
    }
}

/// A real server as a row.
fn dest(state: &State, real: &RealServer, named: Option<NamedRealServer>) -> DestRow {
    let gauge = |read: fn(&RealServerStats) -> u64| {
        let of = |named: NamedRealServer| {
            state.workers.sum(|stats| stats.real_server(named.id).map_or(0, read))
        };
        named.map_or(0, of)
    };
    DestRow {
        address: *real.address.ip(),
        port: real.address.port(),
        method: method_of(real.mode),
        tunnel: TunnelRow::of(real.tunnel),
        weight: real.effective_weight(),
        upper_threshold: real.upper_threshold,
        lower_threshold: real.lower_threshold,
        active: gauge(|stats| stats.active.value()),
        inactive: gauge(|stats| stats.inactive.value()),
        persistent: gauge(|stats| stats.templates.value()),
        statistics: named.map_or_else(Statistics::default, |named| Statistics {
            traffic: state.workers.real_server(named.id).since(&named.base),
            rates: state.rates.load().real_server(&named),
        }),
    }
}

/// The method of a mode; FULLNAT, which IPVS has not, is a kind of masquerading.
const fn method_of(mode: ForwardingMode) -> u32 {
    match mode {
        ForwardingMode::Dr => method::DIRECT_ROUTE,
        ForwardingMode::Tunnel => method::TUNNEL,
        ForwardingMode::Nat | ForwardingMode::FullNat => method::MASQ,
    }
}

impl TunnelRow {
    fn of(given: Tunnel) -> Self {
        let port = given.dst_port().map_or(0, std::num::NonZeroU16::get);
        let (kind, flags) = match given {
            Tunnel::Ipip => (tunnel::IPIP, 0),
            Tunnel::Gue { checksum: GueChecksum::None, .. } => (tunnel::GUE, 0),
            Tunnel::Gue { checksum: GueChecksum::Full, .. } => (tunnel::GUE, tunnel::CSUM),
            Tunnel::Gue { checksum: GueChecksum::Remote, .. } => (tunnel::GUE, tunnel::REMCSUM),
            Tunnel::Gre { checksum: false } => (tunnel::GRE, 0),
            Tunnel::Gre { checksum: true } => (tunnel::GRE, tunnel::CSUM),
        };
        Self { kind, port, flags }
    }
}

/// How many buckets the flow tables of all workers have.
pub(super) fn table_size(config: &Config) -> u32 {
    let each = FlowTable::<FlowKey>::bucket_count(config.limits.flows);
    u32::try_from(each.saturating_mul(config.workers.len())).unwrap_or(u32::MAX)
}
