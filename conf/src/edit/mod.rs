//! Single changes of a checked configuration, as commands make them: [`Edit`]s of a [`Draft`].
//!
//! A [`Draft`] holds a configuration so that an edit costs the same whether there are ten services
//! or ten thousand; only the real servers of the service it is about count. After every edit all
//! rules of `docs/CONFIG.md` hold, as for a file that was read: `tests/against_files.rs` compares
//! the two.
//!
//! * `draft.rs`: the configuration in parts, lists of edits all or nothing, and taking them back.
//! * `service.rs`, `real_server.rs`: what single edits do and which rules they keep.
//! * `address.rs`: who has which address, and how it is reached.
//! * `name.rs`: names of services that commands make; `error.rs`: why an edit is refused.

mod address;
mod draft;
mod error;
mod name;
mod real_server;
mod service;

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::config::{Persistence, ServiceKey, ServiceTimeouts, Timeouts};
use crate::helper::Helper;
use crate::real_server::{ForwardingMode, RealServer};
use crate::scheduler::{Scheduler, SchedulerFlags};
use crate::tunnel::Tunnel;

pub use draft::{Desired, Done, Draft, Refused, Step, Subject};
pub use error::{EditError, Role};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new service without real servers, at the end of the list (`ipvsadm -A`).
    AddService {
        /// Which packets are for it.
        key: ServiceKey,
        /// What IPVS knows of services.
        settings: ServiceSettings,
        /// What RVS knows besides.
        options: ServiceOptions,
    },
    /// All settings of a service anew (`ipvsadm -E`); its real servers stay.
    EditService {
        /// The service.
        key: ServiceKey,
        /// What IPVS knows of services.
        settings: ServiceSettings,
        /// What RVS knows besides; `None` leaves it as it is.
        options: Option<ServiceOptions>,
    },
    /// A service and its real servers go (`ipvsadm -D`).
    RemoveService(ServiceKey),
    /// All services go (`ipvsadm -C`).
    Flush,
    /// A new real server, at the end of the list (`ipvsadm -a`). The first one of a service that
    /// was made without a mode gives the service its mode.
    AddRealServer(ServiceKey, RealServer),
    /// Everything about a real server anew but its address and whether it drains, which IPVS knows
    /// nothing of (`ipvsadm -e`).
    EditRealServer(ServiceKey, RealServer),
    /// Some settings of a real server.
    PatchRealServer(ServiceKey, SocketAddrV4, RealServerPatch),
    /// A real server goes (`ipvsadm -d`).
    RemoveRealServer(ServiceKey, SocketAddrV4),
    /// The director's idle times; 0 leaves one as it is (`ipvsadm --set`).
    SetTimeouts(Timeouts),
}

/// What IPVS knows of a service besides its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceSettings {
    /// How a real server is chosen for a new flow.
    pub scheduler: Scheduler,
    /// Flags of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// Whether, and how, all connections of a client go to one real server.
    pub persistence: Option<Persistence>,
    /// Whether every UDP datagram is scheduled by itself.
    pub ops: bool,
}

impl Default for ServiceSettings {
    /// As ipvsadm has them: wlc, and nothing else.
    fn default() -> Self {
        Self {
            scheduler: Scheduler::Wlc,
            scheduler_flags: SchedulerFlags::default(),
            persistence: None,
            ops: false,
        }
    }
}

/// What RVS knows of a service besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Its name; `None` makes one of the key (`tcp-192.0.2.10-80`), or keeps the one it has.
    pub name: Option<String>,
    /// The mode of its real servers; `None` takes that of the first one, and dr until there is
    /// one, or keeps the one it has. Real servers that had the mode of the service go along when
    /// it gets another.
    pub mode: Option<ForwardingMode>,
    /// Idle times of its own.
    pub timeouts: ServiceTimeouts,
    /// Source addresses towards real servers in mode fullnat.
    pub local_addresses: Vec<Ipv4Addr>,
    /// Who reads the payload of its connections; `None` for whoever belongs to its port.
    pub helper: Option<Option<Helper>>,
}

/// Settings of a real server that are to change; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RealServerPatch {
    /// Share of new flows.
    pub weight: Option<u32>,
    /// Whether it takes no new flows whatever its weight.
    pub drain: Option<bool>,
    /// How packets reach it; a tunnel of its own goes with mode tun.
    pub mode: Option<ForwardingMode>,
    /// How packets to it are wrapped in mode tun.
    pub tunnel: Option<Tunnel>,
    /// Flows at which it takes no new ones; 0 for no limit.
    pub upper_threshold: Option<u32>,
    /// Flows below which it takes new ones again; 0 for three quarters of the upper.
    pub lower_threshold: Option<u32>,
}

#[cfg(test)]
mod tests;
