//! The messages of the control socket, version 1. Names and meanings are kept; fields are added.
//!
//! Counters count from the start of the daemon. Packets and bytes of services and real servers are
//! those of the IP layer, as in `ipvsadm -L --stats`; those of ports are frames with their Ethernet
//! header.

mod apply;
mod drops;
mod edit;
mod flows;
mod ftp;
mod plan;
mod routing;
mod workers;

use std::net::Ipv4Addr;

use dataplane::stats::TrafficStats;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apply::{Applied, ConfigError, Refusal, Tally};
pub use drops::{Drop, Drops, Ended, Generated};
pub use edit::{
    EditList, EditSpec, Edited, RealServerChange, RealServerSpec, ServiceSpec, TimeoutsSpec,
    TunnelSpec, Zero,
};
pub use flows::{FlowCount, FlowGroup, FlowsEnded};
pub use ftp::Ftp;
pub use plan::{Became, Kind, Plan, Planned, PlannedField};
pub use routing::{ListedRealServer, LocalPortUse, LocalPorts, RealServers, Route, Routes};
pub use workers::{Worker, Workers};

/// The version of the API.
pub(crate) const API: u32 = 1;
/// What daemons say of a resource that they lack.
pub(crate) const NO_SUCH_RESOURCE: &str = "no such resource";

/// Answer of `/v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of this API, which is in the paths of its resources, too.
    #[serde(default)]
    pub api: u32,
    /// Version of RVS.
    pub version: String,
    /// Release of DPDK.
    pub dpdk: String,
    /// The daemon's process number.
    pub pid: u32,
    /// Seconds since the daemon started.
    pub uptime_s: u64,
    /// The configuration file that the daemon was started with.
    pub config: String,
    /// The file of the configuration in force, as whoever applied it called it.
    pub applied: String,
    /// How often commands have changed it since then.
    #[serde(default)]
    pub edits: u64,
    /// Seconds since it was put into force.
    pub applied_s_ago: u64,
    /// Number of the configuration in force, counted from 1.
    pub generation: u64,
    /// The kind and amount of packet memory.
    pub memory: String,
    /// Number of services.
    pub services: usize,
    /// Number of real servers, over all services.
    pub real_servers: usize,
    /// The workers.
    pub workers: Vec<Worker>,
}

/// Answer of `/v1/services`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Services {
    /// Services, in the order of the configuration.
    pub services: Vec<Service>,
}

/// Connections, packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// Connections scheduled.
    pub connections: u64,
    /// Connections that have ended: their flow was forgotten.
    #[serde(default)]
    pub closed: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Packets from real servers; none with dr and tun.
    pub out_packets: u64,
    /// Bytes from real servers; none with dr and tun.
    pub out_bytes: u64,
}

impl Traffic {
    /// The sum of both.
    pub(crate) const fn added(&self, other: &Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            closed: self.closed + other.closed,
            in_packets: self.in_packets + other.in_packets,
            in_bytes: self.in_bytes + other.in_bytes,
            out_packets: self.out_packets + other.out_packets,
            out_bytes: self.out_bytes + other.out_bytes,
        }
    }

    /// With what a worker has counted.
    pub(crate) fn plus(&self, stats: &TrafficStats) -> Self {
        Self {
            connections: self.connections + stats.connections.value(),
            closed: self.closed + stats.closed.value(),
            in_packets: self.in_packets + stats.in_packets.value(),
            in_bytes: self.in_bytes + stats.in_bytes.value(),
            out_packets: self.out_packets + stats.out_packets.value(),
            out_bytes: self.out_bytes + stats.out_bytes.value(),
        }
    }

    /// What has come since it was `base`. A base may be below 0, modulo 2^64: then something was
    /// counted before, elsewhere.
    pub(crate) fn since(&self, base: &Self) -> Self {
        Self {
            connections: self.connections.wrapping_sub(base.connections),
            closed: self.closed.wrapping_sub(base.closed),
            in_packets: self.in_packets.wrapping_sub(base.in_packets),
            in_bytes: self.in_bytes.wrapping_sub(base.in_bytes),
            out_packets: self.out_packets.wrapping_sub(base.out_packets),
            out_bytes: self.out_bytes.wrapping_sub(base.out_bytes),
        }
    }
}

/// What comes in a second, as IPVS estimates it: an average over some ten seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets from real servers; none with dr and tun.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes from real servers; none with dr and tun.
    pub out_bytes: u64,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// Its name in the configuration.
    pub name: String,
    /// `tcp`, `udp` or `sctp`; `null` for a service by mark.
    pub protocol: Option<String>,
    /// Virtual address; `null` for a service by mark.
    pub vip: Option<Ipv4Addr>,
    /// Virtual port; `null` for a service by mark.
    pub vport: Option<u16>,
    /// The mark of its packets; `null` for a service with an address.
    pub mark: Option<u32>,
    /// `dr`, `nat`, `tun` or `fullnat`.
    pub mode: String,
    /// By the name of IPVS.
    pub scheduler: String,
    /// Its flags, by ipvsadm's names.
    pub scheduler_flags: Vec<String>,
    /// Who reads the payload of its connections: `ftp`, or `null`.
    #[serde(default)]
    pub helper: Option<String>,
    /// Whether every UDP datagram is scheduled by itself.
    pub ops: bool,
    /// Local addresses, with fullnat.
    pub local_addresses: Vec<Ipv4Addr>,
    /// What it has carried.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// What it carries in a second.
    pub rates: Rates,
    /// Its real servers, in the order of the configuration.
    pub real_servers: Vec<RealServer>,
}

/// How packets to a real server in mode tun are wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tunnel {
    /// `ipip`, `gue` or `gre`.
    pub r#type: String,
    /// UDP port of the real server, with `gue`; else `null`.
    pub port: Option<u16>,
    /// `none`, `csum` or `remcsum`; `null` with `ipip`.
    pub checksum: Option<String>,
}

/// A real server of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RealServer {
    /// Its address.
    pub rip: Ipv4Addr,
    /// Its port; 0 if packets keep the one they have.
    pub rport: u16,
    /// How packets reach it: `dr`, `nat`, `tun` or `fullnat`.
    #[serde(default)]
    pub mode: String,
    /// How they are wrapped, with `tun`; else `null`.
    #[serde(default)]
    pub tunnel: Option<Tunnel>,
    /// Its share of new connections.
    pub weight: u32,
    /// Whether it takes no new connections, whatever its weight.
    #[serde(default)]
    pub drain: bool,
    /// Why it gets no packets at all; `null` if it may get some.
    #[serde(default)]
    pub unusable: Option<String>,
    /// Connections at which it takes no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// Connections below which it takes new ones again; 0 for three quarters of the upper.
    pub lower_threshold: u32,
    /// Active connections now: TCP that is established or opening, SCTP that is established.
    pub active: u64,
    /// Other connections now: closing TCP, other SCTP, and all of UDP.
    pub inactive: u64,
    /// Persistence templates now (PersistConn of `ipvsadm -L --persistent-conn`).
    #[serde(default)]
    pub persistent: u64,
    /// Connections it can have at a time, one for each local address and port; `null` but in
    /// FULLNAT.
    pub local_ports: Option<u64>,
    /// What it has carried for this service.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// What it carries for this service in a second.
    pub rates: Rates,
}

/// Answer of `/v1/flows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flows {
    /// Flows, in no particular order unless one is asked for.
    pub flows: Vec<Flow>,
    /// Flows beyond the limit that was asked for.
    pub more: u64,
}

/// A flow: one connection, or one client port that sends UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// The worker that owns it.
    pub worker: u32,
    /// Name of its service.
    pub service: String,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// `dr`, `nat`, `tun` or `fullnat`.
    pub mode: String,
    /// Client's address.
    pub cip: String,
    /// Client's port.
    pub cport: u16,
    /// Virtual address.
    pub vip: String,
    /// Virtual port.
    pub vport: u16,
    /// Local address, with fullnat.
    pub lip: Option<String>,
    /// Local port, with fullnat.
    pub lport: Option<u16>,
    /// Real server's address.
    pub rip: String,
    /// Real server's port.
    pub rport: u16,
    /// State, by the name that `ipvsadm -Lnc` uses.
    pub state: String,
    /// Seconds until it is forgotten if nothing comes.
    pub expires_s: u32,
    /// Seconds since its last packet; of a template, since it was used last.
    #[serde(default)]
    pub idle_s: u32,
    /// Seconds since it was opened, below 497 days; `null` of a template.
    #[serde(default)]
    pub age_s: Option<u32>,
    /// Packets from the client, up to 4294967295; `null` of a template.
    #[serde(default)]
    pub packets: Option<u32>,
    /// Whether it is a persistence template: the client's network with port 0, and what
    /// `ipvsadm -Lnc` has for ports.
    #[serde(default)]
    pub template: bool,
}

/// Answer of `/v1/ports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ports {
    /// Ports, in the order of the configuration.
    pub ports: Vec<Port>,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Port {
    /// Its name in the configuration.
    pub name: String,
    /// Its device, as the configuration has it.
    pub device: String,
    /// The DPDK driver that serves it.
    pub driver: String,
    /// The NUMA node it is attached to; `null` for most virtual devices, and if it is not known.
    pub numa_node: Option<u32>,
    /// Its MAC address.
    pub mac: String,
    /// Its own addresses with their prefix lengths.
    pub addresses: Vec<String>,
    /// Largest IP packet.
    pub mtu: u16,
    /// Link state as the driver tells it; virtual devices may always say up. `null` if it cannot
    /// tell.
    pub link_up: Option<bool>,
    /// Speed in Mbit/s; 0 if unknown.
    pub speed_mbps: u32,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// How packets get to the workers that own their flows: `one-worker`, `rss`, `rss-source`,
    /// `rss-destination`, `flow-rules` or `hand-over`.
    pub steering: String,
    /// Why it is not a better way, and what is handed over nevertheless.
    pub steering_notes: Vec<String>,
    /// Hardware help that is switched on.
    pub offloads: Vec<String>,
    /// Frames that the workers received.
    pub rx_packets: u64,
    /// Bytes that the workers received.
    pub rx_bytes: u64,
    /// Frames that the port took for sending.
    pub tx_packets: u64,
    /// Bytes that the port took for sending.
    pub tx_bytes: u64,
    /// Frames the device dropped because the workers did not fetch them in time.
    pub rx_missed: u64,
    /// Frames the device received with an error.
    pub rx_errors: u64,
    /// Times a received frame found no free packet buffer.
    pub rx_no_mbuf: u64,
    /// Frames the device could not send.
    pub tx_errors: u64,
    /// Frames the port refused to take, which were dropped.
    pub tx_refused: u64,
    /// Frames received and handed over to the worker that owns their flow.
    pub handed_over: u64,
}

/// Answer of `/v1/neighbors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Neighbors {
    /// Neighbours of all workers: each worker asks for itself.
    pub neighbors: Vec<Neighbor>,
}

/// A neighbour of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Neighbor {
    /// The worker that knows it.
    pub worker: u32,
    /// Name of the port it is on.
    pub port: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its MAC address, once known.
    pub mac: Option<String>,
    /// `reachable`, `probing` (asked again), `incomplete` (asked) or `failed` (does not answer).
    pub state: String,
    /// Seconds since it last answered; `null` if it has not.
    pub confirmed_s_ago: Option<u32>,
    /// Packets that wait for it.
    pub waiting: u64,
}
