//! Several workers: every packet of a flow is processed by its owner, whoever receives it.

use std::collections::HashSet;
use std::net::SocketAddrV4;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::HANDOVER_RING_LEN;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::DropReason;

use crate::support::{
    LAN, LIP, MODES, RS1, RS2, ServiceSpec, Setup, TeamRig, VIP, WAN, client, ends, from_real,
    one_hop_on, request, to_client,
};

const WORKER_COUNTS: [u16; 5] = [1, 2, 3, 5, 8];

fn setup(mode: ForwardingMode) -> Setup {
    let real = |real: &str| match mode {
        ForwardingMode::Dr | ForwardingMode::Tunnel => (*real.endpoint().ip(), 80),
        ForwardingMode::Nat | ForwardingMode::FullNat => (*real.endpoint().ip(), 8080),
    };
    Setup::new([
        ServiceSpec::udp(VIP, mode).real(real(RS1), 1).real(real(RS2), 1),
        ServiceSpec::tcp(VIP, mode).real(real(RS1), 1).real(real(RS2), 1),
    ])
}

#[test]
fn every_flow_keeps_its_real_server_and_replies_find_their_client() {
    for mode in MODES {
        for count in WORKER_COUNTS {
            let mut rig = TeamRig::new(&setup(mode), count, |_| true);
            let mut chosen = Vec::new();
            for round in 0..3 {
                for number in 0..150 {
                    rig.put(WAN, &request(number).frame());
                    let out = rig.run();
                    let [(LAN, frame)] = out.as_slice() else {
                        panic!("{mode:?} {count}: {out:?}")
                    };
                    // In DR the frame's MAC tells the real server.
                    let target = (frame[..6].to_vec(), frame[26..38].to_vec());
                    if round == 0 {
                        chosen.push(target);
                    } else {
                        assert_eq!(chosen[usize::from(number)], target, "{mode:?} {count}");
                    }
                    if mode.sees_replies() {
                        reply(&mut rig, frame, number);
                    }
                }
            }
            assert_eq!(rig.sum(|stats| stats.flows.value()), 150, "{mode:?} {count}");
            let idle = rig.stats.iter().filter(|stats| stats.flows.value() == 0).count();
            assert_eq!(idle, 0, "every worker has some of 150 flows");
            assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
            let handed_over = rig.sum(|stats| stats.handed_over.value());
            assert_eq!(handed_over > 0, count > 1, "{handed_over}");
        }
    }
}

/// The real server answers the request `frame`; the answer must reach client `number` from the VIP.
fn reply(rig: &mut TeamRig, frame: &[u8], number: u16) {
    let (peer, real) = ends(frame);
    let answer = PacketSpec::udp((*real.ip(), real.port()), (*peer.ip(), peer.port()));
    rig.put(LAN, &from_real(&answer.payload("answer"), RS1).frame());
    let from = client(number);
    let expected = PacketSpec::udp(VIP, (*from.ip(), from.port())).payload("answer");
    assert_eq!(rig.run(), [(WAN, one_hop_on(&to_client(&expected)).frame())]);
}

#[test]
fn local_ports_are_not_shared_and_not_wasted() {
    // One address, two real servers, three workers: each pair of address and port is used by one
    // worker, and by that one for both real servers.
    let mut rig = TeamRig::new(&setup(ForwardingMode::FullNat), 3, |_| true);
    let mut used = HashSet::new();
    for number in 0..600 {
        rig.put(WAN, &request(number).frame());
        let out = rig.run();
        let (peer, real) = ends(&out[0].1);
        assert_eq!(*peer.ip(), LIP);
        assert!(used.insert((peer, real)), "{peer} towards {real} came twice");
    }
}

#[test]
fn fragments_of_a_datagram_meet_in_whatever_order_and_place_they_come() {
    for mode in MODES {
        for count in WORKER_COUNTS {
            let mut rig = TeamRig::new(&setup(mode), count, |_| true);
            for number in 0..60 {
                let datagram = request(number).payload([7; 3000]).dont_fragment(false).id(number);
                let mut fragments = datagram.fragments(800);
                let swaps = fragments.len();
                for place in 0..swaps {
                    let other = rig.random(swaps);
                    fragments.swap(place, other);
                }
                let mut out = Vec::new();
                for fragment in &fragments {
                    rig.put(WAN, fragment);
                    out.extend(rig.run());
                }
                assert_eq!(out.len(), fragments.len(), "{mode:?} {count} {number}");
                let macs: HashSet<_> = out.iter().map(|(_, frame)| frame[..6].to_vec()).collect();
                assert_eq!(macs.len(), 1, "one real server");
            }
            assert_eq!(rig.sum(|stats| stats.held.value() + stats.dropped_total()), 0);
        }
    }
}

#[test]
fn icmp_errors_find_the_owner_of_the_flow_they_quote() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        for count in WORKER_COUNTS {
            let mut rig = TeamRig::new(&setup(mode), count, |_| true);
            for number in 0..40 {
                rig.put(WAN, &request(number).frame());
                let out = rig.run();
                let forwarded = &out[0].1;
                let (peer, real) = ends(forwarded);
                let quoted = &forwarded[14..14 + 28];
                let error = PacketSpec::icmp(*real.ip(), *peer.ip(), 3, 3, [0; 4]).payload(quoted);
                rig.put(LAN, &from_real(&error, RS1).frame());
                let out = rig.run();
                let [(WAN, error)] = out.as_slice() else { panic!("{mode:?} {count}: {out:?}") };
                // It quotes the client's own packet.
                let inner = [&error[..14], &error[14 + 28..]].concat();
                let vip = VIP.endpoint();
                assert_eq!(ends(&inner), (client(number), SocketAddrV4::new(*vip.ip(), 80)));
            }
        }
    }
}

#[test]
fn a_worker_without_tx_queue_sends_through_another() {
    for mode in MODES {
        let mut rig = TeamRig::new(&setup(mode), 3, |worker| worker == 1);
        for number in 0..60 {
            rig.put(WAN, &request(number).frame());
            assert_eq!(rig.run().len(), 1, "{mode:?} {number}");
        }
        let forwarded = rig.stats.iter().map(|stats| stats.forwarded.value()).collect::<Vec<_>>();
        assert_eq!(forwarded, [0, 60, 0]);
    }
}

#[test]
fn a_full_ring_drops_and_counts_and_flows_go_on() {
    let mut rig = TeamRig::new(&setup(ForwardingMode::Nat), 2, |_| true);
    let theirs = (0..).find(|number| rig.owner_of_client(client(*number)) == 1).unwrap();
    let ours = (0..).find(|number| rig.owner_of_client(client(*number)) == 0).unwrap();
    rig.put(WAN, &request(theirs).frame());
    rig.put(WAN, &request(ours).frame());
    assert_eq!(rig.run().len(), 2);

    // The second worker does not turn while the first receives more than the ring holds.
    let extra = 100;
    for _ in 0..HANDOVER_RING_LEN + extra {
        rig.put_at(0, WAN, &request(theirs).frame());
        rig.turn(0);
    }
    rig.put_at(0, WAN, &request(ours).frame());
    rig.turn(0);
    assert_eq!(rig.dropped(DropReason::HandoverRingFull), extra as u64);

    assert_eq!(rig.run().len(), HANDOVER_RING_LEN + 1);
    rig.put_at(0, WAN, &request(theirs).frame());
    assert_eq!(rig.run().len(), 1);
    assert_eq!(rig.dropped(DropReason::HandoverRingFull), extra as u64);
}

#[test]
fn a_neighbour_that_one_worker_hears_of_is_known_to_all() {
    let mut rig = TeamRig::new(&setup(ForwardingMode::Dr), 4, |_| true);
    rig.pass_s(40);
    for number in 0..40 {
        rig.put(WAN, &request(number).frame());
        assert_eq!(rig.run().len(), 1);
    }
    let asked = rig.stats.iter().map(|stats| stats.generated.arp_requests.value());
    // At start every worker asks for the gateway and two real servers, and announces the VIP; half
    // a minute later they are asked for again.
    assert!(asked.max().is_some_and(|most| most <= 10));
}
