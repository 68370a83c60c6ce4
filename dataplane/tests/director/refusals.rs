//! What a packet gets that is not let through: RST, ICMP, or silence.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::time::Ticks;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::{IcmpCode, IcmpType, Mac, TcpFlags};

use crate::support::{
    CLIENT, FIN_ACK, LAN, LIP, MODES, NatPair, RS1, RST_ACK, Rig, SYN_ACK, ServiceSpec, Setup, VIP,
    WAN, WAN_IP, from_real, icmp_error, one_hop_on, to_client, to_real,
};

const NOT_SERVED: &str = "192.0.2.10:81";

fn syn(dst: impl Endpoint) -> PacketSpec {
    PacketSpec::tcp(CLIENT, dst).flags(TcpFlags::SYN).seq(100)
}

/// The reset that answers a segment from [`CLIENT`] to `from`.
fn reset(from: impl Endpoint, flags: TcpFlags, (seq, ack): (u32, u32)) -> PacketSpec {
    to_client(&PacketSpec::tcp(from, CLIENT)).flags(flags).seq(seq).ack(ack).window(0)
}

fn unreachable(code: u8, about: &PacketSpec) -> PacketSpec {
    let (from, to) = (about.packet()[16..20].to_vec(), *CLIENT.endpoint().ip());
    let from = std::net::Ipv4Addr::new(from[0], from[1], from[2], from[3]);
    let kind = (IcmpType::DEST_UNREACHABLE, code, [0; 4]);
    to_client(&icmp_error((from, to), kind, &about.packet()))
}

#[test]
fn nobody_listens() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::FullNat));
    for dst in [NOT_SERVED.endpoint(), (WAN_IP, 22).endpoint(), (LIP, 80).endpoint()] {
        let refused = DropReason::NoService;
        let segment = syn(dst);
        rig.refuses("SYN", (WAN, &segment), reset(dst, RST_ACK, (0, 101)), refused);
        let with_data = syn(dst).payload("early").padded_to(80);
        rig.refuses("fast open", (WAN, &with_data), reset(dst, RST_ACK, (0, 106)), refused);
        let datagram = PacketSpec::udp(CLIENT, dst).payload("anyone?");
        let error = unreachable(IcmpCode::PORT_UNREACHABLE, &datagram);
        rig.refuses("UDP", (WAN, &datagram), error, refused);
    }
    assert_eq!(rig.stats.generated.resets.value(), 6);
    assert_eq!(rig.stats.generated.icmp_errors.value(), 3);
}

#[test]
fn a_segment_without_flow_is_reset() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::one_real(mode));
        for dst in [VIP, NOT_SERVED] {
            let segment = |flags| PacketSpec::tcp(CLIENT, dst).flags(flags).seq(7).ack(77);
            let no_flow = DropReason::NoFlow;
            let rst = TcpFlags::RST;
            for (name, flags) in [("ACK", TcpFlags::ACK), ("FIN", FIN_ACK)] {
                let packet = segment(flags).payload("data");
                rig.refuses(name, (WAN, &packet), reset(dst, rst, (77, 0)), no_flow);
            }
            let bare_fin = segment(TcpFlags::FIN).payload("data");
            rig.refuses("bare FIN", (WAN, &bare_fin), reset(dst, RST_ACK, (0, 12)), no_flow);
            let options = segment(TcpFlags::ACK).ip_options(&[1; 8]).tcp_options(&[1; 12]).tos(4);
            rig.refuses("options", (WAN, &options), reset(dst, rst, (77, 0)), no_flow);
            rig.drops("RST", (WAN, &segment(TcpFlags::RST)), no_flow);
            rig.drops("RST ACK", (WAN, &segment(RST_ACK)), no_flow);
            rig.drops("SYN RST", (WAN, &segment(TcpFlags::SYN | TcpFlags::RST)), no_flow);
        }
        assert!(rig.flows().is_empty());
    }
}

#[test]
fn a_service_without_usable_real_server_answers_icmp_even_for_tcp() {
    for mode in MODES {
        for weight_zero in [true, false] {
            let mut setup = Setup::one_real(mode);
            if weight_zero {
                setup.set_weights(0);
            } else {
                setup.remove_real("10.0.0.11:80");
                setup.remove_real(RS1);
            }
            let mut rig = Rig::new(setup);
            for packet in [
                syn(VIP),
                syn(VIP).flags(SYN_ACK).ack(5),
                PacketSpec::udp(CLIENT, VIP).payload("x"),
            ] {
                let error = unreachable(IcmpCode::PORT_UNREACHABLE, &packet);
                rig.refuses(mode.name(), (WAN, &packet), error, DropReason::NoRealServer);
            }
            assert!(rig.flows().is_empty());
        }
    }
}

#[test]
fn syn_ack_schedules_and_source_port_20_does_not() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::one_real(mode));
        let outcome = rig.send(WAN, &syn(VIP).flags(SYN_ACK).ack(5));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{}", mode.name());
        assert_eq!(rig.flows().len(), 1);

        let ftp = "198.51.100.7:20";
        let refused = DropReason::NoService;
        let answer = reset(VIP, RST_ACK, (0, 101)).dst(ftp);
        rig.refuses(mode.name(), (WAN, &syn(VIP).src(ftp)), answer, refused);
        let datagram = PacketSpec::udp(ftp, VIP).payload("data");
        let error = unreachable(IcmpCode::PORT_UNREACHABLE, &datagram);
        rig.refuses(mode.name(), (WAN, &datagram), error, refused);
        assert_eq!(rig.flows().len(), 1);
    }
}

#[test]
fn a_removed_real_server_gets_nothing_until_it_is_back() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::one_real(mode));
        let change = |rig: &mut Rig, change: fn(&mut Setup, &'static str)| {
            rig.reconfigure(|setup| {
                change(setup, "10.0.0.11:80");
                change(setup, RS1);
            });
        };
        rig.send(WAN, &syn(VIP));
        change(&mut rig, |setup, real| setup.remove_real(real));
        for packet in [PacketSpec::tcp(CLIENT, VIP), syn(VIP)] {
            rig.pass_s(1);
            rig.drops(mode.name(), (WAN, &packet), DropReason::RealServerRemoved);
        }
        assert_eq!(rig.flows()[0].expires_s, 58, "packets that are dropped do not keep it alive");
        change(&mut rig, |setup, real| setup.restore_real(real));
        let outcome = rig.send(WAN, &PacketSpec::tcp(CLIENT, VIP));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
        assert_eq!(rig.flows()[0].state, "ESTABLISHED");
    }
}

#[test]
fn replies_of_a_removed_real_server_still_find_the_client() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut pair = NatPair::new(mode);
        pair.rig.reconfigure(|setup| setup.remove_real(RS1));
        let packet = PacketSpec::tcp(VIP, CLIENT).payload("late");
        let reply = pair.reply(&packet);
        pair.rig.forwards(mode.name(), (LAN, &reply), (WAN, one_hop_on(&to_client(&packet))));
    }
}

#[test]
fn weight_zero_keeps_the_connections_it_has() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::one_real(mode));
        rig.send(WAN, &syn(VIP));
        rig.reconfigure(|setup| setup.set_weights(0));
        let outcome = rig.send(WAN, &PacketSpec::tcp(CLIENT, VIP));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{}", mode.name());
        let other = syn(VIP).src("198.51.100.7:40001");
        let outcome = rig.send(WAN, &other);
        assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoRealServer)]);
    }
}

#[test]
fn protocols_that_nobody_speaks() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Nat));
    for protocol in [2, 33, 47, 50] {
        let packet = PacketSpec::raw("198.51.100.7", "192.0.2.10", protocol).payload([0; 30]);
        let error = unreachable(IcmpCode::PROTOCOL_UNREACHABLE, &packet);
        rig.refuses("protocol", (WAN, &packet), error, DropReason::UnknownProtocol);
    }
}

#[test]
fn packets_that_nobody_should_send() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::FullNat));
    let bad_source = DropReason::BadSourceAddress;
    for src in
        ["192.0.2.10:80", "192.0.2.2:9", "10.0.0.100:9", "0.1.2.3:9", "127.0.0.1:9", "224.0.0.1:9"]
    {
        rig.drops(src, (WAN, &syn(VIP).src(src)), bad_source);
    }
    for dst in ["255.255.255.255:80", "224.0.0.1:80", "127.0.0.1:80", "0.0.0.0:80"] {
        rig.drops(dst, (WAN, &syn(dst)), DropReason::Broadcast);
    }
    let other = Mac([2, 9, 9, 9, 9, 9]);
    let macs = [
        (other, DropReason::NotOurMac),
        (Mac::BROADCAST, DropReason::Broadcast),
        (Mac([1, 0, 0x5e, 0, 0, 1]), DropReason::Broadcast),
    ];
    for (mac, reason) in macs {
        rig.drops("MAC", (WAN, &syn(VIP).macs(mac, other)), reason);
    }
    rig.drops("nobody", (WAN, &syn("203.0.113.9:80")), DropReason::NotForUs);
    rig.drops("subnet broadcast", (WAN, &syn("192.0.2.255:80")), DropReason::NotForUs);
    // A client that is a FULLNAT real server too is not routed for.
    let direct = from_real(&syn("203.0.113.9:80").src(RS1), RS1);
    rig.drops("not a NAT real server", (LAN, &direct), DropReason::NotForUs);
}

#[test]
fn damaged_packets() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let good = syn(VIP).frame();
    let with = |at: usize, value: u8, fix: bool| {
        let mut frame = good.clone();
        frame[at] = value;
        if fix {
            rvs_dataplane::wire::ipv4::fill_checksum(&mut frame[14..]);
        }
        frame
    };
    let cut = |len: usize| good[..len].to_vec();
    let short_udp = PacketSpec::raw(CLIENT, VIP, 17).payload([0, 20, 0, 80, 0, 9, 0, 0]).frame();
    let tiny_tcp = PacketSpec::raw(CLIENT, VIP, 6).payload([0; 19]).frame();
    for (name, frame, reason) in [
        ("no Ethernet header", cut(13), DropReason::Truncated),
        ("empty", cut(0), DropReason::Truncated),
        ("no IPv4 header", cut(33), DropReason::BadIpv4Header),
        ("cut", cut(53), DropReason::BadIpv4Header),
        ("IPv6 in IPv4's clothes", with(14, 0x65, true), DropReason::BadIpv4Header),
        ("header too short", with(14, 0x44, false), DropReason::BadIpv4Header),
        ("header too long", with(14, 0x4f, false), DropReason::BadIpv4Header),
        ("total length", with(17, 19, true), DropReason::BadIpv4Header),
        ("checksum", with(22, 63, false), DropReason::BadIpv4Checksum),
        ("no whole TCP header", with(17, 39, true), DropReason::BadTransportHeader),
        ("data offset", with(46, 0x40, false), DropReason::BadTransportHeader),
        ("options cut", with(46, 0x60, false), DropReason::BadTransportHeader),
        ("tiny TCP", tiny_tcp, DropReason::BadTransportHeader),
        ("UDP length", short_udp, DropReason::BadTransportHeader),
        ("IPv6", with(12, 0x86, false), DropReason::UnknownEtherType),
    ] {
        rig.expect_frames(name, (WAN, &frame), &[], Verdict::Dropped(reason));
    }
}

#[test]
fn icmp_errors_are_rationed_and_drops_are_counted_all_the_same() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let datagram = PacketSpec::udp(CLIENT, NOT_SERVED).frame();
    let outcome = rig.send_all(WAN, vec![datagram.clone(); 120]);
    assert_eq!(outcome.frames.len(), 50);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService); 120]);
    assert_eq!(rig.stats.generated.icmp_errors_limited.value(), 70);
    rig.pass(Ticks(2));
    assert_eq!(rig.send_all(WAN, vec![datagram.clone(); 120]).frames.len(), 20);
    // Resets and packets that get no answer do not count against it.
    rig.pass_s(1);
    let mut mix = vec![syn(NOT_SERVED).frame(); 60];
    mix.extend(vec![PacketSpec::udp(CLIENT, VIP).ttl(1).fragments(8)[0].clone(); 3]);
    mix.extend(vec![datagram; 47]);
    assert_eq!(rig.send_all(WAN, mix).frames.len(), 60 + 3 + 47);
}

#[test]
fn a_neighbour_on_the_lan_is_answered_there() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let neighbour = "10.0.0.77:5000";
    let segment = from_real(&syn(NOT_SERVED).src(neighbour), neighbour);
    let answer = to_real(&PacketSpec::tcp(NOT_SERVED, neighbour), neighbour);
    let answer = answer.flags(RST_ACK).seq(0).ack(101).window(0);
    rig.refuses("lan", (LAN, &segment), answer, DropReason::NoService);
}

#[test]
fn without_a_route_nothing_is_sent() {
    const FAR: &str = "203.0.113.90:80";
    for mode in MODES {
        let near = ServiceSpec::tcp(VIP, mode).real(RS1, 1);
        let stranded = ServiceSpec::tcp("192.0.2.20:80", mode).real(FAR, 1);
        let mut rig = Rig::new(Setup::new([near, stranded]));
        let outcome = rig.send(WAN, &syn(VIP));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
        let peer = rig.flows()[0]
            .local
            .map_or_else(|| CLIENT.to_owned(), |(lip, lport)| format!("{lip}:{lport}"));
        rig.reconfigure(|setup| setup.default_route = false);
        // The client cannot be told, so it is not; its packets still pass.
        rig.drops("no way back", (WAN, &syn(NOT_SERVED)), DropReason::NoService);
        rig.drops("TTL", (WAN, &syn(VIP).ttl(1)), DropReason::TtlExceeded);
        let ping = PacketSpec::echo_request("198.51.100.7", "192.0.2.10", 1, 1);
        rig.drops("echo", (WAN, &ping), DropReason::NoRoute);
        assert_eq!(rig.send(WAN, &syn(VIP)).verdicts, [Verdict::Forwarded]);
        rig.drops("real server", (WAN, &syn("192.0.2.20:80")), DropReason::NoRoute);
        if mode.sees_replies() {
            let reply = from_real(&PacketSpec::tcp(RS1, peer.as_str()), RS1);
            rig.drops("reply", (LAN, &reply), DropReason::NoRoute);
        }
        if mode == ForwardingMode::Nat {
            let other = from_real(&PacketSpec::udp(RS1, FAR), RS1);
            rig.drops("routed", (LAN, &other), DropReason::NoRoute);
        }
    }
}
