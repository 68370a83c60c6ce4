//! Bytes become a class: what kind of packet this is, and the key it is looked up by.
//!
//! Everything later steps rely on is checked here: header lengths, IPv4 checksum, addresses a
//! host can have. Padding behind the IPv4 packet is cut off, so that a frame's length is right.

use std::net::Ipv4Addr;

use crate::buf::{PacketBuf, RxChecksum};
use crate::flow::FlowKey;
use crate::verdict::DropReason;
use crate::wire::{
    ArpPacket, EtherType, EthernetHeader, IpProto, Ipv4Header, Mac, TcpFlags, UdpHeader, ipv4, tcp,
    udp,
};

/// What a received frame is.
#[derive(Clone, Copy, Debug)]
pub enum Parsed {
    /// A well-formed ARP packet.
    Arp(ArpPacket),
    /// TCP or UDP, whole or the first fragment.
    Transport(Transport),
    /// A fragment without the transport header.
    LaterFragment(Ipv4Meta),
    /// ICMP, whole or the first fragment.
    Icmp(Ipv4Meta),
    /// Any other protocol.
    Other(Ipv4Meta),
    /// Nothing that is worth going on with.
    Bad(DropReason),
}

/// What later steps need of a checked IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Meta {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
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
    /// Whether more fragments follow.
    pub more_fragments: bool,
    /// Whether routers may not fragment it.
    pub dont_fragment: bool,
}

/// A TCP or UDP packet.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// Its IPv4 header.
    pub ip: Ipv4Meta,
    /// Its flow key.
    pub key: FlowKey,
    /// TCP flags; none for UDP.
    pub flags: TcpFlags,
}

/// Where the IPv4 header begins in every frame of ours.
pub const L3_OFFSET: usize = EthernetHeader::LEN;

impl Ipv4Meta {
    /// Where the transport header begins in the frame.
    #[inline]
    #[must_use]
    pub fn l4_offset(&self) -> usize {
        L3_OFFSET + usize::from(self.header_len)
    }
}

/// Reads a frame received on a port with MAC address `mac`, and cuts off padding.
#[inline(always)]
pub fn parse<B: PacketBuf>(frame: &mut B, mac: Mac) -> Parsed {
    parse_checked(frame, mac).unwrap_or_else(Parsed::Bad)
}

#[inline(always)]
fn parse_checked<B: PacketBuf>(frame: &mut B, mac: Mac) -> Result<Parsed, DropReason> {
    let (ethernet, payload) = EthernetHeader::split(frame.bytes()).ok_or(DropReason::Truncated)?;
    if ethernet.dst != mac && !ethernet.dst.is_multicast() {
        return Err(DropReason::NotOurMac);
    }
    match ethernet.ether_type() {
        EtherType::IPV4 => {}
        EtherType::ARP => {
            let packet = ArpPacket::checked(payload).ok_or(DropReason::BadArp)?;
            return Ok(Parsed::Arp(*packet));
        }
        _ => return Err(DropReason::UnknownEtherType),
    }
    if ethernet.dst.is_multicast() {
        return Err(DropReason::Broadcast);
    }
    if !frame.is_contiguous() {
        return Err(DropReason::Truncated);
    }
    let ip = check_ipv4(payload, frame.rx_ipv4_checksum())?;
    let end = L3_OFFSET + usize::from(ip.total_len);
    if frame.len() > end {
        frame.truncate(end);
    }
    parse_payload(ip, frame.bytes())
}

#[inline(always)]
fn check_ipv4(packet: &[u8], nic_says: RxChecksum) -> Result<Ipv4Meta, DropReason> {
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
    let (src, dst) = (header.src(), header.dst());
    if !is_host_address(src) {
        return Err(DropReason::BadSourceAddress);
    }
    if !is_host_address(dst) {
        return Err(DropReason::Broadcast);
    }
    // The casts cannot fail: the check bounds header_len by 60.
    let header_len = u8::try_from(checked.header_len).map_err(|_| DropReason::BadIpv4Header)?;
    Ok(Ipv4Meta {
        src,
        dst,
        total_len: header.total_len(),
        id: header.id(),
        header_len,
        protocol: header.protocol(),
        ttl: header.ttl(),
        more_fragments: header.more_fragments(),
        dont_fragment: header.dont_fragment(),
    })
}

/// Whether a packet may come from or go to `address`: not 0/8, 127/8 or 224/3.
fn is_host_address(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

#[inline(always)]
fn parse_payload(ip: Ipv4Meta, frame: &[u8]) -> Result<Parsed, DropReason> {
    let header = Ipv4Header::read(&frame[L3_OFFSET..]).ok_or(DropReason::Truncated)?;
    if header.fragment_offset() != 0 {
        return Ok(Parsed::LaterFragment(ip));
    }
    let payload = &frame[ip.l4_offset()..];
    let bad = DropReason::BadTransportHeader;
    let (src_port, dst_port, flags) = match ip.protocol {
        IpProto::TCP => {
            let header = tcp::check(payload).map_err(|_| bad)?.header;
            (header.src_port(), header.dst_port(), header.flags())
        }
        IpProto::UDP => {
            let header = if ip.more_fragments {
                // Its length field counts the fragments to come.
                UdpHeader::read(payload).ok_or(bad)?
            } else {
                udp::check(payload).map_err(|_| bad)?.header
            };
            (header.src_port(), header.dst_port(), TcpFlags::default())
        }
        IpProto::ICMP => return Ok(Parsed::Icmp(ip)),
        _ => return Ok(Parsed::Other(ip)),
    };
    let key = FlowKey::ipv4(ip.protocol, ip.src, src_port, ip.dst, dst_port);
    Ok(Parsed::Transport(Transport { ip, key, flags }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbuf::TestBuf;
    use crate::testing::{DIRECTOR_MAC, PacketSpec};

    fn syn() -> PacketSpec {
        PacketSpec::tcp("198.51.100.7:40000", "192.0.2.10:80").flags(TcpFlags::SYN)
    }

    fn reason(buf: &mut TestBuf) -> Option<DropReason> {
        if let Parsed::Bad(reason) = parse(buf, DIRECTOR_MAC) { Some(reason) } else { None }
    }

    #[test]
    fn a_segment_is_read_and_its_padding_cut() {
        let mut buf = syn().payload("abc").ttl(7).id(9).ip_options(&[1; 4]).padded_to(100).buf();
        let Parsed::Transport(packet) = parse(&mut buf, DIRECTOR_MAC) else { panic!("{buf:?}") };
        let expected = Ipv4Meta {
            src: Ipv4Addr::new(198, 51, 100, 7),
            dst: Ipv4Addr::new(192, 0, 2, 10),
            total_len: 47,
            id: 9,
            header_len: 24,
            protocol: IpProto::TCP,
            ttl: 7,
            more_fragments: false,
            dont_fragment: true,
        };
        assert_eq!(packet.ip, expected);
        assert_eq!((packet.key.src_port(), packet.key.dst_port()), (40_000, 80));
        assert_eq!((packet.flags, buf.len()), (TcpFlags::SYN, 14 + 47));
    }

    #[test]
    fn the_nic_s_word_on_the_header_checksum_counts() {
        for (spec, nic_says, expected) in [
            (syn(), RxChecksum::Unknown, None),
            (syn().bad_ip_checksum(), RxChecksum::Unknown, Some(DropReason::BadIpv4Checksum)),
            (syn().bad_ip_checksum(), RxChecksum::Good, None),
            (syn(), RxChecksum::Bad, Some(DropReason::BadIpv4Checksum)),
        ] {
            let mut buf = spec.buf().with_rx_ipv4_checksum(nic_says);
            assert_eq!(reason(&mut buf), expected, "{nic_says:?}");
        }
    }

    #[test]
    fn a_packet_in_several_segments_is_refused() {
        let frame = syn().payload([0; 100]).frame();
        let mut buf = TestBuf::new(&frame[..60]).with_second_segment(&frame[60..]);
        assert_eq!(reason(&mut buf), Some(DropReason::Truncated));
    }

    #[test]
    fn fragments_are_told_apart() {
        let udp = PacketSpec::udp("198.51.100.7:4000", "192.0.2.10:53").payload([0; 100]);
        let fragments = udp.dont_fragment(false).fragments(48);
        let mut first = TestBuf::new(&fragments[0]);
        let Parsed::Transport(packet) = parse(&mut first, DIRECTOR_MAC) else {
            panic!("{first:?}")
        };
        assert!(packet.ip.more_fragments && packet.key.dst_port() == 53);
        for (later, more) in fragments[1..].iter().zip([true, false]) {
            let mut later = TestBuf::new(later);
            let Parsed::LaterFragment(ip) = parse(&mut later, DIRECTOR_MAC) else {
                panic!("{later:?}")
            };
            assert_eq!(ip.more_fragments, more);
        }
    }
}
