//! [`EditError`]: why an edit is refused, one variant for each thing a caller may tell apart.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;

use crate::config::{Protocol, ServiceKey};
use crate::real_server::ForwardingMode;
use crate::value::SECONDS_MAX;

/// Why an edit is refused. Nothing was changed; the client must ask for something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A service with this key is there.
    #[error("there is a service {0} already")]
    ServiceExists(ServiceKey),
    /// A service that is to be changed or removed is not there.
    #[error("there is no service {0}")]
    NoSuchService(ServiceKey),
    /// A service whose real servers are to be changed is not there.
    #[error("there is no service {0}, so it has no real servers")]
    ServiceNotDefined(ServiceKey),
    /// The service has this real server.
    #[error("service {service} has a real server {address} already")]
    RealServerExists {
        /// The service.
        service: ServiceKey,
        /// RIP and rport.
        address: SocketAddrV4,
    },
    /// The service does not have this real server.
    #[error("service {service} has no real server {address}")]
    NoSuchRealServer {
        /// The service.
        service: ServiceKey,
        /// RIP and rport.
        address: SocketAddrV4,
    },
    /// Another service has this name.
    #[error("the name {name} belongs to service {owner}")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        owner: ServiceKey,
    },
    /// The text cannot be a service's name.
    #[error(
        "`{}` cannot be a name: begin with a letter, then use letters, digits, `-`, `_` and `.`; \
         at most 63", shown(.0)
    )]
    BadName(String),
    /// No host can have this address.
    #[error("{role} cannot be {address}, {why}")]
    NotUnicast {
        /// What it was to be.
        role: Role,
        /// The address.
        address: Ipv4Addr,
        /// What it is instead.
        why: &'static str,
    },
    /// The address is the network or broadcast address of a port's subnet.
    #[error("{role} {address} is the {kind} of {subnet}")]
    NotAHost {
        /// What it was to be.
        role: Role,
        /// The address.
        address: Ipv4Addr,
        /// What it is instead.
        kind: &'static str,
        /// The subnet.
        subnet: Ipv4Net,
    },
    /// Something else has this address, and it cannot be both.
    #[error("{role} {address} is also {other}")]
    AddressConflict {
        /// What it was to be.
        role: Role,
        /// The address.
        address: Ipv4Addr,
        /// What it is already.
        other: Role,
    },
    /// Nothing reaches a real server.
    #[error("no port and no route reaches real server {0}")]
    Unreachable(Ipv4Addr),
    /// A real server in mode dr is behind a gateway.
    #[error(
        "real server {0} is behind a gateway, and mode dr rewrites MAC addresses only: it must be \
         in the subnet of a port"
    )]
    NotOnLink(Ipv4Addr),
    /// A local address is in no port's subnet, so replies would not come back to it.
    #[error("local address {0} is in no port's subnet")]
    LocalNotOnLink(Ipv4Addr),
    /// A real server has another port than its service, in a mode that does not rewrite ports.
    #[error(
        "real server {address}: mode {} does not rewrite ports, so its port has to be the \
         service's, {port}", mode.as_str()
    )]
    PortKept {
        /// RIP and rport.
        address: SocketAddrV4,
        /// The port of the service.
        port: u16,
        /// The mode.
        mode: ForwardingMode,
    },
    /// A tunnel for a real server that is reached without one.
    #[error("a tunnel for a real server in mode {}", .0.as_str())]
    TunnelMode(ForwardingMode),
    /// The weight is greater than IPVS has it.
    #[error("the weight {weight} is more than {max}")]
    WeightTooLarge {
        /// What was asked for.
        weight: u32,
        /// The greatest there is.
        max: u32,
    },
    /// The lower threshold is above the upper.
    #[error("the lower threshold {lower} is above the upper, {upper}")]
    ThresholdsReversed {
        /// The upper threshold.
        upper: u32,
        /// The lower threshold.
        lower: u32,
    },
    /// A service for all ports is not persistent.
    #[error("port 0 of {0} stands for all ports, and that takes persistence")]
    AllPortsNotPersistent(ServiceKey),
    /// A time is out of its range.
    #[error("{what} of {seconds} s is out of range: 1 s to {max} s (31 days)")]
    TimeOutOfRange {
        /// Which one.
        what: &'static str,
        /// What was asked for.
        seconds: u32,
        /// The longest.
        max: u32,
    },
    /// A persistence mask has holes.
    #[error("{0} is not a netmask: ones and then zeros")]
    BadMask(Ipv4Addr),
    /// One-packet scheduling of a protocol with connections.
    #[error("one-packet scheduling is for udp and marks, not for {}", .0.as_str())]
    OnePacketProtocol(Protocol),
    /// An idle time that the service's protocol does not have.
    #[error("service {service} has no timeout `{key}`")]
    TimeoutProtocol {
        /// The service.
        service: ServiceKey,
        /// The key of the timeout.
        key: &'static str,
    },
    /// Mode fullnat without local addresses.
    #[error("mode fullnat needs local addresses, and service {0} has none")]
    NoLocalAddresses(ServiceKey),
    /// A local address stands twice.
    #[error("local address {0} stands twice")]
    LocalAddressTwice(Ipv4Addr),
    /// Too many local addresses.
    #[error("a service has at most {0} local addresses")]
    TooManyLocalAddresses(u32),
    /// The helper cannot read the connections of this service.
    #[error("helper ftp {0}")]
    Helper(&'static str),
    /// The sizes fixed at start are used up.
    #[error(
        "there is no room: `limits.{limit}` is {size}{}",
        if *waiting == 0 { String::new() } else {
            format!(", of which {waiting} were removed and wait for their flows to end")
        }
    )]
    NoRoom {
        /// The key under `limits`.
        limit: &'static str,
        /// Its value.
        size: u32,
        /// Removed ones that still count.
        waiting: usize,
    },
}

/// `seconds`, if a time can be that long.
pub(super) fn in_range(what: &'static str, seconds: u32) -> Result<u32, EditError> {
    match seconds {
        1..=SECONDS_MAX => Ok(seconds),
        _ => Err(EditError::TimeOutOfRange { what, seconds, max: SECONDS_MAX }),
    }
}

/// What an address is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What clients connect to.
    Vip,
    /// A source address towards real servers.
    Local,
    /// A real server.
    RealServer,
    /// The gateway of a route.
    Gateway,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vip => "VIP",
            Self::Local => "local address",
            Self::RealServer => "real server",
            Self::Gateway => "gateway",
        })
    }
}

/// The beginning of a text that may be long, without what a terminal would take for a command.
fn shown(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    printable.take(64).collect()
}
