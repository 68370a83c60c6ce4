//! What is asked of IPVS, as it is said: numbers and names that need not mean anything.
//!
//! Netlink messages (`genl.rs`) and socket options (`legacy.rs`) are both read into these; what
//! they mean to RVS is in `meaning.rs`.

use std::net::IpAddr;

use nix::errno::Errno;

/// Something to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    NewService(ServiceId, ServiceSpec),
    SetService(ServiceId, ServiceSpec),
    DelService(ServiceId),
    NewDest(ServiceId, DestId, DestSpec),
    SetDest(ServiceId, DestId, DestSpec),
    DelDest(ServiceId, DestId),
    Flush,
    /// Counters begin at 0 again: of a service, or all.
    Zero(Option<ServiceId>),
    /// Idle times of TCP, TCP after FIN, and UDP, in seconds; 0 and `None` leave one as it is.
    SetTimeouts([Option<u32>; 3]),
    StartDaemon(DaemonSpec),
    /// The daemon with this state.
    StopDaemon(u32),
}

/// Which service is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServiceId {
    pub(super) family: u16,
    pub(super) key: ServiceIdKey,
}

/// What tells services of a family apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceIdKey {
    Mark(u32),
    /// The address is in the first bytes, as many as the family has.
    Endpoint {
        protocol: u16,
        address: [u8; 16],
        port: u16,
    },
}

/// All else about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceSpec {
    pub(super) scheduler: String,
    /// A persistence engine; empty for none.
    pub(super) engine: String,
    pub(super) flags: u32,
    /// Which of the flags are meant; the others stay as they are.
    pub(super) flags_mask: u32,
    /// Of persistence, in seconds.
    pub(super) timeout: u32,
    /// Of persistence; in IPv6 a length.
    pub(super) netmask: [u8; 4],
}

/// Which real server is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DestId {
    /// 0 for that of the service.
    pub(super) family: u16,
    pub(super) address: [u8; 16],
    pub(super) port: u16,
}

/// All else about a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DestSpec {
    pub(super) method: u32,
    pub(super) weight: i32,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    pub(super) tunnel_type: u8,
    pub(super) tunnel_port: u16,
    pub(super) tunnel_flags: u16,
}

/// A synchronisation daemon, as it is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DaemonSpec {
    pub(super) state: u32,
    pub(super) interface: String,
    pub(super) sync_id: u32,
    pub(super) sync_maxlen: Option<u16>,
    pub(super) group: Option<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) ttl: Option<u8>,
}

/// A text in a field of fixed length: up to the first zero. EINVAL if it is not UTF-8.
pub(super) fn text_of(field: &[u8]) -> Result<String, Errno> {
    let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).map(str::to_owned).map_err(|_| Errno::EINVAL)
}
