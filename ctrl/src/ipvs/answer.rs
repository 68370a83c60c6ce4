//! Rows of listings as attributes of netlink messages.

use std::net::IpAddr;

use conf::Timeouts;

use super::attr::Writer;
use super::legacy::low_half;
use super::listing::{DestRow, ServiceRow, Statistics};
use super::sync::Daemon;
use super::uapi::{AF_INET, IPVS_VERSION, attr, daemon, dest, flag, info, stats, svc};

/// An address in as many bytes as the longest has.
fn padded(address: std::net::Ipv4Addr) -> [u8; 16] {
    let [a, b, c, d] = address.octets();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

pub(super) fn service(writer: &mut Writer<'_>, row: &ServiceRow) {
    writer.nest(attr::SERVICE, |writer| {
        writer.put_u16(svc::AF, AF_INET);
        if row.mark == 0 {
            writer.put_u16(svc::PROTOCOL, row.protocol);
            writer.put(svc::ADDR, &padded(row.address));
            writer.put_be16(svc::PORT, row.port);
        } else {
            writer.put_u32(svc::FWMARK, row.mark);
        }
        writer.put_text(svc::SCHED_NAME, row.scheduler);
        if let Some(engine) = row.engine {
            writer.put_text(svc::PE_NAME, engine);
        }
        let [flags, mask] = [row.flags | flag::HASHED, u32::MAX].map(u32::to_ne_bytes);
        writer.put(svc::FLAGS, &[flags, mask].concat());
        writer.put_u32(svc::TIMEOUT, row.timeout_s);
        writer.put(svc::NETMASK, &row.netmask.octets());
        statistics(writer, svc::STATS, svc::STATS64, &row.statistics);
    });
}

pub(super) fn dest(writer: &mut Writer<'_>, row: &DestRow) {
    writer.nest(attr::DEST, |writer| {
        writer.put(dest::ADDR, &padded(row.address));
        writer.put_be16(dest::PORT, row.port);
        writer.put_u32(dest::FWD_METHOD, row.method);
        writer.put_u32(dest::WEIGHT, row.weight);
        writer.put_u8(dest::TUN_TYPE, row.tunnel.kind);
        writer.put_be16(dest::TUN_PORT, row.tunnel.port);
        writer.put_u16(dest::TUN_FLAGS, row.tunnel.flags);
        writer.put_u32(dest::U_THRESH, row.upper_threshold);
        writer.put_u32(dest::L_THRESH, row.lower_threshold);
        writer.put_u32(dest::ACTIVE_CONNS, low_half(row.active));
        writer.put_u32(dest::INACT_CONNS, low_half(row.inactive));
        writer.put_u32(dest::PERSIST_CONNS, low_half(row.persistent));
        writer.put_u16(dest::ADDR_FAMILY, AF_INET);
        statistics(writer, dest::STATS, dest::STATS64, &row.statistics);
    });
}

/// The same counters twice: in the old form, which has only halves of some, and in whole.
fn statistics(writer: &mut Writer<'_>, old: u16, whole: u16, values: &Statistics) {
    let Statistics { traffic, rates } = values;
    let packets = [
        (stats::CONNS, traffic.connections),
        (stats::INPKTS, traffic.in_packets),
        (stats::OUTPKTS, traffic.out_packets),
    ];
    let bytes = [(stats::INBYTES, traffic.in_bytes), (stats::OUTBYTES, traffic.out_bytes)];
    let rates = [
        (stats::CPS, rates.connections),
        (stats::INPPS, rates.in_packets),
        (stats::OUTPPS, rates.out_packets),
        (stats::INBPS, rates.in_bytes),
        (stats::OUTBPS, rates.out_bytes),
    ];
    writer.nest(old, |writer| {
        packets.iter().for_each(|(kind, value)| writer.put_u32(*kind, low_half(*value)));
        bytes.iter().for_each(|(kind, value)| writer.put_u64(*kind, *value));
        rates.iter().for_each(|(kind, value)| writer.put_u32(*kind, low_half(*value)));
    });
    writer.nest(whole, |writer| {
        let all = packets.iter().chain(&bytes).chain(&rates);
        all.for_each(|(kind, value)| writer.put_u64(*kind, *value));
    });
}

pub(super) fn information(writer: &mut Writer<'_>, table_size: u32) {
    writer.put_u32(info::VERSION, IPVS_VERSION);
    writer.put_u32(info::CONNECTION_TABLE_SIZE, table_size);
}

pub(super) fn timeouts(writer: &mut Writer<'_>, timeouts: Timeouts) {
    writer.put_u32(attr::TIMEOUT_TCP, timeouts.tcp_s);
    writer.put_u32(attr::TIMEOUT_TCP_FIN, timeouts.tcp_fin_s);
    writer.put_u32(attr::TIMEOUT_UDP, timeouts.udp_s);
}

pub(super) fn sync_daemon(writer: &mut Writer<'_>, state: u32, values: &Daemon) {
    writer.nest(attr::DAEMON, |writer| {
        writer.put_u32(daemon::STATE, state);
        writer.put_text(daemon::MCAST_IFN, &values.interface);
        writer.put_u32(daemon::SYNC_ID, values.sync_id);
        writer.put_u16(daemon::SYNC_MAXLEN, values.maxlen);
        writer.put_u16(daemon::MCAST_PORT, values.port);
        writer.put_u8(daemon::MCAST_TTL, values.ttl);
        match values.group {
            IpAddr::V4(group) => writer.put(daemon::MCAST_GROUP, &group.octets()),
            IpAddr::V6(group) => writer.put(daemon::MCAST_GROUP6, &group.octets()),
        }
    });
}
