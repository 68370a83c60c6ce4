//! The worker's loop and its lines to the control thread.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use rvs_dataplane::control::{Command, FlowReport, NeighborReport, Report, Selection};
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::service::{RealId, ServiceId};
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::Verdict;
use rvs_dataplane::wire::{IpProto, TcpFlags};

use crate::support::{
    CLIENT, GATEWAY, LAN, LIP, MODES, RS1, Rig, Setup, VIP, WAN, mac_of, src_port_of,
};

fn segment(number: u16, flags: TcpFlags) -> Vec<u8> {
    PacketSpec::tcp(format!("198.51.100.7:{}", 10_000 + number).as_str(), VIP).flags(flags).frame()
}

#[test]
fn a_flow_is_listed_with_all_its_ends() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::one_real(mode));
        let outcome = rig.send(WAN, &PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN));
        let (rport, local) = match mode {
            ForwardingMode::FullNat => {
                (8080, Some((IpAddr::V4(LIP), src_port_of(&outcome.frames[0].1))))
            }
            ForwardingMode::Nat => (8080, None),
            ForwardingMode::Dr | ForwardingMode::Tunnel => (80, None),
        };
        let expected = FlowReport {
            protocol: IpProto::TCP,
            client: (Ipv4Addr::new(198, 51, 100, 7).into(), 40_000),
            virtual_address: (Ipv4Addr::new(192, 0, 2, 10).into(), 80),
            local,
            real: (Ipv4Addr::new(10, 0, 0, 11).into(), rport),
            service: ServiceId(0),
            real_id: RealId(0),
            mode,
            state: "SYN_RECV",
            expires_s: 60,
            idle_s: 0,
            age_s: Some(0),
            packets: Some(1),
            is_template: false,
        };
        assert_eq!(rig.flows(), std::slice::from_ref(&expected));
        rig.pass_s(20);
        rig.send(WAN, &PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN));
        rig.pass_s(3);
        let later =
            FlowReport { expires_s: 57, idle_s: 3, age_s: Some(23), packets: Some(2), ..expected };
        assert_eq!(rig.flows(), [later]);
    }
}

#[test]
fn neighbours_are_listed() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    rig.pass_s(7);
    let neighbor = |port, address| {
        let mac = Some(mac_of(address));
        let state = "reachable";
        Report::Neighbor(NeighborReport {
            port,
            address,
            mac,
            state,
            confirmed_s_ago: 7,
            waiting: 0,
        })
    };
    let expected =
        [neighbor(WAN, GATEWAY), neighbor(LAN, RS1.split(':').next().unwrap().parse().unwrap())];
    assert_eq!(rig.list(Command::ListNeighbors), expected);
}

/// Reads what there is; returns whether the end was among it.
fn read(rig: &mut Rig, seen: &mut HashMap<u16, usize>) -> bool {
    while let Some(report) = rig.control.next_report() {
        match report {
            Report::Flow(flow) => *seen.entry(flow.client.1 - 10_000).or_default() += 1,
            Report::End => return true,
            Report::Underway => {}
            Report::Neighbor(_) | Report::Count(_) => panic!("nobody asked for that"),
        }
    }
    false
}

#[test]
fn a_listing_longer_than_the_ring_waits_for_its_reader_and_packets_do_not() {
    let mut setup = Setup::one_real(ForwardingMode::Dr);
    setup.flows = 8000;
    let mut rig = Rig::new(setup);
    rig.send_all(WAN, (0..6000).map(|number| segment(number, TcpFlags::SYN)));
    assert!(rig.control.request(Command::ListFlows(Selection::ALL)));
    for number in 0..500 {
        let outcome = rig.send_all(WAN, [segment(number, TcpFlags::ACK)]);
        assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
    }
    let mut seen = HashMap::new();
    let mut rounds = 0;
    while !read(&mut rig, &mut seen) {
        rig.turn();
        rounds += 1;
        assert!(rounds < 1000, "the listing does not end");
    }
    assert!(rounds >= 5000 / 64, "a bounded piece per turn");
    assert_eq!(seen.len(), 6000);
    assert!(seen.values().all(|count| *count == 1));
    assert_eq!(rig.control.next_report(), None);
}

#[test]
fn flows_that_come_and_go_meanwhile_do_not_disturb_a_listing() {
    let mut setup = Setup::one_real(ForwardingMode::Nat);
    setup.flows = 3000;
    let mut rig = Rig::new(setup);
    // Even ones stay, odd ones end while the table is being listed.
    rig.send_all(WAN, (0..2000).map(|number| segment(number, TcpFlags::SYN)));
    let ends = (0..2000).filter(|number| number % 2 == 1);
    rig.send_all(WAN, ends.clone().map(|number| segment(number, TcpFlags::ACK)));
    rig.send_all(WAN, ends.map(|number| segment(number, TcpFlags::RST)));
    assert!(rig.control.request(Command::ListFlows(Selection::ALL)));
    let mut seen = HashMap::new();
    for new in 2000..2200 {
        rig.send_all(WAN, [segment(new, TcpFlags::SYN)]);
        if read(&mut rig, &mut seen) {
            assert!((0..2000).step_by(2).all(|number| seen.get(&number) == Some(&1)));
            assert!(seen.values().all(|count| *count == 1));
            return;
        }
        rig.pass_s(1);
    }
    panic!("the listing did not end");
}

#[test]
fn requests_are_answered_one_after_the_other_and_only_so_many_wait() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    rig.send_all(WAN, [segment(1, TcpFlags::SYN)]);
    let mut accepted = 0;
    while rig.control.request(Command::ListFlows(Selection::ALL)) {
        accepted += 1;
        assert!(accepted < 100, "the ring has an end");
    }
    assert_eq!(accepted, 16);
    let mut ends = 0;
    for _ in 0..16 * 30 {
        rig.turn();
        let mut seen = HashMap::new();
        while read(&mut rig, &mut seen) {
            ends += 1;
        }
    }
    assert_eq!(ends, 16);
}

#[test]
fn the_loop_turns_until_it_is_told_to_stop_and_sends_what_it_has() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    let turns = rig.stats.turns.value();
    let busy = rig.stats.busy_turns.value();
    for number in 0..100 {
        rig.wires.borrow_mut().put(WAN, &segment(number, TcpFlags::SYN));
    }
    let outcome = rig.run(10);
    assert_eq!(outcome.frames.len(), 100);
    assert_eq!(rig.stats.turns.value() - turns, 10);
    assert_eq!(rig.stats.busy_turns.value() - busy, 4, "100 frames in bursts of 32");
    assert_eq!(rig.stats.busy_cycles.value(), 4000, "a thousand each");
    assert_eq!(rig.stats.rx_bursts.values()[2..], [1, 0, 0, 3], "one of 4 packets, three of 32");
}

#[test]
fn a_snapshot_is_taken_up_in_the_next_turn() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    assert_eq!(rig.running.generation(), 1);
    rig.reconfigure(|setup| setup.set_weights(3));
    assert_eq!(rig.running.generation(), 2);
}
