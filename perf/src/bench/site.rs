//! A director with one UDP service in one mode, on two ports.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dataplane::control;
use dataplane::director::{Director, Sizes};
use dataplane::dpdk_io;
use dataplane::flow::Timeouts;
use dataplane::forward::ForwardingMode;
use dataplane::io::{Io, Ports};
use dataplane::publish::Publisher;
use dataplane::sched::{Scheduler, WrrPlan};
use dataplane::service::{Dest, RealId, RealServer, ServiceId, ServiceTable, VirtualService};
use dataplane::snapshot::{AddressUse, NextHop, PortAddress, PortInfo, Route, Snapshot, Subnet};
use dataplane::stats::WorkerStats;
use dataplane::time::TIMEOUT_S_MAX;
use dataplane::wire::{IpProto, Mac};
use dataplane::worker::Worker;
use dpdk::Mbuf;

use crate::generator::{LAN, WAN};

/// VIP and vport of the service.
pub const VIP: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 10), 53);
/// MAC of the port that requests come in at.
pub const WAN_MAC: Mac = Mac([2, 0, 0, 0, 1, 1]);
const LAN_MAC: Mac = Mac([2, 0, 0, 0, 1, 2]);
/// The port that real servers listen on where they need not listen on the vport.
pub const RPORT: u16 = 5353;
const REAL_SERVER_COUNT: u32 = 16;
const LOCAL_ADDRESS_COUNT: u32 = 32;
/// Host numbers in the real servers' subnet.
const FIRST_REAL_SERVER: u32 = 10;
const FIRST_LOCAL_ADDRESS: u32 = 100;

/// Time to settle, in ticks of 10 ms.
const SETTLE_TICKS: u32 = 10;

/// A worker at work.
#[derive(Debug)]
pub struct Site<P> {
    /// The worker.
    pub worker: Worker<Mbuf, P>,
    /// Its counters.
    pub stats: Arc<WorkerStats>,
    /// Keeps the snapshot published.
    _publisher: Publisher,
    _control: control::ControlEnd,
}

impl<P: Ports<Mbuf>> Site<P> {
    /// A worker that forwards to 16 real servers in `mode`, with room for `flows` flows.
    #[must_use]
    pub fn new(mode: ForwardingMode, flows: u32, ports: P) -> Self {
        let real_server_count = REAL_SERVER_COUNT as usize;
        let stats = Arc::new(WorkerStats::new(1, real_server_count));
        let publisher = Publisher::new(snapshot(mode));
        let sizes = Sizes { flows, services: 1, real_servers: real_server_count };
        let director = Director::new(sizes, 0x5eed, dpdk_io::clock(), Arc::clone(&stats));
        let io = Io::new(ports, Arc::clone(&stats));
        let (here, there) = control::rings();
        let worker = Worker::new(director, io, publisher.reader(), there, Arc::clone(&stats));
        Self { worker, stats, _publisher: publisher, _control: here }
    }

    /// Lets the worker resolve its neighbours: requests of ARP are answered in the next turn, or
    /// after a way to another process and back.
    pub fn settle(&mut self) {
        let start = dpdk_io::clock();
        while dpdk_io::clock().since(start).0 < SETTLE_TICKS {
            self.worker.turn(dpdk_io::clock());
        }
    }
}

/// Whether a real server has this address.
#[must_use]
pub fn is_real_server(address: Ipv4Addr) -> bool {
    is_host(address, FIRST_REAL_SERVER, REAL_SERVER_COUNT)
}

/// Whether FULLNAT connects from this address.
#[must_use]
pub fn is_local_address(address: Ipv4Addr) -> bool {
    is_host(address, FIRST_LOCAL_ADDRESS, LOCAL_ADDRESS_COUNT)
}

fn is_host(address: Ipv4Addr, first: u32, count: u32) -> bool {
    let first = host(first).to_bits();
    (first..first + count).contains(&address.to_bits())
}

fn host(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number)
}

fn snapshot(mode: ForwardingMode) -> Snapshot {
    let port = |mac, address: [u8; 4]| PortInfo {
        mac,
        mtu: 1500,
        tx_ipv4_checksum: false,
        tx_udp_checksum: false,
        addresses: vec![PortAddress {
            address: address.into(),
            subnet: Subnet::of(address.into(), 24),
        }],
    };
    let gateway = NextHop { port: WAN, address: Ipv4Addr::new(192, 0, 2, 1) };
    let default = Route { to: Subnet::of(Ipv4Addr::UNSPECIFIED, 0), via: gateway };
    let ports = vec![port(WAN_MAC, [192, 0, 2, 2]), port(LAN_MAC, [10, 0, 0, 2])];
    let mut snapshot = Snapshot::new(1, ports, &[default]);
    // No flow ends while it is measured.
    snapshot.timeouts = Timeouts::with_seconds(TIMEOUT_S_MAX, TIMEOUT_S_MAX, TIMEOUT_S_MAX);
    snapshot.add_address(VIP.0, AddressUse::Vip);
    let real = |number| RealServer {
        id: RealId(number),
        service: ServiceId(0),
        address: host(FIRST_REAL_SERVER + number),
        l4_port: if mode.sees_replies() { RPORT } else { VIP.1 },
        weight: 1,
        next_hop: Some(NextHop { port: LAN, address: host(FIRST_REAL_SERVER + number) }),
    };
    snapshot.real_servers = (0..REAL_SERVER_COUNT).map(real).map(Some).collect();
    let local_addresses: Box<[Ipv4Addr]> =
        (0..LOCAL_ADDRESS_COUNT).map(|number| host(FIRST_LOCAL_ADDRESS + number)).collect();
    for address in &local_addresses {
        snapshot.add_address(*address, AddressUse::Local);
    }
    let dests = (0..REAL_SERVER_COUNT).map(|number| Dest { real: RealId(number), weight: 1 });
    snapshot.services = ServiceTable::new([VirtualService {
        id: ServiceId(0),
        protocol: IpProto::UDP,
        vip: VIP.0,
        vport: VIP.1,
        mode,
        scheduler: Scheduler::Rr,
        dests: VirtualService::list_order(dests),
        wrr: WrrPlan::after_adding((0..REAL_SERVER_COUNT).map(|_| 1)),
        local_addresses,
        revision: 1,
    }]);
    snapshot
}
