//! All figures of a run, and what one has to know about it to read them.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::figure::Figure;
use super::machine::Machine;
use crate::bench::catalogue::LinkKind;
use crate::bench::effort::Effort;
use crate::generator::sizes::FrameSizes;

/// Version of the format; rises when old programs could misread a new file.
pub const FORMAT: u32 = 1;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Version of the format.
    pub format: u32,
    /// When it began, in RFC 3339 and UTC.
    pub began: String,
    /// Where.
    pub machine: Machine,
    /// What was asked for.
    pub settings: Settings,
    /// How many scenarios were to be measured: more than there are figures if the run was
    /// interrupted.
    pub planned: usize,
    /// What could not be as it should, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// One for each scenario, in the order they were measured.
    pub figures: Vec<Figure>,
}

/// What was asked for, with all that follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether it was a quick run, whose rounds are fewer.
    pub quick: bool,
    /// Parts of names that scenarios were chosen by; none for all.
    pub only: Vec<String>,
    /// The only kind of link that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkKind>,
    /// How long UDP frames between processes are.
    pub frame_size: FrameSizes,
    /// Rounds of each scenario, of which the median counts.
    pub rounds: usize,
    /// Packets of a round in memory.
    pub packets: u64,
    /// Time before a round between processes is counted, in milliseconds.
    pub warm_up_ms: u64,
    /// Time of a round between processes, in milliseconds.
    pub window_ms: u64,
}

impl Settings {
    /// Of scenarios chosen by `only` and `link`, each measured with `effort`.
    #[must_use]
    pub fn new(
        quick: bool,
        (only, link): (Vec<String>, Option<LinkKind>),
        frame_size: FrameSizes,
        effort: Effort,
    ) -> Self {
        let Effort { rounds, packets, warm_up, window } = effort;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (warm_up_ms, window_ms) = (millis(warm_up), millis(window));
        Self { quick, only, link, frame_size, rounds, packets, warm_up_ms, window_ms }
    }
}

/// The time, in RFC 3339 and UTC.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

impl Run {
    /// A run that `began` at some time and is to have `planned` figures.
    #[must_use]
    pub fn new(began: String, machine: Machine, settings: Settings, planned: usize) -> Self {
        let (notes, figures) = (Vec::new(), Vec::new());
        Self { format: FORMAT, began, machine, settings, planned, notes, figures }
    }

    /// Whether there are figures and all of them are valid.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.figures.is_empty() && self.figures.iter().all(|figure| figure.measured().is_some())
    }

    /// Whether the run came to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.figures.len() >= self.planned
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::outcome::{Invalid, Outcome, Remark, Spread, Unit};
    use crate::bench::stages::STAGES;

    const TSC_MHZ: f64 = 2700.0;

    fn spread(median: f64) -> Spread {
        Spread { median, least: median * 0.9, most: median * 1.1 }
    }

    /// A figure of so many millions a second.
    fn figure(name: &str, median: f64, remarks: Vec<Remark>) -> Figure {
        let scenario = name.parse().expect("a scenario");
        let ceiling = name.contains("/established/").then(|| spread(40.0));
        let outcome = Outcome { unit: Unit::Packets, ceiling, rate: spread(median), remarks };
        Figure::of(scenario, Ok(outcome), TSC_MHZ)
    }

    /// A run with a figure of every kind that tables and plots know.
    pub(in crate::report) fn example() -> Run {
        let machine = Machine {
            cpu: "Example CPU <x> & Co".to_owned(),
            cpus: 2,
            tsc_mhz: TSC_MHZ,
            memory_mib: 24_000,
            huge_pages: true,
            pinned: true,
            kernel: "6.18".to_owned(),
            dpdk: "DPDK 22.11".to_owned(),
            revision: Some("abcdef0".to_owned()),
        };
        let settings = Settings::new(false, (Vec::new(), None), FrameSizes::SHORTEST, Effort::FULL);
        let mut run = Run::new(now(), machine, settings, 0);
        for link in ["memif", "memory"] {
            for (flows, rate) in [("1", 20.0), ("10k", 18.0), ("1M", 12.0)] {
                for kind in ["dr/requests", "fullnat/requests", "fullnat/both"] {
                    let name = format!("{link}/established/{kind}/{flows}");
                    run.figures.push(figure(&name, rate, Vec::new()));
                }
            }
        }
        for (name, rate, look_up) in [("dr/10k", 20.0, 20.0), ("fullnat/1M", 16.0, 70.0)] {
            let cycles = [45.0, 15.0, look_up, 55.0];
            let remark = |(what, value)| Remark { what, value, unit: "cycles" };
            let remarks = STAGES.into_iter().zip(cycles).map(remark).collect();
            run.figures.push(figure(&format!("memory/stages/{name}"), rate, remarks));
        }
        let one = Remark { what: "one worker", value: 9_000.0, unit: "kpps" };
        run.figures.push(figure("memory/two-workers", 17.8, vec![one]));
        run.figures.push(figure("memory/connections/fullnat", 1.5, Vec::new()));
        let full = "memory/fill/100".parse().expect("a scenario");
        let lost = Invalid::Broken("3 of 10 packets were lost".to_owned());
        run.figures.push(Figure::of(full, Err(lost), TSC_MHZ));
        run.planned = run.figures.len();
        run
    }

    #[test]
    fn a_run_is_valid_if_its_figures_are_and_complete_if_none_is_missing() {
        let mut run = example();
        assert!(run.is_complete() && !run.is_valid());
        run.figures.pop();
        assert!(!run.is_complete() && run.is_valid());
        run.figures.clear();
        assert!(!run.is_valid());
    }

    #[test]
    fn a_run_begins_at_a_date() {
        let began = example().began;
        assert!(humantime::parse_rfc3339(&began).is_ok() && began.ends_with('Z'), "{began}");
    }
}
