//! Packets of a typical connection, and what the director makes of them in terms of addresses.

use rvs_dataplane::testing::{Endpoint, PEER_MAC, PacketSpec};
use rvs_dataplane::wire::TcpFlags;

use super::setup::{LAN_MAC, WAN_MAC, mac_of};

pub(crate) const SYN_ACK: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
pub(crate) const FIN_ACK: TcpFlags = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);
pub(crate) const RST_ACK: TcpFlags = TcpFlags(TcpFlags::RST.0 | TcpFlags::ACK.0);

/// TCP segments of every kind, beginning with SYN and ending with RST.
pub(crate) fn segments(src: &str, dst: &str) -> Vec<(&'static str, PacketSpec)> {
    let tcp = || PacketSpec::tcp(src, dst);
    let timestamps = [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9];
    let router_alert = [148, 4, 0, 0];
    vec![
        ("SYN", tcp().flags(TcpFlags::SYN).seq(1000).mss(1460)),
        ("SYN again", tcp().flags(TcpFlags::SYN).seq(1000).mss(1460)),
        ("ACK", tcp().seq(1001).ack(5001)),
        ("data", tcp().seq(1001).ack(5001).flags(TcpFlags(0x18)).payload("GET / HTTP/1.1\r\n")),
        ("odd length", tcp().seq(1017).payload("odd")),
        ("DSCP, ECN and id", tcp().tos(0xb9).id(0x1234).payload("x")),
        ("timestamps", tcp().tcp_options(&timestamps).payload([7; 99])),
        ("IP options", tcp().ip_options(&router_alert).payload("data")),
        ("longest", tcp().payload([0x5A; 1460])),
        ("longest, not DF", tcp().payload([0x5A; 1460]).dont_fragment(false).id(77)),
        ("padded", tcp().padded_to(60)),
        ("urgent, no DF", tcp().flags(TcpFlags(0x38)).dont_fragment(false).id(9)),
        ("TTL 2", tcp().ttl(2)),
        ("FIN", tcp().flags(FIN_ACK).seq(1020)),
        ("RST", tcp().flags(TcpFlags::RST).seq(1021)),
    ]
}

/// UDP datagrams of every kind but those without checksum, which modes treat differently.
pub(crate) fn datagrams(src: &str, dst: &str) -> Vec<(&'static str, PacketSpec)> {
    let udp = || PacketSpec::udp(src, dst);
    vec![
        ("datagram", udp().payload("question")),
        ("no payload, padded", udp().padded_to(60)),
        ("odd length", udp().payload("odd")),
        ("not DF", udp().payload("x").dont_fragment(false).id(1)),
        ("DSCP and ECN", udp().payload("x").tos(0x2e)),
        ("IP options", udp().payload("y").ip_options(&[1, 1, 1, 0])),
        ("longest", udp().payload([0xC3; 1472])),
    ]
}

/// A packet as it leaves towards the real server or other neighbour `hop` on the lan.
pub(crate) fn to_real(packet: &PacketSpec, hop: &str) -> PacketSpec {
    packet.clone().macs(mac_of(*hop.endpoint().ip()), LAN_MAC).padded_to(0)
}

/// A packet as it comes from the neighbour `hop` on the lan.
pub(crate) fn from_real(packet: &PacketSpec, hop: &str) -> PacketSpec {
    packet.clone().macs(LAN_MAC, mac_of(*hop.endpoint().ip()))
}

/// A packet as it leaves towards the client, by way of the gateway.
pub(crate) fn to_client(packet: &PacketSpec) -> PacketSpec {
    packet.clone().macs(PEER_MAC, WAN_MAC).padded_to(0)
}

/// An ICMP error of the director's own: TOS 0xC0, TTL 64, at most 576 bytes.
pub(crate) fn icmp_error(
    (src, dst): (impl Endpoint, impl Endpoint),
    (icmp_type, code, rest): (u8, u8, [u8; 4]),
    quoted: &[u8],
) -> PacketSpec {
    let quoted = &quoted[..quoted.len().min(576 - 28)];
    let error = PacketSpec::icmp(src, dst, icmp_type, code, rest);
    error.tos(0xC0).dont_fragment(false).payload(quoted)
}

/// The packet with one hop taken off its TTL.
pub(crate) fn one_hop_on(packet: &PacketSpec) -> PacketSpec {
    packet.clone().ttl(ttl_of(packet) - 1)
}

fn ttl_of(packet: &PacketSpec) -> u8 {
    packet.packet()[8]
}

/// Source port of a UDP or TCP frame without IP options.
pub(crate) fn src_port_of(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[34], frame[35]])
}
