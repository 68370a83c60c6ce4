//! A director with one UDP service in one mode, on two ports.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dataplane::control;
use dataplane::director::{Director, Sizes};
use dataplane::dpdk_io;
use dataplane::flow::Timeouts;
use dataplane::forward::{ForwardingMode, TUNNEL_OVERHEAD};
use dataplane::io::{Io, Ports};
use dataplane::publish::{Publisher, Running};
use dataplane::sched::{Schedule, Scheduler};
use dataplane::service::{
    Dest, RealId, RealServer, ServiceId, ServiceKey, ServiceTable, VirtualService,
};
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
/// Keys the director's flow hash, the same in every run.
pub const HASH_SEED: u64 = 0x5eed;
const REAL_SERVER_COUNT: u32 = 16;
const LOCAL_ADDRESS_COUNT: u32 = 32;
/// Host numbers in the real servers' subnet.
const FIRST_REAL_SERVER: u32 = 10;
const FIRST_LOCAL_ADDRESS: u32 = 100;
const FIRST_LOCAL_PORT: u16 = 1024;
const LOCAL_PORT_COUNT: u32 = 64_000;

const MTU: u16 = 1500;

/// Time to settle, in ticks of 10 ms.
const SETTLE_TICKS: u32 = 10;

/// A worker at work.
#[derive(Debug)]
pub struct Site<P> {
    /// The worker.
    pub worker: Worker<Mbuf, P>,
    /// Its counters.
    pub stats: Arc<WorkerStats>,
    /// Publishes other snapshots; may be taken to another thread.
    pub publisher: Option<Publisher>,
    /// Tells which of them the worker runs.
    pub running: Running,
    _control: control::ControlEnd,
}

/// What a site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Forwarding mode of its service.
    pub mode: ForwardingMode,
    /// Protocol of its service, an IP protocol number.
    pub protocol: u8,
    /// Flows that the table has room for.
    pub flows: u32,
}

impl Plan {
    /// A UDP service.
    #[must_use]
    pub fn udp(mode: ForwardingMode, flows: u32) -> Self {
        Self { mode, protocol: IpProto::UDP, flows }
    }

    /// A TCP service.
    #[must_use]
    pub fn tcp(mode: ForwardingMode, flows: u32) -> Self {
        Self { mode, protocol: IpProto::TCP, flows }
    }
}

impl<P: Ports<Mbuf>> Site<P> {
    /// A worker that forwards to 16 real servers.
    #[must_use]
    pub fn new(plan: Plan, ports: P) -> Self {
        let counts = (1, REAL_SERVER_COUNT as usize);
        Self::with(snapshot(plan), plan.flows, counts, ports)
    }

    /// A worker that runs `snapshot`, with room for so many flows, and for services and real
    /// servers as in `counts`.
    #[must_use]
    pub fn with(snapshot: Snapshot, flows: u32, counts: (usize, usize), ports: P) -> Self {
        let (services, real_servers) = counts;
        let stats = Arc::new(WorkerStats::new(services, real_servers));
        let publisher = Publisher::new(snapshot);
        let sizes = Sizes { flows, templates: 1, services, real_servers };
        let director = Director::new(sizes, HASH_SEED, dpdk_io::clock(), Arc::clone(&stats));
        let io = Io::new(ports, Arc::clone(&stats));
        let (here, there) = control::rings();
        let reader = publisher.reader();
        let running = reader.running();
        let worker = Worker::new(director, io, reader, there, Arc::clone(&stats));
        Self { worker, stats, publisher: Some(publisher), running, _control: here }
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

/// One of the real servers, the next one for the next number.
#[must_use]
pub fn real_server(number: u32) -> (RealId, Ipv4Addr) {
    let number = number % REAL_SERVER_COUNT;
    (RealId(number), host(FIRST_REAL_SERVER + number))
}

/// An address and port that FULLNAT may connect from, another for each number below two million.
#[must_use]
pub fn local_end(number: u32) -> (Ipv4Addr, u16) {
    let port = number / LOCAL_ADDRESS_COUNT % LOCAL_PORT_COUNT;
    let port = FIRST_LOCAL_PORT + u16::try_from(port).unwrap_or(0);
    (host(FIRST_LOCAL_ADDRESS + number % LOCAL_ADDRESS_COUNT), port)
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

fn snapshot(plan: Plan) -> Snapshot {
    let Plan { mode, protocol, .. } = plan;
    let mut snapshot = bare_snapshot(1);
    let real = |number| RealServer {
        id: RealId(number),
        service: ServiceId(0),
        address: host(FIRST_REAL_SERVER + number),
        l4_port: if mode.sees_replies() { RPORT } else { VIP.1 },
        mode,
        weight: 1,
        next_hop: Some(NextHop { port: LAN, address: host(FIRST_REAL_SERVER + number) }),
    };
    snapshot.add_address(VIP.0, AddressUse::Vip);
    snapshot.real_servers = (0..REAL_SERVER_COUNT).map(real).map(Some).collect();
    let dests = dests(0..REAL_SERVER_COUNT);
    snapshot.services = ServiceTable::new([VirtualService {
        id: ServiceId(0),
        key: ServiceKey::endpoint(protocol, VIP.0, VIP.1),
        schedule: schedule(&dests),
        dests,
        local_addresses: local_addresses(),
        stateless: None,
        persistence: None,
        helper: None,
        ops: false,
    }]);
    snapshot
}

/// VIP and vport of a service of [`large_snapshot`].
#[must_use]
pub fn large_vip(service: u32) -> (Ipv4Addr, u16) {
    match service {
        0 => VIP,
        number => (Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number), VIP.1),
    }
}

/// A snapshot with as many services and real servers, spread evenly, which is FULLNAT over UDP
/// throughout. Service 0 is at [`VIP`], the others at addresses of their own; real servers are
/// behind one router.
#[must_use]
pub fn large_snapshot(generation: u64, service_count: u32, real_server_count: u32) -> Snapshot {
    let mut snapshot = bare_snapshot(generation);
    let per_service = real_server_count / service_count.max(1);
    let router = Some(NextHop { port: LAN, address: host(1) });
    let real = |number| RealServer {
        id: RealId(number),
        service: ServiceId(number / per_service.max(1)),
        address: Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 1).to_bits() + number),
        l4_port: RPORT,
        mode: ForwardingMode::FullNat,
        weight: 1,
        next_hop: router,
    };
    snapshot.real_servers = (0..real_server_count).map(real).map(Some).collect();
    let local_addresses = local_addresses();
    let services: Vec<VirtualService> = (0..service_count)
        .map(|number| {
            let dests = dests(number * per_service..(number + 1) * per_service);
            let (vip, vport) = large_vip(number);
            VirtualService {
                id: ServiceId(number),
                key: ServiceKey::endpoint(IpProto::UDP, vip, vport),
                schedule: schedule(&dests),
                dests,
                local_addresses: local_addresses.clone(),
                stateless: None,
                persistence: None,
                helper: None,
                ops: false,
            }
        })
        .collect();
    for vip in services.iter().filter_map(|service| service.key.vip()) {
        snapshot.add_address(vip, AddressUse::Vip);
    }
    snapshot.services = ServiceTable::new(services);
    snapshot
}

/// Ports, routes and local addresses, and no service.
fn bare_snapshot(generation: u64) -> Snapshot {
    let port = |mac, mtu, address: [u8; 4]| PortInfo {
        mac,
        mtu,
        tx_ipv4_checksum: false,
        tx_udp_checksum: false,
        addresses: vec![PortAddress {
            address: address.into(),
            subnet: Subnet::of(address.into(), 24),
        }],
    };
    let gateway = NextHop { port: WAN, address: Ipv4Addr::new(192, 0, 2, 1) };
    let default = Route { to: Subnet::of(Ipv4Addr::UNSPECIFIED, 0), via: gateway };
    // The longest frames that come in can go on through a tunnel.
    let ports = vec![
        port(WAN_MAC, MTU, [192, 0, 2, 2]),
        port(LAN_MAC, MTU + TUNNEL_OVERHEAD, [10, 0, 0, 2]),
    ];
    let mut snapshot = Snapshot::new(generation, ports, &[default]);
    // No flow ends while it is measured.
    snapshot.timeouts = Timeouts::with_seconds(TIMEOUT_S_MAX, TIMEOUT_S_MAX, TIMEOUT_S_MAX);
    for address in &local_addresses() {
        snapshot.add_address(*address, AddressUse::Local);
    }
    snapshot
}

fn local_addresses() -> Box<[Ipv4Addr]> {
    (0..LOCAL_ADDRESS_COUNT).map(|number| host(FIRST_LOCAL_ADDRESS + number)).collect()
}

fn schedule(dests: &[Dest]) -> Schedule {
    Schedule::new(Scheduler::Rr, 1, dests, Vec::new)
}

fn dests(real_servers: std::ops::Range<u32>) -> Box<[Dest]> {
    VirtualService::list_order(real_servers.map(|number| Dest::new(RealId(number), 1)))
}
