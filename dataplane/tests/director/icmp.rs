//! ICMP: echo, and errors about packets of a flow, which go to the flow's other end.

use std::net::Ipv4Addr;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::service::ServiceId;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::{IcmpCode, IcmpType, TcpFlags};

use crate::support::{
    CLIENT, LAN, LAN_IP, LIP, MODES, NatPair, RS1, Rig, Setup, VIP, WAN, WAN_IP, from_real,
    icmp_error, one_hop_on, to_client, to_real,
};

/// A router somewhere between the client and the director.
const ROUTER: &str = "203.0.113.77";
/// A router somewhere between the director and the real server.
const LAN_ROUTER: &str = "10.0.0.77";

/// Types and codes that are passed on.
const ERRORS: [(u8, u8, [u8; 4]); 5] = [
    (IcmpType::DEST_UNREACHABLE, IcmpCode::PORT_UNREACHABLE, [0; 4]),
    (IcmpType::DEST_UNREACHABLE, IcmpCode::FRAGMENTATION_NEEDED, [0, 0, 0x05, 0]),
    (IcmpType::DEST_UNREACHABLE, IcmpCode::ADMIN_PROHIBITED, [0; 4]),
    (IcmpType::SOURCE_QUENCH, 0, [0; 4]),
    (IcmpType::TIME_EXCEEDED, IcmpCode::TTL_IN_TRANSIT, [0; 4]),
];

fn ip(of: &str) -> Ipv4Addr {
    *of.endpoint().ip()
}

fn error(from: &str, to: &str, (icmp_type, code, rest): (u8, u8, [u8; 4])) -> PacketSpec {
    PacketSpec::icmp(ip(from), ip(to), icmp_type, code, rest).tos(0xC0).id(0x77)
}

/// The packet as quoted to the flow's other end: other addresses and ports, all else the same,
/// the transport checksum included.
fn retold(packet: &PacketSpec, src: &str, dst: &str) -> Vec<u8> {
    let (old, mut new) = (packet.packet(), packet.clone().src(src).dst(dst).packet());
    let at = usize::from(old[0] & 0xF) * 4 + if old[9] == 6 { 16 } else { 6 };
    new[at..at + 2].copy_from_slice(&old[at..at + 2]);
    new
}

/// Packets whose delivery fails, with the least, a usual and the whole quote.
fn quoted(src: &str, dst: &str) -> Vec<(PacketSpec, usize)> {
    let tcp = PacketSpec::tcp(src, dst).payload("lost").ttl(3).id(99);
    let udp = PacketSpec::udp(src, dst).payload([1; 600]).ttl(1).tos(0x10);
    let options = PacketSpec::udp(src, dst).payload("lost").ip_options(&[1; 8]);
    vec![(tcp.clone(), 28), (tcp, 44), (udp.clone(), 28), (udp, 548), (options, 36)]
}

#[test]
fn errors_from_the_client_s_side_go_to_the_nat_real_server() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut pair = NatPair::new(mode);
        for (reply, len) in quoted(VIP, CLIENT) {
            for (kind, from) in ERRORS.into_iter().flat_map(|kind| [(kind, CLIENT), (kind, ROUTER)])
            {
                let received = error(from, VIP, kind).payload(&reply.packet()[..len]);
                let peer = pair.peer(&reply);
                let from = if mode == ForwardingMode::Nat { ip(from) } else { LIP };
                let sent = received.clone().src(from).dst(ip(RS1));
                let sent = sent.payload(&retold(&reply, RS1, peer)[..len]);
                let expected = one_hop_on(&to_real(&sent, RS1));
                pair.rig.forwards(mode.name(), (WAN, &received), (LAN, expected));
            }
        }
    }
}

#[test]
fn errors_from_the_real_server_s_side_go_to_the_client_as_from_the_vip() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut pair = NatPair::new(mode);
        for (packet, len) in quoted(CLIENT, VIP) {
            for (kind, from) in
                ERRORS.into_iter().flat_map(|kind| [(kind, RS1), (kind, LAN_ROUTER)])
            {
                let peer = pair.peer(&packet);
                let lost = packet.clone().src(peer).dst(RS1);
                let received = error(from, peer, kind).payload(&lost.packet()[..len]);
                let sent = received.clone().src(ip(VIP)).dst(ip(CLIENT));
                let sent = sent.payload(&retold(&lost, CLIENT, VIP)[..len]);
                let received = from_real(&received, from);
                let expected = one_hop_on(&to_client(&sent));
                pair.rig.forwards(mode.name(), (LAN, &received), (WAN, expected));
            }
        }
    }
}

#[test]
fn errors_from_the_client_s_side_reach_dr_and_tunnel_real_servers_as_they_are() {
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel] {
        let mut pair = NatPair::new(mode);
        for (reply, len) in quoted(VIP, CLIENT) {
            for kind in ERRORS {
                let received = error(ROUTER, VIP, kind).payload(&reply.packet()[..len]);
                let inner = one_hop_on(&received);
                let expected = if mode == ForwardingMode::Dr {
                    inner
                } else {
                    PacketSpec::ipip(LAN_IP, ip(RS1), &inner).ttl(63).tos(0xC0)
                };
                let expected = to_real(&expected, RS1);
                pair.rig.forwards(mode.name(), (WAN, &received), (LAN, expected));
            }
        }
    }
}

#[test]
fn errors_are_counted_and_do_not_keep_a_flow_alive() {
    let mut pair = NatPair::new(ForwardingMode::Nat);
    let rig = &mut pair.rig;
    let traffic = |rig: &Rig| {
        let stats = rig.stats.service(ServiceId(0)).unwrap();
        (stats.in_packets.value(), stats.out_packets.value())
    };
    assert_eq!(traffic(rig), (1, 0));
    rig.pass_s(10);
    let reply = PacketSpec::tcp(VIP, CLIENT).packet();
    let request = PacketSpec::tcp(CLIENT, RS1).packet();
    rig.send(WAN, &error(CLIENT, VIP, ERRORS[0]).payload(&reply));
    rig.send(LAN, &from_real(&error(RS1, CLIENT, ERRORS[0]), RS1).payload(&request));
    assert_eq!(traffic(rig), (2, 1));
    let tcp = rig.flows().into_iter().find(|flow| flow.protocol == 6).unwrap();
    assert_eq!((tcp.state, tcp.expires_s), ("SYN_RECV", 50));
}

#[test]
fn errors_that_are_not_passed_on() {
    for mode in MODES {
        let mut pair = NatPair::new(mode);
        let reply = PacketSpec::tcp(VIP, CLIENT);
        let quote = reply.packet();
        let about = |quote: &[u8]| error(ROUTER, VIP, ERRORS[0]).payload(quote);
        let stranger = PacketSpec::tcp(VIP, "198.51.100.7:40001").packet();
        let request = PacketSpec::tcp(CLIENT, VIP).packet();
        let redirect = error(ROUTER, VIP, (IcmpType::REDIRECT, 1, [10, 0, 0, 1]));
        let problem = error(ROUTER, VIP, (IcmpType::PARAM_PROBLEM, 0, [0; 4]));
        let (bad, no_flow) = (DropReason::BadIcmp, DropReason::IcmpNoFlow);
        for (name, packet, reason) in [
            ("checksum", about(&quote).bad_l4_checksum(), bad),
            ("cut short", PacketSpec::raw(ip(ROUTER), ip(VIP), 1).payload([3, 3, 0, 0]), bad),
            ("quote too short", about(&quote[..23]), no_flow),
            ("no quote", about(&[]), no_flow),
            ("no flow", about(&stranger), no_flow),
            ("the wrong direction", about(&request), no_flow),
            ("redirect", redirect.payload(&quote), no_flow),
            ("parameter problem", problem.payload(&quote), no_flow),
            ("echo reply", PacketSpec::icmp(ip(ROUTER), ip(VIP), 0, 0, [0; 4]), no_flow),
            ("timestamp", PacketSpec::icmp(ip(ROUTER), ip(VIP), 13, 0, [0; 4]), no_flow),
            ("TTL", about(&quote).ttl(1), DropReason::TtlExceeded),
        ] {
            pair.rig.drops(name, (WAN, &packet), reason);
        }
        pair.rig.reconfigure(|setup| {
            setup.remove_real(RS1);
            setup.remove_real("10.0.0.11:80");
        });
        let removed = DropReason::RealServerRemoved;
        pair.rig.drops("removed", (WAN, &about(&quote)), removed);
    }
}

#[test]
fn every_address_of_ours_answers_echo() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::FullNat));
    for own in [ip(VIP), WAN_IP, LAN_IP, LIP] {
        for (name, from) in [("client", CLIENT), ("real server", RS1)] {
            for ttl in [1, 64] {
                let ping = PacketSpec::echo_request(ip(from), own, 0x1234, 7).payload("abcdefg");
                let ping = ping.ttl(ttl).tos(0x20).id(5).ip_options(&[1, 1, 1, 1]).padded_to(70);
                let pong = ping.clone().src(own).dst(ip(from)).ttl(64);
                let pong = as_echo_reply(pong, [0x12, 0x34, 0, 7], "abcdefg");
                let (port, sent, expected) = match from {
                    CLIENT => (WAN, ping, to_client(&pong)),
                    _ => (LAN, from_real(&ping, from), to_real(&pong, from)),
                };
                rig.expect(name, (port, &sent), &[(port, expected)], Verdict::Consumed);
            }
        }
    }
    let bad = PacketSpec::echo_request(ip(CLIENT), ip(VIP), 1, 1).bad_l4_checksum();
    rig.drops("checksum", (WAN, &bad), DropReason::BadIcmp);
    let other = PacketSpec::echo_request(ip(CLIENT), "192.0.2.77", 1, 1);
    rig.drops("not ours", (WAN, &other), DropReason::NotForUs);
}

/// `like` with an echo reply for its content.
fn as_echo_reply(like: PacketSpec, rest: [u8; 4], payload: &str) -> PacketSpec {
    let bytes = like.packet();
    let (src, dst): ([u8; 4], [u8; 4]) =
        (bytes[12..16].try_into().unwrap(), bytes[16..20].try_into().unwrap());
    let options = &bytes[20..usize::from(bytes[0] & 0xF) * 4];
    PacketSpec::icmp(Ipv4Addr::from(src), Ipv4Addr::from(dst), IcmpType::ECHO_REPLY, 0, rest)
        .payload(payload)
        .tos(bytes[1])
        .id(u16::from_be_bytes([bytes[4], bytes[5]]))
        .ip_options(options)
}

#[test]
fn an_echo_reply_too_long_for_its_port_is_cut_only_where_that_is_allowed() {
    let mut setup = Setup::one_real(ForwardingMode::Dr);
    setup.wan_mtu = 1000;
    let mut rig = Rig::new(setup);
    let ping = PacketSpec::echo_request(ip(CLIENT), ip(VIP), 0, 1).payload(vec![b'x'; 1200]);
    let may_cut = ping.clone().dont_fragment(false);
    let pong = as_echo_reply(may_cut.clone().src(ip(VIP)).dst(ip(CLIENT)), [0, 0, 0, 1], "");
    let pong = to_client(&pong.payload(vec![b'x'; 1200]).dont_fragment(false));
    let expected: Vec<_> = pong.fragments(976).into_iter().map(|frame| (WAN, frame)).collect();
    rig.expect_frames("cut", (WAN, &may_cut.frame()), &expected, Verdict::Consumed);
    rig.expect("not to be cut", (WAN, &ping), &[], Verdict::Consumed);
}

/// An error about the tunnel packet that `inner` travelled in to `rs`, quoting `len` bytes of it.
fn about_tunnel(rs: &str, inner: &PacketSpec, len: usize, kind: (u8, u8, [u8; 4])) -> PacketSpec {
    let outer = PacketSpec::ipip(LAN_IP, ip(rs), inner).packet();
    let len = outer.len().min(20 + len);
    let error = PacketSpec::icmp(ip(LAN_ROUTER), LAN_IP, kind.0, kind.1, kind.2);
    from_real(&error.payload(&outer[..len]), LAN_ROUTER)
}

#[test]
fn errors_about_tunnel_packets_are_told_to_the_client() {
    let mut pair = NatPair::new(ForwardingMode::Tunnel);
    let inner = PacketSpec::tcp(CLIENT, VIP).payload([8; 900]).ttl(60);
    for (icmp_type, code, rest) in ERRORS {
        for len in [28, 120, 940] {
            let needed = code == IcmpCode::FRAGMENTATION_NEEDED;
            let received = about_tunnel(RS1, &inner, len, (icmp_type, code, rest));
            // The next hop's MTU, 1280, less the outer header.
            let told = if needed { [0, 0, 0x04, 0xEC] } else { rest };
            let quote = &inner.packet()[..len];
            let expected = icmp_error((ip(VIP), ip(CLIENT)), (icmp_type, code, told), quote);
            let expected = [(WAN, to_client(&expected))];
            pair.rig.expect("error", (LAN, &received), &expected, Verdict::Consumed);
        }
    }
}

#[test]
fn errors_about_tunnel_packets_of_others_are_not() {
    let mut pair = NatPair::new(ForwardingMode::Tunnel);
    let inner = PacketSpec::tcp(CLIENT, VIP);
    let stranger = PacketSpec::tcp("198.51.100.7:40001", VIP);
    let reply = PacketSpec::tcp(VIP, CLIENT);
    for (name, packet) in [
        ("another real server", about_tunnel("10.0.0.12", &inner, 40, ERRORS[0])),
        ("another client", about_tunnel(RS1, &stranger, 40, ERRORS[0])),
        ("the wrong direction", about_tunnel(RS1, &reply, 40, ERRORS[0])),
        ("quote too short", about_tunnel(RS1, &inner, 23, ERRORS[0])),
        ("outer header only", about_tunnel(RS1, &inner, 0, ERRORS[0])),
    ] {
        pair.rig.drops(name, (LAN, &packet), DropReason::IcmpNoFlow);
    }
    let mut pair = NatPair::new(ForwardingMode::Nat);
    let packet = about_tunnel(RS1, &inner, 40, ERRORS[0]);
    pair.rig.drops("no tunnel", (LAN, &packet), DropReason::IcmpNoFlow);
}

#[test]
fn the_path_mtu_to_a_tunnel_real_server_is_remembered_for_ten_minutes() {
    let mut pair = NatPair::new(ForwardingMode::Tunnel);
    let rig = &mut pair.rig;
    let needed = |mtu: u16| {
        let [high, low] = mtu.to_be_bytes();
        (IcmpType::DEST_UNREACHABLE, IcmpCode::FRAGMENTATION_NEEDED, [0, 0, high, low])
    };
    let of_len = |len: usize| PacketSpec::udp(CLIENT, VIP).payload(vec![4; len - 28]);
    // Nobody needs to know about a packet that the real server's side may fragment.
    let may_cut = of_len(1480).dont_fragment(false);
    let about = about_tunnel(RS1, &may_cut, 64, needed(1400));
    rig.expect("not DF", (LAN, &about), &[], Verdict::Consumed);

    let refused = |rig: &mut Rig, len: usize, mtu: u16| {
        let quote = one_hop_on(&of_len(len)).packet();
        let error = icmp_error((ip(VIP), ip(CLIENT)), needed(mtu), &quote);
        let reason = DropReason::FragmentationNeeded;
        rig.refuses("too long", (WAN, &of_len(len)), to_client(&error), reason);
    };
    refused(rig, 1400, 1380);
    assert_eq!(rig.send(WAN, &of_len(1380)).frames.len(), 1);
    assert_eq!(rig.send(WAN, &may_cut).frames.len(), 1, "the outer packet may be fragmented");
    // A second real server of the same address has a memory of its own: the TCP service's.
    let tcp = PacketSpec::tcp(CLIENT, VIP).payload([0; 1440]);
    assert_eq!(rig.send(WAN, &tcp).frames.len(), 1);

    // A smaller MTU counts at once, but none below what Linux believes.
    rig.send(LAN, &about_tunnel(RS1, &of_len(1380), 64, needed(68)));
    refused(rig, 533, 532);
    assert_eq!(rig.send(WAN, &of_len(532)).frames.len(), 1);
    rig.pass_s(200);
    refused(rig, 533, 532);
    rig.pass_s(250);
    refused(rig, 533, 532);
    rig.pass_s(149);
    refused(rig, 533, 532);
    rig.pass_s(1);
    assert_eq!(rig.send(WAN, &of_len(1480)).frames.len(), 1, "the path may have changed");
}

#[test]
fn a_real_server_s_own_errors_are_routed() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Nat));
    let quote = PacketSpec::udp("203.0.113.5:53", RS1).packet();
    let packet = from_real(&error(RS1, "203.0.113.5", ERRORS[0]).payload(&quote), RS1);
    rig.forwards("routed", (LAN, &packet), (WAN, one_hop_on(&to_client(&packet))));
    let syn = PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN);
    assert_eq!(rig.send(WAN, &syn).verdicts, [Verdict::Forwarded]);
}
