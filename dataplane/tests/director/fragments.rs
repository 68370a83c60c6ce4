//! Fragments that come in, in any order, and fragments that are made on the way out.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::{FRAGMENT_HELD_COUNT, FRAGMENT_HELD_PER_TRAIN, FRAGMENT_TRAIN_COUNT};
use rvs_dataplane::snapshot::PortIdx;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::{IcmpCode, IcmpType, ipv4};

use crate::support::{
    CLIENT, LAN, LAN_IP, LAN_MAC, MODES, NatPair, RS1, Rig, Setup, VIP, WAN, from_real, icmp_error,
    mac_of, one_hop_on, to_client, to_real,
};

/// A datagram of three fragments of 800 bytes or less.
fn datagram(id: u16) -> PacketSpec {
    PacketSpec::udp(CLIENT, VIP).payload([0x42; 2000]).dont_fragment(false).id(id)
}

const CHUNK: usize = 800;

/// What the fragments of `packet` leave as, towards the real server.
fn forwarded(mode: ForwardingMode, pair: &NatPair, packet: &PacketSpec) -> Vec<Vec<u8>> {
    match mode {
        ForwardingMode::Nat | ForwardingMode::FullNat => pair.request(packet).fragments(CHUNK),
        ForwardingMode::Dr => one_hop_on(&to_real(packet, RS1)).fragments(CHUNK),
        ForwardingMode::Tunnel => {
            let wrap = |fragment: Vec<u8>| {
                let outer = PacketSpec::raw(LAN_IP, *RS1.endpoint().ip(), 4).ttl(63);
                to_real(&outer.dont_fragment(false).payload(&fragment[14..]), RS1).frame()
            };
            one_hop_on(packet).fragments(CHUNK).into_iter().map(wrap).collect()
        }
    }
}

/// Frames without the identification and checksum of their header, which tunnels choose freely.
fn without_outer_id(mode: ForwardingMode, mut frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if mode == ForwardingMode::Tunnel {
        for frame in &mut frames {
            frame[18..20].fill(0);
            frame[24..26].fill(0);
        }
    }
    frames
}

fn bytes(frames: Vec<(PortIdx, Vec<u8>)>) -> Vec<Vec<u8>> {
    frames.into_iter().map(|(_, frame)| frame).collect()
}

#[test]
fn three_fragments_in_any_order_leave_as_three_fragments_the_first_in_front() {
    for mode in MODES {
        let mut pair = NatPair::new(mode);
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for (id, order) in (1..).zip(orders) {
            for in_one_burst in [true, false] {
                let packet = datagram(id + 100 * u16::from(in_one_burst));
                let sent = order.map(|index| packet.fragments(CHUNK)[index].clone());
                let all = forwarded(mode, &pair, &packet);
                let followers = order.into_iter().filter(|index| *index != 0);
                let first_in_front = std::iter::once(0).chain(followers);
                let expected: Vec<_> = first_in_front.map(|index| all[index].clone()).collect();
                let frames = if in_one_burst {
                    pair.rig.send_all(WAN, sent).frames
                } else {
                    let mut send = |frame| pair.rig.send_all(WAN, [frame]).frames;
                    sent.into_iter().flat_map(&mut send).collect()
                };
                assert_eq!(
                    without_outer_id(mode, bytes(frames)),
                    without_outer_id(mode, expected),
                    "{} {order:?}",
                    mode.name()
                );
                assert_eq!(pair.rig.stats.held.value(), 0);
            }
        }
    }
}

#[test]
fn a_datagram_in_fragments_without_checksum_stays_without() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut pair = NatPair::new(mode);
        let packet = datagram(1).no_udp_checksum();
        let outcome = pair.rig.send_all(WAN, packet.fragments(CHUNK));
        assert_eq!(bytes(outcome.frames), pair.request(&packet).fragments(CHUNK));
    }
}

#[test]
fn replies_in_fragments_are_translated_too() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut pair = NatPair::new(mode);
        let packet = PacketSpec::udp(VIP, CLIENT).payload([7; 1700]).dont_fragment(false).id(1);
        let expected = one_hop_on(&to_client(&packet)).fragments(CHUNK);
        let sent = pair.reply(&packet).fragments(CHUNK);
        let outcome = pair.rig.send_all(LAN, [&sent[2], &sent[0], &sent[1]]);
        let expected = [&expected[0], &expected[2], &expected[1]].map(Clone::clone);
        assert_eq!(bytes(outcome.frames), expected, "{}", mode.name());
    }
}

#[test]
fn fragments_of_a_real_server_s_other_traffic_are_routed() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Nat));
    for (id, protocol) in [(1, 17), (2, 1), (3, 47)] {
        let whole = match protocol {
            17 => PacketSpec::udp(RS1, "203.0.113.5:53"),
            1 => PacketSpec::echo_request(*RS1.endpoint().ip(), "203.0.113.5", 1, 1),
            _ => PacketSpec::raw(*RS1.endpoint().ip(), "203.0.113.5", protocol),
        };
        let whole = whole.payload([1; 1200]).dont_fragment(false).id(id);
        let sent = from_real(&whole, RS1).fragments(CHUNK);
        let expected = one_hop_on(&to_client(&whole)).fragments(CHUNK);
        let outcome = rig.send_all(LAN, [&sent[1], &sent[0]]);
        let mut frames = bytes(outcome.frames);
        frames.sort();
        let mut expected = expected;
        expected.sort();
        assert_eq!(frames, expected, "protocol {protocol}");
    }
}

#[test]
fn a_fragment_waits_thirty_seconds_for_its_first() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let fragments = datagram(1).fragments(CHUNK);
    assert_eq!(rig.send_all(WAN, [&fragments[1]]).verdicts, [Verdict::Held]);
    rig.pass_s(29);
    assert_eq!(rig.stats.held.value(), 1);
    let outcome = rig.pass_s(1);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::FragmentOrphaned)]);

    // The other way round: what was decided for the first holds for thirty seconds.
    assert_eq!(rig.send_all(WAN, [&fragments[0]]).verdicts, [Verdict::Forwarded]);
    rig.pass_s(29);
    assert_eq!(rig.send_all(WAN, [&fragments[1]]).verdicts, [Verdict::Forwarded]);
    rig.pass_s(1);
    assert_eq!(rig.send_all(WAN, [&fragments[2]]).verdicts, [Verdict::Held]);
}

#[test]
fn only_so_many_fragments_wait() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let later = |id: u16| datagram(id).fragments(CHUNK)[1].clone();
    let outcome = rig.send_all(WAN, vec![later(1); FRAGMENT_HELD_PER_TRAIN + 1]);
    assert_eq!(rig.stats.held.value(), 45);
    let full = Verdict::Dropped(DropReason::FragmentQueueFull);
    assert_eq!(outcome.verdicts.iter().filter(|verdict| **verdict == full).count(), 1);
    for id in 2..=6 {
        rig.send_all(WAN, vec![later(id); FRAGMENT_HELD_PER_TRAIN]);
    }
    assert_eq!(rig.stats.held.value(), FRAGMENT_HELD_COUNT as u64);
    // Those whose first comes after all still get through.
    let outcome = rig.send_all(WAN, [&datagram(1).fragments(CHUNK)[0]]);
    assert_eq!(outcome.verdicts, [Verdict::Forwarded; FRAGMENT_HELD_PER_TRAIN + 1]);
    assert_eq!(rig.send_all(WAN, [later(7)]).verdicts, [Verdict::Held]);
}

#[test]
fn trains_are_told_apart_by_addresses_protocol_and_id() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    rig.send_all(WAN, [&datagram(1).fragments(CHUNK)[0]]);
    let other_client = datagram(1).src("198.51.100.8:40000");
    let tcp = PacketSpec::tcp(CLIENT, VIP).payload([0; 1500]).dont_fragment(false).id(1);
    for packet in [datagram(2), other_client, tcp] {
        let outcome = rig.send_all(WAN, [&packet.fragments(CHUNK)[1]]);
        assert_eq!(outcome.verdicts, [Verdict::Held]);
    }
}

#[test]
fn many_fragmented_datagrams_pass_one_after_the_other() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    for id in 1..=u16::try_from(FRAGMENT_TRAIN_COUNT * 3).unwrap() {
        let outcome = rig.send_all(WAN, datagram(id).fragments(CHUNK));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded; 3], "datagram {id}");
    }
}

#[test]
fn of_too_many_trains_the_oldest_is_forgotten() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let count = u16::try_from(FRAGMENT_TRAIN_COUNT).unwrap();
    rig.send_all(WAN, (0..=count).map(|id| datagram(id).fragments(CHUNK)[0].clone()));
    let mut second = |id| rig.send_all(WAN, [&datagram(id).fragments(CHUNK)[1]]).verdicts;
    assert_eq!(second(0), [Verdict::Held]);
    assert_eq!(second(1), [Verdict::Forwarded]);
    assert_eq!(second(count), [Verdict::Forwarded]);
}

#[test]
fn fragments_share_the_fate_of_their_first() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    // Nobody listens: the sender is told once.
    let refused = datagram(1).dst("192.0.2.10:81");
    let fragments = refused.fragments(CHUNK);
    let outcome = rig.send_all(WAN, &fragments);
    let kind = (IcmpType::DEST_UNREACHABLE, IcmpCode::PORT_UNREACHABLE, [0; 4]);
    let (vip, client) = (*VIP.endpoint().ip(), *CLIENT.endpoint().ip());
    let error = to_client(&icmp_error((vip, client), kind, &fragments[0][14..]));
    assert_eq!(bytes(outcome.frames), [error.frame()]);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService); 3]);
    // The last hop: the sender is told once, about the first fragment.
    for order in [[0, 1, 2], [2, 1, 0]] {
        let dying = datagram(2 + order[0]).ttl(1).fragments(CHUNK);
        let outcome = rig.send_all(WAN, order.map(|index| dying[usize::from(index)].clone()));
        assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::TtlExceeded); 3]);
        assert_eq!(outcome.frames.len(), 1, "{:?}", outcome.lines());
    }
}

#[test]
fn fragments_whose_flow_ended_are_orphans() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    rig.setup.timeouts = rvs_dataplane::flow::Timeouts::with_seconds(900, 120, 5);
    rig.reconfigure(|_| ());
    let fragments = datagram(1).fragments(CHUNK);
    rig.send_all(WAN, [&fragments[0]]);
    rig.pass_s(7);
    assert_eq!(rig.stats.flows.value(), 0);
    let orphaned = [Verdict::Dropped(DropReason::FragmentOrphaned)];
    assert_eq!(rig.send_all(WAN, [&fragments[1]]).verdicts, orphaned);
    // Another flow in its place in the table does not take them.
    rig.send(WAN, &PacketSpec::udp("198.51.100.8:1000", VIP));
    assert_eq!(rig.send_all(WAN, [&fragments[1]]).verdicts, orphaned);
}

#[test]
fn fragments_for_the_director_itself_and_for_nobody() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let ping = |to: &str| {
        let ping = PacketSpec::echo_request(*CLIENT.endpoint().ip(), to, 1, 1);
        ping.payload([0; 1000]).dont_fragment(false).fragments(CHUNK)
    };
    for (to, reason) in
        [("192.0.2.10", DropReason::FragmentForUs), ("192.0.2.77", DropReason::NotForUs)]
    {
        let outcome = rig.send_all(WAN, ping(to));
        assert_eq!((outcome.verdicts.len(), outcome.frames.len()), (2, 0));
        assert_eq!(outcome.verdicts, [Verdict::Dropped(reason); 2]);
    }
    let stray = datagram(1).dst("192.0.2.77:80").fragments(CHUNK);
    let outcome = rig.send_all(WAN, &stray);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NotForUs); 3]);
    let tiny = PacketSpec::tcp(CLIENT, VIP).dont_fragment(false).fragments(8);
    let outcome = rig.send_all(WAN, [&tiny[0]]);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::BadTransportHeader)]);
}

/// Puts fragments together again, as their receiver would.
fn reassembled(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut last = false;
    let mut pieces: Vec<_> =
        frames.iter().map(|frame| ipv4::check(&frame[14..]).unwrap()).collect();
    pieces.sort_by_key(|piece| piece.header.fragment_offset());
    for piece in pieces {
        assert!(!last, "a fragment behind the last");
        assert_eq!(usize::from(piece.header.fragment_offset()), payload.len());
        payload.extend_from_slice(piece.payload);
        last = !piece.header.more_fragments();
    }
    assert!(last, "the last fragment is missing");
    payload
}

#[test]
fn fragments_made_here_add_up_to_the_packet() {
    for (mtu, count) in [(1492, 2), (800, 2), (576, 3), (68, 31)] {
        let mut setup = Setup::one_real(ForwardingMode::Dr);
        setup.lan_mtu = mtu;
        let mut rig = Rig::new(setup);
        let plain = PacketSpec::udp(CLIENT, VIP).payload([9; 1472]);
        let options = PacketSpec::udp(CLIENT, VIP).payload([9; 1464]).ip_options(&[1; 8]);
        for packet in [plain, options] {
            let packet = packet.dont_fragment(false).id(0x1234);
            let outcome = rig.send(WAN, &packet);
            assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
            let frames = bytes(outcome.frames);
            assert!(frames.len().abs_diff(count) <= 1, "{} fragments", frames.len());
            assert!(frames.iter().all(|frame| frame.len() <= 14 + usize::from(mtu)));
            let sent = packet.packet();
            assert_eq!(reassembled(&frames), sent[usize::from(sent[0] & 0xF) * 4..]);
        }
        // What is a fragment already is cut further.
        let fragments = PacketSpec::udp(CLIENT, VIP).payload([9; 2400]).dont_fragment(false);
        let sent = fragments.id(5).fragments(1480);
        let outcome = rig.send_all(WAN, &sent);
        assert_eq!(reassembled(&bytes(outcome.frames)), fragments_payload(&sent));
    }
}

fn fragments_payload(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame[34..].to_vec()).collect()
}

#[test]
fn without_buffers_a_packet_that_must_be_cut_is_lost_whole_or_in_part_but_counted_once() {
    for buffers in 0..3 {
        let mut setup = Setup::one_real(ForwardingMode::Dr);
        setup.lan_mtu = 576;
        let mut rig = Rig::new(setup);
        let packet = PacketSpec::udp(CLIENT, VIP).payload([9; 1472]).dont_fragment(false);
        rig.send(WAN, &packet);
        rig.wires.borrow_mut().put(WAN, &packet.frame());
        rig.wires.borrow_mut().alloc.run_dry_after(buffers);
        let outcome = rig.turn();
        rig.wires.borrow_mut().alloc.refill();
        let [verdict] = outcome.verdicts[..] else { panic!("{outcome:?}") };
        let expected = match buffers {
            0 => (Verdict::Dropped(DropReason::NoBuffer), 0),
            1 => (Verdict::Forwarded, 1),
            _ => (Verdict::Forwarded, 3),
        };
        assert_eq!((verdict, outcome.frames.len()), expected, "{buffers} buffers");
    }
}

#[test]
fn held_fragments_go_on_waiting_for_an_unknown_neighbour() {
    let mut rig = Rig::cold(Setup::one_real(ForwardingMode::Dr));
    rig.turn();
    let packet = datagram(1);
    let sent = packet.fragments(CHUNK);
    let outcome = rig.send_all(WAN, [&sent[1], &sent[0], &sent[2]]);
    assert_eq!(outcome.verdicts, [Verdict::Held; 3]);
    let real = *RS1.endpoint().ip();
    let answer = rvs_dataplane::wire::ArpPacket::reply(mac_of(real), real, LAN_MAC, LAN_IP);
    let answer = rvs_dataplane::testing::arp_frame(LAN_MAC, mac_of(real), &answer);
    let outcome = rig.send_all(LAN, [answer]);
    let expected = one_hop_on(&to_real(&packet, RS1)).fragments(CHUNK);
    let expected = [&expected[0], &expected[1], &expected[2]].map(Clone::clone);
    assert_eq!(bytes(outcome.frames), expected);
}
