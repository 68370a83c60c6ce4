//! Established flows in memory: rounds of packets through the worker and through the MAC-swap loop,
//! in turn, counted in cycles of the time stamp counter.

use dataplane::dpdk_io;
use dataplane::forward::ForwardingMode;
use dataplane::io::Burst;
use dpdk::{Mbuf, PktMempool, tsc};

use super::effort::Effort;
use super::loop_ports::{Feed, LoopPorts};
use super::mac_swap;
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit};
use super::site::{Plan, Site, VIP, WAN_MAC};
use super::traffic;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryScenario {
    /// Forwarding mode.
    pub mode: ForwardingMode,
    /// Established flows.
    pub flows: u32,
    /// Requests only, or replies as well.
    pub feed: Feed,
}

impl MemoryScenario {
    /// Flows that the table has room for.
    pub(super) fn table(self) -> u32 {
        self.flows + self.flows / 8 + 1024
    }
}

/// Runs a scenario with buffers from `pool`. The calling thread should be pinned, and known to
/// DPDK, as the one that started the EAL is.
///
/// # Errors
/// [`Invalid`] if not every packet was forwarded.
pub fn run(
    scenario: MemoryScenario,
    effort: Effort,
    pool: &PktMempool,
) -> Result<Outcome, Invalid> {
    let (mut site, setup) = establish(scenario, effort, pool)?;
    let (mut ceiling, mut worker) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ceiling.push(loop_round(&mut site, scenario.feed, effort.packets, mac_swap::swap));
        worker.push(worker_round(&mut site, scenario.feed, effort.packets, "in a round")?);
    }
    let mut remarks = Vec::new();
    // One packet alone pays for everything that a turn of the loop does.
    if scenario.flows >= 1000 {
        remarks.push(Remark { what: "first packet", value: setup, unit: "cycles" });
    }
    let mhz = mhz();
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: Spread::of(ceiling).map(|cycles| cycles.per(mhz)),
        rate: Spread::of(worker).ok_or(Invalid::Nothing)?.per(mhz),
        remarks,
    })
}

/// A site whose flows are established and which is warm; and the cycles of a flow's first packet.
pub(super) fn establish(
    scenario: MemoryScenario,
    effort: Effort,
    pool: &PktMempool,
) -> Result<(Site<LoopPorts>, f64), Invalid> {
    let order = traffic::random_order(scenario.flows, 0x0dde);
    let ports = LoopPorts::new(pool.clone(), &order, VIP, WAN_MAC);
    let mut site = Site::new(Plan::udp(scenario.mode, scenario.table()), ports);
    site.settle();
    site.worker.ports_mut().record(true);
    let flows = u64::from(scenario.flows);
    let setup = worker_round(&mut site, Feed::Requests, flows, "while flows were established")?;
    site.worker.ports_mut().record(false);
    worker_round(&mut site, scenario.feed, effort.packets, "while warming up")?;
    Ok((site, setup))
}

/// Cycles for each of `packets` through the worker.
pub(super) fn worker_round(
    site: &mut Site<LoopPorts>,
    feed: Feed,
    packets: u64,
    during: &'static str,
) -> Result<f64, Invalid> {
    let before = site.stats.forwarded.value();
    site.worker.ports_mut().play(feed, packets);
    let start = tsc::now();
    while !site.worker.ports_mut().is_done() {
        site.worker.turn(dpdk_io::clock());
    }
    let cycles = per_packet(tsc::now() - start, packets);
    let forwarded = site.stats.forwarded.value() - before;
    if forwarded == packets {
        return Ok(cycles);
    }
    Err(Invalid::lost((packets - forwarded, packets), "packets", during, &site.stats))
}

/// Cycles for each of `packets` through a loop that does `work` with every burst and sends it.
pub(super) fn loop_round(
    site: &mut Site<LoopPorts>,
    feed: Feed,
    packets: u64,
    mut work: impl FnMut(&mut Burst<Mbuf>),
) -> f64 {
    let ports = site.worker.ports_mut();
    ports.play(feed, packets);
    let start = tsc::now();
    while !ports.is_done() {
        mac_swap::turn_with(ports, &mut work);
    }
    per_packet(tsc::now() - start, packets)
}

/// Millions of cycles a second.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn mhz() -> f64 {
    tsc::hz() as f64 / 1e6
}

/// Cycles for each of `count`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn per_packet(cycles: u64, count: u64) -> f64 {
    cycles as f64 / count.max(1) as f64
}
