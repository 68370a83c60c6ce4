//! Reload under load: snapshots with ten thousand services and a hundred thousand real servers are
//! published while packets flow, and no packet may be lost.
//!
//! The worker and its engine have one CPU; snapshots are built and published on another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use dataplane::dpdk_io;
use dataplane::forward::ForwardingMode;
use dataplane::publish::{Publisher, Running};
use dpdk::{PktMempool, tsc};

use super::effort::Effort;
use super::in_memory::{mhz, per_packet};
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit};
use super::site::{self, Site, VIP, WAN_MAC};
use super::traffic::FRAME_LEN;
use crate::generator::Engine;
use crate::generator::arp::NEIGHBOR;
use crate::generator::flows::Flows;
use crate::generator::frame::Template;
use crate::generator::memory::MemoryPorts;
use crate::generator::requests::{Plan, Requests};

/// Services.
pub const SERVICES: u32 = 10_000;
/// Real servers of all services together.
pub const REAL_SERVERS: u32 = 100_000;
const FLOWS: u32 = 100_000;
/// A snapshot is gone over in pieces, and all of that is over after this time.
const MOMENT: Duration = Duration::from_millis(20);
/// Reloads for each round that others have, and the time between two of them.
const PER_ROUND: usize = 4;
const INTERVAL: Duration = Duration::from_millis(100);
const APPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the control side measured of one reload.
struct Applied {
    build: Duration,
    /// From the publication until the worker said that it runs the snapshot.
    apply: Duration,
}

/// What the worker measured of some time.
#[derive(Default)]
struct Watched {
    packets: u64,
    cycles: u64,
    /// Of each reload, or of a moment without one: the longest turn, in microseconds.
    longest: Vec<f64>,
}

/// Says when a reload, or another moment to look at, began: counts them, and tells the time.
#[derive(Default)]
struct Moments {
    count: AtomicU64,
    began: AtomicU64,
}

impl Moments {
    fn begin(&self) {
        self.began.store(tsc::now(), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
    }
}

/// Measures `effort.rounds` reloads, published from `control_cpu`.
///
/// # Errors
/// [`Invalid`] if a packet was lost or a snapshot not taken up.
pub fn run(control_cpu: usize, effort: Effort, pool: &PktMempool) -> Result<Outcome, Invalid> {
    let plan = Plan {
        templates: Template::udp((NEIGHBOR, WAN_MAC), VIP, FRAME_LEN).into(),
        flows: Flows::known(FLOWS, 0x0dde),
        mode: ForwardingMode::FullNat,
        answered: false,
        window: None,
    };
    let mut engine = Requests::new(plan, pool.clone());
    // Its checks know another site.
    engine.check(false);
    let first = site::large_snapshot(1, SERVICES, REAL_SERVERS);
    let counts = (SERVICES as usize, REAL_SERVERS as usize);
    let ports = MemoryPorts::new(engine, pool.clone());
    let mut site = Site::with(first, FLOWS + FLOWS / 8, counts, ports);
    site.settle();
    play(&mut site, &Moments::default(), |sent| sent < u64::from(FLOWS));

    let publisher = site.publisher.take().ok_or(Invalid::Nothing)?;
    let reloads = effort.rounds * PER_ROUND;
    // The same load without a reload: how long a turn takes when nothing happens but what the
    // machine does by itself.
    let (calm, _) = beside(&mut site, control_cpu, |moments| {
        for _ in 0..reloads {
            moments.begin();
            thread::sleep(INTERVAL);
        }
    })?;
    let running = site.running.clone();
    let (loaded, applied) =
        beside(&mut site, control_cpu, |moments| reload(publisher, reloads, &running, moments))?;
    let applied = applied?;
    let sent = site.worker.ports_mut().engine().counts().requests;
    let lost = sent - site.stats.forwarded.value().min(sent);
    if lost > 0 {
        return Err(Invalid::lost((lost, sent), "packets", "under reload", &site.stats));
    }
    outcome(&calm, &loaded, &applied)
}

/// Runs `work` on another CPU and the worker on this one meanwhile.
fn beside<T: Send>(
    site: &mut Site<MemoryPorts<Requests>>,
    cpu: usize,
    work: impl FnOnce(&Moments) -> T + Send,
) -> Result<(Watched, T), Invalid> {
    let (moments, done) = (Moments::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let control = scope.spawn(|| {
            core_affinity::set_for_current(CoreId { id: cpu });
            let result = work(&moments);
            done.store(true, Ordering::Release);
            result
        });
        let watched = play(site, &moments, |_| !done.load(Ordering::Acquire));
        let ended = |_| Invalid::Broken("the thread that publishes ended".to_owned());
        Ok((watched, control.join().map_err(ended)?))
    })
}

fn outcome(calm: &Watched, loaded: &Watched, applied: &[Applied]) -> Result<Outcome, Invalid> {
    let millis = |of: fn(&Applied) -> Duration| {
        Spread::of(applied.iter().map(|one| of(one).as_secs_f64() * 1e3).collect())
            .ok_or(Invalid::Nothing)
    };
    let (build, apply) = (millis(|one| one.build)?, millis(|one| one.apply)?);
    let longest = |watched: &Watched| Spread::of(watched.longest.clone()).ok_or(Invalid::Nothing);
    let (calm, under_reload) = (longest(calm)?, longest(loaded)?);
    let rate = Spread::of(vec![per_packet(loaded.cycles, loaded.packets)]);
    let remark = |what, value, unit| Remark { what, value, unit };
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: None,
        rate: rate.ok_or(Invalid::Nothing)?.per(mhz()),
        remarks: vec![
            remark("reloads", count(applied), ""),
            remark("longest turn at a reload, median", under_reload.median, "us"),
            remark("most", under_reload.most, "us"),
            remark("without reload, median", calm.median, "us"),
            remark("most", calm.most, "us"),
            remark("snapshot built in", build.median, "ms"),
            remark("taken up in at most", apply.most * 1e3, "us"),
        ],
    })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn count<T>(all: &[T]) -> f64 {
    all.len() as f64
}

/// Publishes snapshots and waits until the worker runs each.
fn reload(
    mut publisher: Publisher,
    reloads: usize,
    running: &Running,
    moments: &Moments,
) -> Result<Vec<Applied>, Invalid> {
    let mut all = Vec::new();
    for round in 0..reloads {
        let start = Instant::now();
        let generation = publisher.current().generation + 1;
        let snapshot = site::large_snapshot(generation, SERVICES, REAL_SERVERS);
        let build = start.elapsed();
        moments.begin();
        let start = Instant::now();
        publisher.publish(snapshot);
        while running.generation() < generation {
            if start.elapsed() > APPLY_TIMEOUT {
                let text = format!("snapshot {round} was not taken up in {APPLY_TIMEOUT:?}");
                return Err(Invalid::Broken(text));
            }
            std::hint::spin_loop();
        }
        let apply = start.elapsed();
        thread::sleep(INTERVAL);
        publisher.reclaim();
        all.push(Applied { build, apply });
    }
    Ok(all)
}

/// Turns while `go_on` says so of the packets sent, without a pause between.
fn play(
    site: &mut Site<MemoryPorts<Requests>>,
    moments: &Moments,
    mut go_on: impl FnMut(u64) -> bool,
) -> Watched {
    let mut watched = Watched::default();
    let before = site.worker.ports_mut().engine().counts().requests;
    site.worker.ports_mut().engine().grant(u64::MAX);
    let first = (tsc::now(), site.worker.ports_mut().engine_cycles());
    let moment = u64::try_from(MOMENT.as_micros()).unwrap_or(u64::MAX) * tsc::hz() / 1_000_000;
    let (mut seen, mut end, mut longest) = (moments.count.load(Ordering::Acquire), 0, 0);
    while go_on(watched.packets) {
        let (engine, start) = (site.worker.ports_mut().engine_cycles(), tsc::now());
        site.worker.turn(dpdk_io::clock());
        let now = tsc::now();
        let engine = site.worker.ports_mut().engine_cycles() - engine;
        watched.packets = site.worker.ports_mut().engine().counts().requests - before;
        let count = moments.count.load(Ordering::Acquire);
        if count != seen {
            (seen, longest) = (count, 0);
            end = moments.began.load(Ordering::Relaxed) + moment;
        }
        if end > 0 {
            longest = longest.max((now - start).saturating_sub(engine));
            if now > end {
                watched.longest.push(per_packet(longest * 1_000_000, tsc::hz()));
                end = 0;
            }
        }
    }
    let ports = site.worker.ports_mut();
    ports.engine().grant(0);
    watched.cycles = (tsc::now() - first.0).saturating_sub(ports.engine_cycles() - first.1);
    watched
}
