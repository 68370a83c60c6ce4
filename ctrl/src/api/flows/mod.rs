//! Flows: listed as they come or in an order, counted, and ended.

mod counted;
mod sorted;
mod stream;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response, Result};
use clap::Args;
use dataplane::control::{Command, FlowReport, Report, Selection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::proto::{Flow, FlowsEnded};
use super::{Here, aside, query, refuse};
use crate::listing::{self, Listing, ListingError};
use crate::select::{FlowFilter, NoSuchService};
use crate::snapshot::protocol_name;
use crate::state::State;
use sorted::SortBy;
use stream::FlowStream;

pub(crate) use counted::CountOptions;

/// Flows in an answer that is sorted, unless it is asked for others.
const SORTED_DEFAULT: usize = 1000;
/// Most flows in an answer that is sorted, which the daemon keeps meanwhile.
const SORTED_MAX: usize = 100_000;

/// What is told of flows.
#[derive(Args, Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ListOptions {
    /// List at most N flows.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Order them, and if there are more than the limit, list the first.
    #[arg(long, value_enum, value_name = "FIELD")]
    pub(crate) sort: Option<SortBy>,
    /// Order them the other way round.
    #[arg(long, requires = "sort")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) reverse: bool,
}

/// What is ended without a filter.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct EndOptions {
    /// End all flows, if nothing else says which.
    all: bool,
}

/// `GET /v1/flows`.
pub(super) async fn list(Shared(state): Here, uri: Uri) -> Result<Response> {
    let (filter, options) = query::parts::<FlowFilter, ListOptions>(&uri)?;
    let sort = options.sort.map(|by| (by, options.reverse));
    if options.reverse && sort.is_none() {
        return Ok(refuse(StatusCode::BAD_REQUEST, "`reverse` goes with `sort`".to_owned()));
    }
    let limit = options.limit.unwrap_or(SORTED_DEFAULT);
    if sort.is_some() && limit > SORTED_MAX {
        let error = format!("at most {SORTED_MAX} flows can be sorted: `limit` is {limit}");
        return Ok(refuse(StatusCode::BAD_REQUEST, error));
    }
    let listing = begin(&state, &filter, Command::ListFlows)?;
    let names = Names::of(&state);
    let Some(order) = sort else {
        let body = Body::new(FlowStream::new(listing, names, options.limit));
        return Ok(([(CONTENT_TYPE, "application/json")], body).into_response());
    };
    let first = sorted::first(listing, order, limit).await?;
    Ok(aside(move || Json(first.told(&names))).await)
}

/// `GET /v1/flows/count`.
pub(super) async fn count(Shared(state): Here, uri: Uri) -> Result<Response> {
    let (filter, options) = query::parts::<FlowFilter, CountOptions>(&uri)?;
    let command = if options.by.is_some() { Command::ListFlows } else { Command::CountFlows };
    let listing = begin(&state, &filter, command)?;
    let counted = counted::counted(listing, &Names::of(&state), options.by).await?;
    Ok(aside(move || Json(counted.told(options.limit))).await)
}

/// `DELETE /v1/flows`.
pub(super) async fn end(Shared(state): Here, uri: Uri) -> Result<Response> {
    let (filter, options) = query::parts::<FlowFilter, EndOptions>(&uri)?;
    if filter.is_all() && !options.all {
        let error = "nothing says which flows are to end: give a filter, or `all=true`";
        return Ok(refuse(StatusCode::BAD_REQUEST, error.to_owned()));
    }
    let listing = begin(&state, &filter, Command::EndFlows)?;
    // It goes on to its end when the client goes away.
    let (ended, outcome) = match tokio::spawn(sum(listing)).await {
        Ok(summed) => summed,
        Err(error) => return Ok(refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    };
    Ok(match outcome {
        Ok(()) => Json(FlowsEnded { ended }).into_response(),
        Err(error @ ListingError::Busy) if ended == 0 => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        Err(error) => {
            let error = format!("{error}; {ended} flows of other workers have ended");
            refuse(StatusCode::GATEWAY_TIMEOUT, error)
        }
    })
}

/// The sum of what the workers count, and whether all did.
async fn sum(mut listing: Listing) -> (u64, Result<(), ListingError>) {
    let mut sum = 0;
    while let Some(batch) = listing.recv().await {
        let reports = match batch {
            Ok(batch) => batch.reports,
            Err(error) => return (sum, Err(error)),
        };
        for report in reports {
            if let Report::Count(count) = report {
                sum += count;
            }
        }
    }
    (sum, Ok(()))
}

/// Something that a filter names and that is not there.
#[derive(Debug, thiserror::Error)]
enum NotThere {
    #[error(transparent)]
    Service(#[from] NoSuchService),
    #[error("there is no worker on CPU {0}")]
    Worker(u32),
}

impl IntoResponse for NotThere {
    fn into_response(self) -> Response {
        refuse(StatusCode::NOT_FOUND, self.to_string())
    }
}

/// Asks the workers that are meant.
fn begin(
    state: &Arc<State>,
    filter: &FlowFilter,
    command: fn(Selection) -> Command,
) -> Result<Listing, NotThere> {
    let in_force = state.in_force.load();
    let selection = filter.selection(&in_force.config.services, &in_force.named)?;
    let worker = filter.worker();
    if let Some(cpu) = worker.filter(|cpu| state.workers.iter().all(|seat| seat.lcore != *cpu)) {
        return Err(NotThere::Worker(cpu));
    }
    Ok(listing::start(state, command(selection), worker))
}

/// The names of services by their numbers.
#[derive(Debug)]
struct Names(Vec<String>);

impl Names {
    fn of(state: &State) -> Self {
        Self(state.in_force.load().service_names())
    }

    /// The name of a flow's service; empty if that is gone.
    fn service(&self, report: &FlowReport) -> &str {
        self.0.get(report.service.index()).map_or("", String::as_str)
    }

    /// A flow of a worker, as answers have it.
    fn flow(&self, worker: u32, report: &FlowReport) -> Flow {
        Flow {
            worker,
            service: self.service(report).to_owned(),
            protocol: protocol_name(report.protocol).to_owned(),
            mode: report.mode.name().to_owned(),
            cip: report.client.0.to_string(),
            cport: report.client.1,
            vip: report.virtual_address.0.to_string(),
            vport: report.virtual_address.1,
            lip: report.local.map(|(address, _)| address.to_string()),
            lport: report.local.map(|(_, l4_port)| l4_port),
            rip: report.real.0.to_string(),
            rport: report.real.1,
            state: report.state.to_owned(),
            expires_s: report.expires_s,
            idle_s: report.idle_s,
            age_s: report.age_s,
            packets: report.packets,
            template: report.is_template,
        }
    }
}

#[cfg(test)]
mod tests;
