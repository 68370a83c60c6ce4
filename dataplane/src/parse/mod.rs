//! Bytes become a class: what kind of packet this is, and the key it is looked up by.
//!
//! Everything later steps rely on is checked here: header lengths, IPv4 checksum, addresses a
//! host can have. Padding behind the IPv4 packet is cut off, so that a frame's length is right.

mod plain;
mod sctp;

use std::net::Ipv4Addr;

use crate::buf::{PacketBuf, RxChecksum};
use crate::flow::{FlowKey, SctpEvent};
use crate::verdict::DropReason;
use crate::wire::{
    ArpPacket, EtherType, EthernetHeader, IpProto, Ipv4Header, Mac, TcpFlags, UdpHeader, ipv4, tcp,
    udp,
};

/// What a received frame is, with what was read of it.
#[derive(Clone, Copy, Debug)]
pub enum Parsed<'a> {
    /// A well-formed ARP packet.
    Arp,
    /// TCP, UDP or SCTP, whole or the first fragment.
    Transport(&'a Transport),
    /// A fragment without the transport header.
    LaterFragment(&'a Ipv4Meta),
    /// ICMP, whole or the first fragment.
    Icmp(&'a Ipv4Meta),
    /// Any other protocol.
    Other(&'a Ipv4Meta),
    /// Nothing that is worth going on with.
    Bad(DropReason),
}

/// Which of [`Parsed`] a frame is, and so what of [`Slip::headers`] means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Arp,
    Transport,
    LaterFragment,
    Icmp,
    Other,
    Bad(DropReason),
}

/// What was read of one frame of a burst. It is written in place, field by field, because a copy
/// of freshly written fields would stall (`docs/PERFORMANCE.md`).
#[derive(Debug)]
pub struct Slip {
    headers: Transport,
    class: Class,
}

impl Default for Slip {
    fn default() -> Self {
        Self { headers: Transport::default(), class: Class::Bad(DropReason::Truncated) }
    }
}

impl Slip {
    /// Reads a frame received on a port with MAC address `mac`, and cuts off padding.
    #[inline(always)]
    pub fn fill<B: PacketBuf>(&mut self, frame: &mut B, mac: Mac) {
        self.class = match plain::read(frame, mac, &mut self.headers) {
            Some(()) => Class::Transport,
            None => read_any(frame, mac, &mut self.headers).unwrap_or_else(Class::Bad),
        };
        let end = L3_OFFSET + usize::from(self.headers.ip.total_len);
        if self.is_ipv4() && frame.len() > end {
            frame.truncate(end);
        }
    }

    #[inline(always)]
    fn is_ipv4(&self) -> bool {
        !matches!(self.class, Class::Arp | Class::Bad(_))
    }

    /// The headers of a TCP, UDP or SCTP packet.
    #[inline(always)]
    #[must_use]
    pub fn transport(&self) -> Option<&Transport> {
        matches!(self.class, Class::Transport).then_some(&self.headers)
    }

    /// What the frame is.
    #[inline]
    #[must_use]
    pub fn parsed(&self) -> Parsed<'_> {
        match self.class {
            Class::Transport => Parsed::Transport(&self.headers),
            Class::LaterFragment => Parsed::LaterFragment(&self.headers.ip),
            Class::Icmp => Parsed::Icmp(&self.headers.ip),
            Class::Other => Parsed::Other(&self.headers.ip),
            Class::Arp => Parsed::Arp,
            Class::Bad(reason) => Parsed::Bad(reason),
        }
    }
}

/// What later steps need of a checked IPv4 header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ipv4Meta {
    /// Source in the first four bytes, destination in the others, as on the wire.
    addresses: u64,
    /// Length of header and payload in bytes.
    pub total_len: u16,
    /// Identification, the same in all fragments of a datagram.
    pub id: u16,
    /// Length of the header with its options, in bytes.
    pub header_len: u8,
    /// Protocol number.
    pub protocol: u8,
    /// Time to live as received.
    pub ttl: u8,
    more_fragments: bool,
    dont_fragment: bool,
}

/// A TCP, UDP or SCTP packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Its IPv4 header.
    pub ip: Ipv4Meta,
    /// Its flow key.
    pub key: FlowKey,
    /// TCP flags; none for UDP. Of SCTP, an INIT is a SYN here and an ABORT an RST, so that whoever
    /// asks what begins and what ends need not know the protocol.
    pub flags: TcpFlags,
    /// What it means to its association; of SCTP only, anything else for other protocols.
    pub event: SctpEvent,
}

/// Where the IPv4 header begins in every frame of ours.
pub const L3_OFFSET: usize = EthernetHeader::LEN;

impl Ipv4Meta {
    /// Where the transport header begins in the frame.
    #[inline(always)]
    #[must_use]
    pub fn l4_offset(&self) -> usize {
        L3_OFFSET + usize::from(self.header_len)
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn src(&self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.addresses.to_ne_bytes();
        Ipv4Addr::new(a, b, c, d)
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = self.addresses.to_ne_bytes();
        Ipv4Addr::new(a, b, c, d)
    }

    /// Whether more fragments follow.
    #[inline]
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.more_fragments
    }

    /// Whether routers may not fragment it.
    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.dont_fragment
    }
}

/// Reads whatever frame it is.
#[inline(never)]
fn read_any<B: PacketBuf>(
    frame: &B,
    mac: Mac,
    headers: &mut Transport,
) -> Result<Class, DropReason> {
    let (ethernet, payload) = EthernetHeader::split(frame.bytes()).ok_or(DropReason::Truncated)?;
    let for_us = ethernet.dst == mac;
    if !for_us || ethernet.ether_type() != EtherType::IPV4 {
        return not_ipv4_for_us(ethernet, payload, for_us);
    }
    if !frame.is_contiguous() {
        return Err(DropReason::Truncated);
    }
    let header = check_ipv4(payload, frame.rx_ipv4_checksum(), &mut headers.ip)?;
    read_payload(header, &payload[..usize::from(headers.ip.total_len)], headers)
}

/// What a frame is that is no IPv4 packet to our own MAC address.
fn not_ipv4_for_us(
    ethernet: &EthernetHeader,
    payload: &[u8],
    for_us: bool,
) -> Result<Class, DropReason> {
    if !for_us && !ethernet.dst.is_multicast() {
        return Err(DropReason::NotOurMac);
    }
    match ethernet.ether_type() {
        EtherType::IPV4 => Err(DropReason::Broadcast),
        EtherType::ARP if ArpPacket::checked(payload).is_some() => Ok(Class::Arp),
        EtherType::ARP => Err(DropReason::BadArp),
        _ => Err(DropReason::UnknownEtherType),
    }
}

fn check_ipv4<'a>(
    packet: &'a [u8],
    nic_says: RxChecksum,
    meta: &mut Ipv4Meta,
) -> Result<&'a Ipv4Header, DropReason> {
    let checked = ipv4::check(packet).map_err(|_| DropReason::BadIpv4Header)?;
    let checksum_ok = match nic_says {
        RxChecksum::Good => true,
        RxChecksum::Bad => false,
        RxChecksum::Unknown => ipv4::checksum_ok(packet),
    };
    if !checksum_ok {
        return Err(DropReason::BadIpv4Checksum);
    }
    let header: &Ipv4Header = checked.header;
    let addresses = header.wire_addresses();
    if !is_host_address(addresses[0]) {
        return Err(DropReason::BadSourceAddress);
    }
    if !is_host_address(addresses[4]) {
        return Err(DropReason::Broadcast);
    }
    meta.addresses = u64::from_ne_bytes(addresses);
    meta.total_len = header.total_len();
    meta.id = header.id();
    #[expect(clippy::cast_possible_truncation, reason = "a header has 60 bytes at most")]
    let header_len = checked.header_len as u8;
    meta.header_len = header_len;
    meta.protocol = header.protocol();
    meta.ttl = header.ttl();
    meta.more_fragments = header.more_fragments();
    meta.dont_fragment = header.dont_fragment();
    Ok(header)
}

/// Whether a packet may come from or go to an address with this first byte: not 0/8, 127/8, 224/3.
#[inline(always)]
fn is_host_address(first: u8) -> bool {
    first != 0 && first != 127 && first < 224
}

/// Reads what follows the IPv4 header; `packet` begins with it and has nothing behind it.
fn read_payload(
    header: &Ipv4Header,
    packet: &[u8],
    headers: &mut Transport,
) -> Result<Class, DropReason> {
    if !header.is_first_fragment() {
        return Ok(Class::LaterFragment);
    }
    let payload = &packet[usize::from(headers.ip.header_len)..];
    let bad = DropReason::BadTransportHeader;
    let protocol = header.protocol();
    headers.flags = match protocol {
        IpProto::TCP => tcp::check(payload).map_err(|_| bad)?.header.flags(),
        IpProto::UDP if header.more_fragments() => {
            // Its length field counts the fragments to come.
            UdpHeader::read(payload).ok_or(bad)?;
            TcpFlags::default()
        }
        IpProto::UDP => {
            udp::check(payload).map_err(|_| bad)?;
            TcpFlags::default()
        }
        IpProto::SCTP => sctp::read(payload, headers)?,
        IpProto::ICMP => return Ok(Class::Icmp),
        _ => return Ok(Class::Other),
    };
    let ports = *payload.first_chunk().ok_or(bad)?;
    headers.key = FlowKey::from_wire(protocol, header.wire_addresses(), ports);
    Ok(Class::Transport)
}

#[cfg(test)]
mod tests;
