//! DR and TUN with a full flow table: connections go on without flows.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::service::RealId;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{Rig, ServiceSpec, Setup, VIP, WAN};

const MODES: [ForwardingMode; 2] = [ForwardingMode::Dr, ForwardingMode::Tunnel];
const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const ROOM: u32 = 100;

/// A TCP and a UDP service with real servers of these weights, and room for 100 flows, all of which
/// are taken by others.
fn crowded(mode: ForwardingMode, weights: &[u32]) -> Rig {
    let reals = |spec: ServiceSpec| {
        (11..).zip(weights).fold(spec, |spec, (last, weight)| {
            spec.real((Ipv4Addr::new(10, 0, 0, last), 80), *weight)
        })
    };
    let mut setup =
        Setup::new([reals(ServiceSpec::tcp(VIP, mode)), reals(ServiceSpec::udp(VIP, mode))]);
    setup.flows = ROOM;
    let mut rig = Rig::new(setup);
    let others = (0..ROOM).map(|number| tcp(10_000 + number, SYN));
    assert_eq!(rig.send_all(WAN, others).verdicts, [Verdict::Forwarded; ROOM as usize]);
    rig
}

fn client(number: u32) -> (Ipv4Addr, u16) {
    (Ipv4Addr::from_bits(0xC633_0000 + number), 40_000)
}

fn tcp(number: u32, flags: TcpFlags) -> Vec<u8> {
    PacketSpec::tcp(client(number), VIP).flags(flags).frame()
}

/// The real server that a frame is for: its MAC in DR, the tunnel's end in TUN.
fn target(mode: ForwardingMode, frame: &[u8]) -> Vec<u8> {
    match mode {
        ForwardingMode::Tunnel => frame[30..34].to_vec(),
        ForwardingMode::Dr | ForwardingMode::Nat | ForwardingMode::FullNat => frame[..6].to_vec(),
    }
}

/// Sends a packet that must be forwarded; the real server it went to.
fn forwarded(rig: &mut Rig, mode: ForwardingMode, frame: Vec<u8>) -> Vec<u8> {
    let outcome = rig.send_all(WAN, [frame]);
    assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{mode:?}");
    target(mode, &outcome.frames[0].1)
}

#[test]
fn a_connection_stays_with_its_real_server_without_a_flow_and_with_one() {
    for mode in MODES {
        let mut rig = crowded(mode, &[1, 1, 1]);
        for number in 0..50 {
            let real = forwarded(&mut rig, mode, tcp(number, SYN));
            for flags in [SYN, ACK, ACK | TcpFlags::PSH] {
                assert_eq!(forwarded(&mut rig, mode, tcp(number, flags)), real);
            }
        }
        assert_eq!(rig.stats.stateless.value(), 200);
        assert_eq!((rig.stats.flows.value(), rig.stats.dropped_total()), (u64::from(ROOM), 0));
        // The others' SYNs are forgotten: there is room for flows.
        let before: Vec<_> =
            (0..50).map(|number| forwarded(&mut rig, mode, tcp(number, ACK))).collect();
        rig.pass_s(70);
        assert_eq!(rig.stats.flows.value(), 0);
        let stateless = rig.stats.stateless.value();
        for (number, real) in (0..50).zip(&before) {
            assert_eq!(forwarded(&mut rig, mode, tcp(number, ACK)), *real);
        }
        assert_eq!((rig.stats.flows.value(), rig.stats.stateless.value()), (50, stateless));
        rig.pass_s(600);
        assert_eq!(forwarded(&mut rig, mode, tcp(7, ACK)), before[7]);
    }
}

#[test]
fn when_no_such_connection_can_be_left_all_is_as_before() {
    for mode in MODES {
        let mut rig = crowded(mode, &[1, 1, 1]);
        forwarded(&mut rig, mode, tcp(1, SYN));
        rig.pass_s(890);
        // Not long enough ago for its segments, but for its SYN.
        forwarded(&mut rig, mode, tcp(1, ACK));
        let mut served = HashMap::<_, u32>::new();
        for number in 100..130 {
            *served.entry(forwarded(&mut rig, mode, tcp(number, SYN))).or_default() += 1;
        }
        assert!(served.values().all(|count| *count == 10), "in turn: {served:?}");
        rig.pass_s(11);
        let outcome = rig.send_all(WAN, [tcp(2, ACK)]);
        assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoFlow)]);
    }
}

#[test]
fn udp_goes_on_as_well() {
    for mode in MODES {
        let mut rig = crowded(mode, &[1, 1, 1]);
        let datagram = |number| PacketSpec::udp(client(number), VIP).payload("q").frame();
        let first: Vec<_> =
            (0..30).map(|number| forwarded(&mut rig, mode, datagram(number))).collect();
        rig.pass_s(70);
        let later: Vec<_> =
            (0..30).map(|number| forwarded(&mut rig, mode, datagram(number))).collect();
        assert_eq!(first, later);
        assert_eq!(rig.stats.flows.value(), 30);
    }
}

#[test]
fn clients_are_shared_out_by_weight_and_counted() {
    for mode in MODES {
        let mut rig = crowded(mode, &[1, 0, 3]);
        let before = |rig: &Rig, real| {
            rig.stats.real_server(RealId(real)).unwrap().traffic.in_packets.value()
        };
        let old: Vec<_> = (0..3).map(|real| before(&rig, real)).collect();
        let outcome = rig.send_all(WAN, (0..4000).map(|number| tcp(number, SYN)));
        assert_eq!(outcome.verdicts.len(), 4000);
        let packets: Vec<_> = (0..3).map(|real| before(&rig, real) - old[real as usize]).collect();
        assert_eq!((packets[0] + packets[2], packets[1]), (4000, 0));
        assert!((900..1100).contains(&packets[0]), "{packets:?}");
    }
}

#[test]
fn fragments_and_services_without_weight_are_refused() {
    let mode = ForwardingMode::Dr;
    let mut rig = crowded(mode, &[1, 1]);
    let datagram = PacketSpec::udp(client(1), VIP).payload([7; 3000]).dont_fragment(false).id(9);
    let outcome = rig.send_all(WAN, datagram.fragments(1200));
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::FlowTableFull); 3]);

    rig.reconfigure(|setup| setup.set_weights(0));
    let outcome = rig.send_all(WAN, [tcp(2, SYN)]);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoRealServer)]);
}
