//! TCP.
//!
//! ```text
//!  0               1               2               3
//! +-------------------------------+-------------------------------+
//! |          Source port          |       Destination port        |
//! +-------------------------------+-------------------------------+
//! |                        Sequence number                        |
//! +---------------------------------------------------------------+
//! |                    Acknowledgement number                     |
//! +-------+-------+---------------+-------------------------------+
//! |offset | resv. |CEUAPRSF flags |            Window             |
//! +-------+-------+---------------+-------------------------------+
//! |           Checksum            |        Urgent pointer         |
//! +-------------------------------+-------------------------------+
//! |                   Options, 0 to 40 bytes                      |
//! +---------------------------------------------------------------+
//! ```
//!
//! (RFC 9293 section 3.1; section 3.2 for options, 3.7.1 for the maximum segment size, 3.10.7.1
//! for the answer to a segment that has no connection.)

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::{BitOr, BitOrAssign};

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::{Delta, pseudo_header_of};
use super::header_views;
use super::ipv4::IpProto;

/// The control bits of a segment.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No flag at all.
    pub const NONE: Self = Self(0);
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// Opens a connection.
    pub const SYN: Self = Self(0x02);
    /// Aborts a connection.
    pub const RST: Self = Self(0x04);
    /// Deliver to the application now.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// Congestion was seen (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Whether all of `flags` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether any of `flags` is set.
    #[inline]
    #[must_use]
    pub const fn intersects(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// The flags of both.
    #[inline]
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for TcpFlags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for TcpFlags {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        let mut separator = "";
        for (bit, name) in NAMES.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        if self.0 == 0 { f.write_str("none") } else { Ok(()) }
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The fixed part of a TCP header.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TcpHeader {
    src_port: U16,
    dst_port: U16,
    seq: U32,
    ack: U32,
    data_offset: u8,
    flags: TcpFlags,
    window: U16,
    checksum: U16,
    urgent: U16,
}

header_views!(TcpHeader, 20);

/// A segment whose header length was verified.
#[derive(Debug, Clone, Copy)]
pub struct TcpChecked<'a> {
    /// The fixed part of the header.
    pub header: &'a TcpHeader,
    /// Length of the header with its options, 20 to 60.
    pub header_len: usize,
    /// The options, not looked into.
    pub options: &'a [u8],
    /// What follows the header.
    pub payload: &'a [u8],
}

/// Why bytes are not a TCP segment. Both mean the sender or the path damaged it; it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TcpError {
    /// Fewer bytes than the header has.
    HeaderCut,
    /// The data offset is below five words.
    DataOffset,
}

impl fmt::Display for TcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderCut => "fewer bytes than the TCP header has",
            Self::DataOffset => "TCP data offset below 20",
        })
    }
}

impl std::error::Error for TcpError {}

/// Verifies the header length of the segment that is the IP payload `bytes`.
///
/// # Errors
///
/// See [`TcpError`].
#[inline]
pub fn check(bytes: &[u8]) -> Result<TcpChecked<'_>, TcpError> {
    let header = TcpHeader::read(bytes).ok_or(TcpError::HeaderCut)?;
    let header_len = header.header_len();
    if header_len < TcpHeader::LEN {
        return Err(TcpError::DataOffset);
    }
    let (with_options, payload) = bytes.split_at_checked(header_len).ok_or(TcpError::HeaderCut)?;
    let options = with_options.get(TcpHeader::LEN..).unwrap_or_default();
    Ok(TcpChecked { header, header_len, options, payload })
}

/// Whether the checksum of `segment` is right for these addresses. False when the header is cut
/// short.
#[inline]
#[must_use]
pub fn checksum_ok(segment: &[u8], src: Ipv4Addr, dst: Ipv4Addr) -> bool {
    segment.len() >= TcpHeader::LEN
        && pseudo_header_of(src, dst, IpProto::TCP, segment)
            .is_some_and(|sum| sum.bytes(segment).is_valid())
}

/// Computes the checksum of `segment` for these addresses and writes it. False, and nothing
/// written, when the header is cut short or the segment is longer than IPv4 allows.
#[inline]
pub fn fill_checksum(segment: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) -> bool {
    let Some(sum) = pseudo_header_of(src, dst, IpProto::TCP, segment) else { return false };
    let Some(header) = TcpHeader::read_mut(segment) else { return false };
    header.set_checksum(0);
    let checksum = sum.bytes(segment).finish();
    if let Some(header) = TcpHeader::read_mut(segment) {
        header.set_checksum(checksum);
    }
    true
}

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;

/// Finds the maximum segment size option: the offset of its two value bytes within `options`, and
/// the value. `None` when it is absent or an option before it is malformed.
#[inline]
#[must_use]
pub fn find_mss(options: &[u8]) -> Option<(usize, u16)> {
    let mut at = 0;
    // Every turn moves at least one byte, so 40 bytes of options bound the loop.
    loop {
        let rest = options.get(at..)?;
        match *rest {
            [] | [OPTION_END, ..] => return None,
            [OPTION_NOP, ..] => at += 1,
            [OPTION_MSS, 4, high, low, ..] => {
                return Some((at + 2, u16::from_be_bytes([high, low])));
            }
            [_, len, ..] if len >= 2 => at += usize::from(len),
            [_, ..] => return None,
        }
    }
}

/// Lowers the maximum segment size that a SYN or SYN/ACK announces to `max`, in place, with the
/// checksum. True when it was higher; false when nothing was changed: no SYN, no such option, a
/// value that is low enough already, or a malformed header.
#[inline]
pub fn clamp_mss(segment: &mut [u8], max: u16) -> bool {
    let Ok(checked) = check(segment) else { return false };
    if !checked.header.flags().contains(TcpFlags::SYN) {
        return false;
    }
    let Some((at, old)) = find_mss(checked.options) else { return false };
    if old <= max {
        return false;
    }
    let at = TcpHeader::LEN + at;
    let Some(value) = segment.get_mut(at..at + 2) else { return false };
    value.copy_from_slice(&max.to_be_bytes());
    if let Some(header) = TcpHeader::read_mut(segment) {
        header.adjust_checksum(Delta::u16_at(at, old, max));
    }
    true
}

impl TcpHeader {
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

    /// Sequence number of the first byte, or of the SYN.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.seq.get()
    }

    /// The next sequence number expected; counts only with the ACK flag.
    #[inline]
    #[must_use]
    pub fn ack(&self) -> u32 {
        self.ack.get()
    }

    /// Length of the header with its options, in bytes; at least 20 in a checked segment.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.data_offset >> 4) * 4
    }

    /// The control bits.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> TcpFlags {
        self.flags
    }

    /// The window field, unscaled.
    #[inline]
    #[must_use]
    pub fn window(&self) -> u16 {
        self.window.get()
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// The urgent pointer; counts only with the URG flag.
    #[inline]
    #[must_use]
    pub fn urgent(&self) -> u16 {
        self.urgent.get()
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

    /// Changes the sequence number and the checksum.
    #[inline]
    pub fn set_seq(&mut self, seq: u32) {
        let delta = Delta::u32(self.seq(), seq);
        self.seq.set(seq);
        self.adjust_checksum(delta);
    }

    /// Changes the acknowledgement number and the checksum.
    #[inline]
    pub fn set_ack(&mut self, ack: u32) {
        let delta = Delta::u32(self.ack(), ack);
        self.ack.set(ack);
        self.adjust_checksum(delta);
    }

    /// Changes the control bits and the checksum.
    #[inline]
    pub fn set_flags(&mut self, flags: TcpFlags) {
        let delta = Delta::u16(u16::from(self.flags.0), u16::from(flags.0));
        self.flags = flags;
        self.adjust_checksum(delta);
    }

    /// Changes the window and the checksum.
    #[inline]
    pub fn set_window(&mut self, window: u16) {
        let delta = Delta::u16(self.window(), window);
        self.window.set(window);
        self.adjust_checksum(delta);
    }

    /// Applies a change made elsewhere, such as an address's, to the checksum.
    #[inline]
    pub fn adjust_checksum(&mut self, delta: Delta) {
        self.checksum.set(delta.apply(self.checksum.get()));
    }

    /// Writes the checksum field, for instance the pseudo-header's sum where the NIC completes it.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    /// A header without options and with a checksum of zero, to [`emit`](Self::emit) and then
    /// complete with [`fill_checksum`].
    #[must_use]
    pub fn new(fields: &TcpFields) -> Self {
        Self {
            src_port: U16::new(fields.src_port),
            dst_port: U16::new(fields.dst_port),
            seq: U32::new(fields.seq),
            ack: U32::new(fields.ack),
            data_offset: 5 << 4,
            flags: fields.flags,
            window: U16::new(fields.window),
            checksum: U16::ZERO,
            urgent: U16::ZERO,
        }
    }
}

/// What a new TCP header says; see [`TcpHeader::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpFields {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window, unscaled.
    pub window: u16,
}

/// The reset that answers a segment which belongs to no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpReset {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; zero when the ACK flag is not set.
    pub ack: u32,
    /// RST, with ACK where the segment had none.
    pub flags: TcpFlags,
}

impl TcpReset {
    /// The reset for a segment with this header and payload length, by the rules of RFC 9293
    /// section 3.10.7.1. `None` for a segment that is itself a reset: those are never answered.
    #[must_use]
    pub fn answering(header: &TcpHeader, payload_len: u32) -> Option<Self> {
        let flags = header.flags();
        if flags.contains(TcpFlags::RST) {
            return None;
        }
        if flags.contains(TcpFlags::ACK) {
            return Some(Self { seq: header.ack(), ack: 0, flags: TcpFlags::RST });
        }
        // SYN and FIN each take one sequence number.
        let control =
            u32::from(flags.contains(TcpFlags::SYN)) + u32::from(flags.contains(TcpFlags::FIN));
        let ack = header.seq().wrapping_add(payload_len).wrapping_add(control);
        Some(Self { seq: 0, ack, flags: TcpFlags::RST | TcpFlags::ACK })
    }

    /// The header of this reset, from the port the segment was sent to, back to its sender.
    #[must_use]
    pub fn header(&self, answered: &TcpHeader) -> TcpHeader {
        TcpHeader::new(&TcpFields {
            src_port: answered.dst_port(),
            dst_port: answered.src_port(),
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: 0,
        })
    }
}

#[cfg(test)]
mod tests;
