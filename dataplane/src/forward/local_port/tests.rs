//! Tests of local ports: each is used by one worker, once a turn, and none is left out.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::*;
use crate::forward::ForwardingMode;
use crate::rss::{HashedEnds, RedirectionTable, RssKey, RssSteering};
use crate::service::{RealId, ServiceId};

const POOL: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 100), Ipv4Addr::new(10, 0, 0, 101)];

fn real(id: u32) -> RealServer {
    let address = Ipv4Addr::new(10, 1, 0, 7);
    RealServer {
        id: RealId(id),
        service: ServiceId(0),
        address,
        l4_port: 8080,
        mode: ForwardingMode::FullNat,
        weight: 1,
        next_hop: None,
    }
}

/// All pairs of a share: one turn for each address.
fn turn(share: LocalPortShare) -> Vec<(Ipv4Addr, u16)> {
    let mut ports = LocalPorts::with_share(1, 7, share);
    let mut pairs = Vec::new();
    for lip in POOL {
        let start = ports.cursors[0];
        loop {
            let pair = ports.allocate(&real(0), &[lip], |_, _| true).expect("a free pair");
            if ports.cursors[0].wrapping_sub(start) > ports.share.len(lip) {
                break;
            }
            pairs.push(pair);
        }
    }
    pairs
}

/// Checks that the shares of all workers are disjoint and leave nothing out.
fn check_partition(shares: impl Iterator<Item = LocalPortShare>) {
    let mut all = HashSet::new();
    for share in shares {
        let own = turn(share);
        let unique: HashSet<_> = own.iter().copied().collect();
        assert_eq!(unique.len(), own.len(), "a pair came twice in one turn");
        let before = all.len();
        all.extend(&unique);
        assert_eq!(all.len(), before + unique.len(), "a pair belongs to two workers");
    }
    assert!(all.iter().all(|&(_, lport)| lport >= LOCAL_PORT_MIN));
    assert_eq!(all.len(), 2 * (65_536 - 1024), "pairs that nobody uses");
}

#[test]
fn every_pair_is_used_before_one_comes_again() {
    check_partition([LocalPortShare::All].into_iter());
    let mut ports = LocalPorts::new(1, 7);
    let mut used = HashSet::new();
    for _ in 0..2 * LOCAL_PORT_COUNT {
        let pair = ports.allocate(&real(0), &POOL, |_, _| true).expect("a free pair");
        assert!(used.insert(pair), "{pair:?} came twice");
    }
}

#[test]
fn workers_share_all_ports_without_overlap_whatever_their_number() {
    for worker_count in [1, 2, 3, 7, 64, 96] {
        let by_port = PortClasses::by_port(worker_count).unwrap();
        check_partition((0..worker_count).map(|worker| LocalPortShare::Classes(by_port, worker)));
        let by_mask = PortClasses::by_mask(128, worker_count).unwrap();
        check_partition((0..worker_count).map(|worker| LocalPortShare::Classes(by_mask, worker)));
        check_partition((0..worker_count).map(|worker| {
            let table = RedirectionTable::even(128, worker_count).unwrap();
            let steering =
                RssSteering::new(&RssKey::BOTH_ENDS, HashedEnds::Both, table, worker).unwrap();
            LocalPortShare::Rss(Arc::new(steering))
        }));
    }
}

#[test]
fn the_owner_of_a_port_is_the_worker_that_chose_it() {
    for classes in [PortClasses::by_port(7).unwrap(), PortClasses::by_mask(64, 7).unwrap()] {
        for worker in 0..7 {
            let own = turn(LocalPortShare::Classes(classes, worker));
            assert!(own.iter().all(|&(lip, lport)| classes.owner(lip, lport) == Some(worker)));
        }
        assert_eq!(classes.owner(POOL[0], 1023), None);
    }
}

#[test]
fn shares_are_even() {
    for worker_count in 1..=96 {
        let classes = PortClasses::by_port(worker_count).unwrap();
        let counts = (0..worker_count).map(|worker| classes.port_count(POOL[0], worker));
        assert!(counts.clone().max().unwrap() - counts.clone().min().unwrap() <= 1);
        assert_eq!(counts.sum::<u32>(), LOCAL_PORT_COUNT);
    }
}

#[test]
fn rules_name_the_owner_of_every_port() {
    let classes = PortClasses::by_mask(16, 3).unwrap();
    for lip in POOL {
        let (mask, rules) = classes.rules(lip).unwrap();
        let rules: Vec<(u16, u16)> = rules.collect();
        assert_eq!((mask, rules.len()), (15, 16));
        for lport in LOCAL_PORT_MIN..=u16::MAX {
            let matching: Vec<_> = rules.iter().filter(|(bits, _)| lport & mask == *bits).collect();
            let [(_, worker)] = matching[..] else { panic!("{lport}: {matching:?}") };
            assert_eq!(classes.owner(lip, lport), Some(*worker));
        }
    }
    assert!(PortClasses::by_port(3).unwrap().rules(POOL[0]).is_none());
}

#[test]
fn ports_that_cannot_be_divided_are_refused() {
    for (class_count, worker_count) in [(0, 1), (48, 3), (2048, 3), (8, 9), (8, 0)] {
        let error = PortClasses::by_mask(class_count, worker_count).unwrap_err();
        assert_eq!(error.worker_count, worker_count);
        assert_eq!(error.class_count, u32::from(class_count));
    }
    assert!(PortClasses::by_port(0).is_err());
    let stranger = LocalPortShare::Classes(PortClasses::by_port(2).unwrap(), 2);
    assert_eq!(stranger.capacity(&POOL), 0);
    let mut ports = LocalPorts::with_share(1, 7, stranger);
    assert_eq!(ports.allocate(&real(0), &POOL, |_, _| true), None);
}

#[test]
fn capacity_is_what_a_turn_gives() {
    assert_eq!(LocalPortShare::All.capacity(&POOL), 129_024);
    let classes = PortClasses::by_mask(128, 3).unwrap();
    for worker in 0..3 {
        let share = || LocalPortShare::Classes(classes, worker);
        let lports: HashSet<_> = turn(share()).into_iter().collect();
        assert_eq!(share().capacity(&POOL), lports.len() as u64);
    }
    let table = RedirectionTable::even(128, 3).unwrap();
    let share = |table: &RedirectionTable| {
        let ends = HashedEnds::Both;
        let steering = RssSteering::new(&RssKey::BOTH_ENDS, ends, table.clone(), 1).unwrap();
        LocalPortShare::Rss(Arc::new(steering))
    };
    let (told, found) = (share(&table).capacity(&POOL), turn(share(&table)).len() as u64);
    assert!(told.abs_diff(found) <= 64, "{told} told, {found} found");
}

#[test]
fn taken_pairs_are_passed_over_and_exhaustion_is_told() {
    let mut ports = LocalPorts::new(1, 7);
    let mut tries = 0;
    let pair = ports.allocate(&real(0), &POOL, |_, _| {
        tries += 1;
        tries == 5
    });
    assert!(pair.is_some());
    assert_eq!(ports.allocate(&real(0), &POOL, |_, _| false), None);
    assert_eq!(ports.allocate(&real(0), &[], |_, _| true), None);
    assert_eq!(ports.allocate(&real(9), &POOL, |_, _| true), None);
}
