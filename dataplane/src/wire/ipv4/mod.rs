//! IPv4.
//!
//! ```text
//!  0               1               2               3
//! +-------+-------+---------------+-------------------------------+
//! |version|  IHL  |  TOS          |         Total length          |
//! +-------+-------+---------------+-----+-------------------------+
//! |        Identification         |flags|     Fragment offset     |
//! +---------------+---------------+-----+-------------------------+
//! | Time to live  |   Protocol    |        Header checksum        |
//! +---------------+---------------+-------------------------------+
//! |                        Source address                         |
//! +---------------------------------------------------------------+
//! |                      Destination address                      |
//! +---------------------------------------------------------------+
//! |                   Options, 0 to 40 bytes                      |
//! +---------------------------------------------------------------+
//! ```
//!
//! (RFC 791 section 3.1; RFC 2474 and RFC 3168 for the TOS byte.) [`check`] verifies version and
//! lengths, [`checksum_ok`] the checksum. Options are skipped over, never interpreted.

use std::fmt;
use std::net::Ipv4Addr;

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::{self, Delta};
use super::header_views;

/// IP protocol numbers.
#[derive(Debug)]
pub enum IpProto {}

impl IpProto {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// IPv4 in IP: the TUN forwarding mode.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// GRE.
    pub const GRE: u8 = 47;
    /// IPsec ESP.
    pub const ESP: u8 = 50;
    /// IPsec AH.
    pub const AH: u8 = 51;
    /// VRRP.
    pub const VRRP: u8 = 112;
    /// SCTP.
    pub const SCTP: u8 = 132;

    /// Whether headers of this protocol begin with [`L4Ports`](super::L4Ports).
    #[inline]
    #[must_use]
    pub const fn has_ports(protocol: u8) -> bool {
        matches!(protocol, Self::TCP | Self::UDP | Self::SCTP)
    }
}

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1FFF;

/// The fixed part of an IPv4 header.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Ipv4Header {
    version_ihl: u8,
    tos: u8,
    total_len: U16,
    id: U16,
    flags_offset: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    src: [u8; 4],
    dst: [u8; 4],
}

header_views!(Ipv4Header, 20);

/// A packet whose version and lengths were verified.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4Checked<'a> {
    /// The fixed part of the header.
    pub header: &'a Ipv4Header,
    /// Length of the header with its options, 20 to 60.
    pub header_len: usize,
    /// Length of header and payload; what lies behind it in the frame is padding.
    pub total_len: usize,
    /// The bytes from the header's end to `total_len`; fewer when the packet goes on in another
    /// segment of the buffer.
    pub payload: &'a [u8],
}

impl Ipv4Checked<'_> {
    /// Length of the payload as the header states it.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.total_len - self.header_len
    }

    /// Whether the header carries options.
    #[inline]
    #[must_use]
    pub fn has_options(&self) -> bool {
        self.header_len > Ipv4Header::LEN
    }
}

/// Why bytes are not an IPv4 packet. All of them mean the sender or the path damaged it; it is
/// dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ipv4Error {
    /// Fewer bytes than the header has.
    HeaderCut,
    /// The version is not 4.
    Version,
    /// The header length field is below five words.
    HeaderLen,
    /// The total length is below the header's length.
    TotalLen,
    /// The total length is beyond the bytes that arrived.
    PacketCut,
}

impl fmt::Display for Ipv4Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderCut => "fewer bytes than an IPv4 header has",
            Self::Version => "IP version is not 4",
            Self::HeaderLen => "IPv4 header length below 20",
            Self::TotalLen => "IPv4 total length below the header length",
            Self::PacketCut => "IPv4 total length beyond the end of the packet",
        })
    }
}

impl std::error::Error for Ipv4Error {}

/// Verifies version and lengths of the packet at the front of `bytes`.
///
/// # Errors
///
/// See [`Ipv4Error`].
#[inline]
pub fn check(bytes: &[u8]) -> Result<Ipv4Checked<'_>, Ipv4Error> {
    check_within(bytes, bytes.len())
}

/// [`check`] for a packet of which `bytes` is the first segment and `available` the length over
/// all segments. The header with its options must be in `bytes`.
///
/// # Errors
///
/// See [`Ipv4Error`].
#[inline]
pub fn check_within(bytes: &[u8], available: usize) -> Result<Ipv4Checked<'_>, Ipv4Error> {
    let header = Ipv4Header::read(bytes).ok_or(Ipv4Error::HeaderCut)?;
    if header.version() != 4 {
        return Err(Ipv4Error::Version);
    }
    let header_len = header.header_len();
    if header_len < Ipv4Header::LEN {
        return Err(Ipv4Error::HeaderLen);
    }
    if header_len > bytes.len() {
        return Err(Ipv4Error::HeaderCut);
    }
    let total_len = usize::from(header.total_len());
    if total_len < header_len {
        return Err(Ipv4Error::TotalLen);
    }
    if total_len > available {
        return Err(Ipv4Error::PacketCut);
    }
    let end = total_len.min(bytes.len());
    let payload = bytes.get(header_len..end).unwrap_or_default();
    Ok(Ipv4Checked { header, header_len, total_len, payload })
}

/// Whether the checksum of the header at the front of `bytes` is right, options included. False
/// when the header is cut short.
#[inline]
#[must_use]
pub fn checksum_ok(bytes: &[u8]) -> bool {
    whole_header(bytes).is_some_and(|header| match header.try_into() {
        Ok(header) => plain_header_ok(header),
        Err(_) => checksum::Sum::of(header).is_valid(),
    })
}

/// [`checksum_ok`] for the header that nearly every packet has, without options.
#[inline(always)]
#[must_use]
pub fn plain_header_ok(header: &[u8; Ipv4Header::LEN]) -> bool {
    let [a, b] = [0, 8].map(|offset| {
        u64::from_ne_bytes(header[offset..].first_chunk().copied().unwrap_or_default())
    });
    let last = u32::from_ne_bytes(header.last_chunk().copied().unwrap_or_default());
    // A header is intact if its 16-bit words add up to a multiple of 65535 (they are not all zero).
    // Modulo 65535, which divides 2^64 - 1, wider words and the other byte order do as well.
    let (sum, carry) = a.overflowing_add(b);
    let (sum, carry) = sum.overflowing_add(u64::from(last) + u64::from(carry));
    sum.wrapping_add(u64::from(carry)).is_multiple_of(0xFFFF)
}

/// Computes the checksum of the header at the front of `bytes`, options included, and writes it.
/// False, and nothing written, when the header is cut short.
#[inline]
pub fn fill_checksum(bytes: &mut [u8]) -> bool {
    let Some(header) = Ipv4Header::read_mut(bytes) else { return false };
    let old = header.checksum();
    header.set_checksum(0);
    let new = whole_header(bytes).map(checksum::checksum);
    if let Some(header) = Ipv4Header::read_mut(bytes) {
        header.set_checksum(new.unwrap_or(old));
    }
    new.is_some()
}

/// The header with its options, if all of it is there.
#[inline]
fn whole_header(bytes: &[u8]) -> Option<&[u8]> {
    let header_len = Ipv4Header::read(bytes)?.header_len();
    if header_len < Ipv4Header::LEN {
        return None;
    }
    bytes.get(..header_len)
}

impl Ipv4Header {
    /// The version field; 4 in a checked packet.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// Length of the header with its options, in bytes; at least 20 in a checked packet.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.version_ihl & 0x0F) * 4
    }

    /// Source and destination address.
    #[inline(always)]
    #[must_use]
    pub fn wire_addresses(&self) -> [u8; 8] {
        let ([a, b, c, d], [e, f, g, h]) = (self.src, self.dst);
        [a, b, c, d, e, f, g, h]
    }

    /// The TOS byte: DSCP and ECN.
    #[inline]
    #[must_use]
    pub fn tos(&self) -> u8 {
        self.tos
    }

    /// The differentiated services code point (RFC 2474), 0 to 63.
    #[inline]
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.tos >> 2
    }

    /// The congestion notification bits (RFC 3168), 0 to 3.
    #[inline]
    #[must_use]
    pub fn ecn(&self) -> u8 {
        self.tos & 3
    }

    /// Length of header and payload.
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> u16 {
        self.total_len.get()
    }

    /// The identification that the fragments of one packet share.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id.get()
    }

    /// Whether routers may not fragment the packet.
    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    /// Whether more fragments follow this one.
    #[inline]
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }

    /// Where this fragment's payload belongs in the whole, in bytes.
    #[inline]
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        // 13 bits of 8-byte units fill the 16 bits exactly.
        (self.flags_offset.get() & OFFSET_MASK) << 3
    }

    /// Whether the packet is a fragment, first ones included.
    #[inline]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.flags_offset.get() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Whether the payload begins with a transport header: true for everything but the later
    /// fragments of a packet.
    #[inline]
    #[must_use]
    pub fn is_first_fragment(&self) -> bool {
        self.flags_offset.get() & OFFSET_MASK == 0
    }

    /// How many more routers may forward the packet.
    #[inline]
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.ttl
    }

    /// What the payload is; see [`IpProto`].
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn src(&self) -> Ipv4Addr {
        self.src.into()
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> Ipv4Addr {
        self.dst.into()
    }

    /// Changes the source address and the header's checksum, and returns the change for the
    /// transport checksum.
    #[inline]
    pub fn set_src(&mut self, src: Ipv4Addr) -> Delta {
        let delta = Delta::addr(self.src(), src);
        self.src = src.octets();
        self.adjust_checksum(delta);
        delta
    }

    /// Changes the destination address and the header's checksum, and returns the change for the
    /// transport checksum.
    #[inline]
    pub fn set_dst(&mut self, dst: Ipv4Addr) -> Delta {
        let delta = Delta::addr(self.dst(), dst);
        self.dst = dst.octets();
        self.adjust_checksum(delta);
        delta
    }

    /// Changes both addresses and the header's checksum, and returns the change for the transport
    /// checksum.
    #[inline]
    pub fn set_addresses(&mut self, src: Ipv4Addr, dst: Ipv4Addr) -> Delta {
        let ([a, b, c, d], [e, f, g, h]) = (src.octets(), dst.octets());
        self.set_wire_addresses([a, b, c, d, e, f, g, h])
    }

    /// [`Self::set_addresses`] for both addresses as they are on the wire.
    #[inline(always)]
    pub fn set_wire_addresses(&mut self, addresses: [u8; 8]) -> Delta {
        let delta = Delta::words(self.wire_addresses(), addresses);
        let [a, b, c, d, e, f, g, h] = addresses;
        (self.src, self.dst) = ([a, b, c, d], [e, f, g, h]);
        self.adjust_checksum(delta);
        delta
    }

    /// Takes one from the TTL, as every router does, and returns what is left. `None`, and nothing
    /// changed, when that would be zero: the packet must not be forwarded (RFC 1812 section
    /// 5.3.1).
    #[inline]
    #[must_use = "a packet whose TTL ran out must not be forwarded"]
    pub fn decrement_ttl(&mut self) -> Option<u8> {
        let left = self.ttl.checked_sub(1).filter(|left| *left > 0)?;
        self.ttl = left;
        // The word of TTL and protocol becomes less by 0x100, so the checksum becomes more by it:
        // equation 3 of RFC 1624 for this one case, in the order of bytes in memory.
        let sum =
            u32::from(u16::from_ne_bytes(self.checksum.to_bytes())) + u32::from(0x0100_u16.to_be());
        #[expect(clippy::cast_possible_truncation, reason = "the carry has been added back in")]
        let sum = (sum + u32::from(sum >= 0xFFFF)) as u16;
        self.checksum = U16::from_bytes(sum.to_ne_bytes());
        Some(left)
    }

    /// Changes the TTL and the checksum.
    #[inline]
    pub fn set_ttl(&mut self, ttl: u8) {
        let old = u16::from_be_bytes([self.ttl, self.protocol]);
        let new = u16::from_be_bytes([ttl, self.protocol]);
        self.ttl = ttl;
        self.adjust_checksum(Delta::u16(old, new));
    }

    /// Changes the protocol and the checksum.
    #[inline]
    pub fn set_protocol(&mut self, protocol: u8) {
        let old = u16::from_be_bytes([self.ttl, self.protocol]);
        let new = u16::from_be_bytes([self.ttl, protocol]);
        self.protocol = protocol;
        self.adjust_checksum(Delta::u16(old, new));
    }

    /// Changes the TOS byte and the checksum.
    #[inline]
    pub fn set_tos(&mut self, tos: u8) {
        let old = u16::from_be_bytes([self.version_ihl, self.tos]);
        let new = u16::from_be_bytes([self.version_ihl, tos]);
        self.tos = tos;
        self.adjust_checksum(Delta::u16(old, new));
    }

    /// Changes the total length and the checksum. The transport checksum also covers the payload's
    /// length; whoever changes that changes the payload and must compute it anew.
    #[inline]
    pub fn set_total_len(&mut self, total_len: u16) {
        let delta = Delta::u16(self.total_len.get(), total_len);
        self.total_len.set(total_len);
        self.adjust_checksum(delta);
    }

    /// Changes the identification and the checksum.
    #[inline]
    pub fn set_id(&mut self, id: u16) {
        let delta = Delta::u16(self.id.get(), id);
        self.id.set(id);
        self.adjust_checksum(delta);
    }

    /// Forbids or allows fragmentation and changes the checksum.
    #[inline]
    pub fn set_dont_fragment(&mut self, dont_fragment: bool) {
        let old = self.flags_offset.get();
        let new = if dont_fragment { old | DONT_FRAGMENT } else { old & !DONT_FRAGMENT };
        self.flags_offset.set(new);
        self.adjust_checksum(Delta::u16(old, new));
    }

    /// Makes the packet a fragment whose payload belongs at byte `offset` of the whole, with or
    /// without more to follow, and changes the checksum. Offsets count in units of eight bytes; a
    /// remainder is dropped. "Don't fragment" stays as it is.
    #[inline]
    pub fn set_fragment(&mut self, offset: u16, more_fragments: bool) {
        let old = self.flags_offset.get();
        let more = if more_fragments { MORE_FRAGMENTS } else { 0 };
        let new = old & !(MORE_FRAGMENTS | OFFSET_MASK) | more | offset >> 3;
        self.flags_offset.set(new);
        self.adjust_checksum(Delta::u16(old, new));
    }

    /// Writes the checksum field, for instance zero where the NIC fills it in.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    #[inline]
    fn adjust_checksum(&mut self, delta: Delta) {
        self.checksum.set(delta.apply(self.checksum.get()));
    }

    /// A header without options and with its checksum, to [`emit`](Self::emit).
    #[must_use]
    pub fn new(fields: &Ipv4Fields) -> Self {
        let mut header = Self {
            version_ihl: 0x45,
            tos: fields.tos,
            total_len: U16::new(fields.total_len),
            id: U16::new(fields.id),
            flags_offset: U16::new(if fields.dont_fragment { DONT_FRAGMENT } else { 0 }),
            ttl: fields.ttl,
            protocol: fields.protocol,
            checksum: U16::ZERO,
            src: fields.src.octets(),
            dst: fields.dst.octets(),
        };
        header.set_checksum(checksum::checksum(header.as_wire()));
        header
    }
}

/// What a new IPv4 header says; see [`Ipv4Header::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Fields {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// What the payload is; see [`IpProto`].
    pub protocol: u8,
    /// How many routers may forward the packet.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Identification; of no meaning when the packet may not be fragmented (RFC 6864).
    pub id: u16,
    /// Whether routers may not fragment the packet.
    pub dont_fragment: bool,
    /// Length of header and payload.
    pub total_len: u16,
}

#[cfg(test)]
mod tests;
