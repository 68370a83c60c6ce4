//! Flows in an order: the first few, whatever their number. No more are kept than are asked for.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use clap::ValueEnum;
use dataplane::control::{FlowReport, Report};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::proto::Flows;
use super::Names;
use crate::listing::{Listing, ListingError};

/// What flows are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SortBy {
    /// The oldest first.
    Age,
    /// Those with most packets from their client first.
    Packets,
    /// Those that have been without a packet for longest first.
    Idle,
    /// Those that end next first.
    Expires,
    /// By client's address and port.
    Client,
    /// By virtual address and port.
    Vip,
    /// By real server's address and port.
    Real,
}

/// Where a flow stands: the smallest comes first.
type Rank = (u128, u16);

/// A flow that may be among the first.
struct Candidate {
    rank: Rank,
    worker: u32,
    report: FlowReport,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl SortBy {
    fn rank(self, flow: &FlowReport) -> Rank {
        let most_first = |number: Option<u32>| (u128::from(u32::MAX - number.unwrap_or(0)), 0);
        match self {
            Self::Age => most_first(flow.age_s),
            Self::Packets => most_first(flow.packets),
            Self::Idle => most_first(Some(flow.idle_s)),
            Self::Expires => (flow.expires_s.into(), 0),
            Self::Client => end(flow.client),
            Self::Vip => end(flow.virtual_address),
            Self::Real => end(flow.real),
        }
    }
}

/// IPv4 before IPv6.
fn end((address, l4_port): (IpAddr, u16)) -> Rank {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), l4_port),
        IpAddr::V6(address) => (address.to_bits(), l4_port),
    }
}

/// The first flows in an order, not in order yet.
pub(super) struct First {
    candidates: BinaryHeap<Candidate>,
    /// How many others there are.
    more: u64,
}

impl First {
    /// In their order.
    pub(super) fn told(self, names: &Names) -> Flows {
        let flows = self.candidates.into_sorted_vec();
        let flows = flows.iter().map(|one| names.flow(one.worker, &one.report)).collect();
        Flows { flows, more: self.more }
    }
}

/// The first `limit` flows of a listing.
pub(super) async fn first(
    mut listing: Listing,
    (by, reverse): (SortBy, bool),
    limit: usize,
) -> Result<First, ListingError> {
    let mut candidates: BinaryHeap<Candidate> = BinaryHeap::new();
    let mut more = 0;
    while let Some(batch) = listing.recv().await {
        let batch = batch?;
        for report in batch.reports {
            let Report::Flow(report) = report else { continue };
            let (address, l4_port) = by.rank(&report);
            let rank = if reverse { (!address, !l4_port) } else { (address, l4_port) };
            if candidates.len() >= limit {
                more += 1;
                if candidates.peek().is_none_or(|last| last.rank <= rank) {
                    continue;
                }
                candidates.pop();
            }
            candidates.push(Candidate { rank, worker: batch.lcore, report });
        }
    }
    Ok(First { candidates, more })
}
