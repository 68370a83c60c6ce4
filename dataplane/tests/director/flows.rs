//! Flows over time: states, timeouts, reuse, and what happens at the limits.

use rvs_dataplane::flow::Timeouts;
use rvs_dataplane::forward::{ForwardingMode, LOCAL_PORT_MIN};
use rvs_dataplane::sched::Scheduler;
use rvs_dataplane::service::RealId;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::time::{TICKS_PER_SECOND, Ticks};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, FIN_ACK, LAN, NatPair, RST_ACK, Rig, SYN_ACK, ServiceSpec, Setup, VIP, WAN,
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const RST: TcpFlags = TcpFlags::RST;

/// Who sends a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Client,
    Real,
}
use Side::{Client, Real};

fn step(pair: &mut NatPair, from: Side, flags: TcpFlags) {
    let (port, packet) = match from {
        Client => (WAN, PacketSpec::tcp(CLIENT, VIP).flags(flags)),
        Real => (LAN, pair.reply(&PacketSpec::tcp(VIP, CLIENT).flags(flags))),
    };
    let outcome = pair.rig.send(port, &packet);
    assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{from:?} {flags}");
}

/// State of the TCP flow and seconds it has left; `None` when it has ended.
fn tcp_flow(rig: &mut Rig) -> Option<(&'static str, u32)> {
    let mut flows = rig.flows().into_iter().filter(|flow| flow.protocol == 6);
    let flow = flows.next().map(|flow| (flow.state, flow.expires_s));
    assert_eq!(flows.next(), None, "one TCP flow at most");
    flow
}

/// Segments from after the first SYN on, and the state and timeout that each leads to.
type Walk = &'static [(Side, TcpFlags, &'static str, u32)];

const OPEN: [(Side, TcpFlags, &str, u32); 2] =
    [(Real, SYN_ACK, "SYN_RECV", 60), (Client, ACK, "ESTABLISHED", 900)];

const NAT_WALKS: [Walk; 5] = [
    // The real server closes first.
    &[
        (Real, FIN_ACK, "FIN_WAIT", 120),
        (Client, FIN_ACK, "TIME_WAIT", 120),
        (Real, ACK, "TIME_WAIT", 120),
    ],
    // The client closes first.
    &[(Client, FIN_ACK, "CLOSE_WAIT", 60), (Real, FIN_ACK, "TIME_WAIT", 120)],
    &[(Real, RST_ACK, "CLOSE", 10), (Client, ACK, "CLOSE", 10)],
    &[(Client, RST, "CLOSE", 10)],
    // A segment without any flag.
    &[(Client, TcpFlags(0), "CLOSE", 10)],
];

const ONE_WAY_WALKS: [Walk; 3] = [
    &[
        (Client, ACK, "ESTABLISHED", 900),
        (Client, FIN_ACK, "FIN_WAIT", 120),
        (Client, ACK, "FIN_WAIT", 120),
        (Client, FIN_ACK, "FIN_WAIT", 120),
    ],
    &[(Client, ACK, "ESTABLISHED", 900), (Client, RST, "CLOSE", 10)],
    &[(Client, SYN, "SYN_RECV", 60), (Client, FIN_ACK, "TIME_WAIT", 120)],
];

fn walk(mode: ForwardingMode, steps: impl Iterator<Item = (Side, TcpFlags, &'static str, u32)>) {
    let mut pair = NatPair::new(mode);
    assert_eq!(tcp_flow(&mut pair.rig), Some(("SYN_RECV", 60)));
    for (from, flags, state, timeout) in steps {
        pair.rig.pass(Ticks(150));
        step(&mut pair, from, flags);
        assert_eq!(tcp_flow(&mut pair.rig), Some((state, timeout)), "{from:?} {flags}");
        let active = matches!(state, "ESTABLISHED" | "SYN_RECV");
        let expected = if active { (1, 0) } else { (0, 1) };
        assert_eq!(pair.rig.gauges(0), expected, "{state}");
        assert_eq!(pair.rig.gauges(1), (0, 1), "UDP is always inactive");
    }
    // It lives to the last tick of its timeout and not one longer.
    let (_, timeout) = tcp_flow(&mut pair.rig).expect("the flow lives");
    pair.rig.pass(Ticks(timeout * TICKS_PER_SECOND - 1));
    assert_eq!(tcp_flow(&mut pair.rig).map(|flow| flow.1), Some(1));
    pair.rig.pass(Ticks(1));
    assert_eq!(tcp_flow(&mut pair.rig), None);
    pair.rig.pass_s(2);
    assert_eq!(pair.rig.gauges(0), (0, 0), "it left the table within two seconds");
}

#[test]
fn connections_whose_replies_come_past_here() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        for steps in NAT_WALKS {
            walk(mode, OPEN.into_iter().chain(steps.iter().copied()));
        }
    }
}

#[test]
fn connections_of_which_only_the_client_is_heard() {
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel] {
        for steps in ONE_WAY_WALKS {
            walk(mode, steps.iter().copied());
        }
    }
}

#[test]
fn a_udp_flow_lives_for_five_minutes_after_each_datagram_of_either_side() {
    let mut pair = NatPair::new(ForwardingMode::Nat);
    let udp = |rig: &mut Rig| rig.flows().into_iter().find(|flow| flow.protocol == 17);
    pair.rig.pass_s(299);
    let reply = pair.reply(&PacketSpec::udp(VIP, CLIENT));
    pair.rig.send(LAN, &reply);
    assert_eq!(udp(&mut pair.rig).map(|flow| (flow.state, flow.expires_s)), Some(("UDP", 300)));
    pair.rig.pass(Ticks(300 * TICKS_PER_SECOND - 1));
    assert!(udp(&mut pair.rig).is_some());
    pair.rig.pass(Ticks(1));
    assert!(udp(&mut pair.rig).is_none());
    // Its real server's packets are ordinary traffic again.
    let outcome = pair.rig.send(LAN, &reply);
    assert_eq!(outcome.lines().len(), 1);
    assert!(outcome.lines()[0].contains("10.0.0.11:8080 > 198.51.100.7:40000 UDP"));
}

#[test]
fn set_timeouts_count_from_a_flow_s_next_packet() {
    let mut pair = NatPair::new(ForwardingMode::Nat);
    step(&mut pair, Client, ACK);
    pair.rig.reconfigure(|setup| setup.timeouts = Timeouts::with_seconds(7, 5, 3));
    assert_eq!(tcp_flow(&mut pair.rig), Some(("ESTABLISHED", 900)));
    step(&mut pair, Client, ACK);
    assert_eq!(tcp_flow(&mut pair.rig), Some(("ESTABLISHED", 7)));
    step(&mut pair, Real, FIN_ACK);
    assert_eq!(tcp_flow(&mut pair.rig), Some(("FIN_WAIT", 5)));
    pair.rig.pass_s(7);
    assert_eq!(pair.rig.gauges(0), (0, 0));
}

/// A site whose only service has two real servers, scheduled in turn: the second, then the first.
fn two_reals(mode: ForwardingMode) -> Rig {
    let service = ServiceSpec::tcp(VIP, mode).real("10.0.0.11:80", 1).real("10.0.0.12:80", 1);
    Rig::new(Setup::new([service]))
}

fn tcp(flags: TcpFlags) -> PacketSpec {
    PacketSpec::tcp(CLIENT, VIP).flags(flags)
}

/// Last byte of the address of the real server that [`tcp_flow`] goes to.
fn real_of(rig: &mut Rig) -> String {
    rig.flows()[0].real.0.to_string()
}

#[test]
fn a_new_syn_on_a_finished_connection_is_scheduled_anew() {
    let close: [&[TcpFlags]; 2] = [&[SYN, RST, SYN], &[SYN, FIN_ACK, SYN]];
    for mode in crate::support::MODES {
        for (flags, state) in close.into_iter().zip(["CLOSE", "TIME_WAIT"]) {
            let mut rig = two_reals(mode);
            rig.send(WAN, &tcp(flags[0]));
            assert_eq!(real_of(&mut rig), "10.0.0.12");
            if state == "CLOSE" {
                rig.send(WAN, &tcp(ACK));
            }
            rig.send(WAN, &tcp(flags[1]));
            assert_eq!(tcp_flow(&mut rig).unwrap().0, state, "{}", mode.name());
            rig.send(WAN, &tcp(flags[2]));
            assert_eq!(tcp_flow(&mut rig), Some(("SYN_RECV", 60)));
            assert_eq!(real_of(&mut rig), "10.0.0.11", "scheduled anew from {state}");
            assert_eq!((rig.gauges(0), rig.gauges(1)), ((1, 0), (0, 0)));
        }
    }
}

#[test]
fn a_new_syn_on_a_half_closed_connection_stays_where_it_is() {
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel] {
        let mut rig = two_reals(mode);
        for flags in [SYN, ACK, FIN_ACK] {
            rig.send(WAN, &tcp(flags));
        }
        assert_eq!(tcp_flow(&mut rig), Some(("FIN_WAIT", 120)));
        rig.send(WAN, &tcp(SYN));
        assert_eq!(tcp_flow(&mut rig), Some(("SYN_RECV", 60)));
        assert_eq!(real_of(&mut rig), "10.0.0.12");
    }
}

#[test]
fn a_finished_connection_reopened_without_a_real_server_to_take_it_is_gone() {
    let mut rig = two_reals(ForwardingMode::Nat);
    for flags in [SYN, ACK, RST] {
        rig.send(WAN, &tcp(flags));
    }
    rig.reconfigure(|setup| setup.set_weights(0));
    assert_eq!(rig.send(WAN, &tcp(SYN)).verdicts, [Verdict::Dropped(DropReason::NoRealServer)]);
    assert_eq!((rig.flows().len(), rig.stats.flows.value()), (0, 0));
}

#[test]
fn one_burst_may_hold_whole_connections() {
    for mode in crate::support::MODES {
        let mut rig = two_reals(mode);
        // Each reset ends the connection, so that the next SYN is scheduled anew.
        let connection = [SYN, ACK, ACK, RST].map(|flags| tcp(flags).frame());
        let outcome = rig.send_all(WAN, connection.iter().cycle().take(5 * 4));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded; 20], "{}", mode.name());
        assert_eq!(tcp_flow(&mut rig), Some(("CLOSE", 10)));
        let connections =
            |real| rig.stats.real_server(RealId(real)).unwrap().traffic.connections.value();
        assert_eq!((connections(1), connections(0)), (3, 2));
    }
}

fn client(number: u32) -> String {
    let address = std::net::Ipv4Addr::from_bits(0xC633_0000 + number / 50_000);
    format!("{address}:{}", 10_000 + number % 50_000)
}

#[test]
fn a_full_table_refuses_new_flows_of_nat_and_keeps_the_old() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut setup = Setup::one_real(mode);
        setup.flows = 100;
        let mut rig = Rig::new(setup);
        let segment = |number, flags| PacketSpec::tcp(&*client(number), VIP).flags(flags).frame();
        let outcome = rig.send_all(WAN, (0..100).map(|number| segment(number, SYN)));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded; 100]);
        let outcome = rig.send_all(WAN, (100..110).map(|number| segment(number, SYN)));
        assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::FlowTableFull); 10]);
        assert!(outcome.frames.is_empty(), "without a word");
        let outcome = rig.send_all(WAN, (0..100).map(|number| segment(number, ACK)));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded; 100]);
        assert_eq!((rig.stats.flows.value(), rig.stats.flow_capacity.value()), (100, 100));
        // One that ends makes room.
        rig.send_all(WAN, [segment(0, RST)]);
        rig.pass_s(12);
        let outcome = rig.send_all(WAN, [segment(100, SYN)]);
        assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{}", mode.name());
    }
}

#[test]
fn local_ports_run_out_for_one_real_server_at_a_time() {
    let mode = ForwardingMode::FullNat;
    let mut setup = Setup::new([
        ServiceSpec::tcp(VIP, mode).real("10.0.0.11:8080", 1),
        ServiceSpec::tcp("192.0.2.20:80", mode).real("10.0.0.12:8080", 1),
    ]);
    setup.flows = 150_000;
    let mut rig = Rig::new(setup);
    let syn = |number, vip| PacketSpec::tcp(&*client(number), vip).flags(SYN).frame();
    let pool = 65_536 - u32::from(LOCAL_PORT_MIN);
    let outcome = rig.send_all(WAN, (0..pool + 5).map(|number| syn(number, VIP)));
    let exhausted = Verdict::Dropped(DropReason::LocalPortsExhausted);
    let refused = outcome.verdicts.iter().filter(|verdict| **verdict == exhausted).count();
    assert_eq!((refused, outcome.frames.len()), (5, pool as usize));
    let other = rig.send_all(WAN, (0..100).map(|number| syn(number, "192.0.2.20:80")));
    assert_eq!(other.verdicts, [Verdict::Forwarded; 100]);
}

#[test]
fn a_hundred_thousand_flows_that_end_at_once_leave_in_bounded_steps() {
    let mut setup = Setup::one_real(ForwardingMode::Dr);
    setup.flows = 100_000;
    let mut rig = Rig::new(setup);
    let syn = |number| PacketSpec::tcp(&*client(number), VIP).flags(SYN).frame();
    rig.send_all(WAN, (0..100_000).map(syn));
    assert_eq!(rig.gauges(0), (100_000, 0));
    rig.neighbors_answer = false;
    rig.now = rig.now.after(Ticks::from_secs(62));
    let mut turns = 0;
    while rig.stats.flows.value() > 0 {
        let before = rig.stats.flows.value();
        rig.turn();
        let ended = before - rig.stats.flows.value();
        assert!(ended <= 256, "{ended} flows ended in one turn");
        turns += 1;
        assert!(turns < 500, "{} flows left", rig.stats.flows.value());
    }
    assert_eq!(rig.gauges(0), (0, 0));
    // An ended flow that is still in the table does not serve packets.
    assert_eq!(rig.send_all(WAN, [syn(0)]).verdicts, [Verdict::Forwarded]);
}

#[test]
fn an_ended_flow_serves_no_packet_even_before_it_is_cleared_away() {
    let mut setup = Setup::one_real(ForwardingMode::Dr);
    setup.flows = 1000;
    let mut rig = Rig::new(setup);
    let segment = |number, flags| PacketSpec::tcp(&*client(number), VIP).flags(flags).frame();
    rig.send_all(WAN, (0..1000).map(|number| segment(number, SYN)));
    rig.now = rig.now.after(Ticks::from_secs(60));
    let outcome = rig.send_all(WAN, (0..1000).map(|number| segment(number, ACK)));
    let resets = outcome.lines().iter().filter(|line| line.contains("TCP RST")).count();
    assert_eq!(resets, 1000, "every ACK found its flow ended");
    assert_eq!(rig.stats.flows.value(), 0);
}

#[test]
fn schedulers_pick_through_the_director_as_ipvs_does() {
    // Weights in the order the real servers were added, and the picks recorded from Linux IPVS.
    for (scheduler, weights, expected) in [
        (Scheduler::Rr, &[1, 1, 1][..], "3 2 1 3 2 1 3"),
        (Scheduler::Rr, &[1, 0, 1], "3 1 3 1"),
        (Scheduler::Wrr, &[4, 3, 2], "3 2 1 1 2 1 3 2 1 3 2 1 1 2 1 3 2 1 3 2 1"),
        (Scheduler::Wrr, &[5, 1], "2 1 1 1 1 1 2 1 1 1 1 1"),
        (Scheduler::Wrr, &[10, 20, 40], "3 2 1 3 3 3 2 3 2 1 3 3 3 2"),
        (Scheduler::Wrr, &[3, 2, 1], "3 2 1 1 2 1 3 2 1 1 2 1 3"),
        (Scheduler::Wrr, &[3, 0, 1], "3 1 1 1 3 1"),
    ] {
        for mode in crate::support::MODES {
            let mut service = ServiceSpec::tcp(VIP, mode).scheduler(scheduler);
            for (last, weight) in (11u8..).zip(weights) {
                service = service.real((std::net::Ipv4Addr::new(10, 0, 0, last), 80), *weight);
            }
            let mut rig = Rig::new(Setup::new([service]));
            let mut before = vec![0; weights.len()];
            let mut picks = Vec::new();
            for number in 0..expected.split(' ').count() {
                let syn = PacketSpec::tcp(&*client(u32::try_from(number).unwrap()), VIP).flags(SYN);
                rig.send(WAN, &syn);
                let now: Vec<_> =
                    (0u32..).map(|real| rig.gauges(real).0).take(weights.len()).collect();
                let picked =
                    now.iter().zip(&before).position(|(now, before)| now > before).unwrap();
                picks.push((picked + 1).to_string());
                before = now;
            }
            assert_eq!(picks.join(" "), expected, "{} {weights:?}", scheduler.name());
        }
    }
}

#[test]
fn a_changed_list_of_real_servers_is_scheduled_from_its_start() {
    let mut rig = two_reals(ForwardingMode::Dr);
    let mut number = 0;
    let mut pick = |rig: &mut Rig| {
        number += 1;
        let outcome = rig.send(WAN, &PacketSpec::tcp(&*client(number), VIP).flags(SYN));
        outcome.frames[0].1[5]
    };
    assert_eq!([pick(&mut rig), pick(&mut rig), pick(&mut rig)], [12, 11, 12]);
    rig.reconfigure(|setup| setup.set_weights(2));
    assert_eq!([pick(&mut rig), pick(&mut rig)], [12, 11]);
    rig.reconfigure(|setup| setup.remove_real("10.0.0.12:80"));
    assert_eq!([pick(&mut rig), pick(&mut rig)], [11, 11]);
}
