//! Requests that change single things, and their answers.
//!
//! Where a request names a service it is by its name, or by its key as `tcp:192.0.2.10:80` or
//! `mark:7`; a name counts before a key. A real server is named by RIP and rport, as
//! `10.0.0.11:8080`; without a port it is the one with the service's.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service: body of `POST /v1/services` and `PUT /v1/services/{service}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSpec {
    /// Its name; of a new service made of its key if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `tcp`, `udp` or `sctp`; with `vip` and `vport`. Of a new service only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Virtual address. Of a new service only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<Ipv4Addr>,
    /// Virtual port; 0 for all ports. Of a new service only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vport: Option<u16>,
    /// Instead of these three: all packets with this mark. Of a new service only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// `dr`, `nat`, `tun`, `fullnat`; that of its first real server if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The scheduler; `wlc` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
    /// Flags of the scheduler, by the names of ipvsadm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scheduler_flags: Vec<String>,
    /// Whether every UDP datagram is scheduled by itself.
    pub ops: bool,
    /// Persistence, in seconds; none if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence_s: Option<u32>,
    /// Netmask of the clients that go together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence_mask: Option<Ipv4Addr>,
    /// `sip`, or none if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence_engine: Option<String>,
    /// Idle times of its own.
    #[serde(skip_serializing_if = "TimeoutsSpec::is_empty")]
    pub timeouts: TimeoutsSpec,
    /// Source addresses towards real servers in mode fullnat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local_addresses: Vec<Ipv4Addr>,
    /// `ftp` or `none`; the one that belongs to the port if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// Its real servers, in this order. Of a new service only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub real_servers: Vec<RealServerSpec>,
}

/// Idle times, in seconds: those that a service has itself, or the director's that are to change
/// (body of `PUT /v1/timeouts`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutsSpec {
    /// An established TCP flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_s: Option<u32>,
    /// A TCP flow after a FIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_fin_s: Option<u32>,
    /// A UDP flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp_s: Option<u32>,
}

impl TimeoutsSpec {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A new real server: body of `POST /v1/services/{service}/real-servers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RealServerSpec {
    /// Its address.
    pub rip: Ipv4Addr,
    /// Its port; that of the service if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rport: Option<u16>,
    /// Share of new flows; 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Flows at which it takes no new ones; no limit if left out.
    #[serde(default)]
    pub upper_threshold: u32,
    /// Flows below which it takes new ones again; three quarters of the upper if left out.
    #[serde(default)]
    pub lower_threshold: u32,
    /// Whether it takes no new flows whatever its weight.
    #[serde(default)]
    pub drain: bool,
    /// `dr`, `nat`, `tun`, `fullnat`; the mode of the service if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How packets are wrapped in mode `tun`; IP in IP if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelSpec>,
}

/// How packets to a real server in mode `tun` are wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TunnelSpec {
    /// `ipip`, `gue` or `gre`.
    pub r#type: String,
    /// UDP port of the real server; with `gue` only, and needed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `none`, `csum` or, with `gue`, `remcsum`; `none` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// What is to change about a real server: body of
/// `PATCH /v1/services/{service}/real-servers/{address}`. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RealServerChange {
    /// Share of new flows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Flows at which it takes no new ones; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper_threshold: Option<u32>,
    /// Flows below which it takes new ones again; 0 for three quarters of the upper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_threshold: Option<u32>,
    /// Whether it takes no new flows whatever its weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<bool>,
    /// `dr`, `nat`, `tun`, `fullnat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How packets are wrapped in mode `tun`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelSpec>,
}

/// A list of edits, done in this order, all or nothing: body of `POST /v1/edits`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditList {
    /// At most 10000.
    pub edits: Vec<EditSpec>,
}

/// One of a list of edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EditSpec {
    /// A new service.
    AddService {
        /// What it is.
        settings: ServiceSpec,
    },
    /// All settings of a service anew; its real servers stay.
    SetService {
        /// Which one.
        service: String,
        /// What it is from now on.
        settings: ServiceSpec,
    },
    /// A service and its real servers go.
    RemoveService {
        /// Which one.
        service: String,
    },
    /// All services go.
    Flush,
    /// A new real server.
    AddRealServer {
        /// Of which service.
        service: String,
        /// What it is.
        real_server: RealServerSpec,
    },
    /// Some settings of a real server.
    SetRealServer {
        /// Of which service.
        service: String,
        /// Which one.
        address: String,
        /// What is to change.
        settings: RealServerChange,
    },
    /// A real server goes.
    RemoveRealServer {
        /// Of which service.
        service: String,
        /// Which one.
        address: String,
    },
    /// The director's idle times.
    SetTimeouts {
        /// Those that are to change.
        timeouts: TimeoutsSpec,
    },
}

/// Answer to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edited {
    /// Whether all workers run it. If not yet, they will: what is accepted cannot fail later.
    pub running: bool,
    /// Number of the configuration in force.
    pub generation: u64,
}

/// Body of `POST /v1/zero`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Zero {
    /// The service whose counters, and those of its real servers, are to begin anew; all of them
    /// if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}
