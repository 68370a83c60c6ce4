//! SCTP over several workers: an association stays with its owner, wherever its packets arrive.

use std::collections::HashSet;
use std::sync::Arc;

use rvs_dataplane::forward::{ForwardingMode, LocalPortShare};
use rvs_dataplane::rss::{HashedEnds, RedirectionTable, RssKey, RssSteering};
use rvs_dataplane::testing::nic::{HashFields, Nic, Placement};
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::ChunkType;

use crate::support::{
    LAN, MODES, RS1, RS2, ServiceSpec, Setup, Steered, TeamRig, VIP, WAN, client, ends, from_real,
    one_hop_on, to_client,
};

const CLIENTS: u16 = 100;

fn setup(mode: ForwardingMode, rport: u16) -> Setup {
    let real = |real: &str| (*real.endpoint().ip(), rport);
    Setup::new([ServiceSpec::sctp(VIP, mode).real(real(RS1), 1).real(real(RS2), 1)])
}

fn rport(mode: ForwardingMode) -> u16 {
    if mode.sees_replies() { 8080 } else { 80 }
}

fn packet(number: u16, chunk: u8) -> PacketSpec {
    let from = client(number);
    PacketSpec::sctp((*from.ip(), from.port()), VIP).chunk(chunk, number.to_be_bytes())
}

/// Sends a client's packet and, where it passes here, the real server's `answer`. Returns where it
/// went: the MAC of DR, else the destination, which also tells the ports.
fn exchange(
    rig: &mut TeamRig,
    mode: ForwardingMode,
    (number, chunk, answer): (u16, u8, u8),
) -> (Vec<u8>, Vec<u8>) {
    rig.put(WAN, &packet(number, chunk).frame());
    let out = rig.run();
    let [(LAN, frame)] = out.as_slice() else { panic!("{mode:?} {number} {chunk}: {out:?}") };
    if mode.sees_replies() {
        let (peer, real) = ends(frame);
        let (peer, real) = ((*peer.ip(), peer.port()), (*real.ip(), real.port()));
        let reply = PacketSpec::sctp(real, peer).chunk(answer, [1; 9]);
        rig.put(LAN, &from_real(&reply, RS1).frame());
        let from = client(number);
        let expected = PacketSpec::sctp(VIP, (*from.ip(), from.port())).chunk(answer, [1; 9]);
        assert_eq!(rig.run(), [(WAN, one_hop_on(&to_client(&expected)).frame())]);
    }
    (frame[..6].to_vec(), frame[26..34].to_vec())
}

/// Associations of many clients, packet by packet.
fn talk(rig: &mut TeamRig, mode: ForwardingMode) {
    use ChunkType as C;
    let mut chosen = Vec::new();
    for (round, (chunk, answer)) in
        [(C::INIT, C::INIT_ACK), (C::COOKIE_ECHO, C::COOKIE_ACK), (C::DATA, C::SACK)]
            .into_iter()
            .enumerate()
    {
        for number in 0..CLIENTS {
            let target = exchange(rig, mode, (number, chunk, answer));
            if round == 0 {
                chosen.push(target);
            } else {
                assert_eq!(chosen[usize::from(number)], target, "{mode:?}");
            }
        }
    }
    assert_eq!(rig.sum(|stats| stats.flows.value()), u64::from(CLIENTS));
    assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
    let reals: HashSet<_> = chosen.into_iter().collect();
    assert!(reals.len() > 1, "both real servers get some");
}

#[test]
fn every_association_keeps_its_real_server() {
    for mode in MODES {
        for workers in [1, 2, 3, 8] {
            let mut rig = TeamRig::new(&setup(mode, rport(mode)), workers, |_| true);
            talk(&mut rig, mode);
            let handed_over = rig.sum(|stats| stats.handed_over.value());
            assert_eq!(handed_over > 0, workers > 1, "{mode:?} {workers}");
        }
    }
}

/// Most NICs do not look for ports in SCTP, so packets arrive at another worker than the one that
/// they belong to, in which both ports count.
#[test]
fn nics_that_hash_no_ports_of_sctp_need_no_attention() {
    for mode in MODES {
        for (hashed, key, fields) in [
            (HashedEnds::Both, RssKey::BOTH_ENDS, [HashFields::BOTH; 2]),
            (HashedEnds::One, RssKey::ONE_END, [HashFields::SOURCE, HashFields::DESTINATION]),
        ] {
            let workers = 7;
            let table = RedirectionTable::even(128, workers).unwrap();
            let nics = fields.map(|fields| {
                let (key, table) = (key.bytes().to_vec(), table.queues().to_vec());
                Nic { key, fields, placement: Placement::InPlace, table, rules: Vec::new() }
            });
            let share = |queue| {
                let steering = RssSteering::new(&key, hashed, table.clone(), queue).unwrap();
                let steering = Arc::new(steering);
                (LocalPortShare::Rss(Arc::clone(&steering)), Some(steering))
            };
            let shares = (0..workers).map(share).collect();
            let mut rig = TeamRig::steered(&setup(mode, rport(mode)), Steered { nics, shares });
            talk(&mut rig, mode);
            assert!(rig.sum(|stats| stats.handed_over.value()) > 0, "{mode:?} {hashed:?}");
        }
    }
}

#[test]
fn icmp_errors_find_the_owner() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        for workers in [1, 2, 5] {
            let mut rig = TeamRig::new(&setup(mode, 8080), workers, |_| true);
            for number in 0..40 {
                rig.put(WAN, &packet(number, ChunkType::INIT).frame());
                let out = rig.run();
                let (peer, real) = ends(&out[0].1);
                let error = PacketSpec::icmp(*real.ip(), *peer.ip(), 3, 2, [0; 4]);
                let error = error.payload(&out[0].1[14..14 + 28]);
                rig.put(LAN, &from_real(&error, RS1).frame());
                let out = rig.run();
                let [(WAN, error)] = out.as_slice() else { panic!("{mode:?} {workers}: {out:?}") };
                let inner = [&error[..14], &error[14 + 28..]].concat();
                assert_eq!(ends(&inner), (client(number), VIP.endpoint()));
            }
        }
    }
}

#[test]
fn fragments_meet() {
    for (mode, rport, dropped) in [
        (ForwardingMode::Dr, 80, 0),
        (ForwardingMode::Tunnel, 80, 0),
        (ForwardingMode::Nat, 80, 0),
        (ForwardingMode::Nat, 8080, 3),
        (ForwardingMode::FullNat, 80, 3),
    ] {
        for workers in [1, 2, 5] {
            let mut rig = TeamRig::new(&setup(mode, rport), workers, |_| true);
            for number in 0..40 {
                let whole = packet(number, ChunkType::INIT).chunk(0, [7; 900]).id(number);
                let fragments = whole.dont_fragment(false).fragments(400);
                assert_eq!(fragments.len(), 3);
                for fragment in fragments.iter().rev() {
                    rig.put(WAN, fragment);
                    rig.run();
                }
            }
            let forwarded = rig.sum(|stats| stats.forwarded.value());
            assert_eq!(forwarded, 40 * (3 - dropped), "{mode:?} {workers}");
            assert_eq!(rig.dropped(DropReason::SctpFragmented), 40 * dropped);
            assert_eq!(rig.sum(|stats| stats.held.value()), 0);
        }
    }
}
