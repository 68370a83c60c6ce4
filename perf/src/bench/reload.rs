//! Reload under load: snapshots with ten thousand services and a hundred thousand real servers are
//! published while packets flow, and no packet may be lost.
//!
//! The worker and its engine have one CPU; snapshots are built and published on another.

use std::thread;
use std::time::{Duration, Instant};

use dataplane::publish::{Publisher, Running};
use dpdk::PktMempool;

use super::beside::{self, Moments, REAL_SERVERS, SERVICES, Watched};
use super::effort::Effort;
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit};
use super::site::{self, VIP, WAN_MAC};
use super::traffic::FRAME_LEN;
use crate::generator::arp::NEIGHBOR;
use crate::generator::frame::Template;

const FLOWS: u32 = 100_000;
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

/// Measures `effort.rounds` reloads, published from `control_cpu`.
///
/// # Errors
/// [`Invalid`] if a packet was lost or a snapshot not taken up.
pub fn run(control_cpu: usize, effort: Effort, pool: &PktMempool) -> Result<Outcome, Invalid> {
    let template = Template::udp((NEIGHBOR, WAN_MAC), VIP, FRAME_LEN);
    let mut site = beside::loaded(template.into(), FLOWS, pool);
    let publisher = site.publisher.take().ok_or(Invalid::Nothing)?;
    let reloads = effort.rounds * PER_ROUND;
    let without = (control_cpu, "without a reload");
    let calm = beside::calm(&mut site, without, (reloads, INTERVAL))?;
    let running = site.running.clone();
    let (reloading, applied) =
        beside::beside(&mut site, (control_cpu, "under reload"), |moments| {
            reload(publisher, reloads, &running, moments)
        })?;
    outcome(&calm, &reloading, &applied?)
}

fn outcome(calm: &Watched, reloading: &Watched, applied: &[Applied]) -> Result<Outcome, Invalid> {
    let millis = |of: fn(&Applied) -> Duration| {
        Spread::of(applied.iter().map(|one| of(one).as_secs_f64() * 1e3).collect())
            .ok_or(Invalid::Nothing)
    };
    let (build, apply) = (millis(|one| one.build)?, millis(|one| one.apply)?);
    let (calm_turn, turn) = (calm.longest()?, reloading.longest()?);
    let remark = |what, value, unit| Remark { what, value, unit };
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: None,
        rate: reloading.rate()?,
        remarks: vec![
            remark("reloads", count(applied), ""),
            remark("longest turn at a reload, median", turn.median, "us"),
            remark("most", turn.most, "us"),
            remark("without reload, median", calm_turn.median, "us"),
            remark("most", calm_turn.most, "us"),
            remark("rate", calm.rate()?.median, "Mpps"),
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
