//! Established flows and new ones between two processes: the generator sends as fast as the
//! director takes, and its clock and its counters decide.

use std::sync::Arc;

use dataplane::dpdk_io;
use dataplane::forward::ForwardingMode;
use dataplane::stats::WorkerStats;
use dpdk::tsc;

use super::effort::Effort;
use super::in_memory::per_packet;
use super::mac_swap;
use super::memif::{LentPorts, Link, LinkError};
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit, accept, millions_per_second};
use super::site::{Plan, Site};
use crate::generator::protocol::{Answer, Ask, Kind, Measure, Traffic};
use crate::generator::sizes::FrameSizes;

/// Packets under way at most: less than a ring holds, so that none overflows.
const WINDOW: u64 = 256;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkScenario {
    /// Forwarding mode.
    pub mode: ForwardingMode,
    /// The kind of traffic.
    pub kind: Kind,
    /// Established flows; none to open a new one with every packet.
    pub flows: Option<u32>,
    /// Flows that the table has room for.
    pub table: u32,
    /// How long UDP frames are.
    pub frame_sizes: FrameSizes,
}

/// Runs a scenario over `link`. The calling thread is the director's.
///
/// # Errors
/// [`Invalid`] if something was lost or wrong, or the generator failed.
pub fn run(scenario: LinkScenario, effort: Effort, link: &mut Link) -> Result<Outcome, Invalid> {
    let plan = match scenario.kind {
        Kind::Requests | Kind::Both => Plan::udp(scenario.mode, scenario.table),
        Kind::Connections => Plan::tcp(scenario.mode, scenario.table),
    };
    let mut site = Site::new(plan, link.lend());
    let outcome = Run { scenario, effort, link, site: &mut site }.measure();
    // What is measured next may need the generator's CPU.
    let rested = link.ask(&Ask::Rest, || {});
    link.give_back(site.worker.ports_mut());
    rested?;
    outcome
}

struct Run<'a> {
    scenario: LinkScenario,
    effort: Effort,
    link: &'a mut Link,
    site: &'a mut Site<LentPorts>,
}

/// What one round came to.
struct Round {
    rate: f64,
    checked: u64,
    /// Share of the time that the worker had packets.
    busy: f64,
}

impl Run<'_> {
    fn measure(&mut self) -> Result<Outcome, Invalid> {
        let LinkScenario { mode, kind, flows, frame_sizes, .. } = self.scenario;
        let traffic =
            Traffic { kind, mode: mode.name().to_owned(), flows, frame_sizes, window: WINDOW };
        self.ask(&Ask::Prepare(traffic))?;
        self.site.settle();
        if let Some(flows) = flows {
            self.establish(flows)?;
        }
        let (mut ceiling, mut rate, mut checked) = (Vec::new(), Vec::new(), 0);
        let mut busy = 0.0;
        for _ in 0..self.effort.rounds {
            if flows.is_some() {
                ceiling.push(self.ceiling()?);
            }
            let round = self.round()?;
            rate.push(round.rate);
            checked += round.checked;
            busy += round.busy;
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let (checked, busy) = (checked as f64, 100.0 * busy / self.effort.rounds.max(1) as f64);
        Ok(Outcome {
            unit: self.unit(),
            ceiling: Spread::of(ceiling),
            rate: Spread::of(rate).ok_or(Invalid::Nothing)?,
            remarks: vec![
                Remark { what: "busy", value: busy, unit: "%" },
                Remark { what: "packets checked", value: checked, unit: "" },
            ],
        })
    }

    fn unit(&self) -> Unit {
        match (self.scenario.kind, self.scenario.flows) {
            (Kind::Connections, _) => Unit::Connections,
            (Kind::Requests | Kind::Both, Some(_)) => Unit::Packets,
            (Kind::Requests | Kind::Both, None) => Unit::Flows,
        }
    }

    /// Sends the first packet of every flow.
    fn establish(&mut self, flows: u32) -> Result<(), Invalid> {
        let answer = self.ask(&Ask::Send(flows.into()))?;
        let Answer::Sent(tally) = answer else {
            return Err(LinkError::Unexpected(Box::new(answer)).into());
        };
        accept(&tally, "packets", "while flows were established", &self.site.stats)
    }

    fn ceiling(&mut self) -> Result<f64, Invalid> {
        let ports = self.site.worker.ports_mut();
        let how = measurement(self.effort, u64::MAX, false);
        let answer = self.link.ask(&Ask::Measure(how), || mac_swap::turn(ports))?;
        let during = "in a round of the MAC swap";
        judge(answer, (self.unit(), during), how.limit, &self.site.stats).map(|round| round.rate)
    }

    fn round(&mut self) -> Result<Round, Invalid> {
        let free = self.site.stats.flow_capacity.value() - self.site.stats.flows.value();
        // A table that is nearly full is another scenario.
        let limit = if self.scenario.flows.is_some() { u64::MAX } else { free / 8 * 7 };
        let ask = Ask::Measure(measurement(self.effort, limit, true));
        let (worker, stats) = (&mut self.site.worker, &self.site.stats);
        let (start, mut busy_cycles) = (tsc::now(), 0);
        let answer = self.link.ask(&ask, || {
            let before = tsc::now();
            if worker.turn(dpdk_io::clock()) {
                busy_cycles += tsc::now() - before;
            }
        })?;
        let busy = per_packet(busy_cycles, tsc::now() - start);
        let round = judge(answer, (self.unit(), "in a round"), limit, stats)?;
        Ok(Round { busy, ..round })
    }

    /// Asks while the worker forwards.
    fn ask(&mut self, ask: &Ask) -> Result<Answer, LinkError> {
        let worker = &mut self.site.worker;
        self.link.ask(ask, || _ = worker.turn(dpdk_io::clock()))
    }
}

fn measurement(effort: Effort, limit: u64, check: bool) -> Measure {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (warm_up_ms, window_ms) = (millis(effort.warm_up), millis(effort.window));
    Measure { warm_up_ms, window_ms, limit, check }
}

fn judge(
    answer: Answer,
    (unit, during): (Unit, &'static str),
    limit: u64,
    stats: &Arc<WorkerStats>,
) -> Result<Round, Invalid> {
    let Answer::Measured { nanos, window, whole, cut_short } = answer else {
        return Err(LinkError::Unexpected(Box::new(answer)).into());
    };
    let what = if unit == Unit::Connections { "connections" } else { "packets" };
    accept(&whole, what, during, stats)?;
    if cut_short {
        return Err(Invalid::UsedUp(limit));
    }
    let count = match unit {
        Unit::Packets => window.passed(),
        Unit::Flows => window.forwarded,
        Unit::Connections => window.completed,
    };
    let rate = millions_per_second(count, nanos);
    Ok(Round { rate, checked: whole.counts.checked, busy: 1.0 })
}
