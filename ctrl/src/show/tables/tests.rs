//! Tests of the tables, as an operator sees them.

use std::net::Ipv4Addr;

use super::*;
use crate::api::proto::{Drop, Ended, Ftp, Generated, Neighbor, Rates, RealServer, Worker};

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn traffic(connections: u64) -> Traffic {
    Traffic {
        connections,
        in_packets: 6 * connections,
        in_bytes: 500 * connections,
        out_packets: 5 * connections,
        out_bytes: 9_000 * connections,
        closed: 0,
    }
}

fn rates(connections: u64) -> Rates {
    Rates {
        connections,
        in_packets: 6 * connections,
        out_packets: 5 * connections,
        in_bytes: 500 * connections,
        out_bytes: 9_000 * connections,
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert!(text == expected, "this was shown:\n{text}\ninstead of:\n{expected}");
}

#[test]
fn services_with_their_real_servers() {
    let real = |last: u8, weight, active, connections| RealServer {
        rip: Ipv4Addr::new(10, 0, 0, last),
        rport: 8080,
        mode: "fullnat".to_owned(),
        tunnel: None,
        weight,
        drain: false,
        unusable: None,
        upper_threshold: 0,
        lower_threshold: 0,
        active,
        inactive: 1,
        persistent: 4,
        local_ports: (weight == 3).then_some(30),
        traffic: traffic(connections),
        rates: rates(connections / 100),
    };
    let service = |name: &str, real_servers| Service {
        name: name.to_owned(),
        protocol: Some("tcp".to_owned()),
        vip: Some(ip("192.0.2.10")),
        vport: Some(80),
        mark: None,
        ops: false,
        mode: "fullnat".to_owned(),
        scheduler: "wrr".to_owned(),
        scheduler_flags: Vec::new(),
        helper: None,
        local_addresses: vec![ip("10.0.0.100")],
        traffic: traffic(12_345),
        rates: rates(123),
        real_servers,
    };
    let by_mark = Service {
        protocol: None,
        vip: None,
        vport: None,
        mark: Some(7),
        scheduler: "mh".to_owned(),
        scheduler_flags: vec!["mh-port".to_owned()],
        ops: true,
        ..service("marked", vec![RealServer { rport: 0, ..real(13, 1, 0, 1) }])
    };
    let services = vec![
        service("web", vec![real(11, 3, 20, 12_000), real(112, 65_535, 0, 345)]),
        service("empty", vec![]),
        by_mark,
    ];
    let services = Services { services };
    check(&super::services(&services), include_str!("expected/services.txt"));
    check(&super::rates(&services), include_str!("expected/rates.txt"));
}

fn flow(cport: u16, local: Option<u16>) -> Flow {
    Flow {
        worker: 1,
        service: "web".to_owned(),
        protocol: "tcp".to_owned(),
        mode: "fullnat".to_owned(),
        cip: "198.51.100.2".to_owned(),
        cport,
        vip: "192.0.2.10".to_owned(),
        vport: 80,
        lip: local.map(|_| "10.0.0.100".to_owned()),
        lport: local,
        rip: "10.0.0.11".to_owned(),
        rport: 8080,
        state: "ESTABLISHED".to_owned(),
        expires_s: u32::from(cport),
        idle_s: 7,
        age_s: local.map(|_| 3700),
        packets: local.map(|_| 12_345),
        template: local.is_none(),
    }
}

#[test]
fn flows_and_how_many_more_there_are() {
    let flows = vec![flow(899, Some(2048)), flow(40_000, None)];
    check(&super::flows(&Flows { flows, more: 7 }), include_str!("expected/flows.txt"));
    let none = super::flows(&Flows { flows: vec![], more: 0 });
    assert_eq!(none.lines().count(), 1, "{none}");
}

#[test]
fn ports_with_their_counters() {
    let port = |name: &str, link_up: Option<bool>, speed_mbps, offloads: &[&str]| Port {
        name: name.to_owned(),
        device: "net_af_packet0,iface=wan0".to_owned(),
        driver: "net_af_packet".to_owned(),
        numa_node: link_up.map(u32::from),
        mac: "02:00:00:00:00:01".to_owned(),
        addresses: vec!["192.0.2.2/24".to_owned()],
        mtu: 1500,
        link_up,
        speed_mbps,
        rx_queues: 1,
        tx_queues: 1,
        offloads: offloads.iter().map(|&name| name.to_owned()).collect(),
        rx_packets: 1_234_567,
        rx_bytes: 89_000_000,
        tx_packets: 12,
        tx_bytes: 720,
        rx_missed: 1,
        rx_errors: 2,
        rx_no_mbuf: 3,
        tx_errors: 4,
        tx_refused: 5,
        steering: "hand-over".to_owned(),
        steering_notes: vec!["no exact RSS: it has 1 receive queue".to_owned()],
        handed_over: 77,
    };
    let ports = vec![
        port("wan", Some(true), 10_000, &["tx-ipv4-checksum", "rss"]),
        port("lan", Some(false), 0, &[]),
        port("dmz", None, 0, &[]),
    ];
    check(&super::ports(&Ports { ports }), include_str!("expected/ports.txt"));
}

#[test]
fn neighbors_known_and_unknown() {
    let neighbor = |address, mac: Option<&str>, age| Neighbor {
        worker: 1,
        port: "lan".to_owned(),
        address,
        mac: mac.map(str::to_owned),
        state: if mac.is_some() { "reachable" } else { "failed" }.to_owned(),
        confirmed_s_ago: age,
        waiting: 0,
    };
    let neighbors = vec![
        neighbor(ip("10.0.0.11"), Some("02:00:00:00:00:0b"), Some(12)),
        neighbor(ip("10.0.0.112"), None, None),
    ];
    check(&super::neighbors(&Neighbors { neighbors }), include_str!("expected/neighbors.txt"));
}

fn drops_of(counts: [u64; 2]) -> Drops {
    let drop = |reason: &str, count| Drop {
        reason: reason.to_owned(),
        count,
        meaning: format!("The {reason} meaning."),
    };
    let dropped = counts.iter().sum();
    Drops {
        received: 100 + dropped,
        forwarded: 90,
        consumed: 8,
        dropped,
        held: 2,
        handed_over: 9,
        stateless: 6,
        templates_full: 7,
        ended: Ended { half_open: 12, idle: 11, real_server_removed: 10, on_request: 9 },
        drops: vec![drop("no_flow", counts[0]), drop("truncated", counts[1])],
        generated: Generated { arp_requests: 5, icmp_errors: 4, resets: 3, ..Generated::default() },
        ftp: Ftp::default(),
    }
}

#[test]
fn drops_that_occurred_and_the_balance() {
    check(&drops(&drops_of([1200, 0]), false), include_str!("expected/drops.txt"));
    let all = drops(&drops_of([1200, 0]), true);
    assert!(all.contains("truncated") && all.lines().count() == 10, "{all}");
    let none = drops(&drops_of([0, 0]), false);
    assert!(none.starts_with("No packet was dropped.\n\nreceived 100 = "), "{none}");
}

#[test]
fn status_of_the_daemon() {
    let worker = Worker {
        lcore: 1,
        numa_node: Some(0),
        generation: 1,
        flows: 250,
        flow_capacity: 1_000_000,
        turns: 99,
        busy_turns: 33,
        received: 4096,
        handed_over: 17,
    };
    let answer = Status {
        api: 1,
        applied: "/tmp/new.yaml".to_owned(),
        edits: 0,
        applied_s_ago: 9,
        generation: 3,
        version: "0.1.0".to_owned(),
        dpdk: "DPDK 22.11.11".to_owned(),
        pid: 4711,
        uptime_s: 3600,
        config: "/etc/rvs/rvs.yaml".to_owned(),
        memory: "1024 MiB of huge pages".to_owned(),
        services: 1,
        real_servers: 2,
        workers: vec![worker],
    };
    check(&status(&answer), include_str!("expected/status.txt"));
}
