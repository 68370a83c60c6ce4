//! What frames are taken for.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testbuf::TestBuf;
use crate::testing::{DIRECTOR_MAC, PacketSpec};
use crate::wire::ChunkType;

fn syn() -> PacketSpec {
    PacketSpec::tcp("198.51.100.7:40000", "192.0.2.10:80").flags(TcpFlags::SYN)
}

fn slip(buf: &mut TestBuf) -> Slip {
    let mut slip = Slip::default();
    slip.fill(buf, DIRECTOR_MAC);
    slip
}

fn reason(buf: &mut TestBuf) -> Option<DropReason> {
    if let Parsed::Bad(reason) = slip(buf).parsed() { Some(reason) } else { None }
}

#[test]
fn a_segment_is_read_and_its_padding_cut() {
    let mut buf = syn().payload("abc").ttl(7).id(9).ip_options(&[1; 4]).padded_to(100).buf();
    let slip = slip(&mut buf);
    let Parsed::Transport(packet) = slip.parsed() else { panic!("{buf:?}") };
    let ip = packet.ip;
    assert_eq!(ip.src(), Ipv4Addr::new(198, 51, 100, 7));
    assert_eq!(ip.dst(), Ipv4Addr::new(192, 0, 2, 10));
    assert_eq!((ip.total_len, ip.id, ip.header_len, ip.ttl), (47, 9, 24, 7));
    assert_eq!(ip.protocol, IpProto::TCP);
    assert!(ip.dont_fragment() && !ip.more_fragments());
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
    let first = slip(&mut first);
    let Parsed::Transport(packet) = first.parsed() else { panic!("{first:?}") };
    assert!(packet.ip.more_fragments() && packet.key.dst_port() == 53);
    for (later, more) in fragments[1..].iter().zip([true, false]) {
        let mut later = TestBuf::new(later);
        let later = slip(&mut later);
        let Parsed::LaterFragment(ip) = later.parsed() else { panic!("{later:?}") };
        assert_eq!(ip.more_fragments(), more);
    }
}

#[test]
fn of_sctp_the_first_chunk_counts() {
    let sctp = || PacketSpec::sctp("198.51.100.7:40000", "192.0.2.10:132");
    let cookie = sctp().chunk(ChunkType::COOKIE_ECHO, [1; 5]);
    for (spec, event, flags) in [
        (sctp().chunk(ChunkType::INIT, [0; 16]), SctpEvent::Init, TcpFlags::SYN),
        (sctp().chunk(ChunkType::ABORT, []), SctpEvent::Abort, TcpFlags::RST),
        (sctp().chunk(ChunkType::SACK, [0; 12]).ip_options(&[1; 4]), SctpEvent::Data, TcpFlags(0)),
        (cookie.clone().chunk(ChunkType::DATA, [2; 13]), SctpEvent::CookieEcho, TcpFlags(0)),
        (cookie.clone().chunk(ChunkType::ABORT, []), SctpEvent::Abort, TcpFlags(0)),
        (cookie.padded_to(60), SctpEvent::CookieEcho, TcpFlags(0)),
    ] {
        let mut buf = spec.buf();
        let slip = slip(&mut buf);
        let packet = slip.transport().unwrap_or_else(|| panic!("{spec:?}"));
        assert_eq!((packet.event, packet.flags), (event, flags), "{spec:?}");
        assert_eq!((packet.key.protocol(), packet.key.src_port()), (132, 40_000));
        assert_eq!(packet.key.dst_port(), 132);
    }
    let whole = sctp().chunk(ChunkType::DATA, [0; 100]);
    for len in (0..16).chain([20, 115]) {
        let cut = &whole.packet()[20..20 + len];
        let mut buf = PacketSpec::raw("198.51.100.7", "192.0.2.10", 132).payload(cut).buf();
        assert_eq!(reason(&mut buf), Some(DropReason::BadTransportHeader), "{len} bytes");
    }
    let first = &whole.dont_fragment(false).fragments(24)[0];
    assert!(slip(&mut TestBuf::new(first)).transport().is_some());
}

/// Frames that are plain, or nearly so.
fn specs() -> [PacketSpec; 7] {
    let udp = PacketSpec::udp("198.51.100.7:4000", "192.0.2.10:53").payload([7; 30]);
    [
        syn(),
        syn().payload("abc").padded_to(64),
        PacketSpec::sctp("198.51.100.7:4000", "192.0.2.10:53").chunk(ChunkType::INIT, [7; 16]),
        syn().ip_options(&[1; 4]),
        udp.clone(),
        udp.clone().padded_to(100),
        udp.dont_fragment(false),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_short_way_agrees_with_the_long_one(
        spec in 0..7usize,
        changes in vec((0..64usize, any::<u8>()), 0..3),
        cut in prop_oneof![4 => Just(usize::MAX), 1 => 0..70usize],
        nic_says in prop_oneof![
            3 => Just(RxChecksum::Unknown),
            3 => Just(RxChecksum::Good),
            1 => Just(RxChecksum::Bad),
        ],
    ) {
        let mut frame = specs()[spec].frame();
        for (offset, value) in changes {
            if let Some(byte) = frame.get_mut(offset) {
                *byte = value;
            }
        }
        frame.truncate(cut);
        let buf = TestBuf::new(&frame).with_rx_ipv4_checksum(nic_says);
        let (mut short, mut long) = (Transport::default(), Transport::default());
        let is_plain = plain::read(&buf, DIRECTOR_MAC, &mut short).is_some();
        let class = read_any(&buf, DIRECTOR_MAC, &mut long);
        let is_whole = !long.ip.more_fragments && long.ip.header_len == 20;
        let is_short = is_whole && long.ip.protocol != IpProto::SCTP;
        prop_assert_eq!(is_plain, class == Ok(Class::Transport) && is_short);
        if is_plain {
            prop_assert_eq!(short, long);
        }
    }
}
