//! Flows counted: all that are meant, or in groups.

use std::collections::HashMap;

use clap::{Args, ValueEnum};
use dataplane::control::{FlowReport, Report};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::proto::{FlowCount, FlowGroup};
use super::Names;
use crate::listing::{Listing, ListingError};
use crate::snapshot::protocol_name;

/// Most groups that are told apart; what belongs to further ones is counted together.
const GROUPS_MAX: usize = 100_000;

/// How flows are counted.
#[derive(Args, Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct CountOptions {
    /// Count them in groups, the largest first.
    #[arg(long = "count-by", value_enum, value_name = "FIELD")]
    pub(crate) by: Option<GroupBy>,
    /// Tell at most N groups.
    #[arg(skip)]
    pub(crate) limit: Option<usize>,
}

/// What flows of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GroupBy {
    /// The client's address.
    Client,
    /// The virtual address and port.
    Vip,
    /// The local address.
    Local,
    /// The real server's address and port.
    Real,
    /// The service.
    Service,
    /// The state.
    State,
    /// The protocol.
    Protocol,
    /// The forwarding mode.
    Mode,
    /// The worker, by its CPU.
    Worker,
}

impl GroupBy {
    fn value(self, names: &Names, worker: u32, flow: &FlowReport) -> String {
        let end = |(address, l4_port)| std::net::SocketAddr::new(address, l4_port).to_string();
        match self {
            Self::Client => flow.client.0.to_string(),
            Self::Vip => end(flow.virtual_address),
            Self::Local => flow.local.map(|(lip, _)| lip.to_string()).unwrap_or_default(),
            Self::Real => end(flow.real),
            Self::Service => names.service(flow).to_owned(),
            Self::State => flow.state.to_owned(),
            Self::Protocol => protocol_name(flow.protocol).to_owned(),
            Self::Mode => flow.mode.name().to_owned(),
            Self::Worker => worker.to_string(),
        }
    }
}

/// Flows that have been counted.
pub(super) struct Counted {
    count: u64,
    groups: HashMap<String, u64>,
    /// Flows of other groups.
    other: u64,
}

impl Counted {
    /// The largest groups first, and no more than `limit` of them.
    pub(super) fn told(self, limit: Option<usize>) -> FlowCount {
        let Self { count, groups, mut other } = self;
        let mut groups: Vec<_> =
            groups.into_iter().map(|(value, count)| FlowGroup { value, count }).collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        let told = limit.unwrap_or(usize::MAX).min(groups.len());
        other += groups.drain(told..).map(|group| group.count).sum::<u64>();
        FlowCount { count, groups, other }
    }
}

/// Counts the flows of a listing.
pub(super) async fn counted(
    mut listing: Listing,
    names: &Names,
    by: Option<GroupBy>,
) -> Result<Counted, ListingError> {
    let mut groups: HashMap<String, u64> = HashMap::new();
    let (mut count, mut other) = (0, 0);
    while let Some(batch) = listing.recv().await {
        let batch = batch?;
        for report in batch.reports {
            match (report, by) {
                (Report::Count(some), _) => count += some,
                (Report::Flow(flow), Some(by)) => {
                    count += 1;
                    let value = by.value(names, batch.lcore, &flow);
                    if groups.len() >= GROUPS_MAX && !groups.contains_key(&value) {
                        other += 1;
                    } else {
                        *groups.entry(value).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(Counted { count, groups, other })
}
