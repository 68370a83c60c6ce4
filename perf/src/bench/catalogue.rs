//! All scenarios by name: `memif/established/fullnat/both/1M`.

use std::fmt;
use std::str::FromStr;

use dataplane::forward::ForwardingMode;
use dpdk::{Eal, PktMempool};
use serde::{Deserialize, Serialize};

use super::effort::Effort;
use super::in_memory::{self, MemoryScenario};
use super::loop_ports::Feed;
use super::memif::Link;
use super::outcome::{Invalid, Outcome};
use super::over_link::{self, LinkScenario};
use super::{fill, played, reload, scrape, stages, workers};
use crate::generator::protocol::Kind;
use crate::generator::sizes::FrameSizes;

/// How packets reach the director.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Made on the director's own thread.
    Memory,
    /// From the generator process, through shared memory.
    Memif,
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Memif => "memif",
        })
    }
}

/// One thing that can be measured. In files it is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Scenario {
    /// Packets of established flows.
    Established {
        /// How packets reach the director.
        link: LinkKind,
        /// Forwarding mode.
        mode: ForwardingMode,
        /// Requests, or requests and answers.
        kind: Kind,
        /// Flows.
        flows: u32,
    },
    /// Requests of established flows in memory, stage by stage.
    Stages {
        /// Forwarding mode.
        mode: ForwardingMode,
        /// Flows.
        flows: u32,
    },
    /// Every packet a new flow of UDP.
    NewFlows {
        /// How packets reach the director.
        link: LinkKind,
        /// Forwarding mode.
        mode: ForwardingMode,
    },
    /// Whole TCP connections.
    Connections {
        /// How packets reach the director.
        link: LinkKind,
        /// Forwarding mode.
        mode: ForwardingMode,
    },
    /// A table filled to so many percent.
    Fill(u32),
    /// Packets to no service.
    MissFlood,
    /// SYNs that nobody answers.
    SynFlood,
    /// Two workers beside each other, and one.
    TwoWorkers,
    /// Snapshots published under load.
    Reload,
    /// Metrics scraped under load.
    Scrape,
}

/// What scenarios run with.
#[derive(Debug)]
pub struct Bench {
    /// The generator process, if there is one.
    pub link: Option<Link>,
    /// Buffers.
    pub pool: PktMempool,
    /// Buffers of two workers.
    pub pools: workers::Pools,
    /// The director's CPU, which is the calling thread's, and another, if there is one.
    pub cpus: (usize, Option<usize>),
    /// How long each is measured.
    pub effort: Effort,
    /// How long UDP frames between processes are.
    pub frame_sizes: FrameSizes,
    /// Flows that a table of new flows has room for.
    pub table: u32,
    /// DPDK.
    pub eal: Eal,
}

impl Bench {
    fn link(&mut self) -> Result<&mut Link, Invalid> {
        let missing = || Invalid::Broken("there is no generator process".to_owned());
        self.link.as_mut().ok_or_else(missing)
    }

    fn other_cpu(&self) -> Result<usize, Invalid> {
        self.cpus.1.ok_or_else(|| Invalid::Broken("it takes two CPUs".to_owned()))
    }

    fn over_link(
        &mut self,
        mode: ForwardingMode,
        kind: Kind,
        flows: Option<u32>,
    ) -> Result<Outcome, Invalid> {
        let table = flows.map_or(self.table, |flows| flows + flows / 8 + 1024);
        let (effort, frame_sizes) = (self.effort, self.frame_sizes);
        let scenario = LinkScenario { mode, kind, flows, table, frame_sizes };
        over_link::run(scenario, effort, self.link()?)
    }
}

impl Scenario {
    /// How packets reach the director.
    #[must_use]
    pub fn link(&self) -> LinkKind {
        match self {
            Self::Established { link, .. }
            | Self::NewFlows { link, .. }
            | Self::Connections { link, .. } => *link,
            Self::Stages { .. }
            | Self::Fill(_)
            | Self::MissFlood
            | Self::SynFlood
            | Self::TwoWorkers
            | Self::Reload
            | Self::Scrape => LinkKind::Memory,
        }
    }

    /// Measures it.
    ///
    /// # Errors
    /// [`Invalid`] if the figures would not be true.
    pub fn run(self, bench: &mut Bench) -> Result<Outcome, Invalid> {
        use LinkKind::{Memif, Memory};
        let (effort, table) = (bench.effort, bench.table);
        match self {
            Self::Established { link: Memory, mode, kind, flows } => {
                let feed = if kind == Kind::Both { Feed::Both } else { Feed::Requests };
                in_memory::run(MemoryScenario { mode, flows, feed }, effort, &bench.pool)
            }
            Self::Established { link: Memif, mode, kind, flows } => {
                bench.over_link(mode, kind, Some(flows))
            }
            Self::Stages { mode, flows } => stages::run(mode, flows, effort, &bench.pool),
            Self::NewFlows { link: Memory, mode } => {
                played::new_flows(mode, table, effort, &bench.pool)
            }
            Self::NewFlows { link: Memif, mode } => bench.over_link(mode, Kind::Requests, None),
            Self::Connections { link: Memory, mode } => {
                played::connections(mode, table, effort, &bench.pool)
            }
            Self::Connections { link: Memif, mode } => {
                bench.over_link(mode, Kind::Connections, None)
            }
            Self::Fill(percent) => fill::run(percent, FILL_TABLE, effort, &bench.pool),
            Self::MissFlood => played::miss_flood(effort, &bench.pool),
            Self::SynFlood => played::syn_flood(table, effort, &bench.pool),
            Self::TwoWorkers => {
                let cpus = [bench.cpus.0, bench.other_cpu()?];
                workers::run(cpus, effort, &bench.eal, &bench.pools)
            }
            Self::Reload => reload::run(bench.other_cpu()?, effort, &bench.pool),
            Self::Scrape => scrape::run(bench.other_cpu()?, effort, &bench.pool),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Established { link, mode, kind, flows } => {
                let kind = if *kind == Kind::Both { "both" } else { "requests" };
                write!(f, "{link}/established/{}/{kind}/{}", mode.name(), Short(*flows))
            }
            Self::Stages { mode, flows } => {
                write!(f, "memory/stages/{}/{}", mode.name(), Short(*flows))
            }
            Self::NewFlows { link, mode } => write!(f, "{link}/new-flows/{}", mode.name()),
            Self::Connections { link, mode } => write!(f, "{link}/connections/{}", mode.name()),
            Self::Fill(percent) => write!(f, "memory/fill/{percent}"),
            Self::MissFlood => f.write_str("memory/flood/miss"),
            Self::SynFlood => f.write_str("memory/flood/syn"),
            Self::TwoWorkers => f.write_str("memory/two-workers"),
            Self::Reload => f.write_str("memory/reload"),
            Self::Scrape => f.write_str("memory/scrape"),
        }
    }
}

/// No scenario has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scenario {0:?}")]
pub struct UnknownScenario(String);

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, UnknownScenario> {
        let mut scenarios = all(false).into_iter();
        let unknown = || UnknownScenario(name.to_owned());
        scenarios.find(|scenario| scenario.to_string() == name).ok_or_else(unknown)
    }
}

impl TryFrom<String> for Scenario {
    type Error = UnknownScenario;

    fn try_from(name: String) -> Result<Self, UnknownScenario> {
        name.parse()
    }
}

impl From<Scenario> for String {
    fn from(scenario: Scenario) -> Self {
        scenario.to_string()
    }
}

/// A number in thousands or millions where it is a whole number of them.
#[derive(Clone, Copy, Debug)]
pub struct Short(pub u32);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            count if count > 0 && count % 1_000_000 == 0 => write!(f, "{}M", count / 1_000_000),
            count if count > 0 && count % 1_000 == 0 => write!(f, "{}k", count / 1_000),
            count => write!(f, "{count}"),
        }
    }
}

/// Flows that the table of [`Scenario::Fill`] has room for.
const FILL_TABLE: u32 = 1_000_000;

/// Every scenario, or those of a quick run.
#[must_use]
pub fn all(quick: bool) -> Vec<Scenario> {
    use ForwardingMode::{Dr, FullNat, Nat, Tunnel};
    let mut all = Vec::new();
    for link in [LinkKind::Memif, LinkKind::Memory] {
        established(&mut all, link, quick);
        let modes: &[ForwardingMode] = if quick { &[FullNat] } else { &[Dr, Nat, FullNat] };
        all.extend(modes.iter().map(|&mode| Scenario::NewFlows { link, mode }));
        let modes: &[ForwardingMode] = if quick { &[FullNat] } else { &[Nat, FullNat] };
        all.extend(modes.iter().map(|&mode| Scenario::Connections { link, mode }));
    }
    let modes: &[ForwardingMode] = if quick { &[Dr, FullNat] } else { &[Dr, Tunnel, Nat, FullNat] };
    let stages = |&mode| [10_000, 1_000_000].map(|flows| Scenario::Stages { mode, flows });
    all.extend(modes.iter().flat_map(stages));
    let fills: &[u32] = if quick { &[75] } else { &[25, 50, 75, 100] };
    all.extend(fills.iter().map(|&percent| Scenario::Fill(percent)));
    all.extend([Scenario::MissFlood, Scenario::SynFlood, Scenario::TwoWorkers]);
    all.extend([Scenario::Reload, Scenario::Scrape]);
    all
}

fn established(all: &mut Vec<Scenario>, link: LinkKind, quick: bool) {
    use ForwardingMode::{Dr, FullNat, Nat, Tunnel};
    let kinds = [
        (Dr, Kind::Requests),
        (Tunnel, Kind::Requests),
        (Nat, Kind::Requests),
        (Nat, Kind::Both),
        (FullNat, Kind::Requests),
        (FullNat, Kind::Both),
    ];
    let flows: &[u32] =
        if quick { &[10_000, 1_000_000] } else { &[1, 10_000, 1_000_000, 10_000_000] };
    for (mode, kind) in kinds {
        let scenario = |&flows| Scenario::Established { link, mode, kind, flows };
        all.extend(flows.iter().map(scenario));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_a_quick_run_is_part_of_the_whole() {
        let names = |quick| -> Vec<String> { all(quick).iter().map(ToString::to_string).collect() };
        let (whole, quick) = (names(false), names(true));
        assert_eq!(whole.iter().collect::<HashSet<_>>().len(), whole.len());
        assert!(quick.len() < whole.len());
        assert!(quick.iter().all(|name| whole.contains(name)), "{quick:?}");
        assert!(whole.contains(&"memif/established/fullnat/both/10M".to_owned()), "{whole:?}");
    }

    #[test]
    fn every_scenario_is_found_by_its_name() {
        for scenario in all(false) {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        let unknown = "memory/drill".parse::<Scenario>().unwrap_err();
        assert_eq!(unknown.to_string(), "unknown scenario \"memory/drill\"");
    }
}
