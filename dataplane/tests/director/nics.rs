//! Several workers behind ports that steer: packets arrive at the worker that owns their flow, so
//! nothing is handed over but what no NIC can steer.

use std::sync::Arc;

use rvs_dataplane::forward::{ForwardingMode, LocalPortShare, PortClasses};
use rvs_dataplane::rss::{HashedEnds, RedirectionTable, RssKey, RssSteering};
use rvs_dataplane::testing::nic::{HashFields, Nic, Placement, Rule};
use rvs_dataplane::testing::{Endpoint, PacketSpec};

use crate::support::{
    LAN, LIP, MODES, RS1, RS2, ServiceSpec, Setup, Steered, TeamRig, VIP, WAN, client, ends,
    from_real, one_hop_on, request, to_client,
};

const WORKER_COUNTS: [u16; 4] = [2, 3, 7, 48];

fn setup(mode: ForwardingMode) -> Setup {
    let real = |real: &str| (*real.endpoint().ip(), 80);
    Setup::new([ServiceSpec::udp(VIP, mode).real(real(RS1), 1).real(real(RS2), 1)])
}

fn nic(key: RssKey, fields: HashFields, table: &RedirectionTable) -> Nic {
    let (key, table) = (key.bytes().to_vec(), table.queues().to_vec());
    Nic { key, fields, placement: Placement::InPlace, table, rules: Vec::new() }
}

/// Ports that hash both ends, or clients' and real servers' each by its one end.
pub(crate) fn hashing(ends: HashedEnds, workers: u16) -> Steered {
    let table = RedirectionTable::even(128, workers).unwrap();
    let (key, wan, lan) = match ends {
        HashedEnds::Both => (RssKey::BOTH_ENDS, HashFields::BOTH, HashFields::BOTH),
        HashedEnds::One => (RssKey::ONE_END, HashFields::SOURCE, HashFields::DESTINATION),
    };
    let share = |queue| {
        let steering = Arc::new(RssSteering::new(&key, ends, table.clone(), queue).unwrap());
        (LocalPortShare::Rss(Arc::clone(&steering)), Some(steering))
    };
    let nics = [nic(key, wan, &table), nic(key, lan, &table)];
    Steered { nics, shares: (0..workers).map(share).collect() }
}

/// As [`hashing`] both ends, but the real servers' port hashes in its own way and has rules for the
/// replies of FULLNAT.
pub(crate) fn ruled(workers: u16) -> Steered {
    let Steered { nics: [wan, lan], shares } = hashing(HashedEnds::Both, workers);
    let mut lan = Nic { key: RssKey::ONE_END.bytes().to_vec(), ..lan };
    let classes = PortClasses::by_mask(64, workers).unwrap();
    let (dst_port_mask, rules) = classes.rules(LIP).unwrap();
    let rule = |(dst_port, queue)| Rule { protocol: 17, dst: LIP, dst_port, dst_port_mask, queue };
    lan.rules.extend(rules.map(rule));
    let shares = (0..).zip(shares);
    let by_class = |(worker, (_, steering))| (LocalPortShare::Classes(classes, worker), steering);
    Steered { nics: [wan, lan], shares: shares.map(by_class).collect() }
}

/// Requests of many clients, and their replies, twice.
fn talk(rig: &mut TeamRig, mode: ForwardingMode) {
    for number in (0..100).chain(0..100) {
        rig.put(WAN, &request(number).frame());
        let out = rig.run();
        let [(LAN, frame)] = out.as_slice() else { panic!("{mode:?}: {out:?}") };
        if mode.sees_replies() {
            let (peer, real) = ends(frame);
            let answer = PacketSpec::udp((*real.ip(), real.port()), (*peer.ip(), peer.port()));
            rig.put(LAN, &from_real(&answer.payload("answer"), RS1).frame());
            let from = client(number);
            let expected = PacketSpec::udp(VIP, (*from.ip(), from.port())).payload("answer");
            assert_eq!(rig.run(), [(WAN, one_hop_on(&to_client(&expected)).frame())]);
        }
    }
    assert_eq!(rig.sum(|stats| stats.flows.value()), 100);
    assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
}

fn handed_over(rig: &TeamRig) -> u64 {
    rig.sum(|stats| stats.handed_over.value())
}

#[test]
fn hashing_both_ends_all_but_nat_arrives_at_its_worker() {
    for mode in MODES {
        for workers in WORKER_COUNTS {
            let mut rig = TeamRig::steered(&setup(mode), hashing(HashedEnds::Both, workers));
            talk(&mut rig, mode);
            let is_nat = mode == ForwardingMode::Nat;
            assert_eq!(handed_over(&rig) > 0, is_nat, "{mode:?} {workers}");
        }
    }
}

#[test]
fn hashing_one_end_on_each_side_everything_arrives_at_its_worker() {
    for mode in MODES {
        for workers in WORKER_COUNTS {
            let mut rig = TeamRig::steered(&setup(mode), hashing(HashedEnds::One, workers));
            talk(&mut rig, mode);
            assert_eq!(handed_over(&rig), 0, "{mode:?} {workers}");
        }
    }
}

#[test]
fn rules_bring_replies_of_fullnat_to_their_worker() {
    for workers in WORKER_COUNTS {
        let mut rig = TeamRig::steered(&setup(ForwardingMode::FullNat), ruled(workers));
        talk(&mut rig, ForwardingMode::FullNat);
        assert_eq!(handed_over(&rig), 0, "{workers} workers");

        // Without the hashing of requests, they are handed over and replies are not.
        let Steered { nics, shares } = ruled(workers);
        let shares = shares.into_iter().map(|(share, _)| (share, None)).collect();
        let mut rig = TeamRig::steered(&setup(ForwardingMode::FullNat), Steered { nics, shares });
        talk(&mut rig, ForwardingMode::FullNat);
        let port = |port: usize| rig.sum(|stats| stats.ports[port].handed_over.value());
        assert_eq!(port(LAN.index()), 0, "{workers} workers, replies");
        assert!(port(WAN.index()) > 0, "{workers} workers, requests");
    }
}

#[test]
fn fragments_and_icmp_errors_find_the_worker_of_their_flow() {
    for mode in MODES {
        for hashed in [HashedEnds::Both, HashedEnds::One] {
            let mut rig = TeamRig::steered(&setup(mode), hashing(hashed, 7));
            for number in 0..40 {
                rig.put(WAN, &request(number).frame());
                let whole = rig.run();
                let datagram = request(number).payload([7; 3000]).dont_fragment(false).id(number);
                let mut out = Vec::new();
                for fragment in datagram.fragments(800) {
                    rig.put(WAN, &fragment);
                    out.extend(rig.run());
                }
                assert_eq!(out.len(), 4, "{mode:?} {hashed:?}");
                assert_eq!(out[0].1[..6], whole[0].1[..6], "the same real server");
                if mode.sees_replies() {
                    let (peer, real) = ends(&whole[0].1);
                    let quoted = &whole[0].1[14..14 + 28];
                    let error = PacketSpec::icmp(*real.ip(), *peer.ip(), 3, 3, [0; 4]);
                    rig.put(LAN, &from_real(&error.payload(quoted), RS1).frame());
                    assert_eq!(rig.run().len(), 1, "{mode:?} {hashed:?}");
                }
            }
            assert_eq!(rig.sum(|stats| stats.flows.value()), 40, "{mode:?} {hashed:?}");
            assert_eq!(rig.sum(|stats| stats.held.value() + stats.dropped_total()), 0);
        }
    }
}

/// Where both ends are hashed, NAT's flows have other owners than those of other modes. A VIP that
/// gets a NAT service keeps what it has.
#[test]
fn flows_stay_where_they_are_when_their_vip_becomes_one_of_nat() {
    for mode in [ForwardingMode::Dr, ForwardingMode::FullNat] {
        let mut rig = TeamRig::steered(&setup(mode), hashing(HashedEnds::Both, 7));
        talk(&mut rig, mode);
        rig.publish(|setup| setup.set_mode(ForwardingMode::Nat));
        // The old flows go on in their own mode ...
        talk(&mut rig, mode);
        assert_eq!(handed_over(&rig), 0, "{mode:?}");
        // ... and new ones of NAT find back.
        rig.pass_s(400);
        talk(&mut rig, ForwardingMode::Nat);
        assert!(handed_over(&rig) > 0);
        // Once more of the first mode, the flows of NAT go on.
        rig.publish(|setup| {
            setup.set_mode(mode);
            setup.nat_vips = true;
        });
        talk(&mut rig, ForwardingMode::Nat);
    }
}
