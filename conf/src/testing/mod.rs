//! Configurations by chance, for properties that hold for all of them.

mod control;
mod styles;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;

use crate::config::{
    Config, Device, Dpdk, InterfaceAddr, Limits, Machine, Persistence, PersistenceEngine, Port,
    Protocol, Route, Service, ServiceKey, ServiceTimeouts, Timeouts,
};
use crate::helper::Helper;
use crate::ipvs::{Defence, Ipvs};
use crate::load;
use crate::mark::{Mark, MarkRule};
use crate::metrics::Metrics;
use crate::real_server::{ForwardingMode, RealServer, WEIGHT_MAX};
use crate::scheduler::{Scheduler, SchedulerFlags};
use crate::tunnel::{GueChecksum, Tunnel};

pub(crate) use styles::{Comment, styled};

/// Numbers by chance (SplitMix64); the same seed gives the same numbers.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.roll() % u64::from(bound)).expect("small")
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(u32::try_from(from.len()).expect("few"));
        from[at as usize].clone()
    }

    /// The usual value mostly, another one now and then.
    fn mostly<T: Clone>(&mut self, usual: T, others: &[T]) -> T {
        if self.once_in(3) { self.pick(others) } else { usual }
    }
}

/// The configuration that `text` is.
pub(crate) fn parsed(text: &str) -> Config {
    load::parse("test.yaml", text, &Machine::default())
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// Any configuration.
pub(crate) fn config(dice: &mut Dice) -> Config {
    let ports = ports(dice);
    let services = services(dice);
    let usual = Limits::default();
    let (limits, timeouts) = (
        Limits { flows: dice.mostly(usual.flows, &[1, 2_000_000]), ..usual },
        Timeouts {
            tcp_s: dice.mostly(900, &[1, 61, 3600, 31 * 86_400]),
            udp_s: dice.mostly(300, &[7, 86_400]),
            ..Timeouts::default()
        },
    );
    let args = ["-l", "0", "--log-level", "null", "a: b", "#c", "\u{1f600}\u{7}\"\\", " ", "*x"];
    Config {
        dpdk: Dpdk {
            memory_mib: dice.mostly(1024, &[64, 1536, 4096]),
            eal_args: (0..dice.below(3)).map(|_| dice.pick(&args).to_owned()).collect(),
        },
        workers: dice.pick(&[vec![0], vec![1, 2], vec![5, 0, 1, 2, 3, 7], vec![3, 2]]),
        routes: routes(dice),
        marks: marks(dice, &services, ports.len()),
        ports,
        local_addresses: pool(dice),
        services,
        limits,
        timeouts,
        ipvs: ipvs(dice),
        control: control::control(dice),
        metrics: Metrics {
            listen: dice.pick(&[None, Some("[::1]:9180".parse().expect("an address"))]),
            real_servers_max: dice.mostly(Metrics::default().real_servers_max, &[None, Some(0)]),
        },
    }
}

fn ports(dice: &mut Dice) -> Vec<Port> {
    let count = 1 + dice.below(4) as usize;
    let all = ["wan", "lan", "null", "x.y-z_1"].into_iter().zip(0_u8..).take(count);
    all.map(|(name, index)| port(name, index, dice)).collect()
}

/// The first port has the subnet in which everything is.
fn port(name: &str, index: u8, dice: &mut Dice) -> Port {
    let address = |host| InterfaceAddr { addr: [10, 0, index, host].into(), prefix_len: 24 };
    let addresses = match dice.below(3) {
        0 if index > 0 => Vec::new(),
        1 => vec![address(2), address(3)],
        _ => vec![address(2)],
    };
    Port {
        name: name.to_owned(),
        device: match dice.below(3) {
            0 => Device::Pci(format!("0000:00:0{index}.0")),
            1 => Device::Vdev(format!("net_af_packet{index},iface=eth{index}")),
            _ => Device::Vdev(format!("net_null{index}")),
        },
        addresses,
        mtu: dice.mostly(1500, &[576, 9000]),
        rx_descriptors: dice.mostly(1024, &[64]),
        tx_descriptors: dice.mostly(1024, &[8192]),
    }
}

fn routes(dice: &mut Dice) -> Vec<Route> {
    let all = ["0.0.0.0/0", "172.16.0.0/12", "203.0.113.7/32"];
    let chosen: Vec<_> = all.into_iter().filter(|_| dice.once_in(2)).collect();
    let route = |to: &str, dice: &mut Dice| Route {
        to: to.parse().expect("a prefix"),
        via: [10, 0, 0, dice.pick(&[8, 9])].into(),
        port: 0,
    };
    chosen.into_iter().map(|to| route(to, dice)).collect()
}

fn ipvs(dice: &mut Dice) -> Ipvs {
    let usual = Ipvs::default();
    let defences = [Defence::Off, Defence::Auto, Defence::Always];
    Ipvs {
        conn_reuse_mode: dice.mostly(usual.conn_reuse_mode, &[0, 2, 3]),
        expire_nodest_conn: dice.once_in(4),
        expire_quiescent_template: dice.once_in(4),
        sloppy_tcp: dice.once_in(4),
        sloppy_sctp: dice.once_in(4),
        drop_entry: dice.mostly(usual.drop_entry, &defences),
        drop_packet: dice.mostly(usual.drop_packet, &defences),
        secure_tcp: dice.mostly(usual.secure_tcp, &defences),
        am_droprate: dice.mostly(usual.am_droprate, &[1, 1_000_000]),
        amemthresh_percent: dice.mostly(usual.amemthresh_percent, &[1, 50]),
    }
}

/// Rules for the marks that services have, some of them more than one.
fn marks(dice: &mut Dice, services: &[Service], ports: usize) -> Vec<MarkRule> {
    let mut rules = Vec::new();
    for service in services {
        let ServiceKey::Mark(mark) = service.key else { continue };
        for _ in 0..=dice.below(2) {
            rules.push(mark_rule(mark, dice, ports));
        }
    }
    rules
}

fn mark_rule(mark: Mark, dice: &mut Dice, ports: usize) -> MarkRule {
    let ranges = [vec![], vec![80..=80], vec![1..=65_535, 7..=9]];
    let ports = u32::try_from(ports).expect("few");
    MarkRule {
        mark,
        protocol: dice.pick(&[None, Some(Protocol::Tcp), Some(Protocol::Sctp)]),
        source: dice
            .pick(&["0.0.0.0/0", "198.51.100.0/24", "198.51.100.7/32"])
            .parse()
            .expect("a net"),
        destination: dice
            .pick(&["203.0.113.10/32", "203.0.113.16/28", "127.0.0.1/32"])
            .parse()
            .expect("a net"),
        source_ports: dice.pick(&ranges),
        destination_ports: dice.pick(&ranges),
        port: dice.once_in(2).then(|| dice.below(ports) as usize),
    }
}

fn services(dice: &mut Dice) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    for index in 0..dice.below(6) {
        let key = key(dice);
        if services.iter().all(|service| service.key != key) {
            let name = if index == 0 { "null".to_owned() } else { format!("web-{index}.x") };
            services.push(service(name, key, dice));
        }
    }
    services
}

fn key(dice: &mut Dice) -> ServiceKey {
    if dice.once_in(4) {
        return ServiceKey::Mark(Mark::new(dice.pick(&[1, 2, u32::MAX])).expect("not 0"));
    }
    let protocol = dice.pick(&Protocol::ALL);
    let vip = Ipv4Addr::from([192, 0, 2, dice.pick(&[10, 11])]);
    ServiceKey::Endpoint { protocol, vip: SocketAddrV4::new(vip, dice.pick(&[0, 21, 80])) }
}

/// A service with this key and anything that goes with it.
pub(crate) fn service(name: String, key: ServiceKey, dice: &mut Dice) -> Service {
    let protocol = key.protocol();
    let mode = dice.pick(&ForwardingMode::ALL);
    let scheduler = dice.pick(&Scheduler::ALL);
    let by_datagram = matches!(protocol, None | Some(Protocol::Udp));
    let all_ports = key.vip().is_some_and(|vip| vip.port() == 0);
    let persistence = (all_ports || dice.once_in(3)).then(|| Persistence {
        timeout_s: dice.pick(&[1, 300, 360, 86_400]),
        mask: dice.pick(&[[255; 4], [255, 255, 255, 0], [0; 4]]).into(),
        engine: (by_datagram && dice.once_in(2)).then_some(PersistenceEngine::Sip),
    });
    let may_help = protocol == Some(Protocol::Tcp);
    let helpers = [None, may_help.then_some(Helper::Ftp)];
    let local_addresses = if dice.once_in(2) { pool(dice) } else { Vec::new() };
    let mut service = Service {
        name,
        key,
        mode,
        scheduler,
        scheduler_flags: SchedulerFlags {
            flag_1: dice.once_in(3),
            flag_2: dice.once_in(3),
            flag_3: dice.once_in(4),
        },
        ops: by_datagram && dice.once_in(3),
        persistence,
        timeouts: timeouts(protocol, dice),
        local_addresses,
        real_servers: Vec::new(),
        helper: dice.mostly(Helper::of_port(key), &helpers),
    };
    for _ in 0..dice.below(6) {
        let real = real_server(&service, dice);
        if service.real_servers.iter().all(|other| other.address != real.address) {
            service.real_servers.push(real);
        }
    }
    service
}

fn timeouts(protocol: Option<Protocol>, dice: &mut Dice) -> ServiceTimeouts {
    let of = |which: Protocol, dice: &mut Dice| {
        let is_meant = protocol.is_none_or(|protocol| protocol == which);
        (is_meant && dice.once_in(3)).then(|| dice.pick(&[1, 90, 7200]))
    };
    ServiceTimeouts {
        tcp_s: of(Protocol::Tcp, dice),
        tcp_fin_s: of(Protocol::Tcp, dice),
        udp_s: of(Protocol::Udp, dice),
    }
}

/// A real server that `service` can have.
pub(crate) fn real_server(service: &Service, dice: &mut Dice) -> RealServer {
    let vport = service.key.vport();
    let mode = dice.mostly(service.mode, &ForwardingMode::ALL);
    let tunnels = [
        Tunnel::Gre { checksum: true },
        Tunnel::Gre { checksum: false },
        Tunnel::Gue { dst_port: NonZeroU16::MIN, checksum: GueChecksum::None },
        Tunnel::Gue { dst_port: NonZeroU16::MAX, checksum: GueChecksum::Remote },
    ];
    let is_wrapped = mode == ForwardingMode::Tunnel && dice.once_in(2);
    let rport = if mode.rewrites() { dice.pick(&[0, 80, 8080, 21]) } else { vport };
    let upper_threshold = dice.mostly(0, &[10, u32::MAX]);
    RealServer {
        address: SocketAddrV4::new([10, 0, 0, dice.pick(&[11, 12, 13, 14, 15, 16])].into(), rport),
        mode,
        tunnel: if is_wrapped { dice.pick(&tunnels) } else { Tunnel::Ipip },
        weight: dice.mostly(1, &[0, 2, WEIGHT_MAX]),
        drain: dice.once_in(6),
        upper_threshold,
        lower_threshold: if upper_threshold > 0 { dice.pick(&[0, 7]) } else { 0 },
    }
}

/// Local addresses.
fn pool(dice: &mut Dice) -> Vec<Ipv4Addr> {
    let hosts = dice.pick(&[vec![100], vec![100, 101, 102], vec![105, 100, 101, 108]]);
    hosts.into_iter().map(|host| Ipv4Addr::from([10, 0, 0, host])).collect()
}

/// What becomes of `config` when some of it is changed.
pub(crate) fn variant(config: &Config, dice: &mut Dice) -> Config {
    let other = self::config(dice);
    let mut new = config.clone();
    if dice.once_in(4) {
        new.dpdk = other.dpdk.clone();
        new.workers.clone_from(&other.workers);
        new.control = other.control.clone();
        new.metrics = other.metrics;
    }
    if dice.once_in(3) {
        new.timeouts = other.timeouts;
        new.limits = other.limits;
        new.ipvs = other.ipvs;
    }
    if dice.once_in(4) {
        new.local_addresses.clone_from(&other.local_addresses);
    }
    if dice.once_in(4) {
        new.ports.clone_from(&other.ports);
    }
    if dice.once_in(3) {
        new.routes.clone_from(&other.routes);
    }
    new.services = varied_services(&config.services, other.services, dice);
    let has_mark = |mark| new.services.iter().any(|service| service.key == ServiceKey::Mark(mark));
    let ports = new.ports.len();
    new.marks.retain(|rule| has_mark(rule.mark) && rule.port.is_none_or(|port| port < ports));
    for rule in marks(dice, &new.services, ports) {
        if dice.once_in(3) || new.marks.iter().all(|other| other.mark != rule.mark) {
            new.marks.push(rule);
        }
    }
    new
}

fn varied_services(old: &[Service], mut other: Vec<Service>, dice: &mut Dice) -> Vec<Service> {
    let mut services = Vec::new();
    for service in old {
        let mut service = service.clone();
        match dice.below(8) {
            0 => continue,
            1 | 2 => vary_real_servers(&mut service, dice),
            3 => service = self::service(service.name.clone(), service.key, dice),
            4 => service.name = format!("new-{}", service.name),
            _ => {}
        }
        services.push(service);
    }
    other.retain(|new| services.iter().all(|old: &Service| old.key != new.key));
    for mut new in other {
        new.name = format!("more-{}", new.name);
        let at = dice.below(u32::try_from(services.len() + 1).expect("few")) as usize;
        services.insert(at, new);
    }
    services
}

fn vary_real_servers(service: &mut Service, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let real = real_server(service, dice);
        match service.real_servers.iter().position(|old| old.address == real.address) {
            Some(at) if dice.once_in(3) => drop(service.real_servers.remove(at)),
            Some(at) => service.real_servers[at] = real,
            None if dice.once_in(2) => service.real_servers.insert(0, real),
            None => service.real_servers.push(real),
        }
    }
    if dice.once_in(6) {
        service.real_servers.reverse();
    }
}
