//! Commands of the generic netlink family IPVS, read into what they ask for.
//!
//! Which attributes a command must have, and the errno where one is missing or has a wrong form,
//! are those of Linux.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;

use super::attr::Attributes;
use super::request::{Change, DaemonSpec, DestId, DestSpec, ServiceId, ServiceIdKey, ServiceSpec};
use super::uapi::{AF_INET, AF_INET6, attr, cmd, daemon, dest, method, svc};

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Change(Change),
    Info,
    Timeouts,
    Service(ServiceId),
    /// All services, one message each.
    Services,
    /// The real servers of a service, one message each; none if it says no service.
    Dests(Option<ServiceId>),
    /// The synchronisation daemons that run.
    Daemons,
}

/// Reads a command with its attributes; `is_dump` if all of something is asked for.
pub(super) fn read(command: u8, attributes: &[u8], is_dump: bool) -> Result<Ask, Errno> {
    let all = Attributes::parse(attributes);
    if is_dump {
        return match command {
            cmd::GET_SERVICE => Ok(Ask::Services),
            cmd::GET_DEST => Ok(Ask::Dests(service_id(&all).ok())),
            cmd::GET_DAEMON => Ok(Ask::Daemons),
            _ => Err(Errno::EOPNOTSUPP),
        };
    }
    match command {
        cmd::GET_INFO => Ok(Ask::Info),
        cmd::GET_CONFIG => Ok(Ask::Timeouts),
        cmd::GET_SERVICE => Ok(Ask::Service(service_id(&all)?)),
        _ => change(command, &all).map(Ask::Change),
    }
}

fn change(command: u8, all: &Attributes<'_>) -> Result<Change, Errno> {
    let of = || service_id(all);
    let which = || dest_id(all);
    Ok(match command {
        cmd::NEW_SERVICE => Change::NewService(of()?, service_spec(all)?),
        cmd::SET_SERVICE => Change::SetService(of()?, service_spec(all)?),
        cmd::DEL_SERVICE => Change::DelService(of()?),
        cmd::NEW_DEST => Change::NewDest(of()?, which()?, dest_spec(all)?),
        cmd::SET_DEST => Change::SetDest(of()?, which()?, dest_spec(all)?),
        cmd::DEL_DEST => Change::DelDest(of()?, which()?),
        cmd::FLUSH => Change::Flush,
        cmd::ZERO if all.bytes(attr::SERVICE).is_none() => Change::Zero(None),
        cmd::ZERO => Change::Zero(Some(of()?)),
        cmd::SET_CONFIG => Change::SetTimeouts([
            all.u32(attr::TIMEOUT_TCP)?,
            all.u32(attr::TIMEOUT_TCP_FIN)?,
            all.u32(attr::TIMEOUT_UDP)?,
        ]),
        cmd::NEW_DAEMON => Change::StartDaemon(daemon_spec(all)?),
        cmd::DEL_DAEMON => {
            let daemon = all.nested(attr::DAEMON).ok_or(Errno::EINVAL)?;
            Change::StopDaemon(daemon.u32(daemon::STATE)?.ok_or(Errno::EINVAL)?)
        }
        _ => return Err(Errno::EOPNOTSUPP),
    })
}

fn service_id(all: &Attributes<'_>) -> Result<ServiceId, Errno> {
    let service = all.nested(attr::SERVICE).ok_or(Errno::EINVAL)?;
    let family = service.u16(svc::AF)?.ok_or(Errno::EINVAL)?;
    let key = match service.u32(svc::FWMARK)? {
        Some(mark) => ServiceIdKey::Mark(mark),
        None => ServiceIdKey::Endpoint {
            protocol: service.u16(svc::PROTOCOL)?.ok_or(Errno::EINVAL)?,
            address: service.padded(svc::ADDR)?.ok_or(Errno::EINVAL)?,
            port: service.be16(svc::PORT)?.ok_or(Errno::EINVAL)?,
        },
    };
    if !matches!(family, AF_INET | AF_INET6) {
        return Err(Errno::EAFNOSUPPORT);
    }
    Ok(ServiceId { family, key })
}

fn service_spec(all: &Attributes<'_>) -> Result<ServiceSpec, Errno> {
    let service = all.nested(attr::SERVICE).ok_or(Errno::EINVAL)?;
    let scheduler = service.text(svc::SCHED_NAME, svc::SCHED_NAME_LEN_MAX)?;
    let engine = service.text(svc::PE_NAME, svc::PE_NAME_LEN_MAX)?;
    let [a, b, c, d, e, f, g, h] = service.padded::<8>(svc::FLAGS)?.ok_or(Errno::EINVAL)?;
    Ok(ServiceSpec {
        scheduler: scheduler.ok_or(Errno::EINVAL)?.to_owned(),
        engine: engine.unwrap_or_default().to_owned(),
        flags: u32::from_ne_bytes([a, b, c, d]),
        flags_mask: u32::from_ne_bytes([e, f, g, h]),
        timeout: service.u32(svc::TIMEOUT)?.ok_or(Errno::EINVAL)?,
        netmask: service.u32(svc::NETMASK)?.ok_or(Errno::EINVAL)?.to_ne_bytes(),
    })
}

fn dest_id(all: &Attributes<'_>) -> Result<DestId, Errno> {
    let of = all.nested(attr::DEST).ok_or(Errno::EINVAL)?;
    Ok(DestId {
        family: of.u16(dest::ADDR_FAMILY)?.unwrap_or_default(),
        address: of.padded(dest::ADDR)?.ok_or(Errno::EINVAL)?,
        port: of.be16(dest::PORT)?.ok_or(Errno::EINVAL)?,
    })
}

fn dest_spec(all: &Attributes<'_>) -> Result<DestSpec, Errno> {
    let of = all.nested(attr::DEST).ok_or(Errno::EINVAL)?;
    Ok(DestSpec {
        method: of.u32(dest::FWD_METHOD)?.ok_or(Errno::EINVAL)? & method::BITS,
        weight: of.u32(dest::WEIGHT)?.ok_or(Errno::EINVAL)?.cast_signed(),
        upper_threshold: of.u32(dest::U_THRESH)?.ok_or(Errno::EINVAL)?,
        lower_threshold: of.u32(dest::L_THRESH)?.ok_or(Errno::EINVAL)?,
        tunnel_type: of.u8(dest::TUN_TYPE)?.unwrap_or_default(),
        tunnel_port: of.be16(dest::TUN_PORT)?.unwrap_or_default(),
        tunnel_flags: of.u16(dest::TUN_FLAGS)?.unwrap_or_default(),
    })
}

fn daemon_spec(all: &Attributes<'_>) -> Result<DaemonSpec, Errno> {
    let of = all.nested(attr::DAEMON).ok_or(Errno::EINVAL)?;
    let interface = of.text(daemon::MCAST_IFN, daemon::IFN_LEN_MAX)?.ok_or(Errno::EINVAL)?;
    let group4 = of.u32(daemon::MCAST_GROUP)?;
    let group6 = of.padded::<16>(daemon::MCAST_GROUP6)?;
    Ok(DaemonSpec {
        state: of.u32(daemon::STATE)?.ok_or(Errno::EINVAL)?,
        interface: interface.to_owned(),
        sync_id: of.u32(daemon::SYNC_ID)?.ok_or(Errno::EINVAL)?,
        sync_maxlen: of.u16(daemon::SYNC_MAXLEN)?,
        group: group4
            .map(|address| IpAddr::V4(Ipv4Addr::from(address.to_ne_bytes())))
            .or_else(|| group6.map(|address| IpAddr::V6(Ipv6Addr::from(address)))),
        port: of.u16(daemon::MCAST_PORT)?,
        ttl: of.u8(daemon::MCAST_TTL)?,
    })
}
