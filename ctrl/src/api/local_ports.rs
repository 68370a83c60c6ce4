//! `GET /v1/local-ports`: how many local ports each address has in use towards each real server.
//!
//! Counters know it per real server; per address it takes a look at all FULLNAT flows.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use dataplane::control::{Command, FlowReport, Kind, Report, Selection};
use dataplane::forward::{ForwardingMode, LocalPortShare};

use super::proto::{LocalPortUse, LocalPorts};
use super::{Here, refuse};
use crate::listing::{self, ListingError};
use crate::select::ServiceFilter;
use crate::state::State;

/// Flows by service (number), real server and local address.
type Used = BTreeMap<(usize, Ipv4Addr, u16, Ipv4Addr), u64>;

/// Answers with the local ports of the services that are meant.
pub(super) async fn local_ports(
    Shared(state): Here,
    query: Result<Query<ServiceFilter>, QueryRejection>,
) -> Response {
    let filter = match query {
        Ok(Query(filter)) => filter,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let places = filter.places(&state.in_force.load().config.services);
    if let Err(error) = places {
        return refuse(StatusCode::NOT_FOUND, error.to_string());
    }
    match used(&state).await {
        Ok(used) => {
            let local_ports = rows(&state, &filter, used);
            Json(LocalPorts { local_ports }).into_response()
        }
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

async fn used(state: &Arc<State>) -> Result<Used, ListingError> {
    let selection =
        Selection { kind: Kind::Flows, mode: Some(ForwardingMode::FullNat), ..Selection::ALL };
    let mut listing = listing::start(state, Command::ListFlows(selection), None);
    let mut used = Used::new();
    while let Some(batch) = listing.recv().await {
        for report in batch?.reports {
            let Report::Flow(FlowReport { service, real, local: Some((lip, _)), .. }) = report
            else {
                continue;
            };
            if let ((IpAddr::V4(rip), rport), IpAddr::V4(lip)) = (real, lip) {
                *used.entry((service.index(), rip, rport, lip)).or_default() += 1;
            }
        }
    }
    Ok(used)
}

/// Takes out what is meant; its sum.
fn take(used: &mut Used, is_meant: impl Fn(&(usize, Ipv4Addr, u16, Ipv4Addr)) -> bool) -> u64 {
    let mut sum = 0;
    used.retain(|key, count| {
        let is_it = is_meant(key);
        sum += if is_it { *count } else { 0 };
        !is_it
    });
    sum
}

/// Every local address of every FULLNAT real server, used or not, and those that are used still.
fn rows(state: &State, filter: &ServiceFilter, mut used: Used) -> Vec<LocalPortUse> {
    let in_force = state.in_force.load();
    let services = &in_force.config.services;
    let mut rows = Vec::new();
    for place in filter.places(services).unwrap_or_default() {
        let (Some(service), Some(named)) = (services.get(place), in_force.named.get(place)) else {
            continue;
        };
        let number = named.id.index();
        let row = |rip, rport, lip, used, capacity| LocalPortUse {
            service: service.name.clone(),
            rip,
            rport,
            lip,
            used,
            capacity,
        };
        let is_fullnat = |real: &&conf::RealServer| {
            real.mode == conf::ForwardingMode::FullNat && filter.has(real)
        };
        for real in service.real_servers.iter().filter(is_fullnat) {
            let (rip, rport) = (*real.address.ip(), real.address.port());
            for lip in in_force.config.pool_of(service) {
                let used = match rport {
                    // Packets keep the port they have.
                    0 => take(&mut used, |key| (key.0, key.1, key.3) == (number, rip, *lip)),
                    _ => used.remove(&(number, rip, rport, *lip)).unwrap_or_default(),
                };
                let capacity = LocalPortShare::All.capacity(&[*lip]);
                rows.push(row(rip, rport, *lip, used, capacity));
            }
        }
        // Of flows that outlive their local address or real server.
        if *filter == ServiceFilter::default() {
            let left = used.iter().filter(|((of, ..), _)| *of == number);
            rows.extend(left.map(|((_, rip, rport, lip), used)| row(*rip, *rport, *lip, *used, 0)));
        }
    }
    rows
}
