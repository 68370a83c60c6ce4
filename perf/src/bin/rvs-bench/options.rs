//! Flags of `rvs-bench`.

use clap::Parser;
use rvs_perf::bench::catalogue::{self, LinkKind, Scenario};
use rvs_perf::bench::effort::Effort;
use rvs_perf::generator::frame::FRAME_LEN_RANGE;

/// Bytes of the frame check sequence, which counts on the wire and is in no buffer.
const FCS_LEN: usize = 4;

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
    /// Bytes of a UDP frame between processes, on the wire.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = frame_size)]
    pub(crate) frame_size: usize,
}

fn frame_size(text: &str) -> Result<usize, String> {
    let (least, most) = (FRAME_LEN_RANGE.start() + FCS_LEN, FRAME_LEN_RANGE.end() + FCS_LEN);
    let size: usize = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (least..=most).contains(&size) {
        Ok(size)
    } else {
        Err(format!("frames have {least} to {most} bytes"))
    }
}

impl Options {
    /// What is to be measured. A name that was asked for is found beyond the quick ones, too.
    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        let mut scenarios = catalogue::all(self.quick && self.only.is_empty());
        scenarios.retain(|scenario| {
            let name = scenario.to_string();
            self.link.is_none_or(|link| link == scenario.link())
                && (self.only.is_empty() || self.only.iter().any(|part| name.contains(part)))
        });
        scenarios
    }

    pub(crate) fn effort(&self) -> Effort {
        if self.quick { Effort::QUICK } else { Effort::FULL }
    }

    /// Bytes of a frame without its check sequence.
    pub(crate) fn frame_len(&self) -> usize {
        self.frame_size - FCS_LEN
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
        let all = parse(&[]).unwrap().scenarios();
        let some = parse(&["--only", "fullnat/both", "--link", "memif"]).unwrap().scenarios();
        assert!(!some.is_empty() && some.len() < all.len());
        for scenario in &some {
            let name = scenario.to_string();
            assert!(name.starts_with("memif/") && name.contains("fullnat/both"), "{name}");
        }
        let none = parse(&["--only", "no such thing"]).unwrap().scenarios();
        assert!(none.is_empty());
    }

    #[test]
    fn a_quick_run_is_shorter_unless_a_scenario_is_named() {
        let quick = parse(&["--quick"]).unwrap();
        assert!(quick.scenarios().len() < parse(&[]).unwrap().scenarios().len());
        assert_eq!(quick.effort(), Effort::QUICK);
        let named = parse(&["--quick", "--only", "dr/requests/10M"]).unwrap();
        assert!(!named.scenarios().is_empty());
    }

    #[test]
    fn frame_sizes_are_those_of_ethernet() {
        assert_eq!(parse(&["--frame-size", "1518"]).unwrap().frame_len(), 1514);
        for wrong in ["63", "1519", "many"] {
            assert!(parse(&["--frame-size", wrong]).is_err(), "{wrong}");
        }
        assert!(parse(&["--link", "tin"]).is_err());
    }
}
