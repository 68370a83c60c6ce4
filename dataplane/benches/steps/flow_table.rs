//! The flow table, with 10,000 flows and with a million, which are more than the caches hold.
//!
//! Flows are those of NAT, which have two keys each. `one` finishes each look-up before the next;
//! `burst` is what a worker does: 32 at a time, in steps that begin to load what the next reads.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use rvs_dataplane::flow::{Flow, FlowIdx, FlowKey, FlowState, FlowTable, KeyHash};
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::BURST_LEN_MAX;
use rvs_dataplane::service::{RealId, ServiceId};
use rvs_dataplane::testing::Random;
use rvs_dataplane::time::{Tick, Ticks};
use rvs_dataplane::wire::IpProto;

const SIZES: [(&str, u32); 2] = [("10k", 10_000), ("1M", 1_000_000)];
/// How many of the flows are replaced at a time: enough that the first is out of the caches when
/// the last was touched, if they do not hold the whole table.
const REPLACED: usize = 4;

pub(crate) fn all(criterion: &mut Criterion) {
    for (size, count) in SIZES {
        let mut group = criterion.benchmark_group("flow");
        // Made when the first benchmark that is not filtered out needs it.
        let mut full = None;
        look_ups(&mut group, size, count, &mut full);
        for (name, part) in [("insert", 0), ("remove", 1)] {
            group.throughput(Throughput::Elements(1));
            group.bench_function(format!("{name}/{size}"), |bencher| {
                let full = full.get_or_insert_with(|| Full::new(count));
                bencher.iter_custom(|count| full.replace(count)[part]);
            });
        }
        group.finish();
    }
}

fn look_ups(
    group: &mut BenchmarkGroup<'_, WallTime>,
    size: &str,
    count: u32,
    full: &mut Option<Full>,
) {
    for (name, known) in [("hit", true), ("miss", false)] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}/one/{size}"), |bencher| {
            let full = full.get_or_insert_with(|| Full::new(count));
            let mut keys = full.keys(known).iter().cycle();
            let is_known = |key: &FlowKey| full.table.lookup(full.table.hash(key), key).is_some();
            assert_eq!(keys.next().is_some_and(is_known), known);
            bencher.iter(|| {
                let key = keys.next()?;
                black_box(full.table.lookup(full.table.hash(key), key))
            });
        });
        group.throughput(Throughput::Elements(BURST_LEN_MAX as u64));
        group.bench_function(format!("{name}/burst/{size}"), |bencher| {
            let full = full.get_or_insert_with(|| Full::new(count));
            let (bursts, _) = full.keys(known).as_chunks();
            assert_eq!(found(&full.table, &bursts[0]), if known { BURST_LEN_MAX } else { 0 });
            let mut bursts = bursts.iter().cycle();
            bencher.iter(|| bursts.next().map(|burst| found(&full.table, burst)));
        });
    }
}

/// How many of these are found, the way that the director looks.
#[inline]
fn found(table: &FlowTable, keys: &[FlowKey; BURST_LEN_MAX]) -> usize {
    let mut hashes = [KeyHash::default(); BURST_LEN_MAX];
    for (key, hash) in keys.iter().zip(&mut hashes) {
        *hash = table.hash(key);
        table.prefetch_bucket(*hash);
    }
    let mut hits = hashes.map(|hash| table.candidate(hash));
    for (hit, hash) in hits.iter_mut().zip(hashes) {
        *hit = hit.or_else(|| table.second_candidate(hash));
    }
    let is_found = |(hit, key): &(_, &FlowKey)| {
        let hit: &Option<_> = hit;
        hit.is_some_and(|hit| table.matches(hit, key))
    };
    hits.into_iter().zip(keys).filter(is_found).count()
}

/// A table with as many flows as it can hold.
struct Full {
    table: FlowTable,
    flows: Vec<FlowIdx>,
    /// Keys of flows in the table and of none, as many of each as there are flows.
    known: Vec<FlowKey>,
    unknown: Vec<FlowKey>,
    random: Random,
    /// Flows made so far, so that none is made twice.
    made: u32,
    /// The flow to be replaced next.
    next: usize,
}

impl Full {
    fn new(count: u32) -> Self {
        let mut full = Self {
            table: FlowTable::new(count, 0x5EED, Tick(0)),
            flows: Vec::new(),
            known: Vec::new(),
            unknown: Vec::new(),
            random: Random::new(0x5EED),
            made: 0,
            next: 0,
        };
        for _ in 0..count {
            let flow = full.make();
            full.known.push(flow.request);
            full.flows.push(full.table.insert(flow).expect("room for this many"));
        }
        full.unknown = (0..count).map(|_| full.make().request).collect();
        full.random.shuffle(&mut full.known);
        full.random.shuffle(&mut full.flows);
        full
    }

    fn keys(&self, known: bool) -> &[FlowKey] {
        if known { &self.known } else { &self.unknown }
    }

    /// A flow that was not made before: its client's address is its number, bits mixed.
    fn make(&mut self) -> Flow {
        self.made = self.made.wrapping_add(1);
        let client = self.made.wrapping_mul(0x9E37_79B1).into();
        let ((vip, vport), (rip, rport)) = (self.random.end(), self.random.end());
        let cport = self.random.end().1;
        let request = FlowKey::ipv4(IpProto::UDP, client, cport, vip, vport);
        let reply = FlowKey::ipv4(IpProto::UDP, rip, rport, client, cport);
        let clock = (Tick(0), Ticks::from_secs(300));
        let ids = (ServiceId(0), RealId(0));
        Flow::new(request, reply, ForwardingMode::Nat, ids, FlowState::Udp, clock)
    }

    /// Replaces `count` flows, those that are in the table longest first; returns how long
    /// inserting took, and how long removing.
    fn replace(&mut self, count: u64) -> [Duration; 2] {
        let [mut inserting, mut removing] = [Duration::ZERO; 2];
        // What was looked up by these keys is gone.
        self.known.clear();
        let mut left = usize::try_from(count).expect("below 2^64");
        while left > 0 {
            let end = self.flows.len().min(self.next + left.min(self.flows.len() / REPLACED));
            let places = self.next..end;
            let flows: Vec<Flow> = places.clone().map(|_| self.make()).collect();

            let start = Instant::now();
            for flow in &self.flows[places.clone()] {
                black_box(self.table.remove(*flow));
            }
            removing += start.elapsed();

            let start = Instant::now();
            for (place, flow) in self.flows[places.clone()].iter_mut().zip(flows) {
                *place = self.table.insert(flow).expect("as many were removed");
            }
            inserting += start.elapsed();
            left -= places.len();
            self.next = if end == self.flows.len() { 0 } else { end };
        }
        [inserting, removing]
    }
}
