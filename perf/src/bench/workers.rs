//! One worker and two: each on a CPU of its own with ports and flows of its own, replayed from
//! memory, so that no generator takes a core away.

use std::sync::Barrier;
use std::thread;

use core_affinity::CoreId;
use dataplane::dpdk_io;
use dataplane::forward::ForwardingMode;
use dpdk::{DpdkError, Eal, PktMempool, SocketId, ThreadRegistration, mempool, tsc};

use super::effort::Effort;
use super::in_memory::{mhz, per_packet};
use super::loop_ports::{Feed, LoopPorts};
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit};
use super::site::{Plan, Site, VIP, WAN_MAC};
use super::traffic;

/// Flows of each worker.
const FLOWS: u32 = 100_000;
const POOL_COUNT: u32 = 2047;
const POOL_CACHE: u32 = 256;

/// Buffers of the two workers, each its own.
#[derive(Debug)]
pub struct Pools(Vec<PktMempool>);

impl Pools {
    /// Makes both pools.
    ///
    /// # Errors
    /// If DPDK has no memory left.
    pub fn create(eal: &Eal) -> Result<Self, DpdkError> {
        let create = |number| {
            let name = format!("worker{number}");
            let room = mempool::DATA_ROOM;
            PktMempool::create(eal, &name, POOL_COUNT, POOL_CACHE, room, SocketId::ANY)
        };
        (0..2).map(create).collect::<Result<_, _>>().map(Self)
    }
}

/// Start and end of a round by the time stamp counter, which the CPUs share.
type Times = (u64, u64);

/// What one worker measured: rounds alone, and rounds beside the other.
#[derive(Debug, Default)]
struct Record {
    alone: Vec<Times>,
    together: Vec<Times>,
}

/// Measures both workers alone and together, FULLNAT in both directions.
///
/// # Errors
/// [`Invalid`] if packets were lost, or there are no two CPUs.
pub fn run(cpus: [usize; 2], effort: Effort, eal: &Eal, pools: &Pools) -> Result<Outcome, Invalid> {
    let barrier = Barrier::new(cpus.len());
    let records = thread::scope(|scope| {
        let threads: Vec<_> = cpus
            .iter()
            .zip(&pools.0)
            .enumerate()
            .map(|(place, (&cpu, pool))| {
                let barrier = &barrier;
                scope.spawn(move || work((place, cpu), effort, eal, pool, barrier))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(record) => record,
            Err(_) => Err(Invalid::Broken("a worker's thread ended".to_owned())),
        });
        joined.collect::<Result<Vec<Record>, Invalid>>()
    })?;
    let packets = effort.packets;
    let cycles = |times: &Times| per_packet(times.1 - times.0, packets);
    let alone: Vec<f64> =
        records.iter().flat_map(|record| record.alone.iter().map(cycles)).collect();
    let alone = Spread::of(alone).ok_or(Invalid::Nothing)?.per(mhz());
    let together: Vec<f64> = (0..effort.rounds)
        .filter_map(|round| {
            let times = records.iter().map(|record| record.together.get(round).copied());
            let times: Vec<Times> = times.collect::<Option<_>>()?;
            let start = times.iter().map(|times| times.0).min()?;
            let end = times.iter().map(|times| times.1).max()?;
            Some(per_packet(end - start, packets * times.len() as u64))
        })
        .collect();
    let rate = Spread::of(together).ok_or(Invalid::Nothing)?.per(mhz());
    let times = rate.median / alone.median;
    let one = |what, value| Remark { what, value, unit: "%" };
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: None,
        rate,
        remarks: vec![
            Remark { what: "one worker", value: alone.median * 1e3, unit: "kpps" },
            one("two give of one", 100.0 * times),
        ],
    })
}

/// The life of one worker's thread. Whatever fails fails at the end: the other one waits for this
/// one at every barrier.
fn work(
    (place, cpu): (usize, usize),
    effort: Effort,
    eal: &Eal,
    pool: &PktMempool,
    barrier: &Barrier,
) -> Result<Record, Invalid> {
    let pinned = core_affinity::set_for_current(CoreId { id: cpu });
    let registration = ThreadRegistration::register(eal);
    let first = u32::try_from(place).unwrap_or(0) * FLOWS;
    let order: Vec<u32> =
        traffic::random_order(FLOWS, 0x0dde).into_iter().map(|flow| first + flow).collect();
    let ports = LoopPorts::new(pool.clone(), &order, VIP, WAN_MAC);
    let plan = Plan::udp(ForwardingMode::FullNat, FLOWS + FLOWS / 8);
    let mut site = Site::new(plan, ports);
    site.settle();
    site.worker.ports_mut().record(true);
    round(&mut site, Feed::Requests, FLOWS.into());
    site.worker.ports_mut().record(false);
    round(&mut site, Feed::Both, effort.packets);

    let mut record = Record::default();
    for _ in 0..effort.rounds {
        for turn in 0..2 {
            barrier.wait();
            if turn == place {
                record.alone.push(round(&mut site, Feed::Both, effort.packets));
            }
        }
        barrier.wait();
        record.together.push(round(&mut site, Feed::Both, effort.packets));
    }
    let sent = u64::from(FLOWS) + effort.packets * (1 + 2 * effort.rounds as u64);
    let forwarded = site.stats.forwarded.value();
    let lost = sent - forwarded.min(sent);
    if lost > 0 {
        return Err(Invalid::lost((lost, sent), "packets", "by one of two workers", &site.stats));
    }
    drop(site);
    if !pinned {
        return Err(Invalid::Broken(format!("CPU {cpu} cannot be used")));
    }
    let registration = registration
        .map_err(|error| Invalid::Broken(format!("a thread for CPU {cpu}: {error}")))?;
    drop(registration);
    Ok(record)
}

fn round(site: &mut Site<LoopPorts>, feed: Feed, packets: u64) -> Times {
    site.worker.ports_mut().play(feed, packets);
    let start = tsc::now();
    while !site.worker.ports_mut().is_done() {
        site.worker.turn(dpdk_io::clock());
    }
    (start, tsc::now())
}
