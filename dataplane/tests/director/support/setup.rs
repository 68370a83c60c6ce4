//! A small site: a client behind a gateway on the wan port, real servers on the lan port.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use rvs_dataplane::flow::Timeouts;
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::marks::{Mark, MarkRule, MarkRules};
use rvs_dataplane::options::IpvsOptions;
use rvs_dataplane::persistence::{Engine, Persistence};
use rvs_dataplane::sched::{MaglevEntry, Schedule, Scheduler};
use rvs_dataplane::service::{
    Dest, Helper, RealId, RealServer, ServiceId, ServiceKey, ServiceTable, VirtualService,
};
use rvs_dataplane::snapshot::{
    AddressUse, NextHop, PortAddress, PortIdx, PortInfo, Route, Snapshot, Subnet,
};
use rvs_dataplane::testing::{DIRECTOR_MAC, Endpoint, PEER_MAC};
use rvs_dataplane::time::Ticks;
use rvs_dataplane::wire::{IpProto, Mac};

pub(crate) const WAN: PortIdx = PortIdx(0);
pub(crate) const LAN: PortIdx = PortIdx(1);
pub(crate) const WAN_MAC: Mac = DIRECTOR_MAC;
pub(crate) const LAN_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xD2]);
pub(crate) const WAN_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const LAN_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const CLIENT: &str = "198.51.100.7:40000";
pub(crate) const VIP: &str = "192.0.2.10:80";
pub(crate) const RS1: &str = "10.0.0.11:8080";
pub(crate) const RS2: &str = "10.0.0.12:8080";
pub(crate) const LIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

/// Every mode, for what they have in common.
pub(crate) const MODES: [ForwardingMode; 4] =
    [ForwardingMode::Dr, ForwardingMode::Tunnel, ForwardingMode::Nat, ForwardingMode::FullNat];

/// The MAC that `address` has in every test.
pub(crate) fn mac_of(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    if address == GATEWAY { PEER_MAC } else { Mac([2, 0xEE, a, b, c, d]) }
}

/// A virtual service to set up.
#[derive(Clone, Debug)]
pub(crate) struct ServiceSpec {
    protocol: u8,
    vip: SocketAddrV4,
    mode: ForwardingMode,
    scheduler: Scheduler,
    /// Address, mode and weight.
    reals: Vec<(SocketAddrV4, ForwardingMode, u32)>,
    local: Vec<Ipv4Addr>,
    /// Of each real server.
    upper_threshold: u32,
    persistence: Option<Persistence>,
    helper: Option<Helper>,
    ops: bool,
    /// Instead of protocol and VIP.
    mark: Option<Mark>,
    /// The generation that brought it.
    since: u64,
    timeouts: Option<Timeouts>,
}

impl ServiceSpec {
    pub(crate) fn tcp(vip: impl Endpoint, mode: ForwardingMode) -> Self {
        let local = if mode == ForwardingMode::FullNat { vec![LIP] } else { Vec::new() };
        let (protocol, scheduler) = (IpProto::TCP, Scheduler::Rr);
        let (upper_threshold, ops, mark, timeouts) = (0, false, None, None);
        let (reals, since, persistence) = (Vec::new(), 1, None);
        Self {
            protocol,
            vip: vip.endpoint(),
            mode,
            scheduler,
            reals,
            local,
            upper_threshold,
            persistence,
            helper: None,
            ops,
            mark,
            since,
            timeouts,
        }
    }

    pub(crate) fn udp(vip: impl Endpoint, mode: ForwardingMode) -> Self {
        Self { protocol: IpProto::UDP, ..Self::tcp(vip, mode) }
    }

    pub(crate) fn sctp(vip: impl Endpoint, mode: ForwardingMode) -> Self {
        Self { protocol: IpProto::SCTP, ..Self::tcp(vip, mode) }
    }

    pub(crate) fn real(self, address: impl Endpoint, weight: u32) -> Self {
        let mode = self.mode;
        self.real_in(mode, address, weight)
    }

    /// A real server in a mode of its own.
    pub(crate) fn real_in(
        mut self,
        mode: ForwardingMode,
        address: impl Endpoint,
        weight: u32,
    ) -> Self {
        self.reals.push((address.endpoint(), mode, weight));
        self
    }

    /// Has a client's connections go to one real server for so many seconds.
    pub(crate) fn persistent(mut self, timeout_s: u32, mask: [u8; 4]) -> Self {
        let timeout = Ticks::from_secs(timeout_s);
        self.persistence = Some(Persistence { timeout, mask: mask.into(), engine: None });
        self
    }

    /// Has the Call-ID of SIP messages tell a client's connections apart.
    pub(crate) fn by_call(mut self) -> Self {
        let persistence = self.persistence.as_mut().expect("a persistent service");
        persistence.engine = Some(Engine::Sip);
        self
    }

    pub(crate) fn upper_threshold(mut self, connections: u32) -> Self {
        self.upper_threshold = connections;
        self
    }

    pub(crate) fn locals(mut self, local: impl Into<Vec<Ipv4Addr>>) -> Self {
        self.local = local.into();
        self
    }

    pub(crate) fn ftp(mut self) -> Self {
        self.helper = Some(Helper::Ftp);
        self
    }

    /// A service of all packets with a mark.
    pub(crate) fn marked(mark: Mark, mode: ForwardingMode) -> Self {
        Self { mark: Some(mark), ..Self::tcp(VIP, mode) }
    }

    /// Schedules every datagram by itself.
    pub(crate) fn ops(mut self) -> Self {
        self.ops = true;
        self
    }

    pub(crate) fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = Some(timeouts);
        self
    }

    pub(crate) fn scheduler(mut self, scheduler: Scheduler) -> Self {
        self.scheduler = scheduler;
        self
    }
}

/// Everything a test may want different from the usual site.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) generation: u64,
    pub(crate) wan_mtu: u16,
    pub(crate) lan_mtu: u16,
    /// Whether the ports fill in checksums.
    pub(crate) tx_checksums: bool,
    pub(crate) flows: u32,
    pub(crate) templates: u32,
    pub(crate) timeouts: Timeouts,
    pub(crate) ipvs: IpvsOptions,
    /// Whether there is a route beyond the ports' own networks.
    pub(crate) default_route: bool,
    /// Whether all VIPs had a NAT service once.
    pub(crate) nat_vips: bool,
    /// How many workers count connections.
    pub(crate) workers: usize,
    pub(crate) marks: Vec<MarkRule>,
    services: Vec<ServiceSpec>,
    removed: Vec<SocketAddrV4>,
}

impl Setup {
    /// How many services and real servers directors of tests have counters for.
    pub(crate) const SERVICES: usize = 256;
    pub(crate) const REAL_SERVERS: usize = 256;

    pub(crate) fn new(services: impl IntoIterator<Item = ServiceSpec>) -> Self {
        Self {
            generation: 1,
            wan_mtu: 1500,
            lan_mtu: 1500,
            tx_checksums: false,
            flows: 1024,
            templates: 512,
            timeouts: Timeouts::default(),
            ipvs: IpvsOptions::default(),
            default_route: true,
            nat_vips: false,
            workers: 8,
            marks: Vec::new(),
            services: services.into_iter().collect(),
            removed: Vec::new(),
        }
    }

    /// The TCP service of [`VIP`] and a UDP service beside it, in `mode`, with the real server
    /// [`RS1`] (in DR and TUN with the ports of the services).
    pub(crate) fn one_real(mode: ForwardingMode) -> Self {
        let real = |vport: u16| match mode {
            ForwardingMode::Dr | ForwardingMode::Tunnel => (*RS1.endpoint().ip(), vport),
            ForwardingMode::Nat | ForwardingMode::FullNat => (*RS1.endpoint().ip(), 8080),
        };
        let vip = *VIP.endpoint().ip();
        Self::new([
            ServiceSpec::tcp((vip, 80), mode).real(real(80), 1),
            ServiceSpec::udp((vip, 80), mode).real(real(80), 1),
        ])
    }

    /// Takes a real server out of the next snapshot.
    pub(crate) fn remove_real(&mut self, address: impl Endpoint) {
        self.removed.push(address.endpoint());
    }

    /// Puts a removed real server back into the next snapshot.
    pub(crate) fn restore_real(&mut self, address: impl Endpoint) {
        let address = address.endpoint();
        self.removed.retain(|removed| *removed != address);
    }

    /// Adds a service to the next snapshot.
    pub(crate) fn add(&mut self, service: ServiceSpec) {
        self.services.push(ServiceSpec { since: self.generation + 1, ..service });
    }

    /// Gives the only service other options.
    pub(crate) fn replace(&mut self, service: ServiceSpec) {
        assert_eq!(self.services.len(), 1, "which one?");
        self.services = vec![service];
    }

    /// Gives every real server of every service this weight.
    pub(crate) fn set_weights(&mut self, weight: u32) {
        for (_, _, old) in self.services.iter_mut().flat_map(|service| &mut service.reals) {
            *old = weight;
        }
    }

    /// Gives a real server of all services this weight.
    pub(crate) fn set_weight(&mut self, address: impl Endpoint, weight: u32) {
        let address = address.endpoint();
        let reals = self.services.iter_mut().flat_map(|service| &mut service.reals);
        reals.filter(|(real, ..)| *real == address).for_each(|(_, _, old)| *old = weight);
    }

    /// Gives all services another scheduler.
    pub(crate) fn set_scheduler(&mut self, scheduler: Scheduler) {
        self.services.iter_mut().for_each(|service| service.scheduler = scheduler);
    }

    /// Gives all services timeouts of their own, or takes them away.
    pub(crate) fn set_timeouts(&mut self, timeouts: Option<&Timeouts>) {
        self.services.iter_mut().for_each(|service| service.timeouts = timeouts.cloned());
    }

    /// Gives all services another mode.
    pub(crate) fn set_mode(&mut self, mode: ForwardingMode) {
        for service in &mut self.services {
            service.mode = mode;
            service.reals.iter_mut().for_each(|(_, old, _)| *old = mode);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let ports = vec![
            self.port(WAN_MAC, self.wan_mtu, WAN_IP),
            self.port(LAN_MAC, self.lan_mtu, LAN_IP),
        ];
        let everywhere = Subnet::of(Ipv4Addr::UNSPECIFIED, 0);
        let via = NextHop { port: WAN, address: GATEWAY };
        let routes = self.default_route.then_some(Route { to: everywhere, via });
        let mut snapshot = Snapshot::new(self.generation, ports, routes.as_slice());
        snapshot.timeouts = self.timeouts.clone();
        for vip in self.marks.iter().filter_map(|rule| rule.destination.single()) {
            snapshot.add_address(vip, AddressUse::NatVip);
        }
        snapshot.marks = MarkRules::new(self.marks.clone());
        snapshot.ipvs = self.ipvs;
        let mut services = Vec::new();
        for (id, spec) in (0u32..).map(ServiceId).zip(&self.services) {
            let service = self.add_service(&mut snapshot, id, spec);
            snapshot.add_nat_reals(&service);
            services.push(service);
            if let Some(timeouts) = &spec.timeouts {
                snapshot.own_timeouts.set(id, timeouts.clone());
            }
        }
        snapshot.services = ServiceTable::new(services);
        snapshot
    }

    fn port(&self, mac: Mac, mtu: u16, address: Ipv4Addr) -> PortInfo {
        let addresses = vec![PortAddress { address, subnet: Subnet::of(address, 24) }];
        let tx = self.tx_checksums;
        PortInfo { mac, mtu, tx_ipv4_checksum: tx, tx_udp_checksum: tx, addresses }
    }

    fn add_service(
        &self,
        snapshot: &mut Snapshot,
        id: ServiceId,
        spec: &ServiceSpec,
    ) -> VirtualService {
        let announced = snapshot.announced.len();
        let has_nat = spec.reals.iter().any(|(_, mode, _)| *mode == ForwardingMode::Nat);
        let vip_use = if self.nat_vips || spec.mode == ForwardingMode::Nat || has_nat {
            AddressUse::NatVip
        } else {
            AddressUse::Vip
        };
        let endpoint = ServiceKey::endpoint(spec.protocol, *spec.vip.ip(), spec.vip.port());
        let key = spec.mark.map_or(endpoint, ServiceKey::Mark);
        if let Some(vip) = key.vip() {
            snapshot.add_address(vip, vip_use);
        }
        if let Some(Some(vip)) = snapshot.announced.get_mut(announced) {
            vip.since = spec.since;
        }
        for local in &spec.local {
            snapshot.add_address(*local, AddressUse::Local);
        }
        let mut dests = Vec::new();
        for (address, mode, weight) in &spec.reals {
            let real = RealId(u32::try_from(snapshot.real_servers.len()).unwrap());
            let removed = self.removed.contains(address);
            let next_hop = snapshot.route(*address.ip());
            let (address, l4_port) = (*address.ip(), address.port());
            let weight = *weight;
            let mode = *mode;
            let server =
                RealServer { id: real, service: id, address, l4_port, mode, weight, next_hop };
            snapshot.real_servers.push((!removed).then_some(server));
            if removed {
                continue;
            }
            let upper_threshold = spec.upper_threshold;
            dests.push(Dest { upper_threshold, ..Dest::new(real, weight) });
        }
        let dests = VirtualService::list_order(dests.into_iter());
        let entry = |real: &RealServer| MaglevEntry {
            address: real.address,
            l4_port: real.l4_port,
            weight: real.weight,
        };
        let reals = dests.iter().filter_map(|dest| snapshot.real_server(dest.real));
        let ends: Vec<_> = reals.map(|real| (entry(real), real.mode)).collect();
        let entries = || ends.iter().map(|(entry, _)| *entry).collect();
        let revision = u32::try_from(self.generation).unwrap();
        let schedule = Schedule::new(spec.scheduler, revision, &dests, entries);
        let stateless = VirtualService::stateless_table(&ends).map(Arc::new);
        VirtualService {
            id,
            helper: spec.helper,
            stateless,
            persistence: spec.persistence,
            ops: spec.ops,
            key,
            schedule: schedule.counting(self.workers, &dests),
            dests,
            local_addresses: spec.local.clone().into_boxed_slice(),
        }
    }
}
