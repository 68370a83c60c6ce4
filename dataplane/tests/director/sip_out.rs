//! Calls that real servers begin, in NAT with persistence by Call-ID: they leave as from the VIP.

use std::net::Ipv4Addr;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::service::ServiceId;
use rvs_dataplane::stats::WorkerStats;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::DropReason;

use crate::support::{LAN, ServiceSpec, Setup, TeamRig, VIP, WAN, ends, from_real, to_client};

const WORKER_COUNTS: [u16; 4] = [1, 2, 3, 8];
const REALS: [&str; 3] = ["10.0.0.11:5060", "10.0.0.12:5060", "10.0.0.13:5060"];

fn service(mode: ForwardingMode) -> ServiceSpec {
    let add = |service: ServiceSpec, real: &str| service.real(real, 1);
    REALS.into_iter().fold(ServiceSpec::udp(VIP, mode), add).persistent(300, [255; 4]).by_call()
}

fn rig(service: ServiceSpec, workers: u16) -> TeamRig {
    TeamRig::new(&Setup::new([service]), workers, |_| true)
}

fn client(number: u8, cport: u16) -> (Ipv4Addr, u16) {
    (Ipv4Addr::new(198, 51, 100, number), cport)
}

fn text(call: &str) -> String {
    format!("BYE sip:bob@example.com SIP/2.0\r\nCall-ID: {call}\r\n\r\n")
}

/// What a real server sends.
fn outgoing(real: &str, to: (Ipv4Addr, u16), text: &str) -> PacketSpec {
    from_real(&PacketSpec::udp(real, to).payload(text), real)
}

/// Sends one packet in and expects one out.
fn one(rig: &mut TeamRig, port: rvs_dataplane::snapshot::PortIdx, packet: &PacketSpec) -> Vec<u8> {
    rig.put(port, &packet.frame());
    let out = rig.run();
    let [(_, frame)] = out.as_slice() else { panic!("{out:?}") };
    frame.clone()
}

/// The real server that a client's request of a call goes to.
fn real_of(rig: &mut TeamRig, from: (Ipv4Addr, u16), call: &str) -> String {
    let frame = one(rig, WAN, &PacketSpec::udp(from, VIP).payload(text(call)));
    ends(&frame).1.to_string()
}

#[test]
fn it_leaves_as_from_the_vip_and_the_call_stays_with_its_real_server() {
    for workers in WORKER_COUNTS {
        let mut rig = rig(service(ForwardingMode::Nat), workers);
        for number in 0..20 {
            let (real, to) = (REALS[usize::from(number) % 3], client(number, 5060));
            let call = format!("call-{number}");
            let frame = one(&mut rig, LAN, &outgoing(real, to, &text(&call)));
            let expected = to_client(&PacketSpec::udp(VIP, to).payload(text(&call)).ttl(63));
            assert_eq!(frame, expected.frame(), "{workers} {number}");
            // The answer, and what the client sends in this call from other ports.
            assert_eq!(real_of(&mut rig, to, &call), real, "{workers} {number}");
            for cport in 6000..6010 {
                assert_eq!(real_of(&mut rig, client(number, cport), &call), real, "{workers}");
            }
            // The flow needs no call any more.
            let frame = one(&mut rig, LAN, &outgoing(real, to, "\r\n\r\n"));
            assert_eq!(ends(&frame).0.to_string(), VIP);
        }
        assert_eq!(rig.sum(|stats| stats.flows.value()), 20 * 11, "{workers}");
        assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
    }
}

#[test]
fn the_template_says_who_called_last() {
    for workers in WORKER_COUNTS {
        let mut rig = rig(service(ForwardingMode::Nat), workers);
        for number in 0..20 {
            let first = real_of(&mut rig, client(number, 1000), "one");
            let other = REALS.into_iter().find(|real| *real != first).unwrap();
            one(&mut rig, LAN, &outgoing(other, client(number, 5060), &text("one")));
            rig.pass_ticks(100);
            // A worker with a copy of what the template said hears of it when it uses it.
            let later: Vec<_> = (2000..2030)
                .map(|cport| {
                    rig.pass_ticks(100);
                    real_of(&mut rig, client(number, cport), "one")
                })
                .collect();
            let stale = later.iter().filter(|real| **real != other).count();
            assert!(stale <= usize::from(workers > 1) * 2, "{workers} {number}: {stale} {later:?}");
            assert_eq!(later.last().unwrap(), other);
            // Calls are told apart, also from the port that has no flow.
            assert_eq!(real_of(&mut rig, client(number, 5060), "two"), other, "its flow");
        }
        assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
    }
}

#[test]
fn of_two_real_servers_that_call_one_port_the_later_gets_the_answers() {
    let mut rig = rig(service(ForwardingMode::Nat), 2);
    let to = client(1, 5060);
    for real in [REALS[0], REALS[1], REALS[1], REALS[0]] {
        let frame = one(&mut rig, LAN, &outgoing(real, to, &text(real)));
        assert_eq!(ends(&frame).0.to_string(), VIP);
        assert_eq!(real_of(&mut rig, to, "any"), real);
        assert_eq!(rig.sum(|stats| stats.flows.value()), 1);
    }
}

#[test]
fn packets_of_one_burst_share_a_flow() {
    let mut rig = rig(service(ForwardingMode::Nat), 1);
    for _ in 0..3 {
        rig.put(LAN, &outgoing(REALS[0], client(1, 5060), &text("one")).frame());
    }
    assert!(rig.run().iter().all(|(_, frame)| ends(frame).0.to_string() == VIP));
    assert_eq!(rig.sum(|stats| stats.flows.value()), 1);
}

#[test]
fn datagrams_that_are_scheduled_by_themselves_leave_as_from_the_vip_without_a_flow() {
    for workers in WORKER_COUNTS {
        let mut rig = rig(service(ForwardingMode::Nat).ops(), workers);
        for number in 0..20 {
            let to = client(number, 5060);
            let expected =
                to_client(&PacketSpec::udp(VIP, to).payload(text("one")).ttl(63)).frame();
            assert_eq!(one(&mut rig, LAN, &outgoing(REALS[1], to, &text("one"))), expected);
            assert_eq!(real_of(&mut rig, client(number, 9), "one"), REALS[1], "{workers}");
            assert_eq!(one(&mut rig, LAN, &outgoing(REALS[1], to, &text("one"))), expected);
        }
        assert_eq!(rig.sum(|stats| stats.flows.value() + stats.dropped_total()), 0);
    }
}

#[test]
fn fragments_leave_like_the_first() {
    for service in [service(ForwardingMode::Nat), service(ForwardingMode::Nat).ops()] {
        for workers in [1, 3] {
            let mut rig = rig(service.clone(), workers);
            let mut sent = 0;
            for number in 0..10u8 {
                let text = format!("{}{}", text("one"), "x".repeat(2000));
                let packet = outgoing(REALS[0], client(number, 5060), &text);
                let fragments = packet.dont_fragment(false).id(number.into()).fragments(800);
                for fragment in fragments.iter().rev() {
                    rig.put(LAN, fragment);
                }
                sent += fragments.len() as u64;
                let out = rig.run();
                assert_eq!(out.len(), fragments.len(), "{workers}");
                let vip = Ipv4Addr::new(192, 0, 2, 10).octets();
                assert!(out.iter().all(|(_, frame)| frame[26..30] == vip), "{out:?}");
            }
            let replies =
                |stats: &WorkerStats| stats.service(ServiceId(0)).unwrap().out_packets.value();
            assert_eq!(rig.sum(replies), sent, "each counts");
            assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
        }
    }
}

#[test]
fn what_is_of_no_call_is_routed_as_it_is() {
    let to = client(1, 5060);
    let mut rig = rig(service(ForwardingMode::Nat), 2);
    let other_port = "10.0.0.11:5061";
    let tcp = from_real(&PacketSpec::tcp(REALS[0], to), REALS[0]);
    let unnamed = outgoing(REALS[0], to, "OPTIONS\r\n\r\n");
    let elsewhere = outgoing(other_port, to, &text("one"));
    for (packet, src) in [(unnamed, REALS[0]), (elsewhere, other_port), (tcp, REALS[0])] {
        let frame = one(&mut rig, LAN, &packet);
        assert_eq!(ends(&frame).0.to_string(), src);
    }
    assert_eq!(rig.sum(|stats| stats.flows.value() + stats.templates.value()), 0);
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel, ForwardingMode::FullNat] {
        let real_port = if mode.sees_replies() { "10.0.0.11:5060" } else { "10.0.0.11:80" };
        let udp = ServiceSpec::udp(VIP, mode).real(real_port, 1).persistent(300, [255; 4]);
        let mut rig = self::rig(udp.by_call(), 1);
        rig.put(LAN, &outgoing(real_port, to, &text("one")).frame());
        assert!(rig.run().is_empty(), "{mode:?}");
        assert_eq!(rig.dropped(DropReason::NotForUs), 1);
    }
}

#[test]
fn a_full_table_refuses_and_counts() {
    let mut setup = Setup::new([service(ForwardingMode::Nat)]);
    setup.flows = 1;
    let mut rig = TeamRig::new(&setup, 1, |_| true);
    let mut came_out = 0;
    for number in 0..100 {
        let call = text(&number.to_string());
        rig.put(LAN, &outgoing(REALS[0], client(number, 5060), &call).frame());
        came_out += rig.run().len() as u64;
    }
    assert!(came_out > 0);
    assert_eq!(rig.dropped(DropReason::FlowTableFull), 100 - came_out);
    assert_eq!(rig.sum(|stats| stats.templates.value()), came_out, "none without its flow");
}
