//! Persistence over several workers: one real server for a client, wherever its packets come in.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::HANDOVER_RING_LEN;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::time::Ticks;
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::TcpFlags;

use crate::support::{LAN, MODES, ServiceSpec, Setup, TeamRig, VIP, WAN, ends, from_real};

const WORKER_COUNTS: [u16; 4] = [1, 2, 3, 8];
const REALS: u8 = 5;

fn setup(mode: ForwardingMode, timeout_s: u32) -> Setup {
    let port = if mode.sees_replies() { 8080 } else { 80 };
    let of = |service: ServiceSpec| {
        let with = |service: ServiceSpec, real| service.real((real_address(real), port), 1);
        (0..REALS).fold(service, with).persistent(timeout_s, [255; 4])
    };
    Setup::new([of(ServiceSpec::udp(VIP, mode)), of(ServiceSpec::tcp(VIP, mode))])
}

fn real_address(real: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 11 + real)
}

fn client(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, number)
}

fn syn(number: u8, cport: u16) -> PacketSpec {
    PacketSpec::tcp((client(number), cport), VIP).flags(TcpFlags::SYN)
}

fn copies(rig: &TeamRig) -> u64 {
    rig.sum(|stats| stats.templates.value()) - rig.templates(u32::from(REALS) * 2)
}

/// The client resets its connections from these ports, and they end.
fn close(rig: &mut TeamRig, number: u8, cports: impl Iterator<Item = u16>) {
    for cport in cports {
        rig.put(WAN, &syn(number, cport).flags(TcpFlags::RST).frame());
        rig.run();
    }
    rig.pass_s(11);
}

#[test]
fn a_client_gets_one_real_server_whatever_worker_its_connections_come_to() {
    for mode in MODES {
        for count in WORKER_COUNTS {
            let mut rig = TeamRig::new(&setup(mode, 300), count, |_| true);
            let mut chosen = HashSet::new();
            for number in 0..12 {
                let first = rig.target(&syn(number, 1000));
                for cport in 1001..1030 {
                    assert_eq!(rig.target(&syn(number, cport)), first, "{mode:?} {count}");
                }
                chosen.insert(first);
            }
            assert!(chosen.len() > 1, "clients are spread");
            assert_eq!(rig.templates(u32::from(REALS) * 2), 12);
            assert_eq!(copies(&rig) > 0, count > 1);
            assert_eq!(rig.sum(|stats| stats.flows.value()), 12 * 30);
            assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
        }
    }
}

#[test]
fn connections_that_come_at_once_get_one_real_server() {
    for count in WORKER_COUNTS {
        let mut rig = TeamRig::new(&setup(ForwardingMode::Nat, 300), count, |_| true);
        for number in 0..10 {
            for cport in 1000..1040 {
                rig.put(WAN, &syn(number, cport).frame());
            }
            let out = rig.run();
            assert_eq!(out.len(), 40);
            let reals: HashSet<_> = out.iter().map(|(_, frame)| *ends(frame).1.ip()).collect();
            assert_eq!(reals.len(), 1, "{count}");
            // Every flow works both ways.
            for (_, frame) in out {
                let (peer, real) = ends(&frame);
                let answer = PacketSpec::tcp(real, peer).flags(TcpFlags::ACK);
                rig.put(LAN, &from_real(&answer, "10.0.0.11:1").frame());
            }
            assert_eq!(rig.run().len(), 40, "{count}");
        }
        assert_eq!(rig.templates(u32::from(REALS) * 2), 10);
    }
}

#[test]
fn a_template_lives_from_the_last_connection_on_wherever_that_was() {
    for count in WORKER_COUNTS {
        let mut rig = TeamRig::new(&setup(ForwardingMode::Nat, 100), count, |_| true);
        let first = rig.target(&syn(1, 1000));
        close(&mut rig, 1, 1000..1001);
        for cport in 1001..1020 {
            rig.pass_s(80);
            assert_eq!(rig.target(&syn(1, cport)), first, "{count} {cport}");
            close(&mut rig, 1, cport..cport + 1);
        }
        // 11 s have passed since.
        rig.pass_s(87);
        assert_eq!(rig.templates(u32::from(REALS) * 2), 1, "{count}");
        rig.pass_s(4);
        assert_eq!((rig.templates(u32::from(REALS) * 2), copies(&rig)), (0, 0), "{count}");
    }
}

#[test]
fn a_template_lives_as_long_as_flows_of_any_worker() {
    for count in WORKER_COUNTS {
        let mut rig = TeamRig::new(&setup(ForwardingMode::Nat, 100), count, |_| true);
        let first = rig.target(&syn(1, 1000));
        for number in 2..8 {
            rig.target(&syn(number, 1000));
        }
        rig.put(WAN, &syn(1, 1000).flags(TcpFlags::ACK).frame());
        rig.run();
        for _ in 0..400 {
            rig.pass_s(2);
        }
        assert_eq!(rig.templates(u32::from(REALS) * 2), 1, "{count}: the flow still lives");
        assert_eq!(rig.target(&syn(1, 2000)), first);
        close(&mut rig, 1, [1000, 2000].into_iter());
        // At most a minute for the copy, and another for the template that heard of it.
        for _ in 0..65 {
            rig.pass_s(2);
        }
        assert_eq!((rig.templates(u32::from(REALS) * 2), copies(&rig)), (0, 0), "{count}");
    }
}

#[test]
fn weights_and_removed_real_servers_count_at_every_worker() {
    for count in WORKER_COUNTS {
        let mut rig = TeamRig::new(&setup(ForwardingMode::Nat, 300), count, |_| true);
        let open = |rig: &mut TeamRig, cport| {
            rig.put(WAN, &syn(1, cport).frame());
            *ends(&rig.run()[0].1).1.ip()
        };
        let first = open(&mut rig, 1000);
        assert!((1001..1030).all(|cport| open(&mut rig, cport) == first));
        rig.publish(|setup| setup.set_weights(0));
        assert!((1030..1060).all(|cport| open(&mut rig, cport) == first), "{count}");
        rig.publish(|setup| {
            setup.set_weights(1);
            setup.remove_real((first, 8080));
        });
        let second = open(&mut rig, 1060);
        assert_ne!(second, first);
        assert!((1061..1100).all(|cport| open(&mut rig, cport) == second), "{count}");
        rig.publish(|setup| setup.restore_real((first, 8080)));
        assert!((1100..1130).all(|cport| open(&mut rig, cport) == second), "{count}");
        rig.publish(|setup| {
            setup.ipvs.expire_quiescent_template = true;
            setup.set_weights(0);
        });
        rig.put(WAN, &syn(1, 1200).frame());
        rig.run();
        assert_eq!(rig.dropped(DropReason::NoRealServer), 1);
    }
}

#[test]
fn the_owner_goes_by_what_is_used_when_notes_were_lost() {
    // Worker 0 has a copy, uses it, and the owner hears nothing for longer than the template lives.
    let mut rig = TeamRig::new(&setup(ForwardingMode::Nat, 10), 2, |_| true);
    let number = lent_client(&mut rig);
    let cports: Vec<u16> =
        (2000..2400).filter(|cport| owner(&rig, number, *cport) == 0).take(40).collect();
    let first = rig.target(&syn(number, cports[0]));
    for cport in &cports[1..20] {
        rig.put_at(0, WAN, &syn(number, *cport).frame());
        rig.turn(0);
        rig.pass_ticks(100);
    }
    // The ring keeps the notes; the owner's clock has gone on meanwhile.
    rig.run();
    let before = rig.templates(u32::from(REALS) * 2);
    assert_eq!(before, 1, "a note makes it anew");
    assert_eq!(rig.target(&syn(number, cports[30])), first);
}

#[test]
fn a_copy_that_the_template_contradicts_is_given_up() {
    let mut rig = TeamRig::new(&setup(ForwardingMode::Nat, 300), 2, |_| true);
    let number = lent_client(&mut rig);
    let at = |rig: &TeamRig, worker: usize| -> Vec<u16> {
        (2000..2400).filter(|cport| owner(rig, number, *cport) == worker).take(10).collect()
    };
    let (here, there) = (at(&rig, 0), at(&rig, 1));
    let first = rig.target(&syn(number, here[0]));
    // The owner gives the template up while the other worker sees nothing of it.
    rig.publish(|setup| {
        setup.ipvs.expire_quiescent_template = true;
        setup.set_weights(0);
    });
    rig.put_at(1, WAN, &syn(number, there[0]).frame());
    rig.run();
    rig.publish(|setup| setup.set_weights(1));
    let second = rig.target(&syn(number, there[1]));
    assert_ne!(second, first);
    rig.pass_ticks(200);
    assert_eq!(rig.target(&syn(number, here[1])), first, "the copy says so");
    assert_eq!(rig.target(&syn(number, here[2])), second, "but not again");
}

#[test]
fn a_full_ring_drops_and_counts_what_asks() {
    let mut rig = TeamRig::new(&setup(ForwardingMode::Nat, 300), 2, |_| true);
    let number = lent_client(&mut rig);
    let cports: Vec<u16> =
        (1024..65000).filter(|cport| owner(&rig, number, *cport) == 0).take(3000).collect();
    let mut lost = 0;
    for cports in cports.chunks(32) {
        for cport in cports {
            rig.put_at(0, WAN, &syn(number, *cport).frame());
        }
        rig.turn(0);
        lost = rig.dropped(DropReason::HandoverRingFull);
    }
    assert_eq!(lost, 3000 - HANDOVER_RING_LEN as u64);
    let came_out = rig.run().len();
    assert_eq!(came_out, HANDOVER_RING_LEN, "what fitted came back with its real server");
    assert_eq!(rig.templates(u32::from(REALS) * 2), 1);
}

#[test]
fn fragments_of_a_first_datagram_follow_it_over_the_detour() {
    for mode in MODES {
        let mut rig = TeamRig::new(&setup(mode, 300), 3, |_| true);
        for number in 0..30u8 {
            let from = (client(number), 7000);
            let datagram = PacketSpec::udp(from, VIP).payload([7; 3000]).dont_fragment(false);
            let fragments = datagram.id(u16::from(number)).fragments(800);
            let count = fragments.len();
            for fragment in fragments {
                rig.put(WAN, &fragment);
            }
            let out = rig.run();
            assert_eq!(out.len(), count, "{mode:?} {number}");
            let macs: HashSet<_> = out.iter().map(|(_, frame)| frame[..6].to_vec()).collect();
            assert_eq!(macs.len(), 1);
        }
        assert_eq!(rig.sum(|stats| stats.held.value() + stats.dropped_total()), 0);
    }
}

#[test]
fn without_room_for_templates_connections_are_served_nevertheless() {
    let mut setup = setup(ForwardingMode::Nat, 300);
    setup.templates = 1;
    let mut rig = TeamRig::new(&setup, 3, |_| true);
    for number in 0..20 {
        for cport in 1000..1005 {
            rig.target(&syn(number, cport));
        }
    }
    assert_eq!(rig.sum(|stats| stats.flows.value()), 100);
    assert!(rig.sum(|stats| stats.templates_full.value()) > 0);
    rig.pass_ticks(Ticks::from_secs(1).0);
}

/// The worker that a connection belongs to.
fn owner(rig: &TeamRig, number: u8, cport: u16) -> usize {
    rig.owner_of_client((client(number), cport).endpoint())
}

/// A client, of two workers' team, whose template is worker 1's: found by letting it connect at
/// worker 0, which then asks.
fn lent_client(rig: &mut TeamRig) -> u8 {
    for number in 100..200 {
        let cport = (1000..2000).find(|cport| owner(rig, number, *cport) == 0).unwrap();
        let before = rig.stats[1].taken_over.value();
        rig.put_at(0, WAN, &syn(number, cport).frame());
        rig.run();
        if rig.stats[1].taken_over.value() > before {
            // Forget it again.
            close(rig, number, cport..cport + 1);
            for _ in 0..200 {
                rig.pass_s(2);
            }
            assert_eq!(copies(rig), 0);
            return number;
        }
    }
    panic!("no client's template belongs to worker 1")
}
