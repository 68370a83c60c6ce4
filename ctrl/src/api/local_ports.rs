//! `GET /v1/local-ports`: how many local ports each address has in use towards each real server.
//!
//! Counters know it per real server; per address it takes a look at all FULLNAT flows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::response::{Json, Response, Result};
use conf::{RealServer, Service};
use dataplane::control::{Command, FlowReport, Kind, Report, Selection};
use dataplane::forward::{ForwardingMode, LocalPortShare};

use super::proto::{LocalPortUse, LocalPorts};
use super::{Here, aside};
use crate::listing::{self, ListingError};
use crate::select::ServiceFilter;
use crate::state::{InForce, State};

/// Flows of a service by real server and local address.
type Used = BTreeMap<(Ipv4Addr, u16, Ipv4Addr), u64>;

/// Answers with the local ports of the services that are meant.
pub(super) async fn local_ports(
    Shared(state): Here,
    Query(filter): Query<ServiceFilter>,
) -> Result<Response> {
    let in_force = state.in_force.load_full();
    let places = filter.places(&in_force.config.services)?;
    let used = used(&state).await?;
    Ok(aside(move || {
        let local_ports = rows(&in_force, &filter, &places, used);
        Json(LocalPorts { local_ports })
    })
    .await)
}

/// By the number of the service.
async fn used(state: &Arc<State>) -> Result<HashMap<usize, Used>, ListingError> {
    let selection =
        Selection { kind: Kind::Flows, mode: Some(ForwardingMode::FullNat), ..Selection::ALL };
    let mut listing = listing::start(state, Command::ListFlows(selection), None);
    let mut used: HashMap<usize, Used> = HashMap::new();
    while let Some(batch) = listing.recv().await {
        for report in batch?.reports {
            let Report::Flow(FlowReport { service, real, local: Some((lip, _)), .. }) = report
            else {
                continue;
            };
            if let ((IpAddr::V4(rip), rport), IpAddr::V4(lip)) = (real, lip) {
                let used = used.entry(service.index()).or_default();
                *used.entry((rip, rport, lip)).or_default() += 1;
            }
        }
    }
    Ok(used)
}

/// Every local address of every FULLNAT real server, used or not, and those that are used still.
fn rows(
    in_force: &InForce,
    filter: &ServiceFilter,
    places: &[usize],
    mut used: HashMap<usize, Used>,
) -> Vec<LocalPortUse> {
    let services = &in_force.config.services;
    let mut rows = Vec::new();
    for &place in places {
        let (Some(service), Some(named)) = (services.get(place), in_force.named.get(place)) else {
            continue;
        };
        let row = |rip, rport, lip, used, capacity| LocalPortUse {
            service: service.name.clone(),
            rip,
            rport,
            lip,
            used,
            capacity,
        };
        let pool = in_force.config.pool_of(service);
        let mut used = used.remove(&named.id.index()).unwrap_or_default();
        gather(&mut used, service, pool);
        for real in service.real_servers.iter().filter(|real| is_fullnat(real) && filter.has(real))
        {
            let (rip, rport) = (*real.address.ip(), real.address.port());
            for lip in pool {
                let used = used.remove(&(rip, rport, *lip)).unwrap_or_default();
                let capacity = LocalPortShare::All.capacity(&[*lip]);
                rows.push(row(rip, rport, *lip, used, capacity));
            }
        }
        // Of flows that outlive their local address or real server.
        if *filter == ServiceFilter::default() {
            rows.extend(
                used.iter().map(|((rip, rport, lip), used)| row(*rip, *rport, *lip, *used, 0)),
            );
        }
    }
    rows
}

fn is_fullnat(real: &RealServer) -> bool {
    real.mode == conf::ForwardingMode::FullNat
}

/// Sums up, as those of port 0, flows to real servers whose packets keep the port they have, unless
/// they are to another real server with that very port.
fn gather(used: &mut Used, service: &Service, pool: &[Ipv4Addr]) {
    let all = &service.real_servers;
    let keep: HashSet<Ipv4Addr> = all
        .iter()
        .filter(|real| is_fullnat(real) && real.address.port() == 0)
        .map(|real| *real.address.ip())
        .collect();
    if keep.is_empty() {
        return;
    }
    let own: HashSet<SocketAddrV4> = all.iter().map(|real| real.address).collect();
    let pool: HashSet<&Ipv4Addr> = pool.iter().collect();
    for ((rip, rport, lip), count) in mem::take(used) {
        let is_kept = keep.contains(&rip)
            && pool.contains(&lip)
            && !own.contains(&SocketAddrV4::new(rip, rport));
        *used.entry((rip, if is_kept { 0 } else { rport }, lip)).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, text};

    #[test]
    fn ports_of_a_real_server_for_all_ports_are_not_those_of_one_with_the_same_address() {
        let rig = Rig::standing_on(&text(
            "  all: {vip: \"192.0.2.10:0\", protocol: udp, mode: fullnat, persistence: 300s, \
             local_addresses: [10.0.0.100], scheduler: rr, \
             real_servers: [{address: 10.0.0.11}, {address: \"10.0.0.11:8080\"}]}\n",
        ));
        let in_force = rig.state.in_force.load_full();
        let (rip, lip) = (Ipv4Addr::new(10, 0, 0, 11), Ipv4Addr::new(10, 0, 0, 100));
        let gone = Ipv4Addr::new(10, 0, 0, 99);
        let used = [
            ((rip, 53, lip), 1),
            ((rip, 80, lip), 2),
            ((rip, 8080, lip), 4),
            ((rip, 80, gone), 8),
            ((gone, 80, lip), 16),
        ];
        let used = HashMap::from([(in_force.named[0].id.index(), Used::from(used))]);
        let rows = rows(&in_force, &ServiceFilter::default(), &[0], used);
        let told: Vec<_> = rows.iter().map(|row| (row.rip, row.rport, row.lip, row.used)).collect();
        let expected =
            [(rip, 0, lip, 3), (rip, 8080, lip, 4), (rip, 80, gone, 8), (gone, 80, lip, 16)];
        assert_eq!(told, expected);
        assert!(rows[2].capacity == 0 && rows[3].capacity == 0 && rows[0].capacity > 0);
    }
}
