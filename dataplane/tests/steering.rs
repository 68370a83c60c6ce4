//! Steering by a NIC, against a model of one: what we send comes back to the queue it should.
//!
//! The model ([`rvs_dataplane::testing::nic`]) shares no code with the arithmetic under test.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use rvs_dataplane::forward::{
    ForwardingMode, LOCAL_PORT_COUNT, LOCAL_PORT_MIN, LocalPortShare, LocalPorts, PortClasses,
};
use rvs_dataplane::rss::{HashedEnds, RedirectionTable, RssKey, RssSteering};
use rvs_dataplane::service::{RealId, RealServer, ServiceId};
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::testing::nic::{HashFields, Nic, Placement, Rule};

const TABLE_SIZE: usize = 128;
const REALS: [SocketAddrV4; 3] = [
    SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, 7), 8080),
    SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, 8), 8080),
    SocketAddrV4::new(Ipv4Addr::new(172, 16, 200, 1), 53),
];
const LIPS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 100), Ipv4Addr::new(10, 0, 0, 213)];
const TCP: u8 = 6;
const UDP: u8 = 17;

fn nic(key: &RssKey, fields: HashFields, placement: Placement, table: &RedirectionTable) -> Nic {
    let (key, table) = (key.bytes().to_vec(), table.queues().to_vec());
    Nic { key, fields, placement, table, rules: Vec::new() }
}

/// A frame, where a real server's reply comes to a local address and port.
fn reply(protocol: u8, real: SocketAddrV4, lip: Ipv4Addr, lport: u16) -> Vec<u8> {
    let (src, dst) = ((*real.ip(), real.port()), (lip, lport));
    match protocol {
        TCP => PacketSpec::tcp(src, dst).frame(),
        _ => PacketSpec::udp(src, dst).frame(),
    }
}

fn real_servers() -> Vec<RealServer> {
    let server = |(id, address): (u32, &SocketAddrV4)| RealServer {
        id: RealId(id),
        service: ServiceId(0),
        address: *address.ip(),
        l4_port: address.port(),
        mode: ForwardingMode::FullNat,
        weight: 1,
        next_hop: None,
    };
    (0..).zip(&REALS).map(server).collect()
}

/// The ways in which a port that FULLNAT replies come in by can be set up.
fn reply_set_ups() -> [(RssKey, HashedEnds, HashFields, Placement); 3] {
    [
        (RssKey::BOTH_ENDS, HashedEnds::Both, HashFields::BOTH, Placement::InPlace),
        (RssKey::ONE_END, HashedEnds::One, HashFields::DESTINATION, Placement::InPlace),
        (RssKey::ONE_END, HashedEnds::One, HashFields::DESTINATION, Placement::Packed),
    ]
}

#[test]
fn replies_to_chosen_local_ports_come_to_the_worker_that_chose() {
    let reals = real_servers();
    for (key, ends, fields, placement) in reply_set_ups() {
        for worker_count in 1..=96 {
            let table = RedirectionTable::even(TABLE_SIZE, worker_count).unwrap();
            let nic = nic(&key, fields, placement, &table);
            for worker in 0..worker_count {
                let steering = RssSteering::new(&key, ends, table.clone(), worker).unwrap();
                let share = LocalPortShare::Rss(Arc::new(steering));
                let mut ports = LocalPorts::with_share(reals.len(), 1, share);
                for (real, address) in reals.iter().zip(REALS).cycle().take(12) {
                    let (lip, lport) = ports.allocate(real, &LIPS, |_, _| true).unwrap();
                    let frame = reply(TCP, address, lip, lport);
                    assert_eq!(nic.queue_of(&frame), worker, "{address} -> {lip}:{lport}");
                }
            }
        }
    }
}

/// Towards each real server, from each LIP, every port is somebody's, and the right one's.
#[test]
fn no_local_port_is_wasted_or_used_twice_whatever_the_number_of_workers() {
    for (key, ends, fields, placement) in reply_set_ups() {
        let real = REALS[0];
        let lip = LIPS[0];
        let any_table = RedirectionTable::even(TABLE_SIZE, 1).unwrap();
        let nic = nic(&key, fields, placement, &any_table);
        let hash_of_lport: Vec<usize> = (0..=u16::MAX)
            .map(|lport| nic.hash(&reply(UDP, real, lip, lport)).unwrap() as usize)
            .collect();
        for worker_count in 1..=96 {
            let table = RedirectionTable::even(TABLE_SIZE, worker_count).unwrap();
            let mut owners = vec![None; 1 << 16];
            for worker in 0..worker_count {
                let steering = RssSteering::new(&key, ends, table.clone(), worker).unwrap();
                let base = steering.base((*real.ip(), real.port()), lip);
                for n in 0..steering.port_count() {
                    let lport = steering.nth_port(base, n);
                    let before = owners[usize::from(lport)].replace(worker);
                    assert_eq!(before, None, "{lport} belongs to two of {worker_count} workers");
                }
            }
            for (hash, owner) in hash_of_lport.iter().zip(owners) {
                assert_eq!(owner, Some(table.queues()[hash % TABLE_SIZE]));
            }
        }
    }
}

#[test]
fn workers_have_as_many_local_ports_as_the_table_gives_them() {
    for size in [64, 128, 256, 512] {
        for worker_count in [2_u16, 3, 7, 48] {
            let table = RedirectionTable::even(size, worker_count).unwrap();
            let counts: Vec<u32> = (0..worker_count)
                .map(|worker| {
                    let ends = HashedEnds::Both;
                    let key = &RssKey::BOTH_ENDS;
                    RssSteering::new(key, ends, table.clone(), worker).unwrap().port_count()
                })
                .collect();
            let per_entry = 65_536 / u32::try_from(size).unwrap();
            let (min, max) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(max - min <= per_entry, "{counts:?}");
            assert_eq!(counts.iter().sum::<u32>(), 65_536);
        }
    }
}

/// The other ports of a device: with a larger table of their own they still agree.
#[test]
fn ports_with_different_tables_agree_on_the_queue() {
    let small = RedirectionTable::even(64, 7).unwrap();
    let large = small.repeated(512).unwrap();
    let key = RssKey::BOTH_ENDS;
    let steering = RssSteering::new(&key, HashedEnds::Both, small, 5).unwrap();
    let nic = nic(&key, HashFields::BOTH, Placement::InPlace, &large);
    let real = REALS[2];
    let base = steering.base((*real.ip(), real.port()), LIPS[1]);
    for n in (0..steering.port_count()).step_by(97) {
        let lport = steering.nth_port(base, n);
        assert_eq!(nic.queue_of(&reply(UDP, real, LIPS[1], lport)), 5);
    }
}

#[test]
fn both_sides_of_nat_come_to_the_clients_queue() {
    let (vip, real) = ((Ipv4Addr::new(203, 0, 113, 80), 80), (Ipv4Addr::new(10, 1, 0, 7), 8080));
    for placement in [Placement::InPlace, Placement::Packed] {
        for worker_count in 1..=96 {
            let table = RedirectionTable::even(TABLE_SIZE, worker_count).unwrap();
            let key = RssKey::ONE_END;
            let outside = nic(&key, HashFields::SOURCE, placement, &table);
            let inside = nic(&key, HashFields::DESTINATION, placement, &table);
            let steering = RssSteering::new(&key, HashedEnds::One, table, 0).unwrap();
            for n in 0..40_u16 {
                let client = (Ipv4Addr::from(0xc633_6400 + u32::from(n) * 7919), 1024 + n * 1543);
                let queue = steering.queue_of_client(client).unwrap();
                let request = PacketSpec::tcp(client, vip).frame();
                let reply = PacketSpec::tcp(real, client).frame();
                assert_eq!((outside.queue_of(&request), inside.queue_of(&reply)), (queue, queue));
            }
        }
    }
}

/// What the key of [`RssKey::ONE_END`] is for: under another, NICs that leave the hashed fields
/// where they are put the two sides in different queues.
#[test]
fn under_an_ordinary_key_the_sides_of_nat_differ() {
    let table = RedirectionTable::even(TABLE_SIZE, 8).unwrap();
    let key = RssKey::BOTH_ENDS;
    let differ = |placement| {
        let outside = nic(&key, HashFields::SOURCE, placement, &table);
        let inside = nic(&key, HashFields::DESTINATION, placement, &table);
        let vip = (Ipv4Addr::new(203, 0, 113, 80), 80);
        let real = (Ipv4Addr::new(10, 1, 0, 7), 8080);
        (1024..1124).any(|cport| {
            let client = (Ipv4Addr::new(198, 51, 100, 9), cport);
            let request = PacketSpec::udp(client, vip).frame();
            let reply = PacketSpec::udp(real, client).frame();
            outside.queue_of(&request) != inside.queue_of(&reply)
        })
    };
    assert!(differ(Placement::InPlace));
    assert!(!differ(Placement::Packed));
}

#[test]
fn rules_bring_replies_to_the_worker_that_chose_the_local_port() {
    let reals = real_servers();
    for worker_count in [1, 2, 3, 7, 8, 96] {
        let classes = PortClasses::by_mask(128, worker_count).unwrap();
        let table = RedirectionTable::even(TABLE_SIZE, 1).unwrap();
        let mut nic = nic(&RssKey::BOTH_ENDS, HashFields::BOTH, Placement::InPlace, &table);
        for lip in LIPS {
            for protocol in [TCP, UDP] {
                let (dst_port_mask, rules) = classes.rules(lip).unwrap();
                nic.rules.extend(rules.map(|(dst_port, queue)| Rule {
                    protocol,
                    dst: lip,
                    dst_port,
                    dst_port_mask,
                    queue,
                }));
            }
        }
        assert_eq!(nic.rules.len(), 128 * 2 * 2);
        for worker in 0..worker_count {
            let share = LocalPortShare::Classes(classes, worker);
            let mut ports = LocalPorts::with_share(reals.len(), 1, share);
            for (real, address) in reals.iter().zip(REALS).cycle().take(30) {
                let (lip, lport) = ports.allocate(real, &LIPS, |_, _| true).unwrap();
                for protocol in [TCP, UDP] {
                    assert_eq!(nic.queue_of(&reply(protocol, address, lip, lport)), worker);
                }
                assert_eq!(classes.owner(lip, lport), Some(worker));
            }
        }
        let owners = (LOCAL_PORT_MIN..=u16::MAX).filter_map(|lport| classes.owner(LIPS[0], lport));
        assert_eq!(owners.count(), usize::try_from(LOCAL_PORT_COUNT).unwrap());
    }
}

/// Which is why hand-over stays needed beside RSS.
#[test]
fn fragments_are_hashed_by_their_addresses_alone() {
    let table = RedirectionTable::even(TABLE_SIZE, 7).unwrap();
    let nic = nic(&RssKey::BOTH_ENDS, HashFields::BOTH, Placement::InPlace, &table);
    let fragments = |cport: u16| {
        let (src, dst) = ((Ipv4Addr::new(192, 0, 2, 1), cport), (LIPS[0], 80));
        PacketSpec::udp(src, dst).payload([0; 4000]).fragments(1480)
    };
    let queues: Vec<u16> =
        (5000..5020).flat_map(fragments).map(|frame| nic.queue_of(&frame)).collect();
    assert!(queues.len() >= 60 && queues.iter().all(|queue| *queue == queues[0]), "{queues:?}");
    assert_eq!(nic.queue_of(&[0; 60]), 0);
}
