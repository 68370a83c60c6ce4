//! SCTP: the common header and the heads of chunks.
//!
//! ```text
//!  0                               2                               4
//! +-------------------------------+-------------------------------+
//! |          Source port          |       Destination port        |
//! +-------------------------------+-------------------------------+
//! |                       Verification tag                        |
//! +---------------------------------------------------------------+
//! |        Checksum (CRC32c, least significant byte first)        |
//! +---------------+---------------+-------------------------------+
//! |  Chunk type   |  Chunk flags  |         Chunk length          |  and so on, chunk by chunk
//! +---------------+---------------+-------------------------------+
//! ```
//!
//! (RFC 9260 sections 3 to 3.2.) A chunk's length counts its head, but not the up to three bytes
//! that fill it up to a multiple of four. The checksum covers the packet alone: there is no pseudo
//! header, so a change of addresses does not touch it.

use std::fmt;

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{crc32c, header_views};

/// Chunk types that matter here (RFC 9260 section 3.2).
#[derive(Debug)]
pub enum ChunkType {}

impl ChunkType {
    /// Payload.
    pub const DATA: u8 = 0;
    /// Opens an association.
    pub const INIT: u8 = 1;
    /// Answers an INIT, with a cookie.
    pub const INIT_ACK: u8 = 2;
    /// Acknowledges payload.
    pub const SACK: u8 = 3;
    /// Asks whether the peer is reached.
    pub const HEARTBEAT: u8 = 4;
    /// Answers a HEARTBEAT.
    pub const HEARTBEAT_ACK: u8 = 5;
    /// Ends an association at once.
    pub const ABORT: u8 = 6;
    /// Begins to end an association.
    pub const SHUTDOWN: u8 = 7;
    /// Answers a SHUTDOWN.
    pub const SHUTDOWN_ACK: u8 = 8;
    /// Reports an error.
    pub const ERROR: u8 = 9;
    /// Sends the cookie back.
    pub const COOKIE_ECHO: u8 = 10;
    /// Answers a COOKIE ECHO: the association is there.
    pub const COOKIE_ACK: u8 = 11;
    /// Explicit congestion notification echo.
    pub const ECNE: u8 = 12;
    /// Congestion window reduced.
    pub const CWR: u8 = 13;
    /// Ends an association.
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

/// The common header.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SctpHeader {
    src_port: U16,
    dst_port: U16,
    tag: U32,
    checksum: [u8; 4],
}

header_views!(SctpHeader, 12);

/// The head of a chunk.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ChunkHeader {
    chunk_type: u8,
    flags: u8,
    len: U16,
}

header_views!(ChunkHeader, 4);

/// A packet whose front was verified.
#[derive(Debug, Clone, Copy)]
pub struct SctpChecked<'a> {
    /// The common header.
    pub header: &'a SctpHeader,
    /// Type of the first chunk.
    pub first: u8,
    /// Type of the second chunk, if there is one.
    pub second: Option<u8>,
}

/// Why bytes are not an SCTP packet. All of them mean the sender or the path damaged it; it is
/// dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SctpError {
    /// Fewer bytes than the common header has.
    HeaderCut,
    /// No chunk behind the common header, or only part of its head.
    NoChunk,
    /// The first chunk's length is below that of its head.
    ChunkLen,
    /// The first chunk's length is beyond the bytes that arrived.
    ChunkCut,
}

impl fmt::Display for SctpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderCut => "fewer bytes than an SCTP header has",
            Self::NoChunk => "SCTP without a chunk",
            Self::ChunkLen => "SCTP chunk length below 4",
            Self::ChunkCut => "SCTP chunk length beyond the end of the packet",
        })
    }
}

impl std::error::Error for SctpError {}

/// Verifies the common header and the first chunk of the packet that is the IP payload `bytes`;
/// with `whole` unset, for a first fragment, the chunk may go on behind it.
///
/// # Errors
///
/// See [`SctpError`].
pub fn check(bytes: &[u8], whole: bool) -> Result<SctpChecked<'_>, SctpError> {
    let (header, chunks) = SctpHeader::split(bytes).ok_or(SctpError::HeaderCut)?;
    let first = ChunkHeader::read(chunks).ok_or(SctpError::NoChunk)?;
    let len = usize::from(first.len.get());
    if len < ChunkHeader::LEN {
        return Err(SctpError::ChunkLen);
    }
    if whole && len > chunks.len() {
        return Err(SctpError::ChunkCut);
    }
    let next = chunks.get(len.next_multiple_of(4)..).and_then(ChunkHeader::read);
    let second = next.map(|chunk| chunk.chunk_type);
    Ok(SctpChecked { header, first: first.chunk_type, second })
}

impl SctpHeader {
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

    /// Verification tag.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.tag.get()
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u32 {
        u32::from_le_bytes(self.checksum)
    }

    /// Both ports as they are on the wire.
    #[inline]
    #[must_use]
    pub fn wire_ports(&self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.src_port.to_bytes(), self.dst_port.to_bytes());
        [a, b, c, d]
    }

    /// Changes both ports, given as they are on the wire, and the checksum. `len` is the length of
    /// the whole packet, which the checksum depends on.
    pub fn rewrite_wire(&mut self, ports: [u8; 4], len: u16) {
        let change = crc32c::change_at_front(self.wire_ports(), ports, len);
        let [a, b, c, d] = ports;
        (self.src_port, self.dst_port) = (U16::from_bytes([a, b]), U16::from_bytes([c, d]));
        self.checksum = (self.checksum() ^ change).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An INIT with its parameters, a COOKIE ECHO with odd length and an ABORT behind it.
    const INIT: [u8; 32] = [
        0x9C, 0x40, 0x00, 0x84, 0, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 10,
        0, 10, 0, 0, 0, 1,
    ];
    const ECHO: [u8; 24] = [
        0x9C, 0x40, 0x00, 0x84, 0, 0, 0, 9, 1, 2, 3, 4, 10, 0, 0, 7, 0xC0, 0x0C, 0x1E, 0, 6, 0, 0,
        4,
    ];

    #[test]
    fn the_front_is_read() {
        let init = check(&INIT, true).unwrap();
        assert_eq!((init.header.src_port(), init.header.dst_port()), (40_000, 132));
        assert_eq!((init.header.tag(), init.header.checksum()), (0, 0x0403_0201));
        assert_eq!((init.first, init.second), (ChunkType::INIT, None));
        let echo = check(&ECHO, true).unwrap();
        assert_eq!((echo.first, echo.second), (ChunkType::COOKIE_ECHO, Some(ChunkType::ABORT)));
        assert_eq!(echo.header.tag(), 9);
        // What is left of a second chunk's head does not count.
        assert_eq!(check(&ECHO[..23], true).unwrap().second, None);
    }

    #[test]
    fn what_is_cut_or_has_wrong_lengths_is_refused() {
        for (len, error) in [
            (0, SctpError::HeaderCut),
            (11, SctpError::HeaderCut),
            (12, SctpError::NoChunk),
            (15, SctpError::NoChunk),
            (16, SctpError::ChunkCut),
            (31, SctpError::ChunkCut),
        ] {
            assert_eq!(check(&INIT[..len], true).unwrap_err(), error, "{len} bytes");
        }
        assert_eq!(check(&INIT[..16], false).unwrap().first, ChunkType::INIT);
        for len in 0..4 {
            let mut bytes = INIT;
            bytes[15] = len;
            assert_eq!(check(&bytes, true).unwrap_err(), SctpError::ChunkLen, "length {len}");
        }
        let mut bytes = INIT;
        bytes[14..16].copy_from_slice(&[0xFF, 0xFF]);
        assert_eq!(check(&bytes, true).unwrap_err(), SctpError::ChunkCut);
        assert_eq!(check(&bytes, false).unwrap().second, None);
    }

    #[test]
    fn new_ports_keep_the_checksum_right_or_wrong() {
        let packet = crate::testing::sctp_packet((40_000, 132), 9, &INIT[12..]);
        for damage in [0u8, 1, 0x80] {
            let mut bytes = packet.clone();
            bytes[8] ^= damage;
            let len = u16::try_from(bytes.len()).unwrap();
            let header = SctpHeader::read_mut(&mut bytes).unwrap();
            header.rewrite_wire([0x13, 0x88, 0x1F, 0x90], len);
            assert_eq!((header.src_port(), header.dst_port()), (5000, 8080));
            let mut expected = crate::testing::sctp_packet((5000, 8080), 9, &INIT[12..]);
            expected[8] ^= damage;
            assert_eq!(bytes, expected, "damage {damage}");
        }
    }
}
