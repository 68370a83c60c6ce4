//! UDP.
//!
//! ```text
//!  0                               2                               4
//! +-------------------------------+-------------------------------+
//! |          Source port          |       Destination port        |
//! +-------------------------------+-------------------------------+
//! |            Length             |           Checksum            |
//! +-------------------------------+-------------------------------+
//! ```
//!
//! (RFC 768.) A checksum field of zero means the sender computed none: nothing can be verified and
//! every setter leaves it zero. A checksum that comes out as zero is sent as 0xFFFF.

use std::fmt;
use std::net::Ipv4Addr;

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::{Delta, pseudo_header_of, udp_field};
use super::header_views;
use super::ipv4::IpProto;

/// The UDP header.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct UdpHeader {
    src_port: U16,
    dst_port: U16,
    len: U16,
    checksum: U16,
}

header_views!(UdpHeader, 8);

/// A datagram whose length was verified.
#[derive(Debug, Clone, Copy)]
pub struct UdpChecked<'a> {
    /// The header.
    pub header: &'a UdpHeader,
    /// Length of header and payload.
    pub len: usize,
    /// The payload; what lies behind it belongs to nobody.
    pub payload: &'a [u8],
}

/// Why bytes are not a UDP datagram. All of them mean the sender or the path damaged it; it is
/// dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UdpError {
    /// Fewer bytes than the header has.
    HeaderCut,
    /// The length field is below the header's length.
    Len,
    /// The length field is beyond the bytes that arrived.
    DatagramCut,
}

impl fmt::Display for UdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderCut => "fewer bytes than a UDP header has",
            Self::Len => "UDP length below 8",
            Self::DatagramCut => "UDP length beyond the end of the packet",
        })
    }
}

impl std::error::Error for UdpError {}

/// Verifies the length of the datagram that is the IP payload `bytes`.
///
/// The first fragment of a larger datagram fails with [`UdpError::DatagramCut`], since its length
/// field counts the later fragments too; [`UdpHeader::read`] serves there.
///
/// # Errors
///
/// See [`UdpError`].
#[inline]
pub fn check(bytes: &[u8]) -> Result<UdpChecked<'_>, UdpError> {
    let header = UdpHeader::read(bytes).ok_or(UdpError::HeaderCut)?;
    let len = usize::from(header.len());
    if len < UdpHeader::LEN {
        return Err(UdpError::Len);
    }
    let payload = bytes.get(UdpHeader::LEN..len).ok_or(UdpError::DatagramCut)?;
    Ok(UdpChecked { header, len, payload })
}

/// Whether the checksum of `datagram`, cut to its length field, is right for these addresses. True
/// when the sender computed none, false when the header is cut short.
#[inline]
#[must_use]
pub fn checksum_ok(datagram: &[u8], src: Ipv4Addr, dst: Ipv4Addr) -> bool {
    let Some(header) = UdpHeader::read(datagram) else { return false };
    !header.has_checksum()
        || pseudo_header_of(src, dst, IpProto::UDP, datagram)
            .is_some_and(|sum| sum.bytes(datagram).is_valid())
}

/// Computes the checksum of `datagram` for these addresses and writes it. False, and nothing
/// written, when the header is cut short or the datagram is longer than IPv4 allows.
#[inline]
pub fn fill_checksum(datagram: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) -> bool {
    let Some(sum) = pseudo_header_of(src, dst, IpProto::UDP, datagram) else { return false };
    let Some(header) = UdpHeader::read_mut(datagram) else { return false };
    header.set_checksum(0);
    let checksum = udp_field(sum.bytes(datagram).finish());
    if let Some(header) = UdpHeader::read_mut(datagram) {
        header.set_checksum(checksum);
    }
    true
}

#[expect(clippy::len_without_is_empty, reason = "a length field, not a container")]
impl UdpHeader {
    /// Source port.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        self.src_port.get()
    }

    /// Destination port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        self.dst_port.get()
    }

    /// Length of header and payload as the sender states it.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u16 {
        self.len.get()
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Whether the sender computed a checksum.
    #[inline]
    #[must_use]
    pub fn has_checksum(&self) -> bool {
        self.checksum != U16::ZERO
    }

    /// Changes the source port and the checksum.
    #[inline]
    pub fn set_src_port(&mut self, src_port: u16) {
        self.rewrite(src_port, self.dst_port(), Delta::NONE);
    }

    /// Changes the destination port and the checksum.
    #[inline]
    pub fn set_dst_port(&mut self, dst_port: u16) {
        self.rewrite(self.src_port(), dst_port, Delta::NONE);
    }

    /// Changes both ports, and the checksum for them and for the change `addresses` that
    /// [`Ipv4Header::set_addresses`](super::Ipv4Header::set_addresses) and its kin returned.
    #[inline]
    pub fn rewrite(&mut self, src_port: u16, dst_port: u16, addresses: Delta) {
        let ([a, b], [c, d]) = (src_port.to_be_bytes(), dst_port.to_be_bytes());
        self.rewrite_wire([a, b, c, d], addresses);
    }

    /// [`Self::rewrite`] for both ports as they are on the wire.
    #[inline(always)]
    pub fn rewrite_wire(&mut self, ports: [u8; 4], addresses: Delta) {
        let ([a, b], [c, d]) = (self.src_port.to_bytes(), self.dst_port.to_bytes());
        let delta = Delta::word([a, b, c, d], ports);
        let [a, b, c, d] = ports;
        (self.src_port, self.dst_port) = (U16::from_bytes([a, b]), U16::from_bytes([c, d]));
        self.adjust_checksum(addresses.and(delta));
    }

    /// Applies a change made elsewhere, such as an address's, to the checksum.
    #[inline]
    pub fn adjust_checksum(&mut self, delta: Delta) {
        self.checksum.set(delta.apply_udp(self.checksum.get()));
    }

    /// Writes the checksum field: zero for none, or the pseudo-header's sum where the NIC completes
    /// it.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    /// A header without checksum, to [`emit`](Self::emit); `len` counts header and payload.
    #[must_use]
    pub fn new(src_port: u16, dst_port: u16, len: u16) -> Self {
        Self {
            src_port: U16::new(src_port),
            dst_port: U16::new(dst_port),
            len: U16::new(len),
            checksum: U16::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const DST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
    /// 192.0.2.1:1234 to 192.0.2.10:53, payload "ping".
    const DATAGRAM: [u8; 12] = *b"\x04\xd2\x00\x35\x00\x0c\x97\xf2ping";

    #[test]
    fn reads_the_fields() {
        let checked = check(&DATAGRAM).unwrap();
        assert_eq!((checked.header.src_port(), checked.header.dst_port()), (1234, 53));
        assert_eq!((checked.len, checked.payload), (12, &b"ping"[..]));
    }

    #[test]
    fn the_fixture_is_what_the_independent_builder_makes() {
        let builder = etherparse::PacketBuilder::ipv4(SRC.octets(), DST.octets(), 64);
        let mut packet = Vec::new();
        builder.udp(1234, 53).write(&mut packet, b"ping").unwrap();
        assert_eq!(packet[20..], DATAGRAM);
        assert!(checksum_ok(&DATAGRAM, SRC, DST));
        assert!(!checksum_ok(&DATAGRAM, SRC, SRC));
    }

    #[test]
    fn bad_lengths_are_named() {
        for len in 0..8 {
            assert_eq!(check(&DATAGRAM[..len]).err(), Some(UdpError::HeaderCut));
        }
        let with_len = |len: u8| {
            let mut bytes = DATAGRAM;
            bytes[5] = len;
            check(&bytes).map(|checked| checked.payload.len())
        };
        assert_eq!(with_len(7), Err(UdpError::Len));
        assert_eq!(with_len(13), Err(UdpError::DatagramCut));
        assert_eq!(with_len(8), Ok(0));
        assert_eq!(with_len(11), Ok(3), "bytes behind the datagram are not its payload");
    }

    #[test]
    fn fill_writes_what_ok_accepts() {
        let mut bytes = DATAGRAM;
        bytes[6..8].fill(0xA5);
        assert!(fill_checksum(&mut bytes, SRC, DST));
        assert_eq!(bytes, DATAGRAM);
        assert!(!fill_checksum(&mut bytes[..7], SRC, DST));
        assert!(!checksum_ok(&bytes[..7], SRC, DST));
    }

    #[test]
    fn no_checksum_is_accepted_and_stays_none() {
        let mut bytes = DATAGRAM;
        let header = UdpHeader::read_mut(&mut bytes).unwrap();
        header.set_checksum(0);
        header.rewrite(1, 2, Delta::addr(SRC, DST));
        assert_eq!(header.checksum(), 0);
        assert!(checksum_ok(&bytes, SRC, DST));
    }

    #[test]
    fn a_sum_that_comes_out_as_zero_is_sent_as_ones() {
        // Adding the checksum to a covered field makes the sum all ones, the checksum zero.
        let mut bytes = DATAGRAM;
        let header = UdpHeader::read_mut(&mut bytes).unwrap();
        let port = u16::from_be_bytes([0x04, 0xd2]).wrapping_add(header.checksum());
        header.set_src_port(port);
        assert_eq!(header.checksum(), 0xFFFF);
        assert!(checksum_ok(&bytes, SRC, DST));
        let mut full = bytes;
        assert!(fill_checksum(&mut full, SRC, DST));
        assert_eq!(full, bytes);
    }

    #[test]
    fn new_headers_carry_no_checksum() {
        let mut out = [0xA5; 9];
        assert_eq!(UdpHeader::new(1234, 53, 12).emit(&mut out).unwrap(), [0xA5]);
        assert_eq!(out[..8], *b"\x04\xd2\x00\x35\x00\x0c\0\0");
    }
}
