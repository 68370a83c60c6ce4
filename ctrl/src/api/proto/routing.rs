//! Routes, local ports, and real servers in one list.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RealServer;

/// Answer of `/v1/routes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routes {
    /// Routes, the longest prefixes first.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// The network, as `10.0.0.0/24`.
    pub to: String,
    /// `connected` (the subnet of a port's address) or `static` (of the configuration).
    pub kind: String,
    /// Name of the port it leads to.
    pub port: String,
    /// The gateway; `null` of a connected one.
    pub via: Option<Ipv4Addr>,
    /// What the gateway is to the worker that knows most of it: `reachable`, `probing`,
    /// `incomplete` or `failed`; `null` if none has asked for it.
    pub gateway_state: Option<String>,
    /// The gateway's MAC address, once known.
    pub gateway_mac: Option<String>,
}

/// Answer of `/v1/local-ports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalPorts {
    /// Local ports of FULLNAT services, by service, real server and local address.
    pub local_ports: Vec<LocalPortUse>,
}

/// The local ports of one address towards one real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalPortUse {
    /// The service.
    pub service: String,
    /// The real server's address.
    pub rip: Ipv4Addr,
    /// Its port.
    pub rport: u16,
    /// The local address.
    pub lip: Ipv4Addr,
    /// Ports that flows have now.
    pub used: u64,
    /// Ports there are, over all workers; 0 if the address is not the service's any more.
    pub capacity: u64,
}

/// Answer of `/v1/real-servers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RealServers {
    /// Real servers of all services, in the order of the configuration.
    pub real_servers: Vec<ListedRealServer>,
}

/// A real server with its service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedRealServer {
    /// Name of its service.
    pub service: String,
    /// `tcp`, `udp` or `sctp`; `null` for a service by mark.
    pub protocol: Option<String>,
    /// Virtual address; `null` for a service by mark.
    pub vip: Option<Ipv4Addr>,
    /// Virtual port; `null` for a service by mark.
    pub vport: Option<u16>,
    /// The mark of its packets; `null` for a service with an address.
    pub mark: Option<u32>,
    /// The real server itself.
    #[serde(flatten)]
    pub real_server: RealServer,
}
