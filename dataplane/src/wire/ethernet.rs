//! Ethernet II.
//!
//! ```text
//!  0                   6                  12          14
//! +-------------------+-------------------+-----------+---
//! | destination       | source            | EtherType | payload
//! +-------------------+-------------------+-----------+---
//! ```
//!
//! (RFC 894; IEEE 802.3 section 3.2.6 for the type field.) The payload of a short frame is followed
//! by padding, so the length of an IP packet comes from its own header, never from the frame.

use std::fmt;

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header_views;

/// An Ethernet (MAC) address.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address of every station.
    pub const BROADCAST: Self = Self([0xFF; 6]);

    /// The address of none: "not known" in an ARP request.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether this is a group address. The broadcast address is one too.
    #[inline]
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether this is the broadcast address.
    #[inline]
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether a single station can own this address: neither a group address nor zero.
    #[inline]
    #[must_use]
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != Self::ZERO
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{last:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// EtherType values.
#[derive(Debug)]
pub enum EtherType {}

impl EtherType {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// A VLAN tag (IEEE 802.1Q).
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86DD;
    /// A service VLAN tag (IEEE 802.1ad).
    pub const QINQ: u16 = 0x88A8;
}

/// The Ethernet header.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EthernetHeader {
    /// The station the frame is for.
    pub dst: Mac,
    /// The station that sent it.
    pub src: Mac,
    /// What the payload is; see [`EtherType`].
    pub ether_type: U16,
}

header_views!(EthernetHeader, 14);

impl EthernetHeader {
    /// A header to [`emit`](Self::emit).
    #[inline]
    #[must_use]
    pub fn new(dst: Mac, src: Mac, ether_type: u16) -> Self {
        Self { dst, src, ether_type: U16::new(ether_type) }
    }

    /// What the payload is; see [`EtherType`].
    #[inline]
    #[must_use]
    pub fn ether_type(&self) -> u16 {
        self.ether_type.get()
    }

    /// Changes both addresses, as forwarding to a next hop does.
    #[inline]
    pub fn set_addresses(&mut self, dst: Mac, src: Mac) {
        self.dst = dst;
        self.src = src;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; 16] = [
        0x02, 0x00, 0x5e, 0x10, 0x00, 0x01, // destination
        0x52, 0x54, 0x00, 0xab, 0xcd, 0xef, // source
        0x08, 0x06, // ARP
        0x12, 0x34, // payload
    ];

    #[test]
    fn reads_the_fields() {
        let (header, payload) = EthernetHeader::split(&FRAME).unwrap();
        assert_eq!(header.dst.to_string(), "02:00:5e:10:00:01");
        assert_eq!(header.src, Mac([0x52, 0x54, 0x00, 0xab, 0xcd, 0xef]));
        assert_eq!(header.ether_type(), EtherType::ARP);
        assert_eq!(payload, [0x12, 0x34]);
        assert_eq!(header.as_wire(), &FRAME[..14]);
    }

    #[test]
    fn every_short_slice_is_refused() {
        for len in 0..EthernetHeader::LEN {
            assert!(EthernetHeader::read(&FRAME[..len]).is_none());
            assert!(EthernetHeader::read_mut(&mut { FRAME }[..len]).is_none());
        }
    }

    #[test]
    fn emit_writes_the_header_and_nothing_else() {
        let mut out = [0xA5; 16];
        let header = EthernetHeader::new(Mac::BROADCAST, Mac([2, 0, 0, 0, 0, 9]), EtherType::IPV4);
        assert_eq!(header.emit(&mut out).unwrap(), [0xA5, 0xA5]);
        assert_eq!(out, *b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x09\x08\x00\xa5\xa5");
        assert_eq!(EthernetHeader::read(&out), Some(&header));
        assert!(header.emit(&mut out[..13]).is_none());
    }

    #[test]
    fn addresses_can_be_changed_in_place() {
        let mut frame = FRAME;
        let header = EthernetHeader::read_mut(&mut frame).unwrap();
        header.set_addresses(Mac([1; 6]), Mac([2; 6]));
        assert_eq!(frame[..12], [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(frame[12..], FRAME[12..]);
    }

    #[test]
    fn group_addresses_are_told_apart() {
        assert!(Mac::BROADCAST.is_broadcast() && Mac::BROADCAST.is_multicast());
        let ipv4_group = Mac([0x01, 0x00, 0x5e, 0, 0, 1]);
        assert!(ipv4_group.is_multicast() && !ipv4_group.is_broadcast());
        assert!(!Mac::ZERO.is_multicast() && !Mac::ZERO.is_unicast());
        assert!(Mac([2, 0, 0, 0, 0, 1]).is_unicast());
    }
}
