//! New flows, whole TCP connections and floods in memory: the generator's engine runs on the
//! worker's thread, and its cycles are taken off.

use std::time::{Duration, Instant};

use dataplane::dpdk_io;
use dataplane::forward::ForwardingMode;
use dataplane::verdict::DropReason;
use dataplane::wire::TcpFlags;
use dpdk::{PktMempool, tsc};

use super::effort::Effort;
use super::in_memory::{mhz, per_packet};
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit, accept};
use super::site::{Plan, Site, VIP, WAN_MAC};
use super::traffic::FRAME_LEN;
use crate::generator::Engine;
use crate::generator::arp::NEIGHBOR;
use crate::generator::flows::Flows;
use crate::generator::frame::Template;
use crate::generator::memory::MemoryPorts;
use crate::generator::protocol::Tally;
use crate::generator::requests::{self, Requests};
use crate::generator::tcp::Connections;

/// Connections under way at the same time.
const CONNECTION_WINDOW: u64 = 256;
/// Nothing in memory takes longer to come back.
const SILENCE: Duration = Duration::from_secs(2);
/// The port that no service is at.
const CLOSED_PORT: u16 = VIP.1 + 1;

/// Every packet a new flow of UDP.
///
/// # Errors
/// [`Invalid`] if not every packet was forwarded.
pub fn new_flows(
    mode: ForwardingMode,
    table: u32,
    effort: Effort,
    pool: &PktMempool,
) -> Result<Outcome, Invalid> {
    let template = Template::udp((NEIGHBOR, WAN_MAC), VIP, FRAME_LEN);
    let engine = fresh(template, mode, pool);
    let mut site = Site::new(Plan::udp(mode, table), MemoryPorts::new(engine, pool.clone()));
    rounds(&mut site, Unit::Flows, effort, u64::from(table))
}

/// Whole TCP connections.
///
/// # Errors
/// [`Invalid`] if not every connection was completed.
pub fn connections(
    mode: ForwardingMode,
    table: u32,
    effort: Effort,
    pool: &PktMempool,
) -> Result<Outcome, Invalid> {
    let engine = Connections::new(WAN_MAC, VIP, CONNECTION_WINDOW, pool.clone());
    let mut site = Site::new(Plan::tcp(mode, table), MemoryPorts::new(engine, pool.clone()));
    rounds(&mut site, Unit::Connections, effort, u64::from(table))
}

/// SYNs of distinct clients that nobody answers.
///
/// # Errors
/// [`Invalid`] if not every SYN was forwarded.
pub fn syn_flood(table: u32, effort: Effort, pool: &PktMempool) -> Result<Outcome, Invalid> {
    let template = Template::tcp((NEIGHBOR, WAN_MAC), VIP, TcpFlags::SYN);
    let mode = ForwardingMode::FullNat;
    let mut engine = fresh(template, mode, pool);
    engine.check(false);
    let mut site = Site::new(Plan::tcp(mode, table), MemoryPorts::new(engine, pool.clone()));
    rounds(&mut site, Unit::Flows, effort, u64::from(table))
}

/// Packets of distinct clients to a port that no service is at.
///
/// # Errors
/// [`Invalid`] if not every packet was dropped for that reason.
pub fn miss_flood(effort: Effort, pool: &PktMempool) -> Result<Outcome, Invalid> {
    let service = (VIP.0, CLOSED_PORT);
    let template = Template::udp((NEIGHBOR, WAN_MAC), service, FRAME_LEN);
    let mode = ForwardingMode::FullNat;
    let mut engine = fresh(template, mode, pool);
    engine.check(false);
    let mut site = Site::new(Plan::udp(mode, 1024), MemoryPorts::new(engine, pool.clone()));
    let before = site.stats.dropped(DropReason::NoService).value();
    site.settle();
    let (mut worker, mut sent) = (Vec::new(), 0);
    for _ in 0..effort.rounds {
        worker.push(play(&mut site, effort.packets)?.net);
        sent += effort.packets;
    }
    let missed = site.stats.dropped(DropReason::NoService).value() - before;
    if missed != sent {
        let drops = super::outcome::drops(&site.stats);
        let text = format!("{missed} of {sent} packets were dropped for no service; {drops}");
        return Err(Invalid::Broken(text));
    }
    let rate = Spread::of(worker).ok_or(Invalid::Nothing)?.per(mhz());
    Ok(Outcome { unit: Unit::Packets, ceiling: None, rate, remarks: Vec::new() })
}

/// An engine of one packet from each client.
pub(super) fn fresh(template: Template, mode: ForwardingMode, pool: &PktMempool) -> Requests {
    let flows = Flows::fresh();
    let templates = template.into();
    let plan = requests::Plan { templates, flows, mode, answered: false, window: None };
    Requests::new(plan, pool.clone())
}

/// Rounds that together use three quarters of the table.
fn rounds<E: Engine>(
    site: &mut Site<MemoryPorts<E>>,
    unit: Unit,
    effort: Effort,
    table: u64,
) -> Result<Outcome, Invalid> {
    site.settle();
    let rounds = effort.rounds as u64 + 1;
    let count = (table / 4 * 3 / rounds).min(effort.packets);
    let (mut worker, mut all) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let cycles = play(site, count)?;
        let forwarded = site.stats.forwarded.value();
        let passed = site.worker.ports_mut().engine().counts().passed();
        if forwarded != passed {
            let text = format!("{forwarded} packets were forwarded and {passed} came out");
            return Err(Invalid::Broken(text));
        }
        let lost = site.stats.dropped_total();
        if lost > 0 {
            return Err(Invalid::lost((lost, count), "packets", "in a round", &site.stats));
        }
        // The first warms up.
        if round > 0 {
            worker.push(cycles.net);
            all.push(cycles.gross);
        }
    }
    let (worker, all) = (Spread::of(worker), Spread::of(all));
    let (worker, all) = worker.zip(all).ok_or(Invalid::Nothing)?;
    let with_generator = mhz() * 1e3 / all.median;
    Ok(Outcome {
        unit,
        ceiling: None,
        rate: worker.per(mhz()),
        remarks: vec![Remark { what: "with the generator", value: with_generator, unit: "k/s" }],
    })
}

/// Cycles for each flow or connection.
pub(super) struct Cycles {
    /// Without those of the generator.
    pub(super) net: f64,
    pub(super) gross: f64,
}

/// Lets the engine send `count` and waits until nothing is under way.
pub(super) fn play<E: Engine>(
    site: &mut Site<MemoryPorts<E>>,
    count: u64,
) -> Result<Cycles, Invalid> {
    let before = *site.worker.ports_mut().engine().counts();
    let engine_before = site.worker.ports_mut().engine_cycles();
    site.worker.ports_mut().engine().grant(count);
    let (start, patience) = (tsc::now(), Instant::now());
    let mut turns = 0_u32;
    while !is_over(site.worker.ports_mut().engine()) {
        site.worker.turn(dpdk_io::clock());
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(1 << 20) && patience.elapsed() > SILENCE * 10 {
            site.worker.ports_mut().engine().write_off();
        }
    }
    let gross = tsc::now() - start;
    let ports = site.worker.ports_mut();
    let net = gross.saturating_sub(ports.engine_cycles() - engine_before);
    let engine = ports.engine();
    let counts = engine.counts().since(&before);
    let tally = Tally { counts, fault: engine.fault().map(str::to_owned) };
    accept(&tally, "connections", "in a round", &site.stats)?;
    Ok(Cycles { net: per_packet(net, count), gross: per_packet(gross, count) })
}

fn is_over(engine: &impl Engine) -> bool {
    engine.is_spent() && engine.in_flight() == 0
}
