//! The texts of /proc/net/ip_vs and its kin, as Linux writes them.

use std::fmt::Write as _;
use std::net::IpAddr;

use dataplane::control::FlowReport;

use super::listing::{DestRow, ServiceRow, Statistics};
use super::uapi::{flag, method};
use crate::api::proto::{Rates, Traffic};
use crate::snapshot::protocol_name;

/// Times in /proc/net/ip_vs are in ticks of the kernel that it was recorded from.
const TICKS_PER_S: u32 = 100;

/// The files there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Services,
    Connections,
    ConnectionsSync,
    Stats,
    StatsPerCpu,
}

impl File {
    /// The file with this name in /proc/net.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"ip_vs" => Some(Self::Services),
            b"ip_vs_conn" => Some(Self::Connections),
            b"ip_vs_conn_sync" => Some(Self::ConnectionsSync),
            b"ip_vs_stats" => Some(Self::Stats),
            b"ip_vs_stats_percpu" => Some(Self::StatsPerCpu),
            _ => None,
        }
    }
}

/// The banner of listings.
pub(super) fn banner(table_size: u32) -> String {
    format!("IP Virtual Server version 1.2.1 (size={table_size})")
}

/// What stands before all services.
pub(super) fn services_head(table_size: u32) -> String {
    format!(
        "{}\nProt LocalAddress:Port Scheduler Flags\n  \
         -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n",
        banner(table_size)
    )
}

/// A service and its real servers.
pub(super) fn service(text: &mut String, row: &ServiceRow, dests: &[DestRow]) {
    service_line(text, row);
    dests.iter().for_each(|row| dest_line(text, row));
}

// Writing to a String does not fail.
fn service_line(text: &mut String, row: &ServiceRow) {
    let ops = if row.flags & flag::ONE_PACKET == 0 { "" } else { "ops " };
    let _ = if row.mark == 0 {
        let protocol = protocol_name(u8::try_from(row.protocol).unwrap_or_default());
        let protocol = protocol.to_ascii_uppercase();
        let (address, port) = (u32::from(row.address), row.port);
        write!(text, "{protocol}  {address:08X}:{port:04X} {} {ops} ", row.scheduler)
    } else {
        write!(text, "FWM  {:08X} {} {ops}", row.mark, row.scheduler)
    };
    let _ = if row.flags & flag::PERSISTENT == 0 {
        writeln!(text)
    } else {
        let ticks = row.timeout_s.saturating_mul(TICKS_PER_S);
        writeln!(text, "persistent {ticks} {:08X}", u32::from(row.netmask))
    };
}

fn dest_line(text: &mut String, row: &DestRow) {
    let forward = match row.method {
        method::MASQ => "Masq",
        method::LOCAL => "Local",
        method::TUNNEL => "Tunnel",
        _ => "Route",
    };
    let _ = writeln!(
        text,
        "  -> {:08X}:{:04X}      {forward:<7} {:<6} {:<10} {:<10}",
        u32::from(row.address),
        row.port,
        row.weight,
        row.active,
        row.inactive
    );
}

/// What stands before all connections.
pub(super) const fn connections_head(file: File) -> &'static str {
    if matches!(file, File::ConnectionsSync) {
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n"
    } else {
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
    }
}

/// A connection or a template. All are made here: none comes from another director.
pub(super) fn connection(text: &mut String, file: File, report: &FlowReport) {
    let hex = |(address, port): (IpAddr, u16)| match address {
        IpAddr::V4(address) => format!("{:08X} {port:04X}", u32::from(address)),
        IpAddr::V6(address) => format!("{:032X} {port:04X}", u128::from(address)),
    };
    let _ = write!(
        text,
        "{:<3} {} {} {} {:<11} ",
        protocol_name(report.protocol).to_ascii_uppercase(),
        hex(report.client),
        hex(report.virtual_address),
        hex(report.real),
        report.state,
    );
    let _ = if file == File::ConnectionsSync {
        writeln!(text, "{:<6} {:>7}", "LOCAL", report.expires_s)
    } else {
        writeln!(text, "{:>7}", report.expires_s)
    };
}

/// All that was counted, and what comes in a second.
pub(super) fn stats(total: &Statistics) -> String {
    format!(
        "   Total Incoming Outgoing         Incoming         Outgoing\n   \
         Conns  Packets  Packets            Bytes            Bytes\n{}\n\n \
         Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n{}\n",
        counted(&total.traffic),
        columns(&per_second(&total.rates))
    )
}

/// The same with a line for each worker, which stands for its CPU.
pub(super) fn stats_per_cpu(total: &Statistics, workers: &[(u32, Traffic)]) -> String {
    let mut text = "       Total Incoming Outgoing         Incoming         Outgoing\n\
                    CPU    Conns  Packets  Packets            Bytes            Bytes\n"
        .to_owned();
    for (lcore, traffic) in workers {
        let _ = writeln!(text, "{lcore:>3X} {}", counted(traffic));
    }
    let _ = writeln!(text, "  ~ {}\n", counted(&total.traffic));
    text.push_str("     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n");
    let _ = writeln!(text, "    {}", columns(&per_second(&total.rates)));
    text
}

fn counted(traffic: &Traffic) -> String {
    columns(&[
        traffic.connections,
        traffic.in_packets,
        traffic.out_packets,
        traffic.in_bytes,
        traffic.out_bytes,
    ])
}

const fn per_second(rates: &Rates) -> [u64; 5] {
    [rates.connections, rates.in_packets, rates.out_packets, rates.in_bytes, rates.out_bytes]
}

fn columns([a, b, c, d, e]: &[u64; 5]) -> String {
    format!("{a:>8X} {b:>8X} {c:>8X} {d:>16X} {e:>16X}")
}
