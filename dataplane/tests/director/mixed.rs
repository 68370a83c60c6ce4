//! One service whose real servers are reached in different modes: everything goes by the mode of
//! the real server that a flow has.

use std::net::Ipv4Addr;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::rss::HashedEnds;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::forward_tunnel::tunnelled;
use crate::nics::{hashing, ruled};
use crate::support::{
    LAN, LIP, Rig, ServiceSpec, Setup, TeamRig, VIP, WAN, client, ends, from_real, one_hop_on,
    request, src_port_of, to_client, to_real,
};

/// A real server in each mode, in the order in which they are added.
const REALS: [(ForwardingMode, &str); 4] = [
    (ForwardingMode::Dr, "10.0.0.11:80"),
    (ForwardingMode::Tunnel, "10.0.0.12:80"),
    (ForwardingMode::Nat, "10.0.0.13:8080"),
    (ForwardingMode::FullNat, "10.0.0.14:8080"),
];

fn mixed(service: ServiceSpec) -> Setup {
    let add = |service: ServiceSpec, (mode, real): (ForwardingMode, &'static str)| {
        service.real_in(mode, real, 1)
    };
    Setup::new([REALS.into_iter().fold(service.locals([LIP]), add)])
}

fn udp() -> Setup {
    mixed(ServiceSpec::udp(VIP, ForwardingMode::Dr))
}

/// The real server that a frame is sent to, by its MAC, and that one's mode.
fn real_of(frame: &[u8]) -> (ForwardingMode, &'static str) {
    REALS[usize::from(frame[5]) - 11]
}

/// What a request becomes on its way to a real server; `frame` is what came out.
fn expected(packet: &PacketSpec, frame: &[u8]) -> Vec<u8> {
    let (mode, real) = real_of(frame);
    let onward = one_hop_on(&to_real(packet, real));
    match mode {
        ForwardingMode::Dr => onward,
        ForwardingMode::Nat => onward.dst(real),
        ForwardingMode::FullNat => onward.dst(real).src((LIP, src_port_of(frame))),
        ForwardingMode::Tunnel => tunnelled(packet, real, 0),
    }
    .frame()
}

/// The answer to what a real server has got, as it sends it, and as client `number` gets it.
fn answer(frame: &[u8], number: u16) -> (Vec<u8>, Vec<u8>) {
    let (peer, real) = ends(frame);
    let sent = PacketSpec::udp((*real.ip(), real.port()), (*peer.ip(), peer.port()));
    let from = client(number);
    let got = PacketSpec::udp(VIP, (*from.ip(), from.port())).payload("answer");
    let sent = from_real(&sent.payload("answer"), real_of(frame).1);
    (sent.frame(), one_hop_on(&to_client(&got)).frame())
}

#[test]
fn every_flow_goes_by_the_mode_of_its_real_server() {
    let mut rig = Rig::new(udp());
    for number in (0..8).chain(0..8) {
        let outcome = rig.send(WAN, &request(number));
        let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
        // rr, the one added last first.
        assert_eq!(real_of(frame), REALS[3 - usize::from(number % 4)], "client {number}");
        assert_eq!(*frame, expected(&request(number), frame), "client {number}");
        if real_of(frame).0.sees_replies() {
            let (sent, got) = answer(frame, number);
            assert_eq!(rig.send_all(LAN, [sent]).frames, [(WAN, got)], "client {number}");
        }
    }
    assert_eq!([0, 1, 2, 3].map(|real| rig.gauges(real)), [(0, 2); 4]);
}

/// Requests of many clients and their answers, twice.
fn talk(rig: &mut TeamRig, context: &str) {
    let mut chosen = Vec::new();
    for number in (0..120).chain(0..120) {
        rig.put(WAN, &request(number).frame());
        let out = rig.run();
        let [(LAN, frame)] = out.as_slice() else { panic!("{context}: {out:?}") };
        assert_eq!(*frame, expected(&request(number), frame), "{context}");
        match chosen.get(usize::from(number)) {
            Some(real) => assert_eq!(real_of(frame), *real, "{context}"),
            None => chosen.push(real_of(frame)),
        }
        if real_of(frame).0.sees_replies() {
            let (sent, got) = answer(frame, number);
            rig.put(LAN, &sent);
            assert_eq!(rig.run(), [(WAN, got)], "{context}: client {number}");
        }
    }
    for real in REALS {
        assert!(chosen.iter().filter(|one| **one == real).count() >= 15, "{context}: {real:?}");
    }
    assert_eq!(rig.sum(|stats| stats.flows.value()), 120, "{context}");
    assert_eq!(rig.sum(|stats| stats.dropped_total()), 0, "{context}");
}

#[test]
fn replies_come_to_the_worker_that_has_the_flow() {
    for workers in [1, 2, 3, 7] {
        talk(&mut TeamRig::new(&udp(), workers, |_| true), &format!("{workers} workers"));
    }
    for workers in [2, 3, 7] {
        for ends in [HashedEnds::Both, HashedEnds::One] {
            let mut rig = TeamRig::steered(&udp(), hashing(ends, workers));
            talk(&mut rig, &format!("{workers} workers, {ends:?}"));
        }
        talk(&mut TeamRig::steered(&udp(), ruled(workers)), &format!("{workers}, rules"));
    }
}

#[test]
fn with_one_packet_scheduling_only_fullnat_has_flows() {
    let mut rig = Rig::new(mixed(ServiceSpec::udp(VIP, ForwardingMode::Dr).ops()));
    for number in 0..16 {
        let outcome = rig.send(WAN, &request(number));
        let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
        let (mode, _) = real_of(frame);
        assert_eq!(*frame, expected(&request(number), frame), "{mode:?}");
        if mode == ForwardingMode::FullNat {
            let (sent, got) = answer(frame, number);
            assert_eq!(rig.send_all(LAN, [sent]).frames, [(WAN, got)]);
        }
    }
    assert_eq!(rig.stats.flows.value(), 4);
}

fn syn(number: u32) -> PacketSpec {
    let from = (Ipv4Addr::from_bits(0xC633_0000 + number), 40_000);
    PacketSpec::tcp(from, VIP).flags(TcpFlags::SYN)
}

#[test]
fn without_room_for_flows_those_are_chosen_that_need_none() {
    let mut setup = mixed(ServiceSpec::tcp(VIP, ForwardingMode::Nat));
    setup.flows = 100;
    let mut rig = Rig::new(setup);
    let others: Vec<_> = (1000..1100).map(|number| syn(number).frame()).collect();
    assert_eq!(rig.send_all(WAN, others).verdicts, [Verdict::Forwarded; 100]);
    let mut seen = [0; 4];
    for number in 0..100 {
        let mut went = Vec::new();
        for packet in [syn(number), syn(number).flags(TcpFlags::ACK)] {
            let outcome = rig.send(WAN, &packet);
            let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
            assert_eq!(*frame, expected(&packet, frame), "client {number}");
            went.push(usize::from(frame[5]) - 11);
        }
        assert_eq!(went[0], went[1], "client {number}");
        seen[went[0]] += 1;
    }
    assert!(seen[0] > 20 && seen[1] > 20 && seen[2] + seen[3] == 0, "{seen:?}");
    assert_eq!(rig.stats.stateless.value(), 200);
}

#[test]
fn a_template_is_kept_to_without_room_only_where_no_flow_is_needed() {
    let service = ServiceSpec::tcp(VIP, ForwardingMode::Nat).persistent(300, [255; 4]);
    let mut setup = mixed(service);
    setup.flows = 4;
    let mut rig = Rig::new(setup);
    let mut reals = Vec::new();
    for number in 0..4 {
        let outcome = rig.send(WAN, &syn(number));
        reals.push(real_of(&outcome.frames[0].1));
    }
    for (number, (mode, real)) in (0..).zip(reals) {
        let again = syn(number).src((Ipv4Addr::from_bits(0xC633_0000 + number), 40_001));
        let outcome = rig.send(WAN, &again);
        if mode.sees_replies() {
            assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::FlowTableFull)], "{real}");
        } else {
            assert_eq!(real_of(&outcome.frames[0].1), (mode, real));
        }
    }
}

#[test]
fn control_connections_are_read_only_where_they_are_translated() {
    let mut rig = Rig::new(mixed(ServiceSpec::tcp("192.0.2.10:21", ForwardingMode::Dr).ftp()));
    let mut announced = 0;
    for number in 0..4 {
        let from = (Ipv4Addr::new(198, 51, 100, 7), 40_000 + number);
        let segment = || PacketSpec::tcp(from, "192.0.2.10:21");
        let outcome = rig.send(WAN, &segment().flags(TcpFlags::SYN).seq(1));
        let (mode, real) = real_of(&outcome.frames[0].1);
        if mode.sees_replies() {
            let (peer, _) = ends(&outcome.frames[0].1);
            let syn_ack = PacketSpec::tcp(real, (*peer.ip(), peer.port()));
            let flags = TcpFlags::SYN | TcpFlags::ACK;
            rig.send(LAN, &from_real(&syn_ack.flags(flags).seq(1).ack(2), real));
        }
        rig.send(WAN, &segment().seq(2).ack(2));
        let command = format!("PORT 198,51,100,7,80,{number}\r\n");
        let port = segment().flags(TcpFlags(0x18)).seq(2).ack(2).payload(command);
        let outcome = rig.send(WAN, &port);
        let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
        announced += u64::from(mode.sees_replies());
        assert_eq!(rig.stats.ftp.announced.value(), announced, "{mode:?}");
        assert_eq!(*frame == expected(&port, frame), mode != ForwardingMode::FullNat, "{mode:?}");
    }
    assert_eq!(announced, 2);
}
