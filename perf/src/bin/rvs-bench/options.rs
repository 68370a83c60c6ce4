//! Flags of `rvs-bench`.

use std::path::PathBuf;

use clap::Parser;
use rvs_perf::bench::catalogue::{self, LinkKind, Scenario};
use rvs_perf::bench::effort::Effort;
use rvs_perf::generator::sizes::FrameSizes;
use rvs_perf::report::run::Settings;

/// Measures what the packet path of one worker costs, beside a loop that only swaps MAC addresses.
#[derive(Debug, Parser)]
#[command(name = "rvs-bench", version)]
pub(crate) struct Options {
    /// Fewer scenarios and rounds: under two minutes.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Name the scenarios and measure nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Only scenarios with this in their name; may be given several times.
    #[arg(long, value_name = "SUBSTRING")]
    only: Vec<String>,
    /// Only scenarios on this kind of link.
    #[arg(long)]
    link: Option<LinkKind>,
    /// Bytes of a UDP frame between processes, on the wire; or imix: 64, 594 and 1518 bytes as 7 to
    /// 4 to 1, in random order.
    #[arg(long, value_name = "BYTES|imix", default_value_t = FrameSizes::SHORTEST)]
    pub(crate) frame_size: FrameSizes,
    /// Keep the results in this folder: JSON, written anew after each scenario, and plots.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What the results are called there [default: the time the run begins].
    #[arg(long, value_name = "NAME", requires = "out", value_parser = name)]
    pub(crate) name: Option<String>,
    /// Measure nothing: show the results in a file that --out has written, and draw its plots where
    /// --out says.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["quick", "list", "only", "link", "frame_size", "name"]
    )]
    pub(crate) from: Option<PathBuf>,
    /// Print the tables for docs/PERFORMANCE.md instead of rows.
    #[arg(long, requires = "from")]
    pub(crate) markdown: bool,
}

/// Why the scenarios that were asked for cannot be measured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoScenario {
    /// A part of a name that is in none.
    #[error("no scenario has {0:?} in its name; --list names all")]
    Unknown(String),
    /// There are some, but not on that link.
    #[error("no scenario of that name is on that link; --list names all")]
    OtherLink,
}

/// Names become names of files, which stay in the folder and are not hidden.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if text.chars().all(is_plain) && text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("names consist of letters, digits and -_. and begin with a letter or digit".to_owned())
    }
}

impl Options {
    /// What is to be measured. A name that was asked for is found beyond the quick ones, too.
    ///
    /// # Errors
    /// [`NoScenario`] if a name is in none, or nothing is left.
    pub(crate) fn scenarios(&self) -> Result<Vec<Scenario>, NoScenario> {
        let mut scenarios = catalogue::all(self.quick && self.only.is_empty());
        let has = |scenario: &Scenario, part: &String| scenario.to_string().contains(part);
        for part in &self.only {
            if !scenarios.iter().any(|scenario| has(scenario, part)) {
                return Err(NoScenario::Unknown(part.clone()));
            }
        }
        scenarios.retain(|scenario| {
            self.link.is_none_or(|link| link == scenario.link())
                && (self.only.is_empty() || self.only.iter().any(|part| has(scenario, part)))
        });
        if scenarios.is_empty() { Err(NoScenario::OtherLink) } else { Ok(scenarios) }
    }

    /// What a results file tells of the flags.
    pub(crate) fn settings(&self) -> Settings {
        let chosen = (self.only.clone(), self.link);
        Settings::new(self.quick, chosen, self.frame_size, self.effort())
    }

    pub(crate) fn effort(&self) -> Effort {
        if self.quick { Effort::QUICK } else { Effort::FULL }
    }

    /// Room for all new flows of a run, at more a second than can be hoped for.
    pub(crate) fn table(&self) -> u32 {
        if self.quick { 12_000_000 } else { 24_000_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["rvs-bench"], flags].concat())
    }

    #[test]
    fn scenarios_are_chosen_by_part_of_their_name_and_by_link() {
        let all = parse(&[]).unwrap().scenarios().unwrap();
        let some = parse(&["--only", "fullnat/both", "--link", "memif"]).unwrap();
        let some = some.scenarios().unwrap();
        assert!(!some.is_empty() && some.len() < all.len());
        for scenario in &some {
            let name = scenario.to_string();
            assert!(name.starts_with("memif/") && name.contains("fullnat/both"), "{name}");
        }
    }

    #[test]
    fn a_name_that_no_scenario_has_is_refused_even_beside_one_that_some_have() {
        let none = parse(&["--only", "fullnat", "--only", "fulnat"]).unwrap().scenarios();
        assert_eq!(none, Err(NoScenario::Unknown("fulnat".to_owned())));
        let none = parse(&["--only", "reload", "--link", "memif"]).unwrap().scenarios();
        assert_eq!(none, Err(NoScenario::OtherLink));
    }

    #[test]
    fn names_of_results_are_plain() {
        let options = parse(&["--out", "results", "--name", "before-2.1_x"]).unwrap();
        assert_eq!(options.name.as_deref(), Some("before-2.1_x"));
        for wrong in ["", "a/b", "..", ".hidden", "-x", "a b"] {
            assert!(parse(&["--out", "results", &format!("--name={wrong}")]).is_err(), "{wrong:?}");
        }
        assert!(parse(&["--name", "lost"]).is_err());
    }

    #[test]
    fn results_of_a_file_are_not_measured_again() {
        let options = parse(&["--from", "run.json"]).unwrap();
        assert_eq!(options.from, Some(PathBuf::from("run.json")));
        assert!(parse(&["--from", "run.json", "--quick"]).is_err());
        assert!(parse(&["--from", "run.json", "--markdown"]).unwrap().markdown);
        assert!(parse(&["--markdown"]).is_err());
    }

    #[test]
    fn a_quick_run_is_shorter_unless_a_scenario_is_named() {
        let quick = parse(&["--quick"]).unwrap();
        let all = parse(&[]).unwrap().scenarios().unwrap();
        assert!(quick.scenarios().unwrap().len() < all.len());
        assert_eq!(quick.effort(), Effort::QUICK);
        let named = parse(&["--quick", "--only", "dr/requests/10M"]).unwrap();
        assert!(!named.scenarios().unwrap().is_empty());
    }

    #[test]
    fn frame_sizes_are_those_of_ethernet() {
        let sizes = |text| parse(&["--frame-size", text]).unwrap().frame_size;
        assert_eq!((sizes("1518"), sizes("imix")), (FrameSizes::One(1518), FrameSizes::Imix));
        assert_eq!(parse(&[]).unwrap().frame_size, FrameSizes::One(64));
        for wrong in ["63", "1519", "many"] {
            assert!(parse(&["--frame-size", wrong]).is_err(), "{wrong}");
        }
        assert!(parse(&["--link", "tin"]).is_err());
    }
}
