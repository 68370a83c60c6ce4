//! Tests with ports that refuse what they said they could do.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use dataplane::flow::FlowKey;
use dataplane::ownership::{Team, WorkerIdx};
use dataplane::snapshot::{AddressUse, Snapshot};
use dataplane::wire::IpProto;
use dpdk::RssEnds;

use super::super::tests::{FULLNAT, NAT_CLIENTS, NAT_REALS, NOTHING, able, methods, unable, why};
use super::super::{Method, Rules};
use super::*;
use crate::testing::config;

/// What a port is to refuse, and what it was given.
#[derive(Debug, Default)]
struct Fake {
    refused_ends: Vec<RssEnds>,
    /// Rules it has room for.
    rule_room: usize,
    rss: Mutex<Vec<(RssConfig, Vec<u16>)>>,
    rules: Arc<Mutex<Vec<(FlowMatch, u16)>>>,
}

#[derive(Debug)]
struct FakeRule {
    packets: FlowMatch,
    rules: Arc<Mutex<Vec<(FlowMatch, u16)>>>,
}

impl Rule for FakeRule {}

impl Drop for FakeRule {
    fn drop(&mut self) {
        self.rules.lock().unwrap().retain(|(packets, _)| *packets != self.packets);
    }
}

fn refusal(what: &'static str) -> DpdkError {
    DpdkError::new(what, 95)
}

impl Steerable for Fake {
    fn set_rss(&self, rss: &RssConfig, table: &[u16]) -> Result<(), DpdkError> {
        if self.refused_ends.contains(&rss.ends) {
            return Err(refusal("rte_eth_dev_rss_hash_update"));
        }
        self.rss.lock().unwrap().push((rss.clone(), table.to_vec()));
        Ok(())
    }

    fn check_rule(&self, _: &FlowMatch, _: u16) -> Result<(), DpdkError> {
        if self.rule_room > 0 { Ok(()) } else { Err(refusal("rte_flow_validate")) }
    }

    fn add_rule(&self, packets: &FlowMatch, queue: u16) -> Result<Box<dyn Rule>, DpdkError> {
        let mut rules = self.rules.lock().unwrap();
        if rules.len() == self.rule_room {
            return Err(refusal("rte_flow_create"));
        }
        rules.push((*packets, queue));
        Ok(Box::new(FakeRule { packets: *packets, rules: Arc::clone(&self.rules) }))
    }
}

fn side(ability: Ability, role: Role, port: &Fake) -> Side<'_> {
    Side { ability, role, port }
}

#[test]
fn ports_that_take_it_are_set_once() {
    let (wan, lan) = (Fake::default(), Fake::default());
    let large = Ability { table_size: 256, key_len: Some(52), ..able() };
    let sides = vec![side(able(), NOTHING, &wan), side(large, FULLNAT, &lan)];
    let plan = agree(sides, 3).unwrap();
    assert_eq!(methods(&plan), [Method::Rss(RssEnds::Both); 2]);
    let (wan, lan) = (wan.rss.into_inner().unwrap(), lan.rss.into_inner().unwrap());
    let ([(wan, wan_table)], [(lan, lan_table)]) = (wan.as_slice(), lan.as_slice()) else {
        panic!("{wan:?} {lan:?}")
    };
    assert_eq!((wan.key.len(), lan.key.len()), (40, 52));
    assert_eq!(lan.key[..40], wan.key);
    assert_eq!((wan_table.len(), lan_table.len()), (128, 256));
    assert_eq!(&lan_table[..128], wan_table);
}

#[test]
fn a_refusal_changes_what_the_others_are_asked() {
    // FULLNAT replies are hashed by destination as long as NAT gains by that; when no port can hash
    // by one end any more, all hash both.
    let wan = Fake { refused_ends: vec![RssEnds::Source], ..Fake::default() };
    let lan = Fake { refused_ends: vec![RssEnds::Destination], ..Fake::default() };
    let dmz = Fake::default();
    let sides = vec![
        side(able(), NAT_CLIENTS, &wan),
        side(able(), NAT_REALS, &lan),
        side(able(), FULLNAT, &dmz),
    ];
    let plan = agree(sides, 4).unwrap();
    let both = Method::Rss(RssEnds::Both);
    assert_eq!(methods(&plan), [both; 3]);
    let asked: Vec<_> = dmz.rss.into_inner().unwrap().iter().map(|(rss, _)| rss.ends).collect();
    assert_eq!(asked, [RssEnds::Destination, RssEnds::Both]);
    for refused in 0..2 {
        let why = why(&plan, refused);
        assert!(why.contains("rte_eth_dev_rss_hash_update"), "{why}");
    }
}

#[test]
fn a_port_that_refuses_everything_hands_over() {
    let all = vec![RssEnds::Both, RssEnds::Source, RssEnds::Destination];
    let port = Fake { refused_ends: all, ..Fake::default() };
    let plan = agree(vec![side(able(), FULLNAT, &port)], 2).unwrap();
    assert_eq!(methods(&plan), [Method::HandOver]);
    assert!(why(&plan, 0).contains("no flow rules: rte_flow_validate"), "{}", why(&plan, 0));
    assert!(port.rss.into_inner().unwrap().is_empty());
}

#[test]
fn one_worker_asks_for_nothing() {
    let port = Fake { rule_room: 9, ..Fake::default() };
    let plan = agree(vec![side(able(), FULLNAT, &port)], 1).unwrap();
    assert_eq!(methods(&plan), [Method::OneWorker]);
    assert!(port.rss.into_inner().unwrap().is_empty());
}

fn with_local_addresses(addresses: &str) -> conf::Config {
    config(&format!(
        "  tls: {{vip: \"192.0.2.10:443\", protocol: tcp, mode: fullnat, scheduler: rr,
        local_addresses: [{addresses}], real_servers: [{{address: 10.0.0.12}}]}}
"
    ))
}

#[test]
fn rules_follow_the_local_addresses() {
    // Two workers: two classes, two protocols, four rules an address.
    let port = Fake { rule_room: 10, ..Fake::default() };
    let plan = agree(vec![side(unable_to_hash(), FULLNAT, &port)], 2).unwrap();
    assert_eq!(methods(&plan), [Method::FlowRules]);
    let mut rules = Rules::new(&plan);
    let mut update = |addresses: &str| {
        let refusals = rules.update(&with_local_addresses(addresses), &[&port]);
        let mut held: Vec<_> =
            port.rules.lock().unwrap().iter().map(|(rule, _)| rule.dst.to_string()).collect();
        held.dedup();
        (held.join(" "), port.rules.lock().unwrap().len(), refusals)
    };
    assert_eq!(update("10.0.0.100"), ("10.0.0.100".to_owned(), 4, vec![]));
    assert_eq!(update("10.0.0.100"), ("10.0.0.100".to_owned(), 4, vec![]));
    let both = update("10.0.0.100, 10.0.0.101");
    assert_eq!(both, ("10.0.0.100 10.0.0.101".to_owned(), 8, vec![]));
    assert_eq!(update("10.0.0.101"), ("10.0.0.101".to_owned(), 4, vec![]));
    let (_, count, refusals) = update("10.0.0.101, 10.0.0.102, 10.0.0.103");
    assert_eq!(count, 10);
    let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
    assert!(refusal.contains("10.0.0.103") && refusal.contains("no more than 2 flow rules"));
    let owners = port.rules.lock().unwrap().clone();
    for (rule, queue) in owners {
        let expected = Team::new(WorkerIdx(0), 2, 1);
        let expected = plan.team(expected).unwrap();
        let mut snapshot = Snapshot::new(1, Vec::new(), &[]);
        snapshot.add_address(rule.dst, AddressUse::Local);
        let (real, lport) = (Ipv4Addr::new(10, 0, 0, 12), 1024 + rule.dst_port);
        let key = FlowKey::ipv4(IpProto::TCP, real, 443, rule.dst, lport);
        assert_eq!(expected.owner(&snapshot, &key), WorkerIdx(queue));
    }
}

fn unable_to_hash() -> Ability {
    Ability { table_size: 0, ..able() }
}

#[test]
fn without_rules_nothing_is_asked() {
    let port = Fake::default();
    let plan = agree(vec![side(unable(), FULLNAT, &port)], 2).unwrap();
    let mut rules = Rules::new(&plan);
    assert!(rules.update(&with_local_addresses("10.0.0.100"), &[&port]).is_empty());
    assert!(port.rules.lock().unwrap().is_empty());
}
