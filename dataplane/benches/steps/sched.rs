//! The choice of a real server, among ten and among a thousand.

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::Criterion;
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::sched::{SchedState, Scheduler, WrrPlan, schedule};
use rvs_dataplane::service::{Dest, RealId, ServiceId, VirtualService};
use rvs_dataplane::testing::Random;
use rvs_dataplane::wire::IpProto;

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule");
    for scheduler in [Scheduler::Rr, Scheduler::Wrr] {
        for count in [10, 1000] {
            let service = service(scheduler, count);
            let mut state = SchedState::default();
            assert!(schedule(&service, &mut state, 0).is_some(), "somebody takes connections");
            group.bench_function(format!("{}/{count}", scheduler.name()), |bencher| {
                bencher.iter(|| black_box(schedule(&service, &mut state, 0)));
            });
        }
    }
    group.finish();
}

/// A service with `count` real servers of weights 1 to 100; one of eight takes no connections.
fn service(scheduler: Scheduler, count: u32) -> VirtualService {
    let mut random = Random::new(u64::from(count));
    let mut weight = || if random.below(8) == 0 { 0 } else { 1 + random.below(100) as u32 };
    let added: Vec<_> = (0..count).map(|n| Dest { real: RealId(n), weight: weight() }).collect();
    VirtualService {
        id: ServiceId(0),
        protocol: IpProto::TCP,
        vip: Ipv4Addr::new(192, 0, 2, 10),
        vport: 80,
        mode: ForwardingMode::Dr,
        scheduler,
        wrr: WrrPlan::after_adding(added.iter().map(|dest| dest.weight)),
        dests: VirtualService::list_order(added.into_iter()),
        local_addresses: Box::default(),
        stateless: None,
        revision: 1,
    }
}
