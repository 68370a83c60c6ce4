//! The port pair that begins every TCP, UDP and SCTP header.
//!
//! ```text
//!  0                               2                               4
//! +-------------------------------+-------------------------------+
//! |          Source port          |       Destination port        |
//! +-------------------------------+-------------------------------+
//! ```
//!
//! (RFC 9293 section 3.1, RFC 768, RFC 9260 section 3.1.) Looking up a flow needs no more of the
//! transport header than this. It has no checksum of its own, so its setter touches none.

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::Delta;
use super::header_views;

/// The source and destination port.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct L4Ports {
    src: U16,
    dst: U16,
}

header_views!(L4Ports, 4);

impl L4Ports {
    /// A pair to [`emit`](Self::emit).
    #[inline]
    #[must_use]
    pub fn new(src_port: u16, dst_port: u16) -> Self {
        Self { src: U16::new(src_port), dst: U16::new(dst_port) }
    }

    /// Source port.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        self.src.get()
    }

    /// Destination port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        self.dst.get()
    }

    /// Changes both ports and returns the change for the transport checksum.
    #[inline]
    pub fn set_ports(&mut self, src_port: u16, dst_port: u16) -> Delta {
        let delta =
            Delta::u16(self.src_port(), src_port).and(Delta::u16(self.dst_port(), dst_port));
        *self = Self::new(src_port, dst_port);
        delta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_changes_the_pair() {
        let mut bytes = [0x04, 0xd2, 0x00, 0x50, 0xA5];
        let (ports, rest) = L4Ports::split_mut(&mut bytes).unwrap();
        assert_eq!((ports.src_port(), ports.dst_port(), &rest[..]), (1234, 80, &[0xA5][..]));
        let before = super::super::checksum::checksum(ports.as_wire());
        let delta = ports.set_ports(5000, 8080);
        assert_eq!((ports.src_port(), ports.dst_port()), (5000, 8080));
        assert_eq!(delta.apply(before), super::super::checksum::checksum(ports.as_wire()));
        assert!(L4Ports::read(&bytes[..3]).is_none());
    }
}
