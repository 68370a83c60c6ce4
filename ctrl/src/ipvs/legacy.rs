//! Socket options of IPVS: structures of fixed form, read and written field by field.
//!
//! Sizes, the order of checks and their errno are those of Linux on 64-bit machines.

use std::net::Ipv4Addr;

use conf::Timeouts;
use nix::errno::Errno;

use super::listing::{DestRow, ServiceRow, Statistics};
use super::request::{
    Change, DaemonSpec, DestId, DestSpec, ServiceId, ServiceIdKey, ServiceSpec, text_of,
};
use super::sync::{Daemon, Daemons};
use super::uapi::{AF_INET, IPVS_VERSION, daemon, flag, method, so};
use crate::snapshot::protocol_of;

/// Sizes of structures that are set (`struct ip_vs_service_user` and so on).
const SERVICE_LEN: usize = 44;
const DEST_LEN: usize = 24;
const TIMEOUT_LEN: usize = 12;
const DAEMON_LEN: usize = 24;
/// Sizes of structures that are read.
const INFO_LEN: usize = 12;
const VERSION_LEN: usize = 64;
const SERVICES_HEAD_LEN: usize = 8;
const SERVICE_ENTRY_LEN: usize = 104;
const DESTS_HEAD_LEN: usize = 24;
const DEST_ENTRY_LEN: usize = 96;
const INTERFACE_LEN: usize = 16;

/// Fields one after the other.
#[derive(Clone, Copy, Debug)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Errno> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Errno::EINVAL)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u16(&mut self) -> Result<u16, Errno> {
        self.take().map(u16::from_ne_bytes)
    }

    fn be16(&mut self) -> Result<u16, Errno> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Errno> {
        self.take().map(u32::from_ne_bytes)
    }

    /// Protocol, address, port and mark, as several structures begin.
    fn service(&mut self) -> Result<ServiceId, Errno> {
        let protocol = self.u16()?;
        self.take::<2>()?;
        let address = self.address()?;
        let port = self.be16()?;
        self.take::<2>()?;
        let key = match self.u32()? {
            0 => ServiceIdKey::Endpoint { protocol, address, port },
            mark => ServiceIdKey::Mark(mark),
        };
        // EFAULT, of all things.
        if u8::try_from(protocol).ok().and_then(protocol_of).is_none() {
            return Err(Errno::EFAULT);
        }
        Ok(ServiceId { family: AF_INET, key })
    }

    fn address(&mut self) -> Result<[u8; 16], Errno> {
        let [a, b, c, d] = self.take()?;
        Ok([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn service_spec(&mut self) -> Result<ServiceSpec, Errno> {
        let name = self.take::<16>()?;
        if !name.contains(&0) {
            return Err(Errno::EINVAL);
        }
        Ok(ServiceSpec {
            scheduler: text_of(&name)?,
            engine: String::new(),
            flags: self.u32()?,
            flags_mask: u32::MAX,
            timeout: self.u32()?,
            netmask: self.take()?,
        })
    }

    fn dest(&mut self) -> Result<(DestId, DestSpec), Errno> {
        let address = self.address()?;
        let id = DestId { family: AF_INET, address, port: self.be16()? };
        self.take::<2>()?;
        let spec = DestSpec {
            method: self.u32()? & method::BITS,
            weight: self.u32()?.cast_signed(),
            upper_threshold: self.u32()?,
            lower_threshold: self.u32()?,
            tunnel_type: 0,
            tunnel_port: 0,
            tunnel_flags: 0,
        };
        Ok((id, spec))
    }
}

/// What setting an option asks for. `len` is how long the value is said to be.
pub(super) fn change(option: u32, len: usize, value: &[u8]) -> Result<Change, Errno> {
    let expected = match option {
        so::SET_ADD | so::SET_EDIT | so::SET_DEL | so::SET_ZERO => SERVICE_LEN,
        so::SET_ADD_DEST | so::SET_DEL_DEST | so::SET_EDIT_DEST => SERVICE_LEN + DEST_LEN,
        so::SET_TIMEOUT => TIMEOUT_LEN,
        so::SET_START_DAEMON | so::SET_STOP_DAEMON => DAEMON_LEN,
        _ => 0,
    };
    if len != expected || value.len() != expected {
        return Err(Errno::EINVAL);
    }
    let mut fields = Fields(value);
    match option {
        so::SET_FLUSH => Ok(Change::Flush),
        so::SET_TIMEOUT => {
            let seconds = [fields.u32()?, fields.u32()?, fields.u32()?];
            Ok(Change::SetTimeouts(seconds.map(Some)))
        }
        so::SET_START_DAEMON => daemon_of(&mut fields).map(Change::StartDaemon),
        so::SET_STOP_DAEMON => fields.u32().map(Change::StopDaemon),
        so::SET_ADD | so::SET_EDIT | so::SET_DEL | so::SET_ZERO => of_service(option, fields),
        so::SET_ADD_DEST | so::SET_DEL_DEST | so::SET_EDIT_DEST => of_dest(option, fields),
        _ => Err(Errno::EINVAL),
    }
}

fn of_service(option: u32, mut fields: Fields<'_>) -> Result<Change, Errno> {
    // Without an address, port and mark, all are meant.
    let is_nobody = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    if option == so::SET_ZERO && fields.0.get(4..16).is_some_and(is_nobody) {
        return Ok(Change::Zero(None));
    }
    let id = fields.service()?;
    let spec = fields.service_spec();
    Ok(match option {
        so::SET_ADD => Change::NewService(id, spec?),
        so::SET_EDIT => Change::SetService(id, spec?),
        so::SET_DEL => Change::DelService(id),
        _ => Change::Zero(Some(id)),
    })
}

fn of_dest(option: u32, mut fields: Fields<'_>) -> Result<Change, Errno> {
    let of = fields.service()?;
    fields.0 = fields.0.get(SERVICE_LEN - 16..).ok_or(Errno::EINVAL)?;
    let (id, spec) = fields.dest()?;
    Ok(match option {
        so::SET_ADD_DEST => Change::NewDest(of, id, spec),
        so::SET_EDIT_DEST => Change::SetDest(of, id, spec),
        _ => Change::DelDest(of, id),
    })
}

fn daemon_of(fields: &mut Fields<'_>) -> Result<DaemonSpec, Errno> {
    let state = fields.u32()?;
    let interface = text_of(&fields.take::<INTERFACE_LEN>()?)?;
    if interface.is_empty() || interface.len() == INTERFACE_LEN {
        return Err(Errno::EINVAL);
    }
    let sync_id = fields.u32()?;
    let (sync_maxlen, group, port, ttl) = (None, None, None, None);
    Ok(DaemonSpec { state, interface, sync_id, sync_maxlen, group, port, ttl })
}

/// What reading an option asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Version,
    Info,
    /// All services, of which there is room for so many.
    Services(u32),
    Service(ServiceId),
    /// The real servers of a service, of which there is room for so many.
    Dests(ServiceId, u32),
    Timeouts,
    Daemons,
}

/// What is asked with a value of `room` bytes that begins with `value`.
pub(super) fn ask(option: u32, room: usize, value: &[u8]) -> Result<Ask, Errno> {
    let least = match option {
        so::GET_VERSION => VERSION_LEN,
        so::GET_INFO => INFO_LEN,
        so::GET_SERVICES => SERVICES_HEAD_LEN,
        so::GET_SERVICE => SERVICE_ENTRY_LEN,
        so::GET_DESTS => DESTS_HEAD_LEN,
        so::GET_TIMEOUT => TIMEOUT_LEN,
        so::GET_DAEMON => 2 * DAEMON_LEN,
        _ => return Err(Errno::EINVAL),
    };
    if room < least {
        return Err(Errno::EINVAL);
    }
    let mut fields = Fields(value);
    // The rest must have room for exactly what the head says there will be.
    let exactly = |head: usize, count: u32, each: usize| {
        let len = (count as usize).checked_mul(each).and_then(|rest| rest.checked_add(head));
        if len == Some(room) { Ok(count) } else { Err(Errno::EINVAL) }
    };
    Ok(match option {
        so::GET_VERSION => Ask::Version,
        so::GET_INFO => Ask::Info,
        so::GET_TIMEOUT => Ask::Timeouts,
        so::GET_DAEMON => Ask::Daemons,
        so::GET_SERVICES => {
            Ask::Services(exactly(SERVICES_HEAD_LEN, fields.u32()?, SERVICE_ENTRY_LEN)?)
        }
        so::GET_SERVICE => Ask::Service(fields.service()?),
        _ => {
            let of = fields.service()?;
            Ask::Dests(of, exactly(DESTS_HEAD_LEN, fields.u32()?, DEST_ENTRY_LEN)?)
        }
    })
}

/// The low half of a number, which is what IPVS' old structures have room for.
pub(super) fn low_half(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Appends `struct ip_vs_service_entry`.
pub(super) fn put_service(out: &mut Vec<u8>, row: &ServiceRow) {
    out.extend(row.protocol.to_ne_bytes());
    out.extend([0; 2]);
    out.extend(row.address.octets());
    out.extend(row.port.to_be_bytes());
    out.extend([0; 2]);
    out.extend(row.mark.to_ne_bytes());
    let mut name = [0; 16];
    name.iter_mut().zip(row.scheduler.bytes()).for_each(|(place, byte)| *place = byte);
    out.extend(name);
    out.extend((row.flags | flag::HASHED).to_ne_bytes());
    out.extend(row.timeout_s.to_ne_bytes());
    out.extend(row.netmask.octets());
    out.extend(u32::try_from(row.dest_count).unwrap_or(u32::MAX).to_ne_bytes());
    put_statistics(out, &row.statistics);
}

/// Appends what stands before a list of real servers: the service and their number.
pub(super) fn put_dests_head(out: &mut Vec<u8>, row: &ServiceRow, count: u32) {
    let begin = out.len();
    put_service(out, row);
    // The same fields as of a service, up to the mark.
    out.truncate(begin + DESTS_HEAD_LEN - 8);
    out.extend(count.to_ne_bytes());
    out.extend([0; 4]);
}

/// Appends `struct ip_vs_dest_entry`.
pub(super) fn put_dest(out: &mut Vec<u8>, row: &DestRow) {
    let output = if row.method == method::MASQ { 0 } else { method::NO_OUTPUT };
    out.extend(row.address.octets());
    out.extend(row.port.to_be_bytes());
    out.extend([0; 2]);
    out.extend((row.method | output | method::INACTIVE).to_ne_bytes());
    out.extend(row.weight.to_ne_bytes());
    out.extend(row.upper_threshold.to_ne_bytes());
    out.extend(row.lower_threshold.to_ne_bytes());
    for count in [row.active, row.inactive, row.persistent] {
        out.extend(low_half(count).to_ne_bytes());
    }
    out.extend([0; 4]);
    put_statistics(out, &row.statistics);
}

/// Appends `struct ip_vs_stats_user`.
fn put_statistics(out: &mut Vec<u8>, Statistics { traffic, rates }: &Statistics) {
    for count in [traffic.connections, traffic.in_packets, traffic.out_packets] {
        out.extend(low_half(count).to_ne_bytes());
    }
    out.extend([0; 4]);
    out.extend(traffic.in_bytes.to_ne_bytes());
    out.extend(traffic.out_bytes.to_ne_bytes());
    let packets = [rates.connections, rates.in_packets, rates.out_packets];
    for rate in packets.into_iter().chain([rates.in_bytes, rates.out_bytes]) {
        out.extend(low_half(rate).to_ne_bytes());
    }
    out.extend([0; 4]);
}

/// Appends `struct ip_vs_getinfo`.
pub(super) fn put_info(out: &mut Vec<u8>, table_size: u32, services: usize) {
    let services = u32::try_from(services).unwrap_or(u32::MAX);
    out.extend([IPVS_VERSION, table_size, services].map(u32::to_ne_bytes).concat());
}

/// Appends `struct ip_vs_timeout_user`.
pub(super) fn put_timeouts(out: &mut Vec<u8>, timeouts: Timeouts) {
    let seconds = [timeouts.tcp_s, timeouts.tcp_fin_s, timeouts.udp_s];
    out.extend(seconds.map(u32::to_ne_bytes).concat());
}

/// Appends what stands before a list of services: their number.
pub(super) fn put_services_head(out: &mut Vec<u8>, count: u32) {
    out.extend([count, 0].map(u32::to_ne_bytes).concat());
}

/// Appends both daemons, the master first.
pub(super) fn put_daemons(out: &mut Vec<u8>, daemons: &Daemons) {
    put_daemon(out, daemon::MASTER, daemons.master.as_ref());
    put_daemon(out, daemon::BACKUP, daemons.backup.as_ref());
}

/// Appends `struct ip_vs_daemon_user`; zeros if there is none.
fn put_daemon(out: &mut Vec<u8>, state: u32, daemon: Option<&Daemon>) {
    let Some(daemon) = daemon else {
        out.extend([0; DAEMON_LEN]);
        return;
    };
    let mut interface = [0; INTERFACE_LEN];
    let bytes = daemon.interface.bytes();
    interface.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    out.extend(state.to_ne_bytes());
    out.extend(interface);
    out.extend(daemon.sync_id.to_ne_bytes());
}

/// The address of a service or real server in structures, which know IPv4 alone.
pub(super) fn ipv4_of(address: [u8; 16]) -> Ipv4Addr {
    let [a, b, c, d, ..] = address;
    Ipv4Addr::new(a, b, c, d)
}
