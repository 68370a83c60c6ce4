//! Everything the packet path knows of the configuration, as one immutable value.
//!
//! The control thread builds a new snapshot for every change and publishes it whole
//! ([`crate::publish`]); a worker reads one per turn of its loop.

use std::net::Ipv4Addr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::flow::Timeouts;
use crate::forward::ForwardingMode;
use crate::marks::MarkRules;
use crate::options::IpvsOptions;
use crate::route_table::RouteTable;
use crate::service::{OwnTimeouts, RealId, RealServer, ServiceId, ServiceTable, VirtualService};
use crate::time::Ticks;
use crate::wire::Mac;

/// Number of a port of this director, in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortIdx(pub u8);

impl PortIdx {
    /// As an index into arrays by port.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An IPv4 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    network: u32,
    prefix_len: u8,
}

impl Subnet {
    /// The prefix of `prefix_len` bits (0 to 32, clamped) that holds `address`.
    #[must_use]
    pub fn of(address: Ipv4Addr, prefix_len: u8) -> Self {
        let prefix_len = prefix_len.min(32);
        Self { network: address.to_bits() & Self::mask_of(prefix_len), prefix_len }
    }

    fn mask_of(prefix_len: u8) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
    }

    /// The network address.
    pub(crate) const fn network(self) -> u32 {
        self.network
    }

    pub(crate) const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// The bits of an address that the prefix covers.
    pub(crate) fn mask(self) -> u32 {
        Self::mask_of(self.prefix_len)
    }

    /// Whether `address` lies in it.
    #[inline]
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.network
    }

    /// The address, if the prefix holds only one.
    #[must_use]
    pub fn single(self) -> Option<Ipv4Addr> {
        (self.prefix_len == 32).then(|| Ipv4Addr::from_bits(self.network))
    }

    /// Whether `address` is its directed broadcast address (none in /31 and /32, RFC 3021).
    #[must_use]
    pub fn is_broadcast(self, address: Ipv4Addr) -> bool {
        self.prefix_len < 31 && address.to_bits() == self.network | !self.mask()
    }
}

/// An address of the director on a port, with its subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortAddress {
    /// The address itself.
    pub address: Ipv4Addr,
    /// The subnet that is reached directly.
    pub subnet: Subnet,
}

/// A port as the packet path sees it.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// Its MAC address.
    pub mac: Mac,
    /// Longest IPv4 packet it sends, in bytes.
    pub mtu: u16,
    /// Whether it fills in IPv4 header checksums on tx.
    pub tx_ipv4_checksum: bool,
    /// Whether it fills in UDP checksums on tx.
    pub tx_udp_checksum: bool,
    /// Its addresses.
    pub addresses: Vec<PortAddress>,
}

impl PortInfo {
    /// Whether it fills in the UDP checksum of a packet of `ip_len` bytes: not of one that has to
    /// be fragmented.
    #[inline(always)]
    #[must_use]
    pub fn fills_udp_checksum(&self, ip_len: u16) -> bool {
        self.tx_udp_checksum && ip_len <= self.mtu
    }
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C, align(4))]
pub struct NextHop {
    /// Address whose MAC the frame gets: the destination itself or a gateway.
    pub address: Ipv4Addr,
    /// Port to send from.
    pub port: PortIdx,
}

/// A route to a prefix through a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Destinations.
    pub to: Subnet,
    /// Gateway and its port.
    pub via: NextHop,
}

/// What an address of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressUse {
    /// A virtual service's address (perhaps a port's as well).
    Vip,
    /// A VIP with a real server in mode NAT, now or earlier since it is a VIP. Its flows belong to
    /// the worker that their client leads to, whatever their own mode.
    NatVip,
    /// A port's own address.
    Own,
    /// A local address of FULLNAT (perhaps a port's as well).
    Local,
}

impl AddressUse {
    /// Whether services are reached by it.
    #[must_use]
    pub fn is_vip(self) -> bool {
        matches!(self, Self::Vip | Self::NatVip)
    }
}

/// A VIP as it is announced to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The address.
    pub address: Ipv4Addr,
    /// The generation since which it has been a VIP without a gap.
    pub since: u64,
}

/// The configuration of one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Counts up with every published snapshot; the first is 1.
    pub generation: u64,
    /// Ports by [`PortIdx`].
    pub ports: Vec<PortInfo>,
    /// Which packets of new flows have a mark.
    pub marks: MarkRules,
    /// Services.
    pub services: ServiceTable,
    /// Real servers by [`RealId`]; gaps are removed ones.
    pub real_servers: Vec<Option<RealServer>>,
    /// How long idle flows live.
    pub timeouts: Timeouts,
    /// Those of services that have their own.
    pub own_timeouts: OwnTimeouts,
    /// IPVS' sysctls.
    pub ipvs: IpvsOptions,
    /// VIPs to announce. A VIP keeps its place for as long as it is one; a place may be empty, and
    /// may be another VIP's later. So a worker that goes over the places, some per turn, need not
    /// begin anew when a new snapshot comes meanwhile.
    pub announced: Vec<Option<Announced>>,
    routes: RouteTable,
    addresses: HashMap<Ipv4Addr, AddressUse, RandomState>,
    /// Addresses of NAT real servers, whose other traffic is routed.
    routed: HashMap<Ipv4Addr, (), RandomState>,
    /// Real servers that call clients, by RIP and rport.
    callers: HashMap<(Ipv4Addr, u16), RealId, RandomState>,
}

impl Snapshot {
    /// A snapshot with ports and routes; the subnets of the ports are routes by themselves.
    #[must_use]
    pub fn new(generation: u64, ports: Vec<PortInfo>, gateways: &[Route]) -> Self {
        let mut snapshot = Self { generation, ports, ..Self::default() };
        for port in &snapshot.ports {
            for own in &port.addresses {
                snapshot.addresses.insert(own.address, AddressUse::Own);
            }
        }
        snapshot.routes = RouteTable::new(gateways);
        snapshot
    }

    /// Adds an address that the director answers for. A VIP stays a VIP; a new one gets a place of
    /// its own among those to announce, as new since this generation.
    pub fn add_address(&mut self, address: Ipv4Addr, purpose: AddressUse) {
        let known = self.addresses.get(&address).copied();
        let was_vip = known.is_some_and(AddressUse::is_vip);
        if known == Some(AddressUse::NatVip) || was_vip && !purpose.is_vip() {
            return;
        }
        self.addresses.insert(address, purpose);
        if purpose.is_vip() && !was_vip {
            self.announced.push(Some(Announced { address, since: self.generation }));
        }
    }

    /// Adds the NAT real servers of a service: what else they send is routed, and they may call
    /// clients. Of two that call from one RIP and rport the one added later counts.
    pub fn add_nat_reals(&mut self, service: &VirtualService) {
        // In the order they were added.
        for dest in service.dests.iter().rev() {
            let Some(real) = self.real_server(dest.real).copied() else { continue };
            if real.mode != ForwardingMode::Nat {
                continue;
            }
            self.routed.insert(real.address, ());
            if let Some(vport) = service.calls_from() {
                let rport = service.with_rport(&real, vport).l4_port;
                self.callers.insert((real.address, rport), real.id);
            }
        }
    }

    /// The real server that calls clients from this address and port of UDP.
    #[must_use]
    pub fn caller(&self, rip: Ipv4Addr, rport: u16) -> Option<&RealServer> {
        if self.callers.is_empty() {
            return None;
        }
        self.real_server(*self.callers.get(&(rip, rport))?)
    }

    /// What `address` is for, if it is ours.
    #[inline]
    #[must_use]
    pub fn address_use(&self, address: Ipv4Addr) -> Option<AddressUse> {
        self.addresses.get(&address).copied()
    }

    /// All addresses of ours.
    pub fn addresses(&self) -> impl Iterator<Item = (Ipv4Addr, AddressUse)> {
        self.addresses.iter().map(|(address, purpose)| (*address, *purpose))
    }

    /// Whether packets between this address and elsewhere are routed: a NAT real server, for which
    /// the director is the default gateway.
    #[inline]
    #[must_use]
    pub fn is_routed(&self, address: Ipv4Addr) -> bool {
        self.routed.contains_key(&address)
    }

    /// How long idle flows of a service live.
    #[must_use]
    pub fn timeouts_of(&self, service: ServiceId) -> &Timeouts {
        self.own_timeouts.of(service).unwrap_or(&self.timeouts)
    }

    /// The longest time that an established flow, or one of UDP, may be idle.
    #[must_use]
    pub fn longest_timeout(&self) -> Ticks {
        self.timeouts.longest().max(self.own_timeouts.longest())
    }

    /// The real server with this number, unless it was removed.
    #[inline]
    #[must_use]
    pub fn real_server(&self, id: RealId) -> Option<&RealServer> {
        self.real_servers.get(id.index())?.as_ref()
    }

    /// Where packets to `destination` go: to itself in a port's subnet, else to the gateway of the
    /// longest matching route.
    #[inline]
    #[must_use]
    pub fn route(&self, destination: Ipv4Addr) -> Option<NextHop> {
        if let Some(port) = self.connected_port(destination) {
            return Some(NextHop { port, address: destination });
        }
        self.routes.find(destination)
    }

    /// The port in whose subnet `address` lies.
    #[inline]
    #[must_use]
    pub fn connected_port(&self, address: Ipv4Addr) -> Option<PortIdx> {
        let holds = |port: &PortInfo| port.addresses.iter().any(|own| own.subnet.contains(address));
        let index = self.ports.iter().position(holds)?;
        u8::try_from(index).ok().map(PortIdx)
    }

    /// The address that packets of our own to `next_hop` come from: the port's address in the
    /// same subnet, or its first.
    #[must_use]
    pub fn source_address(&self, next_hop: NextHop) -> Option<Ipv4Addr> {
        let addresses = &self.ports.get(next_hop.port.index())?.addresses;
        let same_subnet = addresses.iter().find(|own| own.subnet.contains(next_hop.address));
        same_subnet.or_else(|| addresses.first()).map(|own| own.address)
    }

    /// Gateways of all routes, each once.
    #[must_use]
    pub fn gateways(&self) -> &[NextHop] {
        self.routes.gateways()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let port = |address: [u8; 4], prefix_len| PortInfo {
            mac: Mac([2, 0, 0, 0, 0, address[0]]),
            mtu: 1500,
            tx_ipv4_checksum: false,
            tx_udp_checksum: false,
            addresses: vec![PortAddress {
                address: address.into(),
                subnet: Subnet::of(address.into(), prefix_len),
            }],
        };
        let via = |port, address: [u8; 4]| NextHop { port: PortIdx(port), address: address.into() };
        let route =
            |to: [u8; 4], prefix_len, via| Route { to: Subnet::of(to.into(), prefix_len), via };
        Snapshot::new(
            1,
            vec![port([192, 0, 2, 2], 24), port([10, 0, 0, 2], 24)],
            &[
                route([0, 0, 0, 0], 0, via(0, [192, 0, 2, 1])),
                route([10, 9, 0, 0], 16, via(1, [10, 0, 0, 9])),
            ],
        )
    }

    #[test]
    fn longest_route_wins_and_subnets_come_first() {
        let snapshot = snapshot();
        let hop = |address: [u8; 4]| snapshot.route(address.into()).expect("a default route");
        assert_eq!(hop([10, 0, 0, 77]).address, Ipv4Addr::new(10, 0, 0, 77));
        assert_eq!(hop([10, 9, 1, 1]).address, Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(hop([8, 8, 8, 8]).address, Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(hop([10, 9, 1, 1]).port, PortIdx(1));
    }

    #[test]
    fn own_packets_come_from_the_subnet_of_their_next_hop() {
        let snapshot = snapshot();
        let hop = snapshot.route([10, 9, 1, 1].into()).expect("a route");
        assert_eq!(snapshot.source_address(hop), Some(Ipv4Addr::new(10, 0, 0, 2)));
    }

    #[test]
    fn a_vip_stays_a_vip() {
        let mut snapshot = snapshot();
        let own = Ipv4Addr::new(192, 0, 2, 2);
        assert_eq!(snapshot.address_use(own), Some(AddressUse::Own));
        snapshot.add_address(own, AddressUse::Vip);
        snapshot.add_address(own, AddressUse::Vip);
        snapshot.add_address(own, AddressUse::Own);
        assert_eq!(snapshot.announced, [Some(Announced { address: own, since: 1 })]);
        assert_eq!(snapshot.address_use(own), Some(AddressUse::Vip));
        snapshot.add_address(own, AddressUse::NatVip);
        snapshot.add_address(own, AddressUse::Vip);
        assert_eq!(snapshot.address_use(own), Some(AddressUse::NatVip));
        assert_eq!(snapshot.address_use(Ipv4Addr::new(192, 0, 2, 3)), None);
    }

    #[test]
    fn prefixes() {
        let slash_31 = Subnet::of([192, 0, 2, 4].into(), 31);
        assert!(slash_31.contains([192, 0, 2, 5].into()));
        assert!(!slash_31.is_broadcast([192, 0, 2, 5].into()));
        let slash_24 = Subnet::of([192, 0, 2, 4].into(), 24);
        assert!(slash_24.is_broadcast([192, 0, 2, 255].into()));
        assert!(Subnet::of([1, 2, 3, 4].into(), 0).contains([255, 0, 0, 1].into()));
    }
}
