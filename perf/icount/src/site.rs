//! What is forwarded: a UDP and a TCP service on one VIP with 16 real servers.

use std::net::Ipv4Addr;

use dataplane::forward::ForwardingMode;
use dataplane::sched::{Schedule, Scheduler};
use dataplane::service::{
    Dest, RealId, RealServer, ServiceId, ServiceKey, ServiceTable, VirtualService,
};
use dataplane::snapshot::{
    AddressUse, NextHop, PortAddress, PortIdx, PortInfo, Route, Snapshot, Subnet,
};
use dataplane::wire::{IpProto, Mac};

use crate::frames::End;

/// The port that requests come in at.
pub const WAN: PortIdx = PortIdx(0);
/// The port that real servers are at.
pub const LAN: PortIdx = PortIdx(1);
/// VIP and vport of both services.
pub const VIP: End = (Ipv4Addr::new(192, 0, 2, 10), 53);
/// MAC addresses of the ports.
pub const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 1, 1]), Mac([2, 0, 0, 0, 1, 2])];

const REAL_SERVER_COUNT: u32 = 16;
const LOCAL_ADDRESS_COUNT: u32 = 32;
/// Services, one of each protocol.
pub const SERVICES: usize = 2;
/// Real servers of both.
pub const REAL_SERVERS: usize = 2 * REAL_SERVER_COUNT as usize;

fn host(last: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from_be_bytes([10, 0, 0, 0]) + last)
}

/// The configuration with both services in `mode`.
#[must_use]
pub fn snapshot(mode: ForwardingMode) -> Snapshot {
    let gateway = NextHop { port: WAN, address: Ipv4Addr::new(192, 0, 2, 1) };
    let default = Route { to: Subnet::of(Ipv4Addr::UNSPECIFIED, 0), via: gateway };
    let ports = vec![port(0, [192, 0, 2, 2]), port(1, [10, 0, 0, 2])];
    let mut snapshot = Snapshot::new(1, ports, &[default]);
    snapshot.add_address(VIP.0, AddressUse::Vip);
    for number in 0..LOCAL_ADDRESS_COUNT {
        snapshot.add_address(host(100 + number), AddressUse::Local);
    }
    for service in 0..2 {
        let reals = (0..REAL_SERVER_COUNT).map(|number| real_server(mode, service, number));
        snapshot.real_servers.extend(reals.map(Some));
    }
    let services = [(0, IpProto::UDP), (1, IpProto::TCP)];
    let services = services.map(|(number, protocol)| service(number, protocol));
    snapshot.services = ServiceTable::new(services);
    snapshot
}

fn port(index: usize, address: [u8; 4]) -> PortInfo {
    let subnet = Subnet::of(address.into(), 24);
    PortInfo {
        mac: MACS[index],
        mtu: 1500,
        tx_ipv4_checksum: false,
        tx_udp_checksum: false,
        addresses: vec![PortAddress { address: address.into(), subnet }],
    }
}

fn real_server(mode: ForwardingMode, service: u32, number: u32) -> RealServer {
    let address = host(10 + number);
    RealServer {
        id: RealId(service * REAL_SERVER_COUNT + number),
        service: ServiceId(service),
        address,
        l4_port: if mode.sees_replies() { 5353 } else { VIP.1 },
        mode,
        weight: 1,
        next_hop: Some(NextHop { port: LAN, address }),
    }
}

fn service(number: u32, protocol: u8) -> VirtualService {
    let first = number * REAL_SERVER_COUNT;
    let real = |number| Dest::new(RealId(first + number), 1);
    let dests = VirtualService::list_order((0..REAL_SERVER_COUNT).map(real));
    VirtualService {
        id: ServiceId(number),
        key: ServiceKey::endpoint(protocol, VIP.0, VIP.1),
        schedule: Schedule::new(Scheduler::Rr, 1, &dests, Vec::new),
        dests,
        local_addresses: (0..LOCAL_ADDRESS_COUNT).map(|number| host(100 + number)).collect(),
        stateless: None,
        persistence: None,
        helper: None,
        ops: false,
    }
}
