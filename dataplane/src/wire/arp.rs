//! ARP for IPv4 over Ethernet.
//!
//! ```text
//!  0       2       4   5   6       8            14        18           24        28
//! +-------+-------+---+---+-------+------------+---------+------------+---------+
//! | htype | ptype |hl |pl | oper  | sender MAC | snd. IP | target MAC | tgt. IP |
//! | 1     | 0x0800| 6 | 4 | 1, 2  |            |         |            |         |
//! +-------+-------+---+---+-------+------------+---------+------------+---------+
//! ```
//!
//! (RFC 826; announcements RFC 5227 section 3.) Other hardware, protocols and operations are not
//! ARP to us: [`ArpPacket::checked`] refuses them.

use std::net::Ipv4Addr;

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ethernet::{EtherType, Mac};
use super::header_views;

const HTYPE_ETHERNET: u16 = 1;

/// An ARP packet for IPv4 over Ethernet.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ArpPacket {
    htype: U16,
    ptype: U16,
    hlen: u8,
    plen: u8,
    operation: U16,
    sender_mac: Mac,
    sender_ip: [u8; 4],
    target_mac: Mac,
    target_ip: [u8; 4],
}

header_views!(ArpPacket, 28);

/// What an ARP packet asks or says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ArpOperation {
    /// Who has the target address?
    Request = 1,
    /// The sender has the sender address.
    Reply = 2,
}

impl ArpPacket {
    /// The packet at the front of `bytes`, if it is a request or reply for IPv4 over Ethernet.
    #[inline]
    #[must_use]
    pub fn checked(bytes: &[u8]) -> Option<&Self> {
        let packet = Self::read(bytes)?;
        let ours = packet.htype.get() == HTYPE_ETHERNET
            && packet.ptype.get() == EtherType::IPV4
            && packet.hlen == 6
            && packet.plen == 4
            && matches!(packet.operation.get(), 1 | 2);
        ours.then_some(packet)
    }

    /// Whether this asks or answers. Meaningful on a [`checked`](Self::checked) packet; any other
    /// operation than a request reads as a reply.
    #[inline]
    #[must_use]
    pub fn operation(&self) -> ArpOperation {
        match self.operation.get() {
            1 => ArpOperation::Request,
            _ => ArpOperation::Reply,
        }
    }

    /// MAC address of the station that sent the packet.
    #[inline]
    #[must_use]
    pub fn sender_mac(&self) -> Mac {
        self.sender_mac
    }

    /// IPv4 address the sender claims; unspecified in a probe (RFC 5227 section 1.1).
    #[inline]
    #[must_use]
    pub fn sender_ip(&self) -> Ipv4Addr {
        self.sender_ip.into()
    }

    /// MAC address of the station the packet is for; of no meaning in a request.
    #[inline]
    #[must_use]
    pub fn target_mac(&self) -> Mac {
        self.target_mac
    }

    /// IPv4 address that is asked for, or that the reply goes to.
    #[inline]
    #[must_use]
    pub fn target_ip(&self) -> Ipv4Addr {
        self.target_ip.into()
    }

    /// Whether the sender announces its own address rather than asking for another's.
    #[inline]
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender_ip == self.target_ip
    }

    /// Asks who has `target_ip`.
    #[must_use]
    pub fn request(sender_mac: Mac, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Self {
        Self::new(ArpOperation::Request, (sender_mac, sender_ip), (Mac::ZERO, target_ip))
    }

    /// Tells the target that `sender_ip` is at `sender_mac`.
    #[must_use]
    pub fn reply(
        sender_mac: Mac,
        sender_ip: Ipv4Addr,
        target_mac: Mac,
        target_ip: Ipv4Addr,
    ) -> Self {
        Self::new(ArpOperation::Reply, (sender_mac, sender_ip), (target_mac, target_ip))
    }

    /// Announces to everyone that `ip` is at `mac`: a request for one's own address, the form of
    /// RFC 5227 section 3 and the one every neighbour's cache accepts.
    #[must_use]
    pub fn gratuitous(mac: Mac, ip: Ipv4Addr) -> Self {
        Self::request(mac, ip, ip)
    }

    fn new(operation: ArpOperation, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Self {
        Self {
            htype: U16::new(HTYPE_ETHERNET),
            ptype: U16::new(EtherType::IPV4),
            hlen: 6,
            plen: 4,
            operation: U16::new(operation as u16),
            sender_mac: sender.0,
            sender_ip: sender.1.octets(),
            target_mac: target.0,
            target_ip: target.1.octets(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As tcpdump shows: who-has 192.0.2.10 tell 192.0.2.1.
    const REQUEST: [u8; 28] = [
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, //
        0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 192, 0, 2, 1, //
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 192, 0, 2, 10,
    ];
    const MAC_A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const MAC_B: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const IP_A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const IP_B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

    #[test]
    fn reads_a_request() {
        let packet = ArpPacket::checked(&REQUEST).unwrap();
        assert_eq!(packet.operation(), ArpOperation::Request);
        assert_eq!((packet.sender_mac(), packet.sender_ip()), (MAC_A, IP_A));
        assert_eq!((packet.target_mac(), packet.target_ip()), (Mac::ZERO, IP_B));
        assert!(!packet.is_gratuitous());
    }

    #[test]
    fn writes_the_same_request() {
        assert_eq!(ArpPacket::request(MAC_A, IP_A, IP_B).as_wire(), REQUEST);
    }

    #[test]
    fn a_reply_swaps_the_sides() {
        let packet = ArpPacket::reply(MAC_B, IP_B, MAC_A, IP_A);
        let bytes = packet.as_wire();
        assert_eq!(bytes[6..8], [0, 2]);
        let packet = ArpPacket::checked(bytes).unwrap();
        assert_eq!(packet.operation(), ArpOperation::Reply);
        assert_eq!((packet.sender_mac(), packet.sender_ip()), (MAC_B, IP_B));
        assert_eq!((packet.target_mac(), packet.target_ip()), (MAC_A, IP_A));
    }

    #[test]
    fn an_announcement_is_a_request_for_oneself() {
        let packet = ArpPacket::gratuitous(MAC_A, IP_A);
        assert_eq!(packet.operation(), ArpOperation::Request);
        assert_eq!((packet.sender_ip(), packet.target_ip()), (IP_A, IP_A));
        assert!(packet.is_gratuitous());
    }

    #[test]
    fn what_is_not_ipv4_over_ethernet_is_refused() {
        for (at, bad) in [(1, 6), (2, 0x86), (3, 1), (4, 8), (5, 16), (6, 1), (7, 0), (7, 3)] {
            let mut bytes = REQUEST;
            bytes[at] = bad;
            assert!(ArpPacket::checked(&bytes).is_none(), "byte {at} = {bad}");
        }
        assert!(ArpPacket::checked(&REQUEST[..27]).is_none());
    }

    #[test]
    fn padding_behind_the_packet_is_ignored() {
        let mut frame = [0u8; 46];
        frame[..28].copy_from_slice(&REQUEST);
        assert_eq!(ArpPacket::checked(&frame).unwrap().target_ip(), IP_B);
    }

    #[test]
    fn the_independent_parser_agrees() {
        let slice = etherparse::ArpPacketSlice::from_slice(&REQUEST).unwrap();
        let packet = ArpPacket::checked(&REQUEST).unwrap();
        assert_eq!(slice.sender_hw_addr(), packet.sender_mac().0);
        assert_eq!(slice.target_protocol_addr(), packet.target_ip().octets());
    }
}
