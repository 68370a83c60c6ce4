//! All scenarios by name: `memif/established/fullnat/both/1M`.

use std::fmt;

use dataplane::forward::ForwardingMode;
use dpdk::PktMempool;

use super::effort::Effort;
use super::in_memory::{self, MemoryScenario};
use super::loop_ports::Feed;
use super::memif::Link;
use super::outcome::{Invalid, Outcome};
use super::over_link::{self, LinkScenario};
use crate::generator::protocol::Kind;

/// How packets reach the director.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
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

/// One thing that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Every packet a new flow.
    NewFlows {
        /// Forwarding mode.
        mode: ForwardingMode,
    },
}

/// What scenarios run with.
#[derive(Debug)]
pub struct Bench {
    /// Buffers.
    pub pool: PktMempool,
    /// The generator process, if there is one.
    pub link: Option<Link>,
    /// How long each is measured.
    pub effort: Effort,
    /// Bytes of a frame between processes, without the check sequence.
    pub frame_len: usize,
    /// Flows that a table of new flows has room for.
    pub new_flow_table: u32,
}

impl Scenario {
    /// How packets reach the director.
    #[must_use]
    pub fn link(&self) -> LinkKind {
        match self {
            Self::Established { link, .. } => *link,
            Self::NewFlows { .. } => LinkKind::Memif,
        }
    }

    /// Measures it.
    ///
    /// # Errors
    /// [`Invalid`] if the figures would not be true.
    pub fn run(self, bench: &mut Bench) -> Result<Outcome, Invalid> {
        let Bench { pool, link, effort, frame_len, new_flow_table } = bench;
        let no_link = || Invalid::Broken("there is no generator process".to_owned());
        match self {
            Self::Established { link: LinkKind::Memory, mode, kind, flows } => {
                let feed = if kind == Kind::Both { Feed::Both } else { Feed::Requests };
                in_memory::run(MemoryScenario { mode, flows, feed }, *effort, pool)
            }
            Self::Established { link: LinkKind::Memif, mode, kind, flows } => {
                let table = flows + flows / 8 + 1024;
                let frame_len = *frame_len;
                let scenario = LinkScenario { mode, kind, flows: Some(flows), table, frame_len };
                over_link::run(scenario, *effort, link.as_mut().ok_or_else(no_link)?)
            }
            Self::NewFlows { mode } => {
                let (kind, table, frame_len) = (Kind::Requests, *new_flow_table, *frame_len);
                let scenario = LinkScenario { mode, kind, flows: None, table, frame_len };
                over_link::run(scenario, *effort, link.as_mut().ok_or_else(no_link)?)
            }
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
            Self::NewFlows { mode } => write!(f, "memif/new-flows/{}", mode.name()),
        }
    }
}

/// A number in thousands or millions where it is a whole number of them.
struct Short(u32);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            count if count > 0 && count % 1_000_000 == 0 => write!(f, "{}M", count / 1_000_000),
            count if count > 0 && count % 1_000 == 0 => write!(f, "{}k", count / 1_000),
            count => write!(f, "{count}"),
        }
    }
}

/// Every scenario, or those of a quick run.
#[must_use]
pub fn all(quick: bool) -> Vec<Scenario> {
    let mut all = Vec::new();
    for link in [LinkKind::Memif, LinkKind::Memory] {
        established(&mut all, link, quick);
    }
    for mode in [ForwardingMode::Dr, ForwardingMode::Nat, ForwardingMode::FullNat] {
        all.push(Scenario::NewFlows { mode });
    }
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
}
