//! The checked configuration: what the rest of RVS works from.
//!
//! A [`Config`] can only come out of [`crate::load`] or [`crate::parse`] in daemon code, so every
//! rule of `docs/CONFIG.md` holds for it: addresses are usable unicast, names resolve, services
//! do not overlap. The types are plain values without serde; services and real servers keep the
//! order of the file, because rr and wrr follow it.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::control::Control;
use crate::helper::Helper;

use ipnet::Ipv4Net;

use crate::ipvs::Ipvs;
use crate::mark::{Mark, MarkRule};
use crate::metrics::Metrics;
use crate::real_server::{ForwardingMode, RealServer};
use crate::scheduler::{Scheduler, SchedulerFlags};

/// The whole file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Settings of DPDK's environment layer.
    pub dpdk: Dpdk,
    /// Lcores (CPU numbers) that forward packets, in the order of the file; at least one, none
    /// twice.
    pub workers: Vec<u32>,
    /// DPDK ports, in the order of the file; at least one.
    pub ports: Vec<Port>,
    /// Static routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Which packets get a mark, in the order of the file; the first that fits counts.
    pub marks: Vec<MarkRule>,
    /// Source addresses towards real servers in mode fullnat, for services without any of their
    /// own; may be empty.
    pub local_addresses: Vec<Ipv4Addr>,
    /// Virtual services, in the order of the file.
    pub services: Vec<Service>,
    /// Sizes fixed at start.
    pub limits: Limits,
    /// Idle times after which a flow is forgotten.
    pub timeouts: Timeouts,
    /// IPVS' sysctls.
    pub ipvs: Ipvs,
    /// How tools reach the running daemon.
    pub control: Control,
    /// What monitoring reads.
    pub metrics: Metrics,
}

impl Config {
    /// Source addresses of a service towards its real servers in mode fullnat: its own, or those
    /// of the director; empty for a service without such real servers.
    #[must_use]
    pub fn pool_of<'a>(&'a self, service: &'a Service) -> &'a [Ipv4Addr] {
        match (service.has_mode(ForwardingMode::FullNat), service.local_addresses.is_empty()) {
            (false, _) => &[],
            (true, true) => &self.local_addresses,
            (true, false) => &service.local_addresses,
        }
    }
}

/// Settings of DPDK's environment abstraction layer (EAL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dpdk {
    /// Memory for packet buffers and tables, in MiB.
    pub memory_mib: u32,
    /// Extra EAL arguments, passed on as they are.
    pub eal_args: Vec<String>,
}

/// A DPDK port with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The key under `ports`.
    pub name: String,
    /// The device DPDK opens.
    pub device: Device,
    /// The director's own addresses on this port; may be empty.
    pub addresses: Vec<InterfaceAddr>,
    /// Largest IP packet sent or received on this port, in bytes.
    pub mtu: u16,
    /// Receive descriptors per queue, a power of two.
    pub rx_descriptors: u16,
    /// Transmit descriptors per queue, a power of two.
    pub tx_descriptors: u16,
}

impl Port {
    /// The MTU of a port that names none.
    pub(crate) const MTU_DEFAULT: u16 = 1500;
    /// The descriptors of a queue where none are named.
    pub(crate) const DESCRIPTORS_DEFAULT: u16 = 1024;
}

/// What DPDK opens for a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A virtual device with its arguments, as `--vdev` takes it: `net_af_packet0,iface=wan0`.
    Vdev(String),
    /// A PCI address in full, lower case: `0000:3b:00.0`.
    Pci(String),
}

/// An own address and the length of its subnet's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddr {
    /// The address.
    pub addr: Ipv4Addr,
    /// Prefix length of the subnet, 1 to 32.
    pub prefix_len: u8,
}

impl InterfaceAddr {
    /// The subnet this address is in, with host bits zero.
    ///
    /// # Panics
    /// If `prefix_len` is more than 32, which no checked configuration has.
    #[must_use]
    pub fn subnet(&self) -> Ipv4Net {
        Ipv4Net::new_assert(self.addr, self.prefix_len).trunc()
    }
}

/// As the file has it: `10.0.0.2/24`.
impl std::fmt::Display for InterfaceAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

/// A static route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Destination prefix, host bits zero.
    pub to: Ipv4Net,
    /// The gateway.
    pub via: Ipv4Addr,
    /// Index in [`Config::ports`] of the port whose subnet holds `via`.
    pub port: usize,
}

/// A virtual service: what clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The key under `services`.
    pub name: String,
    /// Which packets are for it.
    pub key: ServiceKey,
    /// How packets reach those real servers that do not say it themselves; each real server has
    /// its mode in [`RealServer::mode`].
    pub mode: ForwardingMode,
    /// How a real server is chosen for a new flow.
    pub scheduler: Scheduler,
    /// Flags of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// Whether every UDP datagram is scheduled by itself (`ipvsadm --ops`).
    pub ops: bool,
    /// Whether, and how, all connections of a client go to one real server.
    pub persistence: Option<Persistence>,
    /// Idle times of its own.
    pub timeouts: ServiceTimeouts,
    /// Source addresses of its own towards real servers in mode fullnat; empty for those of the
    /// director ([`Config::pool_of`]).
    pub local_addresses: Vec<Ipv4Addr>,
    /// The pool, in the order of the file; may be empty.
    pub real_servers: Vec<RealServer>,
    /// Who reads the payload of its connections in NAT and FULLNAT; TCP only.
    pub helper: Option<Helper>,
}

impl Service {
    /// The VIP, if packets to it can come from the network, which those to 127/8 cannot.
    #[must_use]
    pub fn vip_of_network(&self) -> Option<Ipv4Addr> {
        self.key.vip().map(|vip| *vip.ip()).filter(|vip| !vip.is_loopback())
    }

    /// Whether packets of it may be forwarded in this mode: the service's, or that of any of its
    /// real servers.
    #[must_use]
    pub fn has_mode(&self, mode: ForwardingMode) -> bool {
        self.mode == mode || self.real_servers.iter().any(|real| real.mode == mode)
    }
}

/// How all connections of a client go to one real server (`ipvsadm -p` and `-M`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// How long since the last new connection, in seconds; 1 s to 31 days.
    pub timeout_s: u32,
    /// The bits of clients' addresses that count: ones, then zeros.
    pub mask: Ipv4Addr,
    /// What tells the connections of a client apart. It reads UDP; all else to such a service is
    /// dropped.
    pub engine: Option<PersistenceEngine>,
}

/// What tells the connections of a client apart that persistence keeps together
/// (`ipvsadm --pe`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistenceEngine {
    /// The Call-ID of SIP messages.
    Sip,
}

impl PersistenceEngine {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sip => "sip",
        }
    }
}

impl Persistence {
    /// The mask under which every address is a client by itself.
    pub const WHOLE_ADDRESS: Ipv4Addr = Ipv4Addr::BROADCAST;
}

/// Which packets are for a service. It makes two services the same service, whatever else about
/// them changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceKey {
    /// Those to an address and port.
    Endpoint {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address and port; port 0 for all ports that no other service has.
        vip: SocketAddrV4,
    },
    /// Those with a mark.
    Mark(Mark),
}

impl ServiceKey {
    /// The transport protocol, unless packets are told by a mark.
    #[must_use]
    pub const fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Endpoint { protocol, .. } => Some(protocol),
            Self::Mark(_) => None,
        }
    }

    /// The virtual address and port, unless packets are told by a mark.
    #[must_use]
    pub const fn vip(self) -> Option<SocketAddrV4> {
        match self {
            Self::Endpoint { vip, .. } => Some(vip),
            Self::Mark(_) => None,
        }
    }

    /// The virtual port; 0 for all of them, and where packets are told by a mark.
    #[must_use]
    pub fn vport(self) -> u16 {
        self.vip().map_or(0, |vip| vip.port())
    }

    /// The mark, if packets are told by one.
    #[must_use]
    pub const fn mark(self) -> Option<Mark> {
        match self {
            Self::Endpoint { .. } => None,
            Self::Mark(mark) => Some(mark),
        }
    }
}

impl std::fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Endpoint { protocol, vip } => write!(f, "{} {vip}", protocol.as_str()),
            Self::Mark(mark) => write!(f, "mark {mark}"),
        }
    }
}

/// Transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The word the file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Sizes fixed at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Flows each worker can hold.
    pub flows: u32,
    /// Persistence templates each worker can hold.
    pub templates: u32,
    /// Services the daemon has counters for.
    pub services: u32,
    /// Real servers the daemon has counters for, over all services.
    pub real_servers: u32,
}

/// Idle times after which a flow is forgotten, in seconds (the three of `ipvsadm --set`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// An established TCP flow.
    pub tcp_s: u32,
    /// A TCP flow after a FIN.
    pub tcp_fin_s: u32,
    /// A UDP flow.
    pub udp_s: u32,
}

/// Idle times of one service, in seconds; `None` is the director's ([`Config::timeouts`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceTimeouts {
    /// An established TCP flow.
    pub tcp_s: Option<u32>,
    /// A TCP flow after a FIN.
    pub tcp_fin_s: Option<u32>,
    /// A UDP flow.
    pub udp_s: Option<u32>,
}

impl ServiceTimeouts {
    /// What a service with these has, where the director has `others`.
    #[must_use]
    pub fn over(&self, others: &Timeouts) -> Timeouts {
        Timeouts {
            tcp_s: self.tcp_s.unwrap_or(others.tcp_s),
            tcp_fin_s: self.tcp_fin_s.unwrap_or(others.tcp_fin_s),
            udp_s: self.udp_s.unwrap_or(others.udp_s),
        }
    }

    /// Each by its key in the file.
    #[must_use]
    pub const fn by_key(&self) -> [(&'static str, Option<u32>); 3] {
        [("tcp", self.tcp_s), ("tcp_fin", self.tcp_fin_s), ("udp", self.udp_s)]
    }
}

impl Default for Dpdk {
    fn default() -> Self {
        Self { memory_mib: 1024, eal_args: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { flows: 1_000_000, templates: 65_536, services: 16_384, real_servers: 131_072 }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { tcp_s: 900, tcp_fin_s: 120, udp_s: 300 }
    }
}

/// Facts about this machine that some checks need. The caller supplies them, because this crate
/// looks at nothing but the file it is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// CPUs that exist and may be used as workers; `None` skips that check.
    pub cpus: Option<Vec<u32>>,
}
