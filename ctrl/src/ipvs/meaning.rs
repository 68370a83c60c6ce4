//! What requests of IPVS mean to RVS: services, real servers and edits of its configuration.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;

use conf::edit::{Draft, EditError, ServiceSettings};
use conf::{
    ForwardingMode, GueChecksum, Mark, Masquerading, Persistence, PersistenceEngine, RealServer,
    Scheduler, SchedulerFlags, Service, ServiceKey, Tunnel,
};
use nix::errno::Errno;

use super::legacy::ipv4_of;
use super::request::{DestId, DestSpec, ServiceId, ServiceIdKey, ServiceSpec};
use super::uapi::{AF_INET, flag, method, tunnel};
use crate::snapshot::protocol_of;

/// The key of a service. Those of IPv6 are not forwarded, and so refused.
pub(super) fn key(id: &ServiceId) -> Result<ServiceKey, Errno> {
    if id.family != AF_INET {
        return Err(Errno::EAFNOSUPPORT);
    }
    match id.key {
        ServiceIdKey::Mark(mark) => Mark::new(mark).map(ServiceKey::Mark).ok_or(Errno::EINVAL),
        ServiceIdKey::Endpoint { protocol, address, port } => {
            let protocol = u8::try_from(protocol).ok().and_then(protocol_of);
            let protocol = protocol.ok_or(Errno::EPROTONOSUPPORT)?;
            let vip = SocketAddrV4::new(ipv4_of(address), port);
            Ok(ServiceKey::Endpoint { protocol, vip })
        }
    }
}

/// The settings of a service, which keeps those of `old` that are not meant.
pub(super) fn settings(
    spec: &ServiceSpec,
    old: Option<&Service>,
) -> Result<ServiceSettings, Errno> {
    let scheduler = Scheduler::named(&spec.scheduler).ok_or(Errno::ENOENT)?;
    let engine = match spec.engine.as_str() {
        "" => None,
        name if name == PersistenceEngine::Sip.as_str() => Some(PersistenceEngine::Sip),
        _ => return Err(Errno::ENOENT),
    };
    let before = old.map_or(0, flags_of);
    let flags = before & !spec.flags_mask | spec.flags & spec.flags_mask;
    let has = |flag| flags & flag != 0;
    Ok(ServiceSettings {
        scheduler,
        scheduler_flags: SchedulerFlags {
            flag_1: has(flag::SCHED_1),
            flag_2: has(flag::SCHED_2),
            flag_3: has(flag::SCHED_3),
        },
        // Without persistence there is nothing that its mask and engine are about.
        persistence: has(flag::PERSISTENT).then(|| Persistence {
            timeout_s: spec.timeout,
            mask: Ipv4Addr::from(spec.netmask),
            engine,
        }),
        ops: has(flag::ONE_PACKET),
    })
}

/// The flags of a service as IPVS has them.
pub(super) fn flags_of(service: &Service) -> u32 {
    let own = service.scheduler_flags;
    let flags = [
        (service.persistence.is_some(), flag::PERSISTENT),
        (service.ops, flag::ONE_PACKET),
        (own.flag_1, flag::SCHED_1),
        (own.flag_2, flag::SCHED_2),
        (own.flag_3, flag::SCHED_3),
    ];
    flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum()
}

/// The end of a real server, which may be of another family than its service.
pub(super) fn end(id: &DestId) -> Result<SocketAddrV4, Errno> {
    match id.family {
        0 | AF_INET => Ok(SocketAddrV4::new(ipv4_of(id.address), id.port)),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// A real server.
pub(super) fn real_server(
    id: &DestId,
    spec: &DestSpec,
    masquerading: Masquerading,
) -> Result<RealServer, Errno> {
    let address = end(id)?;
    let mode = match spec.method {
        method::MASQ => masquerading.mode(),
        method::TUNNEL => ForwardingMode::Tunnel,
        method::DIRECT_ROUTE => ForwardingMode::Dr,
        _ => return Err(Errno::EINVAL),
    };
    let weight = u32::try_from(spec.weight).map_err(|_| Errno::ERANGE)?;
    Ok(RealServer {
        address,
        mode,
        tunnel: if mode == ForwardingMode::Tunnel { wrapping(spec)? } else { Tunnel::Ipip },
        weight,
        drain: false,
        upper_threshold: spec.upper_threshold,
        lower_threshold: spec.lower_threshold,
    })
}

/// How packets to a real server in mode tun are wrapped.
fn wrapping(spec: &DestSpec) -> Result<Tunnel, Errno> {
    let has = |flag| spec.tunnel_flags & flag != 0;
    match spec.tunnel_type {
        tunnel::IPIP => Ok(Tunnel::Ipip),
        tunnel::GUE => Ok(Tunnel::Gue {
            dst_port: NonZeroU16::new(spec.tunnel_port).ok_or(Errno::EINVAL)?,
            checksum: if has(tunnel::REMCSUM) {
                GueChecksum::Remote
            } else if has(tunnel::CSUM) {
                GueChecksum::Full
            } else {
                GueChecksum::None
            },
        }),
        tunnel::GRE => Ok(Tunnel::Gre { checksum: has(tunnel::CSUM) }),
        _ => Err(Errno::EINVAL),
    }
}

/// The service with this key, whose real servers are to be changed.
pub(super) fn owner(draft: &Draft, key: ServiceKey) -> Result<&Service, Errno> {
    draft.service(key).map(|service| &**service).ok_or(Errno::ESRCH)
}

/// The errno that Linux has for what is refused, or EINVAL for what only RVS refuses.
pub(super) fn errno_of(error: &EditError) -> Errno {
    #[expect(clippy::wildcard_enum_match_arm, reason = "those that Linux tells apart")]
    match error {
        EditError::ServiceExists(_) | EditError::RealServerExists { .. } => Errno::EEXIST,
        EditError::NoSuchService(_) | EditError::ServiceNotDefined(_) => Errno::ESRCH,
        EditError::NoSuchRealServer { .. } => Errno::ENOENT,
        EditError::ThresholdsReversed { .. } | EditError::WeightTooLarge { .. } => Errno::ERANGE,
        EditError::NoRoom { .. } => Errno::ENOMEM,
        _ => Errno::EINVAL,
    }
}
