//! The choice of a real server, among ten and among a thousand.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use criterion::Criterion;
use rvs_dataplane::sched::{
    Asked, Asker, Counted, HashFlags, MaglevEntry, SchedState, Schedule, Scheduler, schedule,
};
use rvs_dataplane::service::{Dest, RealId, ServiceId, ServiceKey, VirtualService};
use rvs_dataplane::stats::WorkerStats;
use rvs_dataplane::testing::Random;
use rvs_dataplane::time::Tick;
use rvs_dataplane::wire::IpProto;

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const FLAGS: HashFlags = HashFlags { fallback: true, port: true };
pub(crate) fn all(criterion: &mut Criterion) {
    for count in [10, 1000] {
        let mut group = criterion.benchmark_group(format!("schedule/{count}"));
        for scheduler in Scheduler::all(FLAGS) {
            let mut pool = Pool::new(scheduler, count);
            // dh has one bucket for a VIP, and nobody else where that takes nothing.
            assert!(scheduler == Scheduler::Dh || pool.connect().is_some(), "nobody takes any");
            group.bench_function(scheduler.name(), |bencher| {
                bencher.iter(|| black_box(pool.connect()));
            });
        }
        group.finish();
    }
}

/// A service with real servers of weights 1 to 100; one of eight takes no connections.
struct Pool {
    service: VirtualService,
    state: SchedState,
    counted: Counted,
    clients: Random,
    random: u64,
}

impl Pool {
    fn new(scheduler: Scheduler, count: u32) -> Self {
        let mut random = Random::new(u64::from(count));
        let mut weight = || if random.below(8) == 0 { 0 } else { 1 + random.below(100) as u32 };
        let dests: Vec<_> = (0..count).map(|n| Dest::new(RealId(n), weight())).collect();
        let dests = VirtualService::list_order(dests.into_iter());
        let entry = |dest: &Dest| MaglevEntry {
            address: Ipv4Addr::from_bits(0x0A00_0001 + dest.real.0),
            l4_port: 80,
            weight: dest.weight,
        };
        let entries = || dests.iter().map(entry).collect();
        let service = VirtualService {
            id: ServiceId(0),
            key: ServiceKey::endpoint(IpProto::TCP, VIP, 80),
            schedule: Schedule::new(scheduler, 1, &dests, entries).counting(1, &dests),
            dests,
            local_addresses: Box::default(),
            stateless: None,
            persistence: None,
            helper: None,
            ops: false,
        };
        let counted = Counted::alone(Arc::new(WorkerStats::new(1, count as usize)));
        let (state, clients) = (SchedState::default(), Random::new(3));
        Self { service, state, counted, clients, random: 1 }
    }

    /// A pick, and what a scheduler that looks at connections has to note of it: the connection
    /// is active now, and so stays; at ovf's full ones an old one ends.
    fn connect(&mut self) -> Option<RealId> {
        let client = (Ipv4Addr::from_bits(self.clients.below(1 << 32) as u32), 40_000);
        let asked = Asked { client, dst: VIP };
        let (counted, random) = (&self.counted, &mut self.random);
        let mut asker = Asker { worker: 0, counted, now: Tick(0), random };
        let real = schedule(&self.service, &mut self.state, &asked, &mut asker)?;
        if let Some(loads) = self.service.schedule.loads_of(0)
            && let Some(counts) = self.counted.own.real_server(real)
        {
            if self.service.schedule.scheduler != Scheduler::Ovf || counts.active.value() == 0 {
                counts.active.add(1);
            }
            let dests = &self.service.dests;
            loads.changed(dests, dests.len() - 1 - real.index(), &self.counted);
        }
        Some(real)
    }
}
