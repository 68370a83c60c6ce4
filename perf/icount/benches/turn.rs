//! Micro-benchmarks of a worker's whole turn: a burst of 32 packets of random flows, from the port
//! it comes in at to the one it leaves by.
//!
//! Ports are memory (`rvs_icount::wires`), which takes `turn/wires` of each figure: a copy of every
//! frame that comes in. The steps by themselves are measured by `dataplane/benches`.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark whose inputs cannot be made must fail where it makes them"
)]

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use dataplane::forward::ForwardingMode;
use dataplane::io::{Burst, Ports};
use dataplane::limits::BURST_LEN_MAX;
use dataplane::snapshot::PortIdx;
use dataplane::stats::WorkerStats;
use dataplane::testing::Random;
use dataplane::wire::{IpProto, TcpFlags};
use rvs_icount::bench::Bench;
use rvs_icount::frames::{self, Bytes};
use rvs_icount::site::{LAN, MACS, VIP, WAN};
use rvs_icount::wires::{NEIGHBOR, Wires};

/// Flows that packets belong to, any of them as often as any other.
const FLOWS: u32 = 10_000;
/// Turns that are timed together.
const TURNS: u64 = 64;

const MODES: [ForwardingMode; 4] =
    [ForwardingMode::Dr, ForwardingMode::Tunnel, ForwardingMode::Nat, ForwardingMode::FullNat];

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut group = criterion.benchmark_group("turn");
    group.throughput(Throughput::Elements(BURST_LEN_MAX as u64));
    wires(&mut group);
    for mode in MODES {
        established(&mut group, mode);
    }
    no_service(&mut group);
    group.finish();
    criterion.final_summary();
}

/// The ports alone.
fn wires(group: &mut BenchmarkGroup<'_, WallTime>) {
    let frames: Vec<_> = (0..FLOWS).map(request).collect();
    let (mut wires, mut random) = (Wires::default(), Random::new(1));
    wires.provide();
    group.bench_function("wires", |bencher| {
        bencher.iter_custom(|turns| {
            timed(turns, |count| {
                wires.await_frames(WAN, any_of(&frames, count, &mut random));
                let start = Instant::now();
                while !wires.is_empty(WAN) {
                    let mut burst = Burst::new();
                    wires.rx_burst(WAN, &mut burst);
                    wires.tx_burst(LAN, &mut burst);
                }
                start.elapsed()
            })
        });
    });
}

/// Requests of known flows, and replies where they come past the director.
fn established(group: &mut BenchmarkGroup<'_, WallTime>, mode: ForwardingMode) {
    let requests: Vec<_> = (0..FLOWS).map(request).collect();
    let mut bench = Bench::new(mode);
    bench.record(true);
    let (forwarded, count) = bench.forward(WAN, requests.iter().copied());
    assert_eq!(forwarded, u64::from(count), "all flows are known");
    bench.record(false);
    let replies: Vec<_> = bench.replies().iter().map(|reply| reply.frame(TcpFlags::NONE)).collect();
    let name = mode.name();
    turns(group, &format!("{name}/requests"), &mut bench, (WAN, &requests), forwarded_by);
    if mode.sees_replies() {
        turns(group, &format!("{name}/replies"), &mut bench, (LAN, &replies), forwarded_by);
    }
}

/// Packets to a port without service, which a look-up misses and a rejection answers or not.
fn no_service(group: &mut BenchmarkGroup<'_, WallTime>) {
    let nowhere = (VIP.0, VIP.1 + 1);
    let frames: Vec<_> = (0..FLOWS).map(|number| datagram(number, nowhere)).collect();
    let mut bench = Bench::new(ForwardingMode::Dr);
    turns(group, "no-service", &mut bench, (WAN, &frames), WorkerStats::dropped_total);
}

fn forwarded_by(stats: &WorkerStats) -> u64 {
    stats.forwarded.value()
}

/// Measures turns in which these frames come in at this port; `done` must count all of them.
fn turns(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    bench: &mut Bench,
    (port, frames): (PortIdx, &[Bytes]),
    done: fn(&WorkerStats) -> u64,
) {
    let mut random = Random::new(1);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|turns| {
            timed(turns, |count| {
                bench.await_frames(port, any_of(frames, count, &mut random));
                let before = done(bench.stats());
                let start = Instant::now();
                bench.turn_until_empty(port);
                let time = start.elapsed();
                assert_eq!(done(bench.stats()) - before, count as u64, "packets done");
                time
            })
        });
    });
}

/// The time of `turns` turns, of which `work` does some at once: as many as these packets take.
fn timed(turns: u64, mut work: impl FnMut(usize) -> Duration) -> Duration {
    let (mut left, mut time) = (turns, Duration::ZERO);
    while left > 0 {
        let now = left.min(TURNS);
        time += work(usize::try_from(now).expect("64 at most") * BURST_LEN_MAX);
        left -= now;
    }
    time
}

/// So many of these frames, in any order.
fn any_of<'a>(
    frames: &'a [Bytes],
    count: usize,
    random: &'a mut Random,
) -> impl Iterator<Item = Bytes> + 'a {
    (0..count).map(|_| frames[random.below(frames.len())])
}

fn request(number: u32) -> Bytes {
    datagram(number, VIP)
}

fn datagram(number: u32, to: frames::End) -> Bytes {
    let ends = (frames::client(number), to);
    frames::frame((MACS[0], NEIGHBOR), IpProto::UDP, ends.0, ends.1, TcpFlags::NONE)
}
