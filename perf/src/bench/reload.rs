//! Reload under load: snapshots with ten thousand services and a hundred thousand real servers are
//! published while packets flow, and no packet may be lost.
//!
//! The worker and its engine have one CPU; snapshots are built and published on another.

use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Longest turn in cycles, the engine's part taken off.
    longest: u64,
}

/// Measures `effort.rounds` reloads, published from `control_cpu`.
///
/// # Errors
/// [`Invalid`] if a packet was lost or a snapshot not taken up.
pub fn run(control_cpu: usize, effort: Effort, pool: &PktMempool) -> Result<Outcome, Invalid> {
    let plan = Plan {
        template: Template::udp((NEIGHBOR, WAN_MAC), VIP, FRAME_LEN),
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
    play(&mut site, |sent| sent < u64::from(FLOWS));

    // The same load without a reload: how long a turn takes when nothing happens but what the
    // machine does by itself.
    let start = Instant::now();
    let span = effort.window * u32::try_from(effort.rounds).unwrap_or(1);
    let calm = play(&mut site, |_| start.elapsed() < span);

    let (running, done) = (site.running.clone(), AtomicBool::new(false));
    let publisher = site.publisher.take().ok_or(Invalid::Nothing)?;
    let (loaded, applied) = thread::scope(|scope| {
        let control = scope.spawn(|| {
            core_affinity::set_for_current(CoreId { id: control_cpu });
            let applied = reload(publisher, effort, &running);
            done.store(true, Ordering::Release);
            applied
        });
        let loaded = play(&mut site, |_| !done.load(Ordering::Acquire));
        (loaded, control.join())
    });
    let broken = |_| Invalid::Broken("the thread that publishes ended".to_owned());
    let applied = applied.map_err(broken)??;
    let sent = site.worker.ports_mut().engine().counts().requests;
    let lost = sent - site.stats.forwarded.value().min(sent);
    if lost > 0 {
        return Err(Invalid::lost((lost, sent), "packets", "under reload", &site.stats));
    }
    outcome(&calm, &loaded, &applied)
}

fn outcome(calm: &Watched, loaded: &Watched, applied: &[Applied]) -> Result<Outcome, Invalid> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let micros = |cycles: u64| cycles as f64 / mhz();
    let millis = |of: fn(&Applied) -> Duration| {
        Spread::of(applied.iter().map(|one| of(one).as_secs_f64() * 1e3).collect())
            .ok_or(Invalid::Nothing)
    };
    let (build, apply) = (millis(|one| one.build)?, millis(|one| one.apply)?);
    let rate = Spread::of(vec![per_packet(loaded.cycles, loaded.packets)]);
    let remark = |what, value, unit| Remark { what, value, unit };
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: None,
        rate: rate.ok_or(Invalid::Nothing)?.per(mhz()),
        remarks: vec![
            remark("longest turn", micros(loaded.longest), "us"),
            remark("without reload", micros(calm.longest), "us"),
            remark("snapshot built in", build.median, "ms"),
            remark("taken up in at most", apply.most * 1e3, "us"),
        ],
    })
}

/// Publishes snapshots and waits until the worker runs each.
fn reload(
    mut publisher: Publisher,
    effort: Effort,
    running: &Running,
) -> Result<Vec<Applied>, Invalid> {
    let mut all = Vec::new();
    for round in 0..effort.rounds {
        let start = Instant::now();
        let generation = publisher.current().generation + 1;
        let snapshot = site::large_snapshot(generation, SERVICES, REAL_SERVERS);
        let build = start.elapsed();
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
        thread::sleep(effort.window);
        publisher.reclaim();
        all.push(Applied { build, apply });
    }
    Ok(all)
}

/// Turns while `go_on` says so of the packets sent, without a pause between.
fn play(site: &mut Site<MemoryPorts<Requests>>, mut go_on: impl FnMut(u64) -> bool) -> Watched {
    let mut watched = Watched::default();
    let before = site.worker.ports_mut().engine().counts().requests;
    site.worker.ports_mut().engine().grant(u64::MAX);
    let start = (tsc::now(), site.worker.ports_mut().engine_cycles());
    while go_on(watched.packets) {
        let (engine, turn) = (site.worker.ports_mut().engine_cycles(), tsc::now());
        site.worker.turn(dpdk_io::clock());
        let cycles = tsc::now() - turn;
        let engine = site.worker.ports_mut().engine_cycles() - engine;
        watched.longest = watched.longest.max(cycles.saturating_sub(engine));
        watched.packets = site.worker.ports_mut().engine().counts().requests - before;
    }
    let ports = site.worker.ports_mut();
    ports.engine().grant(0);
    watched.cycles = (tsc::now() - start.0).saturating_sub(ports.engine_cycles() - start.1);
    watched
}
