//! Packets that belong to another worker: into a ring and out of it again, on one CPU, so without
//! what it takes to move cache lines from one core to another.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use rvs_dataplane::handover::{Handed, Peers, Stage};
use rvs_dataplane::limits::BURST_LEN_MAX;
use rvs_dataplane::ownership::WorkerIdx;
use rvs_dataplane::snapshot::PortIdx;

use crate::inputs::Round;

const WORKERS: u16 = 4;

pub(crate) fn all(criterion: &mut Criterion) {
    let mut mesh = Peers::mesh(WORKERS);
    let (from, to) = mesh.split_at_mut(1);
    let mut receivers = Round::random(|random| random.below(to.len()));
    let mut group = criterion.benchmark_group("handover");
    group.throughput(Throughput::Elements(BURST_LEN_MAX as u64));
    group.bench_function("burst", |bencher| {
        bencher.iter(|| {
            let lose = |_| unreachable!("rings are longer than a burst");
            for frame in 0..BURST_LEN_MAX as u64 {
                let to = WorkerIdx(1 + *receivers.next() as u16);
                let packet = Handed::Packet { port: PortIdx(0), stage: Stage::Owner, frame };
                from[0].give(to, packet, lose);
            }
            from[0].flush(lose);
            for receiver in &mut *to {
                let mut budget = usize::from(WORKERS - 1);
                while let Some(handed) = receiver.take(&mut budget) {
                    black_box(handed);
                }
            }
        });
    });
    group.finish();
}
