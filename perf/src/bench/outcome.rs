//! What a scenario came to: rates with their spread, or why there are none.

use dataplane::stats::WorkerStats;
use dataplane::verdict::DropReason;
use serde::{Deserialize, Serialize};

use super::memif::LinkError;
use crate::generator::protocol::Tally;

/// Median, least and most of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Least.
    pub least: f64,
    /// Most.
    pub most: f64,
}

impl Spread {
    /// Of these rounds; nothing of none.
    #[must_use]
    pub fn of(mut rounds: Vec<f64>) -> Option<Self> {
        rounds.sort_by(f64::total_cmp);
        let (least, most) = (*rounds.first()?, *rounds.last()?);
        Some(Self { median: *rounds.get((rounds.len() - 1) / 2)?, least, most })
    }

    /// `scale` divided by each of the three.
    #[must_use]
    pub fn per(self, scale: f64) -> Self {
        let Self { median, least, most } = self;
        Self { median: scale / median, least: scale / most, most: scale / least }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Packets.
    #[serde(rename = "Mpps")]
    Packets,
    /// New flows.
    #[serde(rename = "Mflows/s")]
    Flows,
    /// Whole TCP connections.
    #[serde(rename = "Mconn/s")]
    Connections,
}

impl Unit {
    /// Its name in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packets => "Mpps",
            Self::Flows => "Mflows/s",
            Self::Connections => "Mconn/s",
        }
    }
}

/// A further figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remark {
    /// What it is.
    pub what: &'static str,
    /// How much.
    pub value: f64,
    /// Of what; empty for a plain number.
    pub unit: &'static str,
}

/// A scenario's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What is counted.
    pub unit: Unit,
    /// The MAC-swap loop in the same run, in millions a second; where it means something.
    pub ceiling: Option<Spread>,
    /// The worker, in millions a second.
    pub rate: Spread,
    /// Further figures.
    pub remarks: Vec<Remark>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Packets were lost, so the figures would flatter.
    #[error("{lost} of {sent} {what} were lost {during}; {drops}")]
    Lost {
        /// Packets, or connections, that were sent.
        sent: u64,
        /// How many of them did not come back.
        lost: u64,
        /// What was lost.
        what: &'static str,
        /// When.
        during: &'static str,
        /// What the worker counted.
        drops: String,
    },
    /// Packets came back changed in another way than they should.
    #[error("{wrong} of {checked} packets that were checked are wrong: {fault}")]
    Wrong {
        /// Packets that were checked.
        checked: u64,
        /// Packets that were wrong.
        wrong: u64,
        /// The first fault.
        fault: String,
    },
    /// The flows that fit in the table were used up before the time was over.
    #[error("all {0} flows there is room for were used up before the time was over")]
    UsedUp(u64),
    /// Nothing was measured.
    #[error("nothing was measured")]
    Nothing,
    /// Something is not as the scenario promises.
    #[error("{0}")]
    Broken(String),
    /// The generator process failed.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl Invalid {
    /// Loss `during` some part of a run, with the drops that `stats` counted.
    #[must_use]
    pub fn lost(
        (lost, sent): (u64, u64),
        what: &'static str,
        during: &'static str,
        stats: &WorkerStats,
    ) -> Self {
        Self::Lost { sent, lost, what, during, drops: drops(stats) }
    }
}

/// Refuses a run in which something was lost or wrong.
///
/// # Errors
/// [`Invalid::Lost`] or [`Invalid::Wrong`].
pub fn accept(
    tally: &Tally,
    what: &'static str,
    during: &'static str,
    stats: &WorkerStats,
) -> Result<(), Invalid> {
    let counts = tally.counts;
    if counts.wrong > 0 {
        let fault = tally.fault.clone().unwrap_or_default();
        return Err(Invalid::Wrong { checked: counts.checked, wrong: counts.wrong, fault });
    }
    if counts.lost > 0 {
        return Err(Invalid::lost((counts.lost, counts.requests), what, during, stats));
    }
    Ok(())
}

/// All drops a worker has counted, by reason.
#[must_use]
pub fn drops(stats: &WorkerStats) -> String {
    let counted: Vec<String> = DropReason::ALL
        .iter()
        .map(|reason| (reason.name(), stats.dropped(*reason).value()))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if counted.is_empty() {
        return "the worker dropped none".to_owned();
    }
    format!("the worker dropped: {}", counted.join(", "))
}

/// Millions a second.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn millions_per_second(count: u64, nanos: u64) -> f64 {
    count as f64 * 1e3 / nanos.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_sorted_rounds() {
        let spread = Spread::of(vec![4.0, 1.0, 8.0]).unwrap();
        assert_eq!(spread, Spread { median: 4.0, least: 1.0, most: 8.0 });
        assert_eq!(spread.per(8.0), Spread { median: 2.0, least: 1.0, most: 8.0 });
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn loss_says_what_the_worker_dropped() {
        let stats = WorkerStats::new(1, 1);
        stats.dropped(DropReason::FlowTableFull).add(3);
        let mut tally = Tally::default();
        assert!(accept(&tally, "packets", "in a round", &stats).is_ok());
        (tally.counts.requests, tally.counts.lost) = (10, 3);
        let invalid = accept(&tally, "packets", "in a round", &stats).unwrap_err();
        let text = "3 of 10 packets were lost in a round; the worker dropped: flow_table_full 3";
        assert_eq!(invalid.to_string(), text);
    }

    #[test]
    fn a_billion_nanoseconds_are_a_second() {
        assert!((millions_per_second(3_000_000, 1_000_000_000) - 3.0).abs() < 1e-9);
    }
}
