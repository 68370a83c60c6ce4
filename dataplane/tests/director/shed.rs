//! `drop_entry`: which flows make room when a table is nearly full, and which never do.

use std::net::Ipv4Addr;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::options::Defence;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::time::Ticks;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{LAN, Rig, SYN_ACK, ServiceSpec, Setup, TeamRig, VIP, WAN, from_real};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const ROOM: u32 = 1000;

fn setup(mode: ForwardingMode, drop_entry: Defence) -> Setup {
    let mut setup = Setup::new([
        ServiceSpec::tcp(VIP, mode).real("10.0.0.11:80", 1),
        ServiceSpec::udp(VIP, mode).real("10.0.0.11:80", 1),
    ]);
    setup.flows = ROOM;
    setup.ipvs.drop_entry = drop_entry;
    setup
}

fn client(number: u32) -> (Ipv4Addr, u16) {
    (Ipv4Addr::from_bits(0xC633_0000 + number), 40_000)
}

fn segment(number: u32, flags: TcpFlags) -> Vec<u8> {
    PacketSpec::tcp(client(number), VIP).flags(flags).frame()
}

/// Opens connections of the clients of these numbers, with so many packets each.
fn establish(rig: &mut Rig, numbers: std::ops::Range<u32>, packets: usize) {
    for number in numbers {
        let segments = std::iter::once(SYN).chain(std::iter::repeat_n(ACK, packets - 1));
        let outcome = rig.send_all(WAN, segments.map(|flags| segment(number, flags)));
        assert_eq!(outcome.verdicts, vec![Verdict::Forwarded; packets]);
    }
}

/// Lets time pass in steps of a tick, each with some turns.
fn pass(rig: &mut Rig, ticks: u32) {
    for _ in 0..ticks {
        rig.pass(Ticks(1));
    }
}

fn shed(rig: &Rig) -> (u64, u64) {
    (rig.stats.ended.half_open.value(), rig.stats.ended.idle.value())
}

#[test]
fn a_flood_of_syns_pushes_out_itself_and_no_established_connection() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut rig = Rig::new(setup(mode, Defence::Auto));
        establish(&mut rig, 0..500, 2);
        // A thousand SYNs a second for 20 seconds, of which the table would hold half a second's.
        let mut refused = 0;
        for tick in 0..2000 {
            let flood = (0..10).map(|one| segment(10_000 + tick * 10 + one, SYN));
            rig.now = rig.now.after(Ticks(1));
            let outcome = rig.send_all(WAN, flood);
            refused += outcome.verdicts.iter().filter(|one| **one != Verdict::Forwarded).count();
        }
        assert!(shed(&rig).0 > 4000, "{:?}", shed(&rig));
        assert_eq!(shed(&rig).1, 0, "nobody is idle for a minute yet");
        let full = rig.stats.dropped(DropReason::FlowTableFull).value();
        assert_eq!(full, refused as u64, "what found no room is counted");
        let outcome = rig.send_all(WAN, (0..500).map(|number| segment(number, ACK)));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded; 500], "{}", mode.name());
        // A second after the flood there is room again, long before its flows time out.
        pass(&mut rig, 200);
        establish(&mut rig, 600..650, 2);
        rig.assert_books();
    }
}

#[test]
fn without_drop_entry_nothing_is_shed() {
    let mut rig = Rig::new(setup(ForwardingMode::Nat, Defence::Off));
    rig.send_all(WAN, (0..ROOM).map(|number| segment(number, SYN)));
    pass(&mut rig, 500);
    assert_eq!((shed(&rig), rig.stats.flows.value()), ((0, 0), u64::from(ROOM)));
    rig.reconfigure(|setup| setup.ipvs.drop_entry = Defence::Auto);
    pass(&mut rig, 500);
    let left = rig.stats.flows.value();
    assert_eq!(shed(&rig).0, u64::from(ROOM) - left);
    // It ends when a quarter more than the threshold is free: 125 of 1000, or one tick's more.
    assert!((860..=875).contains(&left), "{left} left");
    pass(&mut rig, 500);
    assert_eq!(rig.stats.flows.value(), left, "and not before it is nearly full again");
}

#[test]
fn handshakes_under_way_and_connections_of_every_other_state_are_spared() {
    let mut rig = Rig::new(setup(ForwardingMode::Nat, Defence::Always));
    // SYN_RECV, TIME_WAIT and CLOSE, all of them idle for the same time.
    rig.send_all(WAN, (0..100).map(|number| segment(number, SYN)));
    rig.send_all(WAN, (0..10).map(|number| segment(number, TcpFlags::FIN)));
    rig.send_all(WAN, (10..20).map(|number| segment(number, TcpFlags(0))));
    pass(&mut rig, 99);
    assert_eq!(shed(&rig), (0, 0), "a client far away may still answer");
    // A whole round takes 32 seconds, and what is younger than a second is passed over.
    pass(&mut rig, 3300);
    assert_eq!(shed(&rig), (80, 0));
    let states: Vec<_> = rig.flows().iter().map(|flow| flow.state).collect();
    assert_eq!(states, ["TIME_WAIT"; 10], "those in CLOSE have timed out");
}

#[test]
fn idle_flows_are_shed_by_how_few_packets_they_had() {
    // Real servers of DR are not heard: with NAT the packets of replies must not count.
    for mode in [ForwardingMode::Dr, ForwardingMode::Nat] {
        let mut rig = Rig::new(setup(mode, Defence::Always));
        // 24 connections each with 2, 4, 8 and 9 packets from the client.
        for (start, packets) in [(0, 2), (24, 4), (48, 8), (72, 9)] {
            establish(&mut rig, start..start + 24, packets);
        }
        if mode == ForwardingMode::Nat {
            for number in 0..96 {
                let reply = PacketSpec::tcp("10.0.0.11:80", client(number)).flags(ACK);
                let outcome = rig.send(LAN, &from_real(&reply, "10.0.0.11:80"));
                assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
            }
        }
        let left = |rig: &mut Rig| {
            let mut left = [0; 4];
            for flow in rig.flows() {
                let std::net::IpAddr::V4(address) = flow.client.0 else { panic!("IPv4") };
                left[(address.to_bits() - 0xC633_0000) as usize / 24] += 1;
            }
            left
        };
        pass(&mut rig, 5900);
        assert_eq!((left(&mut rig), shed(&rig)), ([24; 4], (0, 0)));
        // One round: half of those with 2, a fourth of those with 4, an eighth, none.
        pass(&mut rig, 3200);
        assert_eq!(left(&mut rig), [12, 18, 21, 24], "{}", mode.name());
        assert_eq!(shed(&rig), (0, 12 + 6 + 3));
    }
}

#[test]
fn idle_flows_are_shed_only_under_pressure_unless_drop_entry_is_3() {
    let mut rig = Rig::new(setup(ForwardingMode::Nat, Defence::Auto));
    // 930 are nearly full; half of the threshold is reached with 951.
    establish(&mut rig, 0..930, 2);
    pass(&mut rig, 7000);
    assert_eq!(shed(&rig), (0, 0));
    establish(&mut rig, 930..960, 2);
    pass(&mut rig, 400);
    let (half_open, idle) = shed(&rig);
    assert_eq!(half_open, 0);
    assert!((10..30).contains(&idle), "{idle} made room");
    assert!(rig.stats.flows.value() >= 940, "no more than it takes");
    let outcome = rig.send_all(WAN, (930..960).map(|number| segment(number, ACK)));
    assert_eq!(outcome.verdicts, [Verdict::Forwarded; 30], "those that are not idle stay");
}

#[test]
fn a_syn_and_its_answer_are_half_open_under_secure_tcp() {
    let mut setup = setup(ForwardingMode::Nat, Defence::Always);
    setup.ipvs.secure_tcp = Defence::Always;
    let mut rig = Rig::new(setup);
    rig.send_all(WAN, [segment(0, SYN)]);
    let answer = PacketSpec::tcp("10.0.0.11:80", client(0)).flags(SYN_ACK);
    rig.send(LAN, &from_real(&answer, "10.0.0.11:80"));
    assert_eq!(rig.flows()[0].state, "SYNACK");
    pass(&mut rig, 3400);
    assert_eq!((shed(&rig), rig.stats.flows.value()), ((1, 0), 0));
}

#[test]
fn each_worker_sheds_by_its_own_table() {
    let mut setup = setup(ForwardingMode::Nat, Defence::Auto);
    setup.flows = 100;
    let mut rig = TeamRig::new(&setup, 2, |_| true);
    // One worker's table fills, the other's does not.
    let owner = |rig: &TeamRig, number| {
        let (address, port) = client(number);
        rig.owner_of_client(std::net::SocketAddrV4::new(address, port))
    };
    let mut opened = [0, 0];
    for number in 0..1000 {
        let owner = owner(&rig, number);
        if opened[owner] < [100, 50][owner] {
            opened[owner] += 1;
            rig.put(WAN, &segment(number, SYN));
        }
    }
    assert_eq!((rig.run().len(), opened), (150, [100, 50]));
    for _ in 0..500 {
        rig.pass_ticks(1);
        (0..2).for_each(|worker| rig.turn(worker));
    }
    let flows: Vec<_> = rig.stats.iter().map(|stats| stats.flows.value()).collect();
    assert_eq!(flows[1], 50);
    assert!((80..=88).contains(&flows[0]), "{flows:?}");
}
