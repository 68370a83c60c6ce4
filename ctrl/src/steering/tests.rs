//! Tests of the choice: the best method that works, and the reason for every lesser one.

use super::*;
use crate::testing::config;

/// A NIC that can do everything.
pub(super) fn able() -> Ability {
    Ability {
        rx_queues_max: 64,
        hashes_both: true,
        hashes_source: true,
        hashes_destination: true,
        table_size: 128,
        key_len: Some(40),
        refused_rss: Vec::new(),
        flow_rules: Ok(()),
    }
}

/// A virtual device that can do nothing.
pub(super) fn unable() -> Ability {
    Ability {
        hashes_both: false,
        hashes_source: false,
        hashes_destination: false,
        table_size: 0,
        key_len: None,
        flow_rules: Err("it takes no rules".to_owned()),
        ..able()
    }
}

fn both_ends_only() -> Ability {
    Ability { hashes_source: false, hashes_destination: false, ..able() }
}

pub(super) const NOTHING: Role =
    Role { nat_requests: false, nat_replies: false, fullnat_replies: false };
pub(super) const FULLNAT: Role = Role { fullnat_replies: true, ..NOTHING };
pub(super) const NAT_CLIENTS: Role = Role { nat_requests: true, ..NOTHING };
pub(super) const NAT_REALS: Role = Role { nat_replies: true, ..NOTHING };

fn plan(ports: &[(Ability, Role)], worker_count: u16) -> Plan {
    choose(ports, worker_count).unwrap()
}

pub(super) fn methods(plan: &Plan) -> Vec<Method> {
    plan.ports.iter().map(|port| port.method).collect()
}

pub(super) fn why(plan: &Plan, port: usize) -> String {
    plan.ports[port].why.join("; ")
}

#[test]
fn one_worker_needs_no_steering() {
    let plan = plan(&[(able(), FULLNAT), (unable(), NAT_CLIENTS)], 1);
    assert_eq!(methods(&plan), [Method::OneWorker; 2]);
    assert!(plan.ports.iter().all(|port| port.why.is_empty()));
    assert_eq!(plan.sharing, Sharing::Classes(PortClasses::by_port(1).unwrap()));
}

#[test]
fn fullnat_is_steered_by_rss_where_the_nic_can() {
    let plan = plan(&[(able(), NOTHING), (able(), FULLNAT)], 3);
    assert_eq!(methods(&plan), [Method::Rss(RssEnds::Both); 2]);
    assert_eq!((plan.sharing, plan.reply_ends), (Sharing::Rss, HashedEnds::Both));
    assert_eq!((plan.key, plan.table.queues().len()), (RssKey::BOTH_ENDS, 128));
    assert!(plan.ports.iter().all(|port| port.why.is_empty()));
}

#[test]
fn ports_share_the_smallest_table() {
    let large = Ability { table_size: 512, ..able() };
    let small = Ability { table_size: 64, ..able() };
    let table = plan(&[(large, FULLNAT), (small, FULLNAT), (unable(), FULLNAT)], 7).table;
    assert_eq!(table, RedirectionTable::even(64, 7).unwrap());
    // Without any, workers still compute with one, which has room for each of them.
    assert_eq!(plan(&[(unable(), FULLNAT)], 200).table.queues().len(), 256);
}

#[test]
fn nat_is_steered_by_the_clients_end_on_both_sides() {
    let plan = plan(&[(able(), NAT_CLIENTS), (able(), NAT_REALS)], 4);
    assert_eq!(methods(&plan), [Method::Rss(RssEnds::Source), Method::Rss(RssEnds::Destination)]);
    assert_eq!((plan.key, plan.reply_ends), (RssKey::ONE_END, HashedEnds::One));
    assert!(plan.ports.iter().all(|port| port.why.is_empty()));
}

#[test]
fn fullnat_beside_nat_is_hashed_by_destination() {
    let both = Role { nat_replies: true, fullnat_replies: true, ..NOTHING };
    let plan = plan(&[(able(), NAT_CLIENTS), (able(), both), (able(), FULLNAT)], 4);
    let destination = Method::Rss(RssEnds::Destination);
    assert_eq!(methods(&plan), [Method::Rss(RssEnds::Source), destination, destination]);
    assert_eq!(plan.sharing, Sharing::Rss);
}

#[test]
fn one_leg_for_both_sides_of_nat_hands_over() {
    let one_leg = Role { nat_requests: true, nat_replies: true, fullnat_replies: true };
    let plan = plan(&[(able(), one_leg)], 2);
    assert_eq!(methods(&plan), [Method::Rss(RssEnds::Both)]);
    assert_eq!((plan.reply_ends, plan.sharing), (HashedEnds::Both, Sharing::Rss));
    assert_eq!(
        why(&plan, 0),
        "packets of NAT services are handed over: clients and real servers are behind the same port"
    );
    // Beside a port that gains by one end, this one serves the replies.
    let beside = self::plan(&[(able(), one_leg), (able(), NAT_REALS)], 2);
    assert_eq!(methods(&beside), [Method::Rss(RssEnds::Destination); 2]);
    assert!(why(&beside, 0).starts_with("requests are handed over: "), "{}", why(&beside, 0));
}

#[test]
fn nics_that_hash_both_ends_only_hand_nat_over_and_still_steer_fullnat() {
    let ports = [(both_ends_only(), NAT_CLIENTS), (both_ends_only(), FULLNAT)];
    let plan = plan(&ports, 2);
    assert_eq!(methods(&plan), [Method::Rss(RssEnds::Both); 2]);
    assert_eq!(plan.key, RssKey::BOTH_ENDS);
    assert_eq!(
        why(&plan, 0),
        "packets of NAT services are handed over: it cannot hash packets by their source alone"
    );
}

#[test]
fn rules_serve_where_the_hash_cannot_be_computed() {
    let no_table = Ability { table_size: 0, ..able() };
    for (worker_count, classes) in [(2, 2), (3, 16), (7, 32), (8, 8), (60, 256)] {
        let plan = plan(&[(no_table.clone(), FULLNAT)], worker_count);
        assert_eq!(methods(&plan), [Method::FlowRules]);
        let expected = PortClasses::by_mask(classes, worker_count).unwrap();
        assert_eq!(plan.sharing, Sharing::Classes(expected));
        assert_eq!(why(&plan, 0), "no exact RSS: it has no redirection table that can be set");
    }
}

#[test]
fn rules_do_not_serve_nat_and_give_way_to_the_rss_of_others() {
    let no_table = Ability { table_size: 0, ..able() };
    let mixed = Role { nat_requests: true, ..FULLNAT };
    let plan = plan(&[(no_table.clone(), mixed), (no_table.clone(), NAT_REALS)], 2);
    assert_eq!(methods(&plan), [Method::FlowRules, Method::HandOver]);
    assert!(why(&plan, 0).ends_with("rules do not serve them"), "{}", why(&plan, 0));
    assert!(why(&plan, 1).ends_with("replies of FULLNAT services only"), "{}", why(&plan, 1));

    let plan = self::plan(&[(no_table, FULLNAT), (able(), FULLNAT)], 2);
    assert_eq!(methods(&plan), [Method::HandOver, Method::Rss(RssEnds::Both)]);
    assert!(why(&plan, 0).ends_with("shared by the RSS of another port"), "{}", why(&plan, 0));
}

#[test]
fn virtual_devices_hand_over() {
    let plan = plan(&[(unable(), NAT_CLIENTS), (unable(), FULLNAT)], 3);
    assert_eq!(methods(&plan), [Method::HandOver; 2]);
    assert_eq!(plan.sharing, Sharing::Classes(PortClasses::by_port(3).unwrap()));
    assert_eq!(
        why(&plan, 1),
        "no exact RSS: it cannot hash IPv4 packets by addresses and L4 ports"
    );
}

#[test]
fn every_obstacle_to_rss_is_named() {
    let cases = [
        (Ability { rx_queues_max: 2, ..able() }, "it has 2 receive queues for 3 workers"),
        (Ability { table_size: 100, ..able() }, "100 entries cannot be computed with"),
        (Ability { table_size: 2, ..able() }, "3 queues do not fit"),
        (
            Ability { key_len: Some(16), ..able() },
            "an RSS key of 16 bytes cannot be used, it takes 40 to 52",
        ),
        (
            Ability { refused_rss: vec![(RssEnds::Both, "errno 95".to_owned())], ..able() },
            "errno 95",
        ),
    ];
    for (ability, words) in cases {
        let ability = Ability { flow_rules: Err("no rules".to_owned()), ..ability };
        let plan = plan(&[(ability.clone(), FULLNAT)], 3);
        assert_eq!(methods(&plan), [Method::HandOver], "{words}");
        assert!(why(&plan, 0).contains(words), "{words}: {}", why(&plan, 0));
    }
}

#[test]
fn more_workers_than_any_table_are_refused_in_words() {
    let error = choose(&[(unable(), NOTHING)], 3000).unwrap_err();
    assert!(error.to_string().contains("redirection table of 4096 entries"), "{error}");
    let error = choose(&[(unable(), NOTHING)], 0).unwrap_err();
    assert!(error.to_string().contains("0 queues"), "{error}");
}

#[test]
fn roles_come_from_services_and_routes() {
    let web = "  web: {vip: \"192.0.2.10:80\", protocol: tcp, mode: nat, scheduler: rr,
        real_servers: [{address: \"10.0.0.11:80\"}]}
";
    let tls = "  tls: {vip: \"192.0.2.10:443\", protocol: tcp, mode: fullnat, scheduler: rr,
        local_addresses: [10.0.0.100], real_servers: [{address: 10.0.0.12}]}
";
    let [wan, lan] = roles(&config(&format!("{web}{tls}")))[..] else { panic!("two ports") };
    assert_eq!(wan, NAT_CLIENTS);
    assert_eq!(lan, Role { nat_replies: true, ..FULLNAT });
    let [wan, lan] = roles(&config(tls))[..] else { panic!("two ports") };
    assert_eq!((wan, lan), (NOTHING, FULLNAT));
    // Real servers behind gateways: 10.9.0.0/16 is reached by lan, the rest of the world by wan.
    let far = "  far: {vip: \"192.0.2.10:80\", protocol: tcp, mode: nat, scheduler: rr,
        real_servers: [{address: \"10.9.0.11:80\"}, {address: \"203.0.113.9:80\"}]}
";
    let [wan, lan] = roles(&config(far))[..] else { panic!("two ports") };
    assert_eq!((wan, lan), (Role { nat_replies: true, ..NAT_CLIENTS }, NAT_REALS));
}

#[test]
fn a_virtual_port_is_asked_what_it_can_do() {
    let (eal, id) = (dpdk::testing::eal(), dpdk::testing::null_port().unwrap());
    let ability = Ability::of(&dpdk::PortInfo::of(eal, id).unwrap());
    assert_eq!((ability.hashes_both, ability.hashes_source), (true, false));
    assert_eq!((ability.table_size, ability.key_len_to_set()), (128, 40));
    assert_eq!(methods(&plan(&[(ability, FULLNAT)], 2)), [Method::Rss(RssEnds::Both)]);
}
