//! Schedulers in the whole packet path: connections begin and end, over one worker and several.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::sched::Scheduler;
use rvs_dataplane::service::RealId;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::Verdict;
use rvs_dataplane::wire::TcpFlags;

use crate::support::{LAN, Rig, ServiceSpec, Setup, TeamRig, VIP, WAN};

const REALS: u32 = 100;

/// Real servers of weights 1, 2, 3, 4, 1 ...
fn setup(scheduler: Scheduler) -> Setup {
    let service = ServiceSpec::tcp(VIP, ForwardingMode::Dr).scheduler(scheduler);
    let real = |service: ServiceSpec, n: u32| {
        service.real((Ipv4Addr::from_bits(0x0A00_000A + n), 80), 1 + n % 4)
    };
    let mut setup = Setup::new([(0..REALS).fold(service, real)]);
    setup.flows = 100_000;
    setup
}

fn segment(client: u32, flags: TcpFlags) -> Vec<u8> {
    let from = (Ipv4Addr::from_bits(0xC633_0000 + client / 100), 10_000 + (client % 100) as u16);
    PacketSpec::tcp(from, VIP).flags(flags).frame()
}

/// Opens 8000 connections on `workers` workers, ends a third of them meanwhile; active connections
/// of each real server for its weight.
fn spread(scheduler: Scheduler, workers: u16) -> Vec<f64> {
    let mut rig = TeamRig::new(&setup(scheduler), workers, |_| true);
    for client in 0..8000 {
        rig.put(WAN, &segment(client, TcpFlags::SYN));
        if client % 3 == 0 {
            for flags in [TcpFlags::ACK, TcpFlags::RST] {
                rig.run();
                rig.put(WAN, &segment(client, flags));
            }
        }
        if client % 16 == 0 {
            let out = rig.run();
            assert!(out.iter().all(|(port, _)| *port == LAN));
        }
        // 4000 connections a second.
        if client % 40 == 0 {
            rig.pass_ticks(1);
        }
    }
    rig.run();
    assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
    let active = |real| {
        rig.sum(|stats| stats.real_server(RealId(real)).map_or(0, |real| real.active.value()))
    };
    (0..REALS).map(|real| f64::from(u32::try_from(active(real)).unwrap())).collect()
}

/// How far the real servers are from the share their weight gives them, on average.
fn error(spread: &[f64]) -> f64 {
    let total: f64 = spread.iter().sum();
    let weights = (0..REALS).map(|n| f64::from(1 + n % 4));
    let all: f64 = weights.clone().sum();
    let off = weights.zip(spread).map(|(weight, active)| (active - total * weight / all).abs());
    off.sum::<f64>() / total
}

#[test]
fn several_workers_spread_connections_as_one_does() {
    for scheduler in [Scheduler::Wlc, Scheduler::Sed] {
        let (one, four) = (spread(scheduler, 1), spread(scheduler, 4));
        let (alone, together) = (error(&one), error(&four));
        assert!(together < alone + 0.02, "{scheduler:?}: {alone} alone, {together} together");
    }
}

#[test]
fn connections_that_end_make_room_for_others() {
    // Overflow: one connection more than its weight to the first, then to the second.
    let service = ServiceSpec::tcp(VIP, ForwardingMode::Nat).scheduler(Scheduler::Ovf);
    let service = service.real("10.0.0.11:80", 2).real("10.0.0.12:80", 1);
    let mut rig = Rig::new(Setup::new([service]));
    let mut targets = HashMap::<_, u32>::new();
    let mut open = |rig: &mut Rig, client| {
        let outcome = rig.send_all(WAN, [segment(client, TcpFlags::SYN)]);
        if outcome.verdicts == [Verdict::Forwarded] {
            let target = outcome.frames[0].1[33];
            *targets.entry(target).or_default() += 1;
            return Some(target);
        }
        None
    };
    let first: Vec<_> = (0..6).map(|client| open(&mut rig, client)).collect();
    let (a, b) = (Some(11), Some(12));
    assert_eq!(first, [a, a, a, b, b, None], "nobody has room for the sixth");
    // A reset makes a connection inactive.
    rig.send_all(WAN, [segment(1, TcpFlags::ACK), segment(1, TcpFlags::RST)]);
    assert_eq!(open(&mut rig, 10), a);
    // So does the end of its life.
    rig.pass_s(70);
    assert_eq!(open(&mut rig, 11), a);
}

#[test]
fn thresholds_count_the_connections_of_all_workers() {
    let service = ServiceSpec::tcp(VIP, ForwardingMode::Dr).scheduler(Scheduler::Rr);
    let service = service.real("10.0.0.11:80", 1).upper_threshold(40);
    let mut rig = TeamRig::new(&Setup::new([service]), 4, |_| true);
    let mut admitted = 0;
    for client in 0..100 {
        rig.put(WAN, &segment(client, TcpFlags::SYN));
        admitted += rig.run().iter().filter(|(port, _)| *port == LAN).count();
        rig.pass_ticks(1);
    }
    assert_eq!(admitted, 40);
}
