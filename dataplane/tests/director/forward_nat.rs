//! NAT: the destination becomes the real server, and the source of its replies the VIP.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::{IcmpType, TcpFlags};

use crate::support::{
    CLIENT, LAN, NatPair, RS1, Rig, Setup, VIP, WAN, from_real, one_hop_on, to_client, to_real,
};

const ELSEWHERE: &str = "203.0.113.5:443";

#[test]
fn addresses_are_translated_both_ways() {
    NatPair::new(ForwardingMode::Nat).exchange();
}

#[test]
fn udp_without_checksum_gets_one() {
    assert_eq!(NatPair::new(ForwardingMode::Nat).fill_udp_checksums(), 0);
}

#[test]
fn the_port_may_compute_the_missing_checksum() {
    let mut setup = Setup::one_real(ForwardingMode::Nat);
    setup.tx_checksums = true;
    assert_eq!(NatPair::with(setup, ForwardingMode::Nat).fill_udp_checksums(), 5);
}

#[test]
fn a_bad_checksum_stays_bad() {
    NatPair::new(ForwardingMode::Nat).keep_bad_checksums();
}

#[test]
fn a_missing_checksum_covers_the_datagram_and_not_what_lies_behind_it() {
    for tx_checksums in [false, true] {
        let mut setup = Setup::one_real(ForwardingMode::Nat);
        setup.tx_checksums = tx_checksums;
        let mut rig = Rig::new(setup);
        // The rig's own verification wants datagrams that fill their packet.
        rig.verify_frames = false;
        let with_tail = |packet: PacketSpec, src: &str, dst: &str| {
            let datagram = packet.packet()[20..].to_vec();
            PacketSpec::raw(src, dst, 17).payload([&datagram, &b"tail"[..]].concat())
        };
        let datagram = PacketSpec::udp(CLIENT, VIP).payload("question");
        let sent = with_tail(datagram.clone().no_udp_checksum(), CLIENT, VIP);
        let expected = with_tail(datagram.dst(RS1), CLIENT, RS1);
        rig.forwards("tail", (WAN, &sent), (LAN, one_hop_on(&to_real(&expected, RS1))));
    }
}

#[test]
fn other_traffic_of_a_real_server_is_routed_unchanged() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Nat));
    let echo = |src: &str, dst: &str| PacketSpec::echo_request(src, dst, 1, 2).payload("abc");
    let ip = |endpoint: &'static str| endpoint.split(':').next().unwrap();
    let both_ways = |src: &'static str, dst: &'static str| {
        [
            ("SYN", PacketSpec::tcp(src, dst).flags(TcpFlags::SYN).tos(8)),
            ("no flow", PacketSpec::tcp(src, dst).payload("data")),
            ("UDP", PacketSpec::udp(src, dst).payload("q").no_udp_checksum()),
            ("echo", echo(ip(src), ip(dst))),
            ("GRE", PacketSpec::raw(ip(src), ip(dst), 47).payload([0; 8])),
        ]
    };
    for (name, packet) in both_ways(RS1, ELSEWHERE).into_iter().chain(both_ways(RS1, CLIENT)) {
        let routed = one_hop_on(&to_client(&packet));
        rig.forwards(name, (LAN, &from_real(&packet, RS1)), (WAN, routed));
    }
    for (name, packet) in both_ways(ELSEWHERE, RS1) {
        rig.forwards(name, (WAN, &packet), (LAN, one_hop_on(&to_real(&packet, RS1))));
    }
}

#[test]
fn traffic_of_other_hosts_is_not_routed() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Nat));
    for (name, packet) in [
        ("TCP", PacketSpec::tcp("10.0.0.99:1000", ELSEWHERE).flags(TcpFlags::SYN)),
        ("UDP", PacketSpec::udp("10.0.0.99:1000", ELSEWHERE)),
        ("echo", PacketSpec::echo_request("10.0.0.99", "203.0.113.5", 1, 1)),
        ("GRE", PacketSpec::raw("10.0.0.99", "203.0.113.5", 47)),
        ("ICMP error", PacketSpec::icmp("10.0.0.99", "203.0.113.5", 3, 1, [0; 4])),
        ("ICMP type", PacketSpec::icmp("10.0.0.99", "203.0.113.5", IcmpType::REDIRECT, 1, [0; 4])),
    ] {
        let packet = from_real(&packet, "10.0.0.99");
        rig.drops(name, (LAN, &packet), DropReason::NotForUs);
    }
}

#[test]
fn the_same_client_port_to_two_vips_belongs_to_the_newer_connection() {
    use crate::support::ServiceSpec;
    const OTHER_VIP: &str = "192.0.2.20:80";
    let nat = |vip| ServiceSpec::tcp(vip, ForwardingMode::Nat).real(RS1, 1);
    let mut rig = Rig::new(Setup::new([nat(VIP), nat(OTHER_VIP)]));
    for vip in [VIP, OTHER_VIP] {
        let syn = PacketSpec::tcp(CLIENT, vip).flags(TcpFlags::SYN);
        rig.forwards("SYN", (WAN, &syn), (LAN, one_hop_on(&to_real(&syn.clone().dst(RS1), RS1))));
        let reply = PacketSpec::tcp(vip, CLIENT).payload("data");
        let sent = from_real(&reply, RS1).src(RS1);
        rig.forwards("reply", (LAN, &sent), (WAN, one_hop_on(&to_client(&reply))));
    }
    assert_eq!(rig.flows().len(), 1);
    assert_eq!((rig.gauges(0), rig.gauges(1)), ((0, 0), (1, 0)));
}
