//! Properties that hold across protocols, with `etherparse` as the independent judge.

use std::net::{Ipv4Addr, SocketAddrV4};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::buf::PacketBuf;
use crate::testbuf::TestBuf;
use crate::testing::{DIRECTOR_MAC, PEER_MAC, PacketSpec, describe, verify, verify_ipv4};

/// One setter call with its argument.
#[derive(Debug, Clone)]
enum Set {
    Src(Ipv4Addr),
    Dst(Ipv4Addr),
    Addresses(Ipv4Addr, Ipv4Addr),
    Ttl(u8),
    DecrementTtl,
    Tos(u8),
    Id(u16),
    DontFragment(bool),
    SrcPort(u16),
    DstPort(u16),
    Endpoints(SocketAddrV4, SocketAddrV4),
    Seq(u32),
    Ack(u32),
    Flags(u8),
    Window(u16),
    ClampMss(u16),
}

fn any_addr() -> impl Strategy<Value = Ipv4Addr> {
    // Words of all zeroes and all ones are where one's-complement arithmetic goes wrong.
    let word = prop_oneof![2 => any::<u16>(), 1 => Just(0u16), 1 => Just(0xFFFFu16)];
    (word.clone(), word)
        .prop_map(|(high, low)| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

fn any_word() -> impl Strategy<Value = u16> {
    prop_oneof![2 => any::<u16>(), 1 => Just(0u16), 1 => Just(0xFFFFu16)]
}

fn any_endpoint() -> impl Strategy<Value = SocketAddrV4> {
    (any_addr(), any_word()).prop_map(|(addr, port)| SocketAddrV4::new(addr, port))
}

fn any_set() -> impl Strategy<Value = Set> {
    prop_oneof![
        any_addr().prop_map(Set::Src),
        any_addr().prop_map(Set::Dst),
        (any_addr(), any_addr()).prop_map(|(src, dst)| Set::Addresses(src, dst)),
        any::<u8>().prop_map(Set::Ttl),
        Just(Set::DecrementTtl),
        any::<u8>().prop_map(Set::Tos),
        any_word().prop_map(Set::Id),
        any::<bool>().prop_map(Set::DontFragment),
        any_word().prop_map(Set::SrcPort),
        any_word().prop_map(Set::DstPort),
        (any_endpoint(), any_endpoint()).prop_map(|(src, dst)| Set::Endpoints(src, dst)),
        any::<u32>().prop_map(Set::Seq),
        any::<u32>().prop_map(Set::Ack),
        any::<u8>().prop_map(Set::Flags),
        any_word().prop_map(Set::Window),
        any_word().prop_map(Set::ClampMss),
    ]
}

/// Padding, then an MSS option at an odd offset.
const ODD_MSS: [u8; 8] = [1, 2, 4, 0xff, 0xff, 1, 1, 0];

fn any_spec() -> impl Strategy<Value = PacketSpec> {
    let payload = vec(any::<u8>(), 0..70);
    (any_endpoint(), any_endpoint(), payload, 0..5u8, any::<bool>()).prop_map(
        |(src, dst, payload, kind, ip_options)| {
            let spec = match kind {
                0 => PacketSpec::udp(src, dst),
                1 => PacketSpec::udp(src, dst).no_udp_checksum(),
                2 => PacketSpec::tcp(src, dst),
                3 => PacketSpec::tcp(src, dst).flags(TcpFlags::SYN).mss(9000),
                _ => PacketSpec::tcp(src, dst).flags(TcpFlags::SYN).tcp_options(&ODD_MSS),
            };
            let spec = if ip_options { spec.ip_options(&[0x94, 4, 0, 0]) } else { spec };
            spec.payload(payload)
        },
    )
}

/// Applies an address change to the transport checksum.
fn adjust(protocol: u8, l4: &mut [u8], delta: Delta) {
    if protocol == IpProto::TCP {
        TcpHeader::read_mut(l4).unwrap().adjust_checksum(delta);
    } else {
        UdpHeader::read_mut(l4).unwrap().adjust_checksum(delta);
    }
}

fn apply(packet: &mut [u8], set: &Set) {
    let header_len = ipv4::check(packet).unwrap().header_len;
    let (front, l4) = packet.split_at_mut(header_len);
    let ip = Ipv4Header::read_mut(front).unwrap();
    let protocol = ip.protocol();
    match *set {
        Set::Src(addr) => adjust(protocol, l4, ip.set_src(addr)),
        Set::Dst(addr) => adjust(protocol, l4, ip.set_dst(addr)),
        Set::Addresses(src, dst) => adjust(protocol, l4, ip.set_addresses(src, dst)),
        Set::Ttl(ttl) => ip.set_ttl(ttl),
        Set::DecrementTtl => {
            let before = ip.ttl();
            assert_eq!(ip.decrement_ttl(), (before > 1).then(|| before - 1));
        }
        Set::Tos(tos) => ip.set_tos(tos),
        Set::Id(id) => ip.set_id(id),
        Set::DontFragment(dont_fragment) => ip.set_dont_fragment(dont_fragment),
        Set::Endpoints(src, dst) => {
            let delta = ip.set_addresses(*src.ip(), *dst.ip());
            if protocol == IpProto::TCP {
                TcpHeader::read_mut(l4).unwrap().rewrite(src.port(), dst.port(), delta);
            } else {
                UdpHeader::read_mut(l4).unwrap().rewrite(src.port(), dst.port(), delta);
            }
        }
        _ if protocol == IpProto::TCP => apply_tcp(l4, set),
        Set::SrcPort(port) => UdpHeader::read_mut(l4).unwrap().set_src_port(port),
        Set::DstPort(port) => UdpHeader::read_mut(l4).unwrap().set_dst_port(port),
        Set::Seq(_) | Set::Ack(_) | Set::Flags(_) | Set::Window(_) | Set::ClampMss(_) => {}
    }
}

fn apply_tcp(segment: &mut [u8], set: &Set) {
    let header = TcpHeader::read_mut(segment).unwrap();
    match *set {
        Set::SrcPort(port) => header.set_src_port(port),
        Set::DstPort(port) => header.set_dst_port(port),
        Set::Seq(seq) => header.set_seq(seq),
        Set::Ack(ack) => header.set_ack(ack),
        Set::Flags(flags) => header.set_flags(TcpFlags(flags)),
        Set::Window(window) => header.set_window(window),
        Set::ClampMss(max) => {
            let _ = tcp::clamp_mss(segment, max);
        }
        Set::Src(_)
        | Set::Dst(_)
        | Set::Addresses(..)
        | Set::Ttl(_)
        | Set::DecrementTtl
        | Set::Tos(_)
        | Set::Id(_)
        | Set::DontFragment(_)
        | Set::Endpoints(..) => unreachable!("an IPv4 setter"),
    }
}

/// Calls everything that reads or rewrites bytes; what is accepted must keep its promises.
fn exercise(bytes: &[u8]) {
    let mut scratch = bytes.to_vec();
    assert_eq!(EthernetHeader::read(bytes).is_some(), bytes.len() >= EthernetHeader::LEN);
    assert_eq!(L4Ports::read(bytes).is_some(), bytes.len() >= L4Ports::LEN);
    if let Some(arp) = ArpPacket::checked(bytes) {
        assert_eq!(bytes[6..8], [0, arp.operation() as u8]);
    }
    match ipv4::check(bytes) {
        Ok(ip) => {
            assert!(ip.header_len >= 20 && ip.header_len <= ip.total_len);
            assert!(ip.total_len <= bytes.len());
            assert_eq!(ip.payload, &bytes[ip.header_len..ip.total_len]);
            assert!(ipv4::fill_checksum(&mut scratch) && ipv4::checksum_ok(&scratch));
        }
        Err(_) => {
            let _ = (ipv4::checksum_ok(bytes), ipv4::fill_checksum(&mut scratch));
        }
    }
    let _ = ipv4::check_within(bytes, usize::MAX).map(|ip| ip.payload_len());
    let (src, dst) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::BROADCAST);
    if let Ok(segment) = tcp::check(bytes) {
        assert_eq!(segment.header_len + segment.payload.len(), bytes.len());
        assert_eq!(segment.options.len(), segment.header_len - 20);
        let _ = TcpReset::answering(segment.header, 1).map(|reset| reset.header(segment.header));
    }
    assert_eq!(tcp::fill_checksum(&mut scratch, src, dst), bytes.len() >= TcpHeader::LEN);
    assert_eq!(tcp::checksum_ok(&scratch, src, dst), bytes.len() >= TcpHeader::LEN);
    let _ = tcp::find_mss(bytes);
    assert!(!tcp::clamp_mss(&mut scratch, 1000) || tcp::checksum_ok(&scratch, src, dst));
    if let Ok(datagram) = udp::check(bytes) {
        assert_eq!(datagram.payload, &bytes[8..datagram.len]);
    }
    assert_eq!(udp::fill_checksum(&mut scratch, src, dst), bytes.len() >= UdpHeader::LEN);
    assert_eq!(udp::checksum_ok(&scratch, src, dst), bytes.len() >= UdpHeader::LEN);
    assert_eq!(icmpv4::fill_checksum(&mut scratch), bytes.len() >= IcmpHeader::LEN);
    assert_eq!(icmpv4::checksum_ok(&scratch), bytes.len() >= IcmpHeader::LEN);
    let quoted = scratch.get(8..).and_then(icmpv4::embedded);
    let any = SocketAddrV4::new(src, 7);
    assert_eq!(icmpv4::rewrite_embedded(&mut scratch, any, any), quoted.is_some());
    if quoted.is_some() {
        assert!(icmpv4::checksum_ok(&scratch));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn setters_keep_every_checksum_exactly_right(
        spec in any_spec(),
        sets in vec(any_set(), 1..12),
    ) {
        let mut packet = spec.packet();
        verify_ipv4(&packet).unwrap();
        let has_checksum = |packet: &[u8]| {
            let ip = ipv4::check(packet).unwrap();
            ip.header.protocol() == IpProto::TCP
                || UdpHeader::read(ip.payload).unwrap().has_checksum()
        };
        let had_checksum = has_checksum(&packet);
        for set in &sets {
            apply(&mut packet, set);
            // The judge computes every checksum in full and compares bit by bit.
            prop_assert_eq!(verify_ipv4(&packet), Ok(()), "after {:?}", set);
            prop_assert!(ipv4::checksum_ok(&packet));
        }
        prop_assert_eq!(has_checksum(&packet), had_checksum, "zero stays zero, only zero");
    }

    #[test]
    fn translating_back_restores_every_byte(
        spec in any_spec(),
        src in any_endpoint(),
        dst in any_endpoint(),
    ) {
        let original = spec.packet();
        let mut packet = original.clone();
        let ip = ipv4::check(&original).unwrap();
        let ports = L4Ports::read(ip.payload).unwrap();
        let back = Set::Endpoints(
            SocketAddrV4::new(ip.header.src(), ports.src_port()),
            SocketAddrV4::new(ip.header.dst(), ports.dst_port()),
        );
        apply(&mut packet, &Set::Endpoints(src, dst));
        apply(&mut packet, &back);
        prop_assert_eq!(packet, original);
    }

    #[test]
    fn translating_a_quote_back_restores_every_byte(
        spec in any_spec(),
        quote_len in 28usize..120,
        src in any_endpoint(),
        dst in any_endpoint(),
    ) {
        let mut quote = spec.packet();
        quote.truncate(quote_len);
        let error = PacketSpec::icmp("10.0.0.11", "192.0.2.2", 3, 3, [0; 4]).payload(&quote);
        let original = error.packet();
        let mut packet = original.clone();
        let was = icmpv4::embedded(&quote).unwrap();
        prop_assert!(icmpv4::rewrite_embedded(&mut packet[20..], src, dst));
        prop_assert_eq!(verify_ipv4(&packet), Ok(()), "the message's own checksum");
        prop_assert!(ipv4::checksum_ok(&packet[28..]), "the quoted header's checksum");
        let now = icmpv4::embedded(&packet[28..]).unwrap();
        prop_assert_eq!((now.src, now.src_port), (*src.ip(), src.port()));
        prop_assert_eq!((now.dst, now.dst_port), (*dst.ip(), dst.port()));
        let (src, dst) = ((was.src, was.src_port), (was.dst, was.dst_port));
        let (src, dst) = (SocketAddrV4::new(src.0, src.1), SocketAddrV4::new(dst.0, dst.1));
        prop_assert!(icmpv4::rewrite_embedded(&mut packet[20..], src, dst));
        prop_assert_eq!(packet, original);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16_384))]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..160)) {
        exercise(&bytes);
    }

    #[test]
    fn damaged_packets_never_panic(
        spec in any_spec(),
        damage in vec((0usize..160, any::<u8>()), 0..6),
        cut in 0usize..200,
    ) {
        let mut packet = spec.packet();
        for (at, byte) in damage {
            if let Some(place) = packet.get_mut(at) {
                *place = byte;
            }
        }
        packet.truncate(cut);
        for from in [0, 20, 24] {
            exercise(packet.get(from..).unwrap_or_default());
        }
    }

    #[test]
    fn both_parsers_accept_the_same_headers(
        spec in any_spec(),
        at in 0usize..34,
        byte in any::<u8>(),
        cut in 0usize..140,
    ) {
        let mut packet = spec.packet();
        packet[at.min(27)] = byte;
        packet.truncate(cut);
        let theirs = etherparse::Ipv4HeaderSlice::from_slice(&packet).ok().filter(|header| {
            let total_len = usize::from(header.total_len());
            total_len >= header.slice().len() && total_len <= packet.len()
        });
        let ours = ipv4::check(&packet);
        prop_assert_eq!(ours.is_ok(), theirs.is_some(), "{:?}", ours.err());
        let (Ok(ours), Some(theirs)) = (ours, theirs) else { return Ok(()) };
        prop_assert_eq!(ours.header_len, theirs.slice().len());
        prop_assert_eq!(ours.header.fragment_offset() / 8, theirs.fragments_offset().value());
        prop_assert_eq!(ours.header.more_fragments(), theirs.more_fragments());
        prop_assert_eq!(ours.header.dscp(), theirs.dcp().value());
        let tcp_agrees = etherparse::TcpSlice::from_slice(ours.payload).is_ok();
        prop_assert_eq!(tcp::check(ours.payload).is_ok(), tcp_agrees);
    }
}

#[test]
fn every_length_of_poison_is_refused_or_read_within_bounds() {
    for len in 0..200 {
        exercise(&vec![crate::testbuf::POISON; len]);
        exercise(&vec![0; len]);
        exercise(&vec![0xFF; len]);
    }
}

/// The reset that a SYN to a closed port gets, written into an empty buffer header by header.
#[test]
fn headers_emitted_over_poison_make_a_whole_frame() {
    let (client, vip) = ("198.51.100.7:40000", "192.0.2.10:80");
    let syn = PacketSpec::tcp(client, vip).flags(TcpFlags::SYN).seq(1000).mss(1460).packet();
    let asked = ipv4::check(&syn).unwrap();
    let segment = tcp::check(asked.payload).unwrap();
    let reset = TcpReset::answering(segment.header, 0).unwrap();

    let mut buf = TestBuf::with_room(&[], 0, 128);
    let frame = buf.append(54).unwrap();
    let (src, dst) = (asked.header.dst(), asked.header.src());
    let fields = Ipv4Fields {
        src,
        dst,
        protocol: IpProto::TCP,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        total_len: 40,
    };
    let packet = EthernetHeader::new(PEER_MAC, DIRECTOR_MAC, EtherType::IPV4).emit(frame).unwrap();
    let l4 = Ipv4Header::new(&fields).emit(packet).unwrap();
    assert!(reset.header(segment.header).emit(l4).unwrap().is_empty());
    assert!(tcp::fill_checksum(l4, src, dst));

    let expected = PacketSpec::tcp(vip, client)
        .macs(PEER_MAC, DIRECTOR_MAC)
        .flags(TcpFlags::RST | TcpFlags::ACK)
        .seq(0)
        .ack(1001)
        .window(0)
        .frame();
    assert_eq!(buf.bytes(), expected, "{}", describe(buf.bytes()));
    verify(buf.bytes()).unwrap();
    assert!(buf.poison_intact());
}
