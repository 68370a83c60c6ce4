//! Tests of the snapshot builder.

use std::net::Ipv4Addr;

use dataplane::service::{RealId, ServiceId, ServiceKey};
use dataplane::time::Ticks;

use super::*;
use crate::identity::Unused;
use crate::testing::{FACTS, config};

const SERVICES: &str =
    "  web: {vip: \"192.0.2.10:80\", protocol: tcp, mode: nat, scheduler: wrr, real_servers:
        [{address: \"10.0.0.11:8080\", weight: 4}, {address: \"10.0.0.12:8080\", weight: 3},
         {address: \"10.9.0.13:8080\", weight: 2}]}
  tls: {vip: \"192.0.2.10:443\", protocol: tcp, mode: fullnat, scheduler: rr,
        local_addresses: [10.0.0.100-10.0.0.101], real_servers: [{address: 203.0.113.9}]}
  dns: {vip: \"192.0.2.2:53\", protocol: udp, mode: tun, scheduler: rr, real_servers: []}
";

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn registry() -> Registry {
    Registry::new(&conf::Limits::default(), 1)
}

fn built(registry: &mut Registry) -> Snapshot {
    let config = config(SERVICES);
    let named = registry.assign(&config, 7, &Unused);
    let ports = [FACTS, PortFacts { mac: [2, 0, 0, 0, 0, 9], ..FACTS }];
    build(&config, &ports, &named, registry, 7)
}

#[test]
fn ports_join_configuration_and_device() {
    let snapshot = built(&mut registry());
    assert_eq!((snapshot.generation, snapshot.ports.len()), (7, 2));
    let [wan, lan] = &snapshot.ports[..] else { panic!("two ports") };
    assert_eq!((wan.mac, lan.mac), (Mac(FACTS.mac), Mac([2, 0, 0, 0, 0, 9])));
    assert_eq!((wan.mtu, lan.mtu), (1500, 1400), "the smaller of device and configuration");
    assert!(wan.tx_ipv4_checksum && !wan.tx_udp_checksum);
    assert_eq!(lan.addresses.len(), 1);
    assert_eq!(snapshot.connected_port(ip("10.0.0.200")), Some(PortIdx(1)));
}

#[test]
fn services_are_found_by_their_key() {
    let snapshot = built(&mut registry());
    let find = |protocol, vip, vport| {
        snapshot.services.find(&ServiceKey::endpoint(protocol, ip(vip), vport))
    };
    let web = find(6, "192.0.2.10", 80).unwrap();
    assert_eq!((web.id, web.schedule.scheduler), (ServiceId(0), Scheduler::Wrr));
    let tls = find(6, "192.0.2.10", 443).unwrap();
    assert_eq!(*tls.local_addresses, [ip("10.0.0.100"), ip("10.0.0.101")]);
    let dns = find(17, "192.0.2.2", 53).unwrap();
    assert_eq!((dns.id, dns.dests.len()), (ServiceId(2), 0));
    assert!(find(17, "192.0.2.10", 80).is_none());
}

#[test]
fn real_servers_are_in_the_list_order_of_ipvs() {
    let snapshot = built(&mut registry());
    let web = snapshot.services.by_id(ServiceId(0)).unwrap();
    let order: Vec<_> = web.dests.iter().map(|dest| (dest.real.0, dest.weight)).collect();
    assert_eq!(order, [(2, 2), (1, 3), (0, 4)], "the one added last comes first");
    assert_ne!(web.schedule.revision, 0, "a worker must take it for new");
}

#[test]
fn next_hops_are_on_link_or_behind_the_best_route() {
    let snapshot = built(&mut registry());
    let hop = |id| snapshot.real_server(RealId(id)).unwrap().next_hop.unwrap();
    assert_eq!(hop(0), NextHop { port: PortIdx(1), address: ip("10.0.0.11") });
    assert_eq!(hop(2), NextHop { port: PortIdx(1), address: ip("10.0.0.9") });
    assert_eq!(hop(3), NextHop { port: PortIdx(0), address: ip("192.0.2.1") });
    let real = snapshot.real_server(RealId(3)).unwrap();
    assert_eq!((real.service, real.l4_port), (ServiceId(1), 443));
}

#[test]
fn every_address_has_its_use() {
    let snapshot = built(&mut registry());
    for (address, purpose) in [
        ("192.0.2.10", Some(AddressUse::NatVip)),
        ("192.0.2.2", Some(AddressUse::Vip)),
        ("10.0.0.2", Some(AddressUse::Own)),
        ("10.0.0.101", Some(AddressUse::Local)),
        ("10.0.0.11", None),
    ] {
        assert_eq!(snapshot.address_use(ip(address)), purpose, "{address}");
    }
    let announced: Vec<_> = snapshot.announced.iter().flatten().map(|vip| vip.address).collect();
    assert_eq!(announced, [ip("192.0.2.2"), ip("192.0.2.10")], "each once");
    assert!(snapshot.is_routed(ip("10.0.0.12")), "nat");
    assert!(!snapshot.is_routed(ip("203.0.113.9")), "fullnat");
}

#[test]
fn timeouts_come_from_the_file() {
    let mut config = config("  {}\n");
    config.timeouts = conf::Timeouts { tcp_s: 60, tcp_fin_s: 7, udp_s: 30 };
    let snapshot = build(&config, &[FACTS, FACTS], &Named::new(), &mut registry(), 1);
    assert_eq!(snapshot.timeouts.udp(), Ticks::from_secs(30));
}

#[test]
fn a_service_s_own_timeouts_stand_over_those_of_the_file() {
    let mut config = config(SERVICES);
    config.timeouts = conf::Timeouts { tcp_s: 60, tcp_fin_s: 7, udp_s: 30 };
    config.services[0].timeouts.tcp_fin_s = Some(5);
    config.services[2].timeouts.udp_s = Some(3);
    let mut registry = registry();
    let named = registry.assign(&config, 7, &Unused);
    let snapshot = build(&config, &[FACTS, FACTS], &named, &mut registry, 7);
    let expected = [(60, 5, 30), (60, 7, 30), (60, 7, 3)];
    for (id, (tcp, tcp_fin, udp)) in (0..).zip(expected) {
        let expected = Timeouts::with_seconds(tcp, tcp_fin, udp);
        assert_eq!(*snapshot.timeouts_of(ServiceId(id)), expected, "service {id}");
    }
    // That of an SCTP association, which nobody can change.
    assert_eq!(snapshot.longest_timeout(), Ticks::from_secs(900));
}

#[test]
fn a_later_configuration_keeps_the_numbers_of_what_stays() {
    let mut registry = registry();
    built(&mut registry);
    let mut config = config(SERVICES);
    // web goes, tls gets another real server in front of the old one.
    config.services.remove(0);
    let address = "203.0.113.8:443".parse().unwrap();
    let added = conf::RealServer { address, ..config.services[0].real_servers[0] };
    config.services[0].real_servers.insert(0, added);
    let named = registry.assign(&config, 8, &Unused);
    let later = build(&config, &[FACTS, FACTS], &named, &mut registry, 8);

    let key = ServiceKey::endpoint(6, ip("192.0.2.10"), 443);
    let tls = later.services.find(&key).unwrap();
    assert_eq!(tls.id, ServiceId(1));
    assert!(later.services.by_id(ServiceId(0)).is_none());
    assert!(later.real_server(RealId(0)).is_none(), "web's are gone");
    assert_eq!(later.real_server(RealId(3)).unwrap().address, ip("203.0.113.9"));
    assert_eq!(later.real_server(RealId(4)).unwrap().address, ip("203.0.113.8"));
}

#[test]
fn persistence_and_port_0_reach_the_packet_path() {
    let config = config(
        "  all: {vip: \"192.0.2.10:0\", protocol: tcp, mode: nat, persistence: 5m,
        persistence_mask: 255.255.255.0, real_servers: [{address: 10.0.0.11}]}
  one: {vip: \"192.0.2.10:80\", protocol: tcp, mode: nat, persistence: 1s,
        real_servers: [{address: 10.0.0.11}]}
  calls: {vip: \"192.0.2.10:5060\", protocol: udp, mode: nat, persistence: 1s,
        persistence_engine: sip, real_servers: [{address: 10.0.0.11}]}
",
    );
    let mut registry = registry();
    let named = registry.assign(&config, 7, &Unused);
    let snapshot = build(&config, &[FACTS, FACTS], &named, &mut registry, 7);
    let find = |vport| {
        let key = ServiceKey::endpoint(6, ip("192.0.2.10"), vport);
        snapshot.services.find_for(&key).unwrap()
    };
    let all =
        Persistence { timeout: Ticks::from_secs(300), mask: ip("255.255.255.0"), engine: None };
    assert_eq!((find(81).id, find(81).persistence), (ServiceId(0), Some(all)));
    let one = Persistence { timeout: Ticks::from_secs(1), mask: Ipv4Addr::BROADCAST, engine: None };
    assert_eq!((find(80).id, find(80).persistence), (ServiceId(1), Some(one)));
    let calls = snapshot.services.find(&ServiceKey::endpoint(17, ip("192.0.2.10"), 5060));
    let by_call = Persistence { engine: Some(Engine::Sip), ..one };
    assert_eq!(calls.unwrap().persistence, Some(by_call));
    let caller = |rport| snapshot.caller(ip("10.0.0.11"), rport).map(|real| real.id);
    assert_eq!([0, 80, 5060].map(caller), [None, None, Some(RealId(2))]);
    let ports = [0, 1].map(|real| snapshot.real_server(RealId(real)).unwrap().l4_port);
    assert_eq!(ports, [0, 80]);
}

#[test]
fn the_helper_comes_with_its_service() {
    let services = "  ftp: {vip: \"192.0.2.10:21\", protocol: tcp, mode: nat, real_servers: []}
  web: {vip: \"192.0.2.10:80\", protocol: tcp, mode: nat, real_servers: []}
";
    let (config, mut registry) = (config(services), registry());
    let named = registry.assign(&config, 1, &Unused);
    let snapshot = build(&config, &[FACTS, FACTS], &named, &mut registry, 1);
    let helper = |id| snapshot.services.by_id(ServiceId(id)).unwrap().helper;
    assert_eq!((helper(0), helper(1)), (Some(Helper::Ftp), None));
}

/// One service with a real server of every kind, and one at an address that is nobody's.
const MIXED: &str = "  web:
    vip: 192.0.2.10:80
    protocol: tcp
    mode: dr
    real_servers:
      - {address: 10.0.0.11, weight: 5, drain: true}
      - {address: 10.0.0.12:8080, mode: nat}
      - {address: 10.0.0.13:8080, mode: fullnat}
      - {address: 203.0.113.9, mode: tun}
      - {address: 203.0.113.8, mode: tun, tunnel: {type: gre}}
      - {address: 127.0.0.1:8080, mode: nat}
      - {address: 192.0.2.2, mode: nat}
  here: {vip: \"127.0.0.1:80\", protocol: tcp, mode: dr, real_servers: []}
local_addresses: [10.0.0.100]
";

#[test]
fn real_servers_have_modes_of_their_own_and_some_are_not_there() {
    let mut registry = registry();
    let config = config(MIXED);
    let named = registry.assign(&config, 7, &Unused);
    let snapshot = build(&config, &[FACTS, FACTS], &named, &mut registry, 7);
    let web = snapshot.services.by_id(ServiceId(0)).unwrap();
    let order: Vec<_> = web.dests.iter().map(|dest| (dest.real.0, dest.weight)).collect();
    assert_eq!(order, [(3, 1), (2, 1), (1, 1), (0, 0)], "who drains counts as 0");
    let modes = [
        Some(ForwardingMode::Dr),
        Some(ForwardingMode::Nat),
        Some(ForwardingMode::FullNat),
        Some(ForwardingMode::Tunnel),
        None,
        None,
        None,
    ];
    let found: Vec<_> = (0..7).map(|id| snapshot.real_server(RealId(id)).map(|r| r.mode)).collect();
    assert_eq!(found, modes);
    assert_eq!(*web.local_addresses, [ip("10.0.0.100")], "those at the top");
    let uses = [
        ("192.0.2.10", Some(AddressUse::NatVip)),
        ("10.0.0.100", Some(AddressUse::Local)),
        ("127.0.0.1", None),
    ];
    for (address, purpose) in uses {
        assert_eq!(snapshot.address_use(ip(address)), purpose, "{address}");
    }
    let routed = ["10.0.0.11", "10.0.0.12", "10.0.0.13", "203.0.113.9", "127.0.0.1", "192.0.2.2"];
    let is_routed = routed.map(|address| snapshot.is_routed(ip(address)));
    assert_eq!(is_routed, [false, true, false, false, false, false]);
    let stateless = web.stateless.as_deref().unwrap();
    for cport in 0..2000 {
        let place = stateless.place(ip("198.51.100.7"), cport);
        assert_eq!(place, 0, "the others drain or need flows");
    }
    assert!(snapshot.announced.iter().flatten().all(|vip| !vip.address.is_loopback()));
}

#[test]
fn nat_real_servers_of_calls_call_from_their_port_or_that_of_the_service() {
    let mut registry = registry();
    let config = config(
        "  sip: {vip: \"192.0.2.10:5060\", protocol: udp, mode: nat, persistence: 1m, \
         persistence_engine: sip, real_servers: [{address: \"10.0.0.11:5070\"}, {address: \
         \"10.0.0.12:0\"}, {address: 10.0.0.13, mode: dr}]}\n",
    );
    let named = registry.assign(&config, 7, &Unused);
    let snapshot = build(&config, &[FACTS, FACTS], &named, &mut registry, 7);
    let caller = |rip, rport| snapshot.caller(ip(rip), rport).map(|real| real.id.0);
    assert_eq!(caller("10.0.0.11", 5070), Some(0));
    assert_eq!(caller("10.0.0.12", 5060), Some(1));
    assert_eq!([caller("10.0.0.12", 0), caller("10.0.0.13", 5060)], [None, None]);
}
