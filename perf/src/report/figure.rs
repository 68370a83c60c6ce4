//! What came of one scenario, as it stands in a results file.

use std::fmt;

use dataplane::forward::ForwardingMode;
use serde::{Deserialize, Serialize};

use crate::bench::catalogue::Scenario;
use crate::bench::outcome::{self, Invalid, Outcome, Spread, Unit};
use crate::generator::protocol::Kind;

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The scenario; in the file its name, `memif/established/fullnat/both/1M`.
    #[serde(rename = "name")]
    pub scenario: Scenario,
    /// Its figures, or why there are none.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The figures of a scenario, or why there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Its figures.
    Measured(Measured),
    /// Why they would not be true.
    Invalid(String),
}

/// The figures of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// What the rates count, a million of them a second.
    pub unit: Unit,
    /// The MAC-swap loop over the same ports in the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Spread>,
    /// The worker.
    pub rate: Spread,
    /// Rate over ceiling, by the medians.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Cycles of the worker's CPU for one of what is counted, by the median.
    pub cycles: f64,
    /// Further figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

/// A further figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// What it is.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what; empty for a plain number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

/// Why numbers cannot be figures.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Doubt {
    /// Nothing takes no time at all.
    #[error("{what} of {value} cannot be")]
    NotPositive {
        /// Which number.
        what: &'static str,
        /// How much it is.
        value: f64,
    },
    /// A spread that is none.
    #[error("the median of the {0} is not between the least and the most")]
    Unordered(&'static str),
    /// A further figure is not a number.
    #[error("a remark is not a number")]
    NotANumber,
}

impl Figure {
    /// What came of `scenario` on a CPU whose time stamp counter runs at `mhz`.
    #[must_use]
    pub fn of(scenario: Scenario, outcome: Result<Outcome, Invalid>, mhz: f64) -> Self {
        let finding = match outcome {
            Ok(outcome) => {
                let measured = Measured::of(outcome, mhz);
                match measured.check() {
                    Ok(()) => Finding::Measured(measured),
                    Err(doubt) => Finding::Invalid(doubt.to_string()),
                }
            }
            Err(invalid) => Finding::Invalid(invalid.to_string()),
        };
        Self { scenario, finding }
    }

    /// The figures, if they are valid.
    #[must_use]
    pub fn measured(&self) -> Option<&Measured> {
        match &self.finding {
            Finding::Measured(measured) => Some(measured),
            Finding::Invalid(_) => None,
        }
    }
}

impl Measured {
    fn of(outcome: Outcome, mhz: f64) -> Self {
        let Outcome { unit, ceiling, rate, remarks } = outcome;
        Self {
            unit,
            ceiling,
            rate,
            share: ceiling.map(|ceiling| rate.median / ceiling.median),
            cycles: mhz / rate.median,
            remarks: remarks.into_iter().map(Remark::from).collect(),
        }
    }

    /// Whether these can be figures: what has been read from a file need not be.
    ///
    /// # Errors
    /// The first [`Doubt`].
    pub fn check(&self) -> Result<(), Doubt> {
        let positive = |what, value: f64| {
            let right = value > 0.0 && value.is_finite();
            if right { Ok(()) } else { Err(Doubt::NotPositive { what, value }) }
        };
        for (what, spread) in [("rate", Some(self.rate)), ("ceiling", self.ceiling)] {
            let Some(Spread { median, least, most }) = spread else { continue };
            [median, least, most].into_iter().try_for_each(|value| positive(what, value))?;
            if median < least || most < median {
                return Err(Doubt::Unordered(what));
            }
        }
        positive("cycles", self.cycles)?;
        self.share.map_or(Ok(()), |share| positive("share", share))?;
        let finite = self.remarks.iter().all(|remark| remark.value.is_finite());
        if finite { Ok(()) } else { Err(Doubt::NotANumber) }
    }

    /// A further figure by its name.
    #[must_use]
    pub fn remark(&self, what: &str) -> Option<f64> {
        self.remarks.iter().find(|remark| remark.what == what).map(|remark| remark.value)
    }
}

/// A kind of packets as tables and plots name it: `FULLNAT both`.
#[must_use]
pub fn packets(mode: ForwardingMode, kind: Kind) -> String {
    let kind = if kind == Kind::Both { "both" } else { "requests" };
    format!("{} {kind}", mode.name().to_uppercase())
}

impl From<outcome::Remark> for Remark {
    fn from(outcome::Remark { what, value, unit }: outcome::Remark) -> Self {
        Self { what: what.to_owned(), value, unit: unit.to_owned() }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, unit } = self;
        let space = if unit.is_empty() { "" } else { " " };
        write!(f, "{what} {value:.0}{space}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(median: f64) -> Outcome {
        Outcome {
            unit: Unit::Packets,
            ceiling: Some(Spread { median: 20.0, least: 19.0, most: 21.0 }),
            rate: Spread { median, least: median * 0.9, most: median * 1.1 },
            remarks: vec![outcome::Remark { what: "busy", value: 98.4, unit: "%" }],
        }
    }

    #[test]
    fn share_and_cycles_go_by_the_medians() {
        let figure = Figure::of(Scenario::Reload, Ok(outcome(10.0)), 2700.0);
        let measured = figure.measured().unwrap();
        assert!((measured.cycles - 270.0).abs() < 1e-9, "{measured:?}");
        assert_eq!((measured.share, measured.remark("busy")), (Some(0.5), Some(98.4)));
        assert_eq!(measured.remarks[0].to_string(), "busy 98 %");
        assert_eq!(measured.remark("idle"), None);
    }

    #[test]
    fn what_is_invalid_says_why() {
        let why = |outcome| match Figure::of(Scenario::Reload, outcome, 2700.0).finding {
            Finding::Invalid(why) => why,
            Finding::Measured(measured) => panic!("{measured:?}"),
        };
        assert_eq!(why(Err(Invalid::Nothing)), "nothing was measured");
        assert_eq!(why(Ok(outcome(0.0))), "rate of 0 cannot be");
        let mut odd = outcome(10.0);
        odd.remarks[0].value = f64::NAN;
        assert_eq!(why(Ok(odd)), "a remark is not a number");
    }

    #[test]
    fn a_spread_has_its_median_within() {
        let Finding::Measured(mut measured) =
            Figure::of(Scenario::Reload, Ok(outcome(10.0)), 2700.0).finding
        else {
            panic!("it is valid")
        };
        measured.rate.most = 9.5;
        assert_eq!(measured.check(), Err(Doubt::Unordered("rate")));
        measured.rate.most = f64::INFINITY;
        assert!(matches!(measured.check(), Err(Doubt::NotPositive { what: "rate", .. })));
    }
}
