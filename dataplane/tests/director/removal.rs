//! Real servers and services that are removed while they have connections, and come back; another
//! scheduler for a service that has connections.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::{SWEEP_ENDS_PER_TURN, SWEEP_PER_TURN};
use rvs_dataplane::sched::Scheduler;
use rvs_dataplane::service::{RealId, ServiceId};
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{CLIENT, MODES, Rig, ServiceSpec, Setup, TeamRig, VIP, WAN};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const GONE: Verdict = Verdict::Dropped(DropReason::RealServerRemoved);
const RS1: &str = "10.0.0.11:80";
const RS2: &str = "10.0.0.12:80";
const RS3: &str = "10.0.0.13:80";

/// A TCP and a UDP service with three real servers in turn: the third, the second, the first.
fn setup(mode: ForwardingMode, expire_nodest_conn: bool) -> Setup {
    let reals = |spec: ServiceSpec| spec.real(RS1, 1).real(RS2, 1).real(RS3, 1);
    let mut setup =
        Setup::new([reals(ServiceSpec::tcp(VIP, mode)), reals(ServiceSpec::udp(VIP, mode))]);
    setup.ipvs.expire_nodest_conn = expire_nodest_conn;
    setup
}

fn tcp(flags: TcpFlags) -> PacketSpec {
    PacketSpec::tcp(CLIENT, VIP).flags(flags)
}

fn client(number: u32) -> (std::net::Ipv4Addr, u16) {
    let port = u16::try_from(10_000 + number % 50_000).expect("a port");
    (std::net::Ipv4Addr::from_bits(0xC633_0000 + number / 50_000), port)
}

fn segment(number: u32, flags: TcpFlags) -> Vec<u8> {
    PacketSpec::tcp(client(number), VIP).flags(flags).frame()
}

fn ended(rig: &Rig) -> u64 {
    rig.stats.ended.real_server_removed.value()
}

#[test]
fn packets_to_a_removed_real_server_are_dropped_until_it_comes_back() {
    for mode in MODES {
        let mut rig = Rig::new(setup(mode, false));
        for flags in [SYN, ACK] {
            assert_eq!(rig.send(WAN, &tcp(flags)).verdicts, [Verdict::Forwarded]);
        }
        rig.reconfigure(|setup| setup.remove_real(RS3));
        for flags in [ACK, SYN] {
            let outcome = rig.send(WAN, &tcp(flags));
            assert_eq!((&outcome.verdicts[..], outcome.frames.len()), (&[GONE][..], 0));
        }
        for _ in 0..100 {
            rig.turn();
        }
        assert_eq!((rig.gauges(2), ended(&rig)), ((1, 0), 0), "it stays");
        rig.reconfigure(|setup| setup.restore_real(RS3));
        assert_eq!(rig.send(WAN, &tcp(ACK)).verdicts, [Verdict::Forwarded], "and lives again");
        let traffic = &rig.stats.real_server(RealId(2)).expect("counters").traffic;
        assert_eq!((traffic.connections.value(), traffic.in_packets.value()), (1, 3));
    }
}

#[test]
fn with_expire_nodest_conn_a_packet_to_a_removed_real_server_is_one_without_a_flow() {
    for mode in MODES {
        for flags in [SYN, ACK] {
            let mut rig = Rig::new(setup(mode, true));
            for flags in [SYN, ACK] {
                rig.send(WAN, &tcp(flags));
            }
            assert_eq!(rig.gauges(2), (1, 0));
            // It is taken up with the turn that handles the packet, before flows end by themselves.
            rig.publish(|setup| setup.remove_real(RS3));
            let outcome = rig.send(WAN, &tcp(flags));
            assert_eq!((rig.gauges(2), ended(&rig)), ((0, 0), 1), "{}", mode.name());
            if flags == SYN {
                assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
                assert_eq!(rig.gauges(1), (1, 0), "scheduled anew");
            } else {
                assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoFlow)]);
                assert!(outcome.lines()[0].contains("RST"), "{:?}", outcome.lines());
                assert_eq!(rig.stats.flows.value(), 0);
            }
        }
        let mut rig = Rig::new(setup(mode, true));
        let datagram = PacketSpec::udp(CLIENT, VIP);
        rig.send(WAN, &datagram);
        rig.publish(|setup| setup.remove_real(RS3));
        assert_eq!(rig.send(WAN, &datagram).verdicts, [Verdict::Forwarded]);
        assert_eq!((rig.gauges(5), rig.gauges(4)), ((0, 0), (0, 1)), "{}", mode.name());
    }
}

#[test]
fn with_expire_nodest_conn_fragments_follow_the_first_to_its_new_real_server() {
    let mut rig = Rig::new(setup(ForwardingMode::Dr, true));
    let datagram = PacketSpec::udp(CLIENT, VIP).payload([7; 1480 - 8]);
    let whole = PacketSpec::udp(CLIENT, VIP).payload([7; 2000]).dont_fragment(false).id(9);
    rig.send(WAN, &datagram);
    rig.publish(|setup| setup.remove_real(RS3));
    let outcome = rig.send_all(WAN, whole.fragments(1480));
    assert_eq!(outcome.verdicts, [Verdict::Forwarded; 2]);
    let targets: Vec<_> = outcome.frames.iter().map(|(_, frame)| frame[5]).collect();
    assert_eq!(targets, [12, 12]);
}

/// A rig whose three real servers have these connections in turn.
fn crowd(count: u32) -> Rig {
    let mut setup = setup(ForwardingMode::Nat, true);
    setup.flows = count + 100;
    let mut rig = Rig::new(setup);
    let outcome = rig.send_all(WAN, (0..count).map(|number| segment(number, SYN)));
    assert_eq!(outcome.verdicts.len(), count as usize);
    rig
}

#[test]
fn flows_of_removed_real_servers_end_in_bounded_steps_and_others_stay() {
    let mut rig = crowd(30_000);
    rig.neighbors_answer = false;
    assert_eq!([0, 1, 2].map(|real| rig.gauges(real).0), [10_000; 3]);
    rig.reconfigure(|setup| setup.remove_real(RS3));
    let (mut turns, mut second_removed_at) = (0, None);
    while rig.gauges(2).0 + rig.gauges(1).0 > 0 {
        let before = rig.stats.flows.value();
        rig.turn();
        assert!(before - rig.stats.flows.value() <= SWEEP_ENDS_PER_TURN as u64);
        turns += 1;
        // Another one goes while the first one's flows are ending.
        if second_removed_at.is_none() && rig.gauges(2).0 < 5000 {
            second_removed_at = Some(turns);
            assert!(rig.gauges(1).0 == 10_000);
            rig.reconfigure(|setup| setup.remove_real(RS2));
        }
        if second_removed_at.is_none() && turns > 5000 {
            panic!("{} left", rig.gauges(2).0);
        }
        let rounds = 2 * 30_100 / SWEEP_PER_TURN + 2 * 10_000;
        assert!(turns < rounds, "{:?} left", [rig.gauges(1).0, rig.gauges(2).0]);
    }
    assert_eq!([0, 1, 2].map(|real| rig.gauges(real)), [(10_000, 0), (0, 0), (0, 0)]);
    assert_eq!(ended(&rig), 20_000);
    // Those that stayed go on, and where nothing is left to do nothing is done.
    let outcome = rig.send_all(WAN, (0..3).map(|number| segment(number, ACK)));
    let forwarded = outcome.verdicts.iter().filter(|one| **one == Verdict::Forwarded).count();
    assert_eq!(forwarded, 1);
    rig.reconfigure(|setup| setup.restore_real(RS3));
    let outcome = rig.send_all(WAN, [segment(40_000, SYN)]);
    assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
    rig.reconfigure(|_| {});
    (0..2000).for_each(|_| drop(rig.turn()));
    assert_eq!((ended(&rig), rig.stats.flows.value()), (20_000, 10_001));
}

#[test]
fn a_real_server_that_comes_back_before_its_flows_have_ended_keeps_the_rest() {
    let mut rig = crowd(3000);
    rig.neighbors_answer = false;
    rig.reconfigure(|setup| setup.remove_real(RS3));
    while rig.gauges(2).0 > 500 {
        rig.turn();
    }
    let left = rig.gauges(2).0;
    rig.reconfigure(|setup| setup.restore_real(RS3));
    (0..1000).for_each(|_| drop(rig.turn()));
    assert_eq!(rig.gauges(2).0, left);
}

#[test]
fn flows_that_were_left_end_when_the_option_is_set_later() {
    let mut rig = crowd(300);
    rig.reconfigure(|setup| {
        setup.ipvs.expire_nodest_conn = false;
        setup.remove_real(RS3);
    });
    (0..100).for_each(|_| drop(rig.turn()));
    assert_eq!((rig.gauges(2).0, ended(&rig)), (100, 0));
    rig.reconfigure(|setup| setup.ipvs.expire_nodest_conn = true);
    (0..100).for_each(|_| drop(rig.turn()));
    assert_eq!((rig.gauges(2).0, ended(&rig)), (0, 100));
}

#[test]
fn every_worker_ends_the_flows_it_has() {
    let mut setup = setup(ForwardingMode::FullNat, true);
    setup.flows = 2000;
    let mut rig = TeamRig::new(&setup, 3, |_| true);
    for number in 0..900 {
        rig.put(WAN, &segment(number, SYN));
    }
    assert_eq!(rig.run().len(), 900);
    let active = |rig: &TeamRig, real| {
        rig.sum(|stats| stats.real_server(RealId(real)).map_or(0, |real| real.active.value()))
    };
    let before = [0, 1, 2].map(|real| active(&rig, real));
    assert!(
        rig.stats.iter().all(|stats| {
            stats.real_server(RealId(2)).is_some_and(|real| real.active.value() > 0)
        })
    );
    rig.publish(|setup| setup.remove_real(RS3));
    for _ in 0..200 {
        (0..3).for_each(|worker| rig.turn(worker));
    }
    assert_eq!([0, 1, 2].map(|real| active(&rig, real)), [before[0], before[1], 0]);
}

#[test]
fn connections_keep_their_real_server_when_weights_and_the_scheduler_change() {
    for mode in MODES {
        let mut rig = Rig::new(setup(mode, false));
        let targets = |rig: &mut Rig| -> Vec<_> {
            let mut flows = rig.flows();
            flows.sort_by_key(|flow| flow.client.1);
            flows.iter().map(|flow| flow.real_id.0).collect()
        };
        rig.send_all(WAN, (0..6).map(|number| segment(number, SYN)));
        assert_eq!(targets(&mut rig), [2, 1, 0, 2, 1, 0]);
        rig.reconfigure(|setup| setup.set_scheduler(Scheduler::Wlc));
        rig.reconfigure(|setup| setup.set_weight(RS2, 0));
        let acks = (0..6).map(|number| segment(number, ACK));
        assert_eq!(rig.send_all(WAN, acks).verdicts, [Verdict::Forwarded; 6], "{}", mode.name());
        assert_eq!(targets(&mut rig), [2, 1, 0, 2, 1, 0]);
        assert_eq!([0, 1, 2].map(|real| rig.gauges(real).0), [2, 2, 2]);
        // wlc goes by the connections that rr opened, and weight 0 takes nothing.
        rig.send_all(WAN, (6..10).map(|number| segment(number, SYN)));
        assert_eq!([0, 1, 2].map(|real| rig.gauges(real).0), [4, 2, 4]);
        let service = rig.stats.service(ServiceId(0)).expect("counters");
        assert_eq!((service.connections.value(), service.in_packets.value()), (10, 16));
    }
}
