//! ICMP for IPv4.
//!
//! ```text
//!  0               1               2                               4
//! +---------------+---------------+-------------------------------+
//! |     Type      |     Code      |           Checksum            |
//! +---------------+---------------+-------------------------------+
//! |        Rest: identifier and sequence, next-hop MTU ...        |
//! +---------------------------------------------------------------+
//! |   Payload; of an error: the IPv4 header and first bytes of    |
//! |   the packet that caused it                                   |
//! +---------------------------------------------------------------+
//! ```
//!
//! (RFC 792; RFC 1191 for the next-hop MTU; RFC 1812 section 4.3.2.3 for how much an error quotes.)
//! The quoted packet is how an error finds its flow: [`embedded`] reads it, and
//! [`rewrite_embedded`] gives it the addresses and ports that the error's receiver knows.

use std::net::{Ipv4Addr, SocketAddrV4};

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::{self, Delta, Sum};
use super::header_views;
use super::ipv4::{IpProto, Ipv4Header};
use super::l4_ports::L4Ports;

/// ICMP message types.
#[derive(Debug)]
pub enum IcmpType {}

impl IcmpType {
    /// Answer to an echo request.
    pub const ECHO_REPLY: u8 = 0;
    /// A packet could not be delivered.
    pub const DEST_UNREACHABLE: u8 = 3;
    /// Obsolete request to send slower (RFC 6633).
    pub const SOURCE_QUENCH: u8 = 4;
    /// A better first hop exists.
    pub const REDIRECT: u8 = 5;
    /// Asks for an echo reply.
    pub const ECHO_REQUEST: u8 = 8;
    /// The TTL, or the time for reassembly, ran out.
    pub const TIME_EXCEEDED: u8 = 11;
    /// A header could not be understood.
    pub const PARAM_PROBLEM: u8 = 12;
}

/// Codes of [`IcmpType::DEST_UNREACHABLE`] and [`IcmpType::TIME_EXCEEDED`].
#[derive(Debug)]
pub enum IcmpCode {}

impl IcmpCode {
    /// Unreachable: no route to the network.
    pub const NET_UNREACHABLE: u8 = 0;
    /// Unreachable: the host does not answer.
    pub const HOST_UNREACHABLE: u8 = 1;
    /// Unreachable: the host does not speak the protocol.
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    /// Unreachable: nobody listens on the port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// Unreachable: too long for the next hop, and may not be fragmented.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Unreachable: forbidden by an administrator.
    pub const ADMIN_PROHIBITED: u8 = 13;
    /// Time exceeded: the TTL ran out on the way.
    pub const TTL_IN_TRANSIT: u8 = 0;
    /// Time exceeded: fragments were missing for too long.
    pub const REASSEMBLY: u8 = 1;
}

/// How many bytes of the offending packet an error quotes at most, so that the error itself stays
/// within 576 bytes (RFC 1812 section 4.3.2.3).
pub const QUOTE_LEN_MAX: usize = 576 - Ipv4Header::LEN - IcmpHeader::LEN;

/// The ICMP header.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IcmpHeader {
    icmp_type: u8,
    code: u8,
    checksum: U16,
    rest: [u8; 4],
}

header_views!(IcmpHeader, 8);

/// Whether the checksum of `message`, header and payload, is right. False when the header is cut
/// short.
#[inline]
#[must_use]
pub fn checksum_ok(message: &[u8]) -> bool {
    message.len() >= IcmpHeader::LEN && Sum::of(message).is_valid()
}

/// Computes the checksum of `message`, header and payload, and writes it. False when the header is
/// cut short.
#[inline]
pub fn fill_checksum(message: &mut [u8]) -> bool {
    let Some(header) = IcmpHeader::read_mut(message) else { return false };
    header.checksum = U16::ZERO;
    let checksum = checksum::checksum(message);
    if let Some(header) = IcmpHeader::read_mut(message) {
        header.checksum.set(checksum);
    }
    true
}

/// The packet that an ICMP error quotes, as far as the quote tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedIpv4 {
    /// Length of the quoted IPv4 header with its options.
    pub header_len: usize,
    /// Protocol of the quoted packet.
    pub protocol: u8,
    /// Its source address.
    pub src: Ipv4Addr,
    /// Its destination address.
    pub dst: Ipv4Addr,
    /// Its source port; zero for a protocol without ports.
    pub src_port: u16,
    /// Its destination port; zero for a protocol without ports.
    pub dst_port: u16,
}

/// Reads the packet that an ICMP error quotes; `quote` is what follows the ICMP header.
///
/// Senders need to quote no more than the IPv4 header and 8 bytes (RFC 792), so the quoted total
/// length is not compared with what is there, and four bytes behind the header do. `None` when the
/// quoted header is not IPv4 or is cut short, and for TCP, UDP and SCTP when the ports are missing:
/// cut off, or in an earlier fragment.
#[inline]
#[must_use]
pub fn embedded(quote: &[u8]) -> Option<EmbeddedIpv4> {
    let header = Ipv4Header::read(quote)?;
    let header_len = header.header_len();
    if header.version() != 4 || header_len < Ipv4Header::LEN {
        return None;
    }
    let behind = quote.get(header_len..)?;
    let protocol = header.protocol();
    let (src_port, dst_port) = if IpProto::has_ports(protocol) {
        let ports = L4Ports::read(behind).filter(|_| header.is_first_fragment())?;
        (ports.src_port(), ports.dst_port())
    } else {
        (0, 0)
    };
    Some(EmbeddedIpv4 {
        header_len,
        protocol,
        src: header.src(),
        dst: header.dst(),
        src_port,
        dst_port,
    })
}

/// Gives the packet that the ICMP error `message` quotes other addresses and ports, and keeps its
/// IPv4 checksum and the message's own checksum as right as they were. The quoted transport
/// checksum is left as it was, as IPVS leaves it: no receiver verifies it, and a quote often ends
/// before it. Ports of a protocol without ports are not touched. False, and nothing changed, where
/// [`embedded`] would return `None`.
#[must_use = "a message whose quote was not translated must not be forwarded"]
pub fn rewrite_embedded(message: &mut [u8], src: SocketAddrV4, dst: SocketAddrV4) -> bool {
    let Some((header, quote)) = IcmpHeader::split_mut(message) else { return false };
    let Some(found) = embedded(quote) else { return false };
    let changed_len = quote.len().min(found.header_len + L4Ports::LEN);
    let before = Sum::of(quote.get(..changed_len).unwrap_or_default()).fold();

    let Some((ip, _)) = Ipv4Header::split_mut(quote) else { return false };
    let _ = ip.set_addresses(*src.ip(), *dst.ip());
    if IpProto::has_ports(found.protocol)
        && let Some(ports) = quote.get_mut(found.header_len..).and_then(L4Ports::read_mut)
    {
        let _ = ports.set_ports(src.port(), dst.port());
    }

    let after = Sum::of(quote.get(..changed_len).unwrap_or_default()).fold();
    header.checksum.set(Delta::u16(before, after).apply(header.checksum.get()));
    true
}

impl IcmpHeader {
    /// What the message is; see [`IcmpType`].
    #[inline]
    #[must_use]
    pub fn icmp_type(&self) -> u8 {
        self.icmp_type
    }

    /// The type's finer meaning; see [`IcmpCode`].
    #[inline]
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// The four bytes whose meaning depends on the type.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> [u8; 4] {
        self.rest
    }

    /// Identifier of an echo request or reply.
    #[inline]
    #[must_use]
    pub fn echo_id(&self) -> u16 {
        u16::from_be_bytes([self.rest[0], self.rest[1]])
    }

    /// Sequence number of an echo request or reply.
    #[inline]
    #[must_use]
    pub fn echo_seq(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }

    /// Next-hop MTU of a "fragmentation needed" error; zero from routers older than RFC 1191.
    #[inline]
    #[must_use]
    pub fn next_hop_mtu(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }

    /// Whether this reports a problem with another packet, which it quotes. An error must never be
    /// answered with an error (RFC 1122 section 3.2.2).
    #[inline]
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(
            self.icmp_type,
            IcmpType::DEST_UNREACHABLE
                | IcmpType::SOURCE_QUENCH
                | IcmpType::REDIRECT
                | IcmpType::TIME_EXCEEDED
                | IcmpType::PARAM_PROBLEM
        )
    }

    /// Turns an echo request into its reply, with the checksum; identifier, sequence number and
    /// payload stay.
    #[inline]
    pub fn make_echo_reply(&mut self) {
        let old = u16::from_be_bytes([self.icmp_type, self.code]);
        let new = u16::from_be_bytes([IcmpType::ECHO_REPLY, 0]);
        self.icmp_type = IcmpType::ECHO_REPLY;
        self.code = 0;
        self.checksum.set(Delta::u16(old, new).apply(self.checksum.get()));
    }

    /// A header with a checksum of zero, to [`emit`](Self::emit) in front of its payload and then
    /// complete with [`fill_checksum`].
    #[must_use]
    pub fn new(icmp_type: u8, code: u8, rest: [u8; 4]) -> Self {
        Self { icmp_type, code, checksum: U16::ZERO, rest }
    }

    /// The header of a "destination unreachable" error; see [`IcmpCode`].
    #[must_use]
    pub fn dest_unreachable(code: u8) -> Self {
        Self::new(IcmpType::DEST_UNREACHABLE, code, [0; 4])
    }

    /// The header of the error that tells a sender to keep its packets within `next_hop_mtu`.
    #[must_use]
    pub fn fragmentation_needed(next_hop_mtu: u16) -> Self {
        let [high, low] = next_hop_mtu.to_be_bytes();
        let code = IcmpCode::FRAGMENTATION_NEEDED;
        Self::new(IcmpType::DEST_UNREACHABLE, code, [0, 0, high, low])
    }

    /// The header of the error that says a packet's TTL ran out.
    #[must_use]
    pub fn ttl_exceeded() -> Self {
        Self::new(IcmpType::TIME_EXCEEDED, IcmpCode::TTL_IN_TRANSIT, [0; 4])
    }
}

#[cfg(test)]
mod tests;
