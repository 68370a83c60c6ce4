//! ARP: who gets an answer, what is announced, and how next hops are found and kept.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use rvs_dataplane::control::{Command, NeighborReport, Report};
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::NEIGHBOR_QUEUE_LEN;
use rvs_dataplane::snapshot::PortIdx;
use rvs_dataplane::testing::{PEER_MAC, PacketSpec, arp_frame};
use rvs_dataplane::time::Ticks;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::{ArpPacket, Mac, TcpFlags};

use crate::support::{
    CLIENT, GATEWAY, LAN, LAN_IP, LAN_MAC, LIP, Outcome, RS1, RS2, Rig, ServiceSpec, Setup, VIP,
    WAN, WAN_IP, WAN_MAC, from_real, mac_of, one_hop_on, to_real,
};

const VIP_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const RS1_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
/// A VIP in no port's subnet, which a router sends to the director.
const FAR_VIP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

fn site() -> Setup {
    Setup::new([
        ServiceSpec::tcp(VIP, ForwardingMode::FullNat).real(RS1, 1),
        ServiceSpec::tcp((FAR_VIP, 80), ForwardingMode::Dr).real("10.0.0.11:80", 1),
    ])
}

/// The MAC of a port, and of some station on its network.
fn ends(port: PortIdx) -> (Mac, Mac) {
    if port == WAN { (WAN_MAC, PEER_MAC) } else { (LAN_MAC, mac_of(RS1_IP)) }
}

fn who_has(port: PortIdx, target: Ipv4Addr, asker: Ipv4Addr) -> Vec<u8> {
    let asker_mac = ends(port).1;
    arp_frame(Mac::BROADCAST, asker_mac, &ArpPacket::request(asker_mac, asker, target))
}

fn is_at(address: Ipv4Addr, mac: Mac, port: PortIdx) -> Vec<u8> {
    let own = ends(port).0;
    let asker = if port == WAN { WAN_IP } else { LAN_IP };
    arp_frame(own, mac, &ArpPacket::reply(mac, address, own, asker))
}

/// ARP that came out: port, Ethernet destination, packet.
fn arp(outcome: &Outcome) -> Vec<(PortIdx, Mac, ArpPacket)> {
    outcome.arp.iter().map(|(port, packet, header)| (*port, header.dst, *packet)).collect()
}

#[test]
fn own_addresses_are_answered_on_the_port_they_belong_to() {
    let mut rig = Rig::new(site());
    let (here, nowhere) = (Ipv4Addr::new(192, 0, 2, 77), Ipv4Addr::new(8, 8, 8, 8));
    for (target, ports) in [
        (VIP_IP, vec![WAN]),
        (WAN_IP, vec![WAN]),
        (LAN_IP, vec![LAN]),
        (LIP, vec![LAN]),
        (FAR_VIP, vec![WAN, LAN]),
        (here, vec![]),
        (nowhere, vec![]),
        (RS1_IP, vec![]),
        (GATEWAY, vec![]),
    ] {
        for port in [WAN, LAN] {
            for asker in [Ipv4Addr::new(192, 0, 2, 99), Ipv4Addr::UNSPECIFIED] {
                let outcome = rig.send_all(port, [who_has(port, target, asker)]);
                let (own, station) = ends(port);
                let answer = ArpPacket::reply(own, target, station, asker);
                let (answers, verdict) = if ports.contains(&port) {
                    (vec![(port, station, answer)], Verdict::Consumed)
                } else {
                    (vec![], Verdict::Dropped(DropReason::ArpNotForUs))
                };
                assert_eq!(arp(&outcome), answers, "{target} on {port:?}");
                assert_eq!(outcome.verdicts, [verdict]);
            }
        }
    }
}

#[test]
fn malformed_arp_is_dropped() {
    let mut rig = Rig::new(site());
    let good = who_has(WAN, VIP_IP, GATEWAY);
    for (at, value) in [(15, 6), (16, 0x86), (18, 8), (19, 16), (20, 1), (21, 0), (21, 3), (22, 1)]
    {
        let mut frame = good.clone();
        frame[at] = value;
        let bad = Verdict::Dropped(DropReason::BadArp);
        rig.expect_frames("malformed", (WAN, &frame), &[], bad);
    }
    let bad = Verdict::Dropped(DropReason::BadArp);
    rig.expect_frames("cut", (WAN, &good[..41]), &[], bad);
    let not_ours = Verdict::Dropped(DropReason::NotOurMac);
    let mut frame = good.clone();
    frame[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
    rig.expect_frames("another station", (WAN, &frame), &[], not_ours);
}

#[test]
fn vips_are_announced_three_times_a_second_apart_on_their_port() {
    let service = |vip: Ipv4Addr| ServiceSpec::tcp((vip, 80), ForwardingMode::Dr);
    let near: Vec<_> = (10..20).map(|last| Ipv4Addr::new(192, 0, 2, last)).collect();
    let vips = near.iter().copied().chain([FAR_VIP]);
    let mut rig = Rig::cold(Setup::new(vips.map(service)));
    let mut heard: HashMap<(PortIdx, Ipv4Addr), Vec<u32>> = HashMap::new();
    for ticks in 0..400 {
        for (port, dst, packet) in arp(&rig.turn()) {
            if packet.is_gratuitous() {
                assert_eq!(dst, Mac::BROADCAST);
                assert_eq!(packet, ArpPacket::gratuitous(ends(port).0, packet.target_ip()));
                heard.entry((port, packet.target_ip())).or_default().push(ticks);
            }
        }
        rig.now = rig.now.after(Ticks(1));
    }
    let near = near.into_iter().map(|vip| (WAN, vip));
    let expected: Vec<_> = near.chain([(WAN, FAR_VIP), (LAN, FAR_VIP)]).collect();
    assert_eq!(heard.len(), expected.len(), "{heard:?}");
    for place in expected {
        let times = &heard[&place];
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(times[0] < 10 && gaps.len() == 2, "{place:?} at {times:?}");
        assert!(gaps.iter().all(|gap| (100..110).contains(gap)), "{place:?} at {times:?}");
    }
}

#[test]
fn gateways_and_real_servers_are_asked_for_before_packets_need_them() {
    let mut rig = Rig::cold(site());
    let outcome = rig.turn();
    let asked: Vec<_> = arp(&outcome).into_iter().filter(|one| !one.2.is_gratuitous()).collect();
    let expected = [
        (WAN, Mac::BROADCAST, ArpPacket::request(WAN_MAC, WAN_IP, GATEWAY)),
        (LAN, Mac::BROADCAST, ArpPacket::request(LAN_MAC, LAN_IP, RS1_IP)),
    ];
    assert_eq!(asked, expected);
    assert!(rig.stats.generated.arp_requests.value() >= 2);
}

/// A segment of a NAT real server to a host that nobody has asked for yet, on the wan's network.
fn to_new_neighbour(payload: u8) -> PacketSpec {
    let dst = "192.0.2.55:80";
    from_real(&PacketSpec::tcp(RS1, dst).payload([payload]), RS1)
}

const NEW: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 55);

fn nat_site() -> Rig {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Nat));
    rig.neighbors_answer = false;
    rig
}

fn leaves(payload: u8) -> Vec<u8> {
    one_hop_on(&to_new_neighbour(payload)).macs(mac_of(NEW), WAN_MAC).frame()
}

#[test]
fn packets_wait_for_their_next_hop_in_order_and_only_so_many() {
    let mut rig = nat_site();
    let last = u8::try_from(NEIGHBOR_QUEUE_LEN).unwrap();
    let outcome = rig.send_all(LAN, (0..=last).map(|payload| to_new_neighbour(payload).frame()));
    let request = ArpPacket::request(WAN_MAC, WAN_IP, NEW);
    assert_eq!(arp(&outcome), [(WAN, Mac::BROADCAST, request)], "one request for all of them");
    assert_eq!(rig.stats.held.value(), u64::from(last));
    assert!(outcome.verdicts.contains(&Verdict::Dropped(DropReason::NeighborQueueFull)));

    let outcome = rig.send_all(WAN, [is_at(NEW, mac_of(NEW), WAN)]);
    let frames: Vec<_> = outcome.frames.into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(frames, (0..last).map(leaves).collect::<Vec<_>>());
    let next = rig.send(LAN, &to_new_neighbour(99));
    assert_eq!(next.frames, [(WAN, leaves(99))]);
}

#[test]
fn a_neighbour_that_asks_us_is_learnt_too_but_a_stranger_is_not() {
    let mut rig = nat_site();
    rig.send(LAN, &to_new_neighbour(1));
    // On another port, the same address is another neighbour.
    rig.send_all(LAN, [is_at(NEW, mac_of(NEW), LAN)]);
    assert_eq!(rig.stats.held.value(), 1);
    let mac = mac_of(NEW);
    let question = arp_frame(Mac::BROADCAST, mac, &ArpPacket::request(mac, NEW, VIP_IP));
    let outcome = rig.send_all(WAN, [question]);
    assert_eq!(outcome.frames, [(WAN, leaves(1))]);
    assert_eq!(outcome.verdicts, [Verdict::Forwarded, Verdict::Consumed]);
    let known = rig.list(Command::ListNeighbors).len();
    rig.send_all(WAN, [is_at(Ipv4Addr::new(192, 0, 2, 200), PEER_MAC, WAN)]);
    assert_eq!(rig.list(Command::ListNeighbors).len(), known);
}

#[test]
fn a_neighbour_that_does_not_answer_three_times_has_failed() {
    let mut rig = nat_site();
    rig.send(LAN, &to_new_neighbour(1));
    for second in 1..=2 {
        let outcome = rig.pass_s(1);
        let asked = outcome.arp.iter().filter(|(_, packet, _)| packet.target_ip() == NEW);
        assert_eq!(asked.count(), 1, "asked again after {second} s");
        assert_eq!(rig.stats.held.value(), 1);
    }
    let failed = Verdict::Dropped(DropReason::NeighborUnresolved);
    assert_eq!(rig.pass_s(1).verdicts, [failed]);
    assert_eq!(rig.send(LAN, &to_new_neighbour(2)).verdicts, [failed], "nobody waits for it now");
    assert_eq!(neighbour(&mut rig, NEW).state, "failed");
    rig.pass_s(1);
    let outcome = rig.send_all(WAN, [is_at(NEW, mac_of(NEW), WAN)]);
    assert!(outcome.frames.is_empty());
    assert_eq!(rig.send(LAN, &to_new_neighbour(3)).frames, [(WAN, leaves(3))]);
}

#[test]
fn answers_of_our_own_wait_as_well() {
    let mut rig = nat_site();
    let neighbour = "192.0.2.55:999";
    let syn = PacketSpec::tcp(neighbour, "192.0.2.10:81").flags(TcpFlags::SYN);
    rig.wires.borrow_mut().put(WAN, &syn.frame());
    rig.own_waiting = 1;
    let outcome = rig.turn();
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService)]);
    assert!(outcome.frames.is_empty());
    rig.own_waiting = 0;
    let outcome = rig.send_all(WAN, [is_at(NEW, mac_of(NEW), WAN)]);
    assert_eq!(outcome.frames.len(), 1, "the reset");
    assert_eq!(outcome.verdicts, [Verdict::Consumed], "the ARP reply alone counts");
}

fn neighbour(rig: &mut Rig, address: Ipv4Addr) -> NeighborReport {
    let is_it = |report| match report {
        Report::Neighbor(neighbor) if neighbor.address == address => Some(neighbor),
        Report::Neighbor(_)
        | Report::Flow(_)
        | Report::Count(_)
        | Report::Underway
        | Report::End => None,
    };
    rig.list(Command::ListNeighbors).into_iter().find_map(is_it).expect("it is known")
}

#[test]
fn neighbours_are_refreshed_by_unicast_and_may_change_their_mac() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    rig.neighbors_answer = false;
    let syn = PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN);
    rig.send(WAN, &syn);
    assert!(arp(&rig.pass_s(29)).iter().all(|one| one.2.is_gratuitous()), "fresh for 30 s");
    let about_rs = |outcome: &Outcome| {
        let all = arp(outcome).into_iter();
        all.filter(|one| one.2.target_ip() == RS1_IP).collect::<Vec<_>>()
    };
    let question = ArpPacket::request(LAN_MAC, LAN_IP, RS1_IP);
    assert_eq!(about_rs(&rig.pass_s(1)), [(LAN, mac_of(RS1_IP), question)]);
    assert_eq!(neighbour(&mut rig, RS1_IP).state, "probing");

    let moved = Mac([2, 0xBB, 0, 0, 0, 1]);
    let announcement = ArpPacket::gratuitous(moved, RS1_IP);
    rig.send_all(LAN, [arp_frame(Mac::BROADCAST, moved, &announcement)]);
    let expected = one_hop_on(&to_real(&syn, RS1)).macs(moved, LAN_MAC);
    rig.forwards("the new MAC", (WAN, &syn), (LAN, expected));
    let report = neighbour(&mut rig, RS1_IP);
    assert_eq!((report.state, report.mac, report.port), ("reachable", Some(moved), LAN));

    // Silent from now on: three questions to it, three to everybody, then it has failed.
    rig.pass_s(29);
    let asked_at: Vec<_> =
        (0..6).map(|_| about_rs(&rig.pass_s(1))).map(|asked| asked[0].1).collect();
    assert_eq!(asked_at, [[moved; 3], [Mac::BROADCAST; 3]].concat());
    assert_eq!(rig.send(WAN, &syn).verdicts, [Verdict::Held]);
    let failed = Verdict::Dropped(DropReason::NeighborUnresolved);
    assert_eq!(rig.pass_s(1).verdicts, [failed]);
}

#[test]
fn nobody_takes_an_address_of_ours_away() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let thief = Mac([2, 0xAA, 0, 0, 0, 1]);
    for own in [VIP_IP, WAN_IP] {
        let claim = arp_frame(Mac::BROADCAST, thief, &ArpPacket::gratuitous(thief, own));
        let outcome = rig.send_all(WAN, [claim]);
        let defence = ArpPacket::reply(WAN_MAC, own, thief, own);
        assert_eq!(arp(&outcome), [(WAN, thief, defence)]);
    }
    let known = rig.list(Command::ListNeighbors);
    assert!(known.iter().all(|report| !format!("{report:?}").contains("aa:00:00:00:01")));
}

#[test]
fn neighbours_of_old_snapshots_are_forgotten() {
    let dr = |real| ServiceSpec::tcp(VIP, ForwardingMode::Dr).real(real, 1);
    let mut rig = Rig::new(Setup::new([dr("10.0.0.11:80").real(RS2, 1)]));
    rig.pass_s(100);
    assert_eq!(rig.list(Command::ListNeighbors).len(), 3, "pinned");
    rig.reconfigure(|setup| setup.remove_real(RS2));
    rig.pass_s(61);
    rig.pass_s(1);
    assert_eq!(rig.list(Command::ListNeighbors).len(), 2);
}
