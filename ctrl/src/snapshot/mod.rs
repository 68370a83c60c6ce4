//! Checked configuration and running ports -> what the packet path works from.

mod options;

use std::net::Ipv4Addr;

use conf::{Config, OwnAddresses, Service};
use dataplane::flow::Timeouts;
use dataplane::forward::ForwardingMode;
use dataplane::marks::{MarkRule, MarkRules};
use dataplane::persistence::{Engine, Persistence};
use dataplane::sched::{HashFlags, MaglevEntry, Scheduler};
use dataplane::service::{Dest, Helper, RealServer, ServiceKey, ServiceTable, VirtualService};
use dataplane::snapshot::{
    AddressUse, NextHop, PortAddress, PortIdx, PortInfo, Route, Snapshot, Subnet,
};
use dataplane::time::Ticks;
use dataplane::wire::Mac;

use crate::identity::{Named, NamedService, Registry, Wanted};

/// What a running port adds to its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortFacts {
    /// Its MAC address.
    pub(crate) mac: [u8; 6],
    /// The largest IP packet it takes.
    pub(crate) mtu: u16,
    /// Whether it fills in IPv4 header checksums.
    pub(crate) tx_ipv4_checksum: bool,
    /// Whether it fills in UDP checksums.
    pub(crate) tx_udp_checksum: bool,
}

/// Builds the snapshot of `config`, whose ports run as `ports` says and whose services have the
/// numbers of `named`, both in the order of the configuration.
pub(crate) fn build(
    config: &Config,
    ports: &[PortFacts],
    named: &Named,
    registry: &mut Registry,
    generation: u64,
) -> Snapshot {
    let mut snapshot = Snapshot::new(generation, port_infos(config, ports), &routes(config));
    snapshot.timeouts = timeouts(&config.timeouts);
    snapshot.ipvs = options::ipvs(&config.ipvs);
    let real_ids = named.iter().flat_map(|service| &service.real_servers).map(|real| real.id);
    let real_count = real_ids.map(|id| id.index() + 1).max().unwrap_or_default();
    snapshot.real_servers = vec![None; real_count];
    let announced = registry.announced(config, generation);
    let own = OwnAddresses::of(config);
    let mut services = Vec::with_capacity(config.services.len());
    for (service, named) in config.services.iter().zip(named) {
        if let Some(vip) = service.vip_of_network() {
            snapshot.add_address(vip, registry.vip_use(vip));
        }
        let pool = config.pool_of(service);
        for address in pool {
            snapshot.add_address(*address, AddressUse::Local);
        }
        let built = add_service(&mut snapshot, (service, pool), (named, &own), registry);
        snapshot.add_nat_reals(&built);
        services.push(built);
        if service.timeouts != conf::ServiceTimeouts::default() {
            let own = timeouts(&service.timeouts.over(&config.timeouts));
            snapshot.own_timeouts.set(named.id, own);
        }
    }
    for vip in config.marks.iter().filter_map(conf::MarkRule::vip) {
        snapshot.add_address(vip, registry.vip_use(vip));
    }
    snapshot.marks = marks(config);
    snapshot.services = ServiceTable::new(services);
    snapshot.announced = announced;
    snapshot
}

fn timeouts(written: &conf::Timeouts) -> Timeouts {
    Timeouts::with_seconds(written.tcp_s, written.tcp_fin_s, written.udp_s)
}

fn port_infos(config: &Config, ports: &[PortFacts]) -> Vec<PortInfo> {
    let info = |(port, facts): (&conf::Port, &PortFacts)| PortInfo {
        mac: Mac(facts.mac),
        mtu: facts.mtu.min(port.mtu),
        tx_ipv4_checksum: facts.tx_ipv4_checksum,
        tx_udp_checksum: facts.tx_udp_checksum,
        addresses: port
            .addresses
            .iter()
            .map(|own| PortAddress {
                address: own.addr,
                subnet: Subnet::of(own.addr, own.prefix_len),
            })
            .collect(),
    };
    config.ports.iter().zip(ports).map(info).collect()
}

fn routes(config: &Config) -> Vec<Route> {
    let route = |route: &conf::Route| {
        let port = PortIdx(u8::try_from(route.port).ok()?);
        Some(Route {
            to: Subnet::of(route.to.network(), route.to.prefix_len()),
            via: NextHop { port, address: route.via },
        })
    };
    config.routes.iter().filter_map(route).collect()
}

/// Adds a service's real servers to the snapshot and returns the service. Real servers that nothing
/// can be sent to are left out: for the packet path they are not there.
fn add_service(
    snapshot: &mut Snapshot,
    (service, pool): (&Service, &[Ipv4Addr]),
    (named, own): (&NamedService, &OwnAddresses),
    registry: &mut Registry,
) -> VirtualService {
    let id = named.id;
    let (mut dests, mut ends) = (Vec::new(), Vec::new());
    // In IPVS' list order: the one added last comes first.
    for (real, named) in service.real_servers.iter().zip(&named.real_servers).rev() {
        if own.unusable(real).is_some() {
            continue;
        }
        let (address, l4_port) = (*real.address.ip(), real.address.port());
        let weight = real.effective_weight();
        dests.push(Dest {
            real: named.id,
            weight,
            upper_threshold: real.upper_threshold,
            lower_threshold: real.lower_threshold,
        });
        let mode = mode(real.mode);
        ends.push((MaglevEntry { address, l4_port, weight }, mode));
        let next_hop = snapshot.route(address);
        if let Some(place) = snapshot.real_servers.get_mut(named.id.index()) {
            let (id, service) = (named.id, id);
            *place = Some(RealServer { id, service, address, l4_port, mode, weight, next_hop });
        }
    }
    let dests = dests.into_boxed_slice();
    let wanted = Wanted { scheduler: scheduler(service), dests: dests.clone(), ends };
    let (schedule, stateless) = registry.schedule(id, wanted);
    VirtualService {
        id,
        key: key(service.key),
        ops: service.ops,
        schedule,
        stateless,
        dests,
        local_addresses: pool.into(),
        persistence: service.persistence.map(|persistence| Persistence {
            timeout: Ticks::from_secs(persistence.timeout_s),
            mask: persistence.mask,
            engine: persistence.engine.map(engine),
        }),
        helper: service.helper.map(helper),
    }
}

fn key(key: conf::ServiceKey) -> ServiceKey {
    match key {
        conf::ServiceKey::Endpoint { protocol, vip } => {
            ServiceKey::endpoint(protocol_number(protocol), *vip.ip(), vip.port())
        }
        conf::ServiceKey::Mark(mark) => ServiceKey::Mark(mark),
    }
}

fn marks(config: &Config) -> MarkRules {
    let subnet = |network: conf::Ipv4Net| Subnet::of(network.network(), network.prefix_len());
    MarkRules::new(config.marks.iter().map(|rule| MarkRule {
        mark: rule.mark,
        protocol: rule.protocol.map(protocol_number),
        port: rule.port.and_then(|port| u8::try_from(port).ok()).map(PortIdx),
        source: subnet(rule.source),
        destination: subnet(rule.destination),
        source_ports: rule.source_ports.clone().into(),
        destination_ports: rule.destination_ports.clone().into(),
    }))
}

/// The number of a protocol in the IP header.
pub(crate) fn protocol_number(protocol: conf::Protocol) -> u8 {
    match protocol {
        conf::Protocol::Tcp => 6,
        conf::Protocol::Udp => 17,
        conf::Protocol::Sctp => 132,
    }
}

/// The protocol of services with this number in the IP header, if there are such.
pub(crate) fn protocol_of(number: u8) -> Option<conf::Protocol> {
    conf::Protocol::ALL.into_iter().find(|protocol| protocol_number(*protocol) == number)
}

/// The name of a protocol by its number in the IP header.
pub(crate) fn protocol_name(number: u8) -> &'static str {
    match number {
        // Of templates for packets with a mark.
        0 => "ip",
        6 => "tcp",
        17 => "udp",
        132 => "sctp",
        _ => "other",
    }
}

fn mode(mode: conf::ForwardingMode) -> ForwardingMode {
    match mode {
        conf::ForwardingMode::Dr => ForwardingMode::Dr,
        conf::ForwardingMode::Nat => ForwardingMode::Nat,
        conf::ForwardingMode::Tunnel => ForwardingMode::Tunnel,
        conf::ForwardingMode::FullNat => ForwardingMode::FullNat,
    }
}

fn engine(engine: conf::PersistenceEngine) -> Engine {
    match engine {
        conf::PersistenceEngine::Sip => Engine::Sip,
    }
}

fn helper(helper: conf::Helper) -> Helper {
    match helper {
        conf::Helper::Ftp => Helper::Ftp,
    }
}

fn scheduler(service: &Service) -> Scheduler {
    let conf::SchedulerFlags { flag_1: fallback, flag_2: port, flag_3: _ } =
        service.scheduler_flags;
    let flags = HashFlags { fallback, port };
    match service.scheduler {
        conf::Scheduler::Rr => Scheduler::Rr,
        conf::Scheduler::Wrr => Scheduler::Wrr,
        conf::Scheduler::Lc => Scheduler::Lc,
        conf::Scheduler::Wlc => Scheduler::Wlc,
        conf::Scheduler::Sed => Scheduler::Sed,
        conf::Scheduler::Nq => Scheduler::Nq,
        conf::Scheduler::Fo => Scheduler::Fo,
        conf::Scheduler::Ovf => Scheduler::Ovf,
        conf::Scheduler::Lblc => Scheduler::Lblc,
        conf::Scheduler::Lblcr => Scheduler::Lblcr,
        conf::Scheduler::Twos => Scheduler::Twos,
        conf::Scheduler::Dh => Scheduler::Dh,
        conf::Scheduler::Sh => Scheduler::Sh(flags),
        conf::Scheduler::Mh => Scheduler::Mh(flags),
    }
}

#[cfg(test)]
mod tests;
