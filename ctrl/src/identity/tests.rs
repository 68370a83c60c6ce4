//! Tests of the registry, with made-up workers.

use std::cell::RefCell;

use super::*;
use crate::testing::config;

/// Workers as the tests want them.
#[derive(Debug, Default)]
struct Workers {
    oldest: u64,
    flows: RefCell<HashMap<RealId, u64>>,
    counted: u64,
}

impl Usage for Workers {
    fn oldest_generation(&self) -> u64 {
        self.oldest
    }

    fn flows(&self, id: RealId) -> u64 {
        self.flows.borrow().get(&id).copied().unwrap_or_default()
    }

    fn real_server(&self, id: RealId) -> Traffic {
        Traffic { in_packets: self.counted + u64::from(id.0), ..Traffic::default() }
    }

    fn service(&self, id: ServiceId) -> Traffic {
        Traffic { in_bytes: self.counted + u64::from(id.0), ..Traffic::default() }
    }
}

/// Services by port, with real servers by the last byte of their address.
fn services(services: &[(u16, &[u8])]) -> Config {
    let text: String = services
        .iter()
        .map(|(vport, reals)| {
            let reals: Vec<_> =
                reals.iter().map(|last| format!("{{address: 10.0.0.{last}}}")).collect();
            let reals = reals.join(", ");
            format!(
                "  s{vport}: {{vip: \"192.0.2.10:{vport}\", protocol: tcp, mode: nat, \
                 real_servers: [{reals}]}}\n"
            )
        })
        .collect();
    config(if text.is_empty() { "  {}\n" } else { &text })
}

fn registry(services: u32, real_servers: u32) -> Registry {
    Registry::new(&Limits { services, real_servers, ..Limits::default() }, 1)
}

fn numbers(named: &Named) -> Vec<(u32, Vec<u32>)> {
    let reals = |service: &NamedService| service.real_servers.iter().map(|r| r.id.0).collect();
    named.iter().map(|service| (service.id.0, reals(service))).collect()
}

#[test]
fn what_stays_keeps_its_numbers_wherever_it_stands() {
    let (mut registry, workers) = (registry(9, 9), Workers::default());
    let first = registry.assign(&services(&[(80, &[11, 12]), (443, &[11])]), 1, &workers);
    assert_eq!(numbers(&first), [(0, vec![0, 1]), (1, vec![2])]);
    let second = registry.assign(&services(&[(443, &[13, 11]), (80, &[12])]), 2, &workers);
    assert_eq!(numbers(&second), [(1, vec![3, 2]), (0, vec![1])]);
    assert!(second.iter().all(|service| service.base == Traffic::default()), "kept or fresh");
}

#[test]
fn a_number_is_used_again_only_when_no_worker_refers_to_it() {
    let mut registry = registry(2, 2);
    let mut workers = Workers { oldest: 1, ..Workers::default() };
    registry.assign(&services(&[(80, &[11]), (443, &[11])]), 1, &workers);
    workers.flows.borrow_mut().insert(RealId(0), 3);
    registry.assign(&services(&[(443, &[11])]), 2, &workers);

    let next = services(&[(443, &[11]), (8080, &[11])]);
    let shortage = Shortage { limit: "services", missing: 1, retired: 1 };
    registry.release(&workers);
    assert_eq!(registry.check(&next), Err(shortage), "a worker still runs generation 1");
    workers.oldest = 2;
    registry.release(&workers);
    assert_eq!(registry.check(&next), Err(shortage), "a flow of the real server is left");
    assert_eq!(registry.check(&services(&[(80, &[11]), (443, &[11])])), Ok(()), "it may return");
    workers.flows.borrow_mut().clear();
    registry.release(&workers);
    assert_eq!(registry.check(&next), Ok(()));

    workers.counted = 1000;
    let named = registry.assign(&next, 3, &workers);
    assert_eq!(numbers(&named), [(1, vec![1]), (0, vec![0])]);
    let [kept, new] = &named[..] else { panic!("two services") };
    assert_eq!((kept.base.in_bytes, kept.real_servers[0].base.in_packets), (0, 0));
    assert_eq!((new.base.in_bytes, new.real_servers[0].base.in_packets), (1000, 1000));
    workers.counted = 5000;
    assert_eq!(registry.assign(&next, 4, &workers), named, "bases stay");
}

#[test]
fn a_real_server_that_comes_back_goes_on_with_its_counters_unless_its_service_had_gone() {
    let mut registry = registry(9, 9);
    let mut workers = Workers { oldest: 9, ..Workers::default() };
    let all = services(&[(80, &[11, 12])]);
    let without = services(&[(80, &[12])]);
    let with_another = services(&[(80, &[12, 13])]);
    let mut counted = |registry: &mut Registry, config, generation, counted| {
        workers.counted = counted;
        registry.release(&workers);
        let named = registry.assign(config, generation, &workers);
        let real = named[0].real_servers[0];
        let all = Traffic { in_packets: counted + u64::from(real.id.0), ..Traffic::default() };
        (real.id.0, all.since(&real.base).in_packets)
    };
    counted(&mut registry, &all, 1, 0);
    // Its number is retired and comes back with it.
    counted(&mut registry, &without, 2, 10);
    assert_eq!(counted(&mut registry, &all, 2, 15), (0, 15));
    // Its number is free when it comes back, or another's.
    counted(&mut registry, &without, 3, 20);
    counted(&mut registry, &without, 4, 30);
    assert_eq!(counted(&mut registry, &all, 5, 40), (0, 30), "what came later was not its own");
    counted(&mut registry, &without, 6, 50);
    counted(&mut registry, &with_another, 7, 60);
    // These workers have counted 72 for number 2, though nobody has had it.
    assert_eq!(counted(&mut registry, &all, 8, 70), (2, 50 + 72));
    // With its service.
    counted(&mut registry, &without, 9, 80);
    registry.assign(&services(&[]), 9, &Unused);
    assert_eq!(counted(&mut registry, &all, 9, 100).1, 0);
}

#[test]
fn real_servers_of_a_service_without_numbers_are_counted_one_by_one() {
    let mut registry = registry(9, 3);
    let workers = Workers::default();
    let over = services(&[(80, &[11, 12]), (443, &[11, 12])]);
    let shortage = Shortage { limit: "real_servers", missing: 1, retired: 0 };
    assert_eq!(registry.check(&over), Err(shortage));
    registry.assign(&services(&[(80, &[11])]), 1, &workers);
    assert_eq!(registry.check(&over), Err(shortage));
    assert_eq!(registry.check(&services(&[(80, &[12, 13])])), Ok(()));
}

#[test]
fn a_real_server_that_comes_back_counts_on_unless_its_service_had_gone_too() {
    let mut registry = registry(4, 4);
    let mut workers = Workers { oldest: 1, ..Workers::default() };
    let both = services(&[(80, &[11, 12])]);
    registry.assign(&both, 1, &workers);
    workers.flows.borrow_mut().insert(RealId(1), 3);
    workers.counted = 1000;
    registry.assign(&services(&[(80, &[11])]), 2, &workers);
    workers.oldest = 2;
    registry.release(&workers);
    let named = registry.assign(&both, 3, &workers);
    assert_eq!(numbers(&named), [(0, vec![0, 1])]);
    assert_eq!(named[0].real_servers[1].base, Traffic::default(), "it counts on");

    workers.flows.borrow_mut().insert(RealId(0), 1);
    registry.assign(&services(&[]), 4, &workers);
    workers.oldest = 4;
    registry.release(&workers);
    let named = registry.assign(&both, 5, &workers);
    assert_eq!(numbers(&named), [(0, vec![0, 1])], "its flows find it again");
    let bases = named[0].real_servers.iter().map(|real| real.base.in_packets);
    assert_eq!((named[0].base.in_bytes, bases.collect::<Vec<_>>()), (1000, vec![1000, 1001]));
}
