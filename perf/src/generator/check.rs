//! What a frame must look like when it comes out of the director.

use std::net::Ipv4Addr;

use dataplane::forward::ForwardingMode;
use dataplane::wire::{EtherType, EthernetHeader, IpProto, Ipv4Header, UdpHeader, ipv4, udp};

use super::arp::NEIGHBOR;
use super::frame::tagged_client;
use crate::bench::site::{self, VIP};
use crate::bench::traffic::End;

/// What is wrong with a frame.
pub type Fault = &'static str;

/// One UDP packet: its ends, and the client that its tag names.
struct Datagram {
    src: End,
    dst: End,
    client: End,
}

/// Checks a request that was forwarded to a real server.
///
/// # Errors
/// The first thing that is wrong.
pub fn forwarded(mode: ForwardingMode, frame: &[u8]) -> Result<(), Fault> {
    let packet = ip_packet(frame)?;
    let Datagram { src, dst, client } = match mode {
        ForwardingMode::Tunnel => datagram(inner(packet)?)?,
        ForwardingMode::Dr | ForwardingMode::Nat | ForwardingMode::FullNat => datagram(packet)?,
    };
    let src_ok = match mode {
        ForwardingMode::FullNat => site::is_local_address(src.0),
        ForwardingMode::Dr | ForwardingMode::Tunnel | ForwardingMode::Nat => src == client,
    };
    let dst_ok = if mode.sees_replies() {
        site::is_real_server(dst.0) && dst.1 == site::RPORT
    } else {
        dst == VIP
    };
    match (src_ok, dst_ok) {
        (true, true) => Ok(()),
        (false, _) => Err("a request came from another source than its mode says"),
        (_, false) => Err("a request went to another destination than its mode says"),
    }
}

/// Checks a reply that was sent on to the client.
///
/// # Errors
/// The first thing that is wrong.
pub fn replied(frame: &[u8]) -> Result<(), Fault> {
    let Datagram { src, dst, client } = datagram(ip_packet(frame)?)?;
    match (src == VIP, dst == client) {
        (true, true) => Ok(()),
        (false, _) => Err("a reply came from another source than the service"),
        (_, false) => Err("a reply went to another client than the one that asked"),
    }
}

fn ip_packet(frame: &[u8]) -> Result<&[u8], Fault> {
    let (ethernet, packet) = EthernetHeader::split(frame).ok_or("a frame is cut short")?;
    if ethernet.ether_type() != EtherType::IPV4 {
        return Err("a frame that came back is not IPv4");
    }
    if ethernet.dst != NEIGHBOR {
        return Err("a frame went to another MAC address than the neighbour's");
    }
    Ok(packet)
}

/// What a tunnel packet to a real server holds.
fn inner(packet: &[u8]) -> Result<&[u8], Fault> {
    let (outer, inner) = checked(packet)?;
    if outer.protocol() != IpProto::IPIP || !site::is_real_server(outer.dst()) {
        return Err("a request is not in a tunnel to a real server");
    }
    Ok(inner)
}

fn checked(packet: &[u8]) -> Result<(&Ipv4Header, &[u8]), Fault> {
    if !ipv4::checksum_ok(packet) {
        return Err("the checksum of an IP header is wrong");
    }
    let (header, rest) = Ipv4Header::split(packet).ok_or("an IP header is cut short")?;
    let payload_len = usize::from(header.total_len()).saturating_sub(Ipv4Header::LEN);
    let payload = rest.get(..payload_len).ok_or("an IP packet is cut short")?;
    Ok((header, payload))
}

fn datagram(packet: &[u8]) -> Result<Datagram, Fault> {
    let (ip, segment) = checked(packet)?;
    let (src, dst): (Ipv4Addr, Ipv4Addr) = (ip.src(), ip.dst());
    if !udp::checksum_ok(segment, src, dst) {
        return Err("a UDP checksum is wrong");
    }
    let (header, payload) = UdpHeader::split(segment).ok_or("a UDP header is cut short")?;
    let client = tagged_client(payload).ok_or("a payload is cut short")?;
    Ok(Datagram { src: (src, header.src_port()), dst: (dst, header.dst_port()), client })
}
