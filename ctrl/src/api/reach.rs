//! Where packets go: routes with their gateways, and neighbours.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::Json;
use dataplane::control::Command;

use super::proto::{Neighbor, Neighbors, Route, Routes};
use super::{Here, view};
use crate::listing::{self, ListingError};
use crate::state::State;

/// `GET /v1/neighbors`.
pub(super) async fn neighbors(Shared(state): Here) -> Result<Json<Neighbors>, ListingError> {
    Ok(Json(Neighbors { neighbors: all_neighbors(&state).await? }))
}

/// `GET /v1/routes`.
pub(super) async fn routes(Shared(state): Here) -> Result<Json<Routes>, ListingError> {
    let neighbors = all_neighbors(&state).await?;
    Ok(Json(Routes { routes: all_routes(&state, neighbors) }))
}

async fn all_neighbors(state: &Arc<State>) -> Result<Vec<Neighbor>, ListingError> {
    let mut listing = listing::start(state, Command::ListNeighbors, None);
    let mut neighbors = Vec::new();
    while let Some(batch) = listing.recv().await {
        view::add_neighbors(state, batch?, &mut neighbors);
    }
    Ok(neighbors)
}

fn all_routes(state: &State, neighbors: Vec<Neighbor>) -> Vec<Route> {
    let in_force = state.in_force.load();
    let config = &in_force.config;
    // Each worker asks for itself; the one that knows most counts.
    let mut known: HashMap<(String, Ipv4Addr), Neighbor> = HashMap::new();
    for neighbor in neighbors {
        let place = (neighbor.port.clone(), neighbor.address);
        if known.get(&place).is_none_or(|other| rank(&neighbor) < rank(other)) {
            known.insert(place, neighbor);
        }
    }
    let mut routes = Vec::new();
    for port in &config.ports {
        routes.extend(port.addresses.iter().map(|own| {
            let route = Route {
                to: own.subnet().to_string(),
                kind: "connected".to_owned(),
                port: port.name.clone(),
                via: None,
                gateway_state: None,
                gateway_mac: None,
            };
            (own.prefix_len, route)
        }));
    }
    routes.extend(config.routes.iter().map(|route| {
        let port = config.ports.get(route.port).map(|port| port.name.clone()).unwrap_or_default();
        let gateway = known.get(&(port.clone(), route.via));
        let told = Route {
            to: route.to.to_string(),
            kind: "static".to_owned(),
            port,
            via: Some(route.via),
            gateway_state: gateway.map(|gateway| gateway.state.clone()),
            gateway_mac: gateway.and_then(|gateway| gateway.mac.clone()),
        };
        (route.to.prefix_len(), told)
    }));
    // A stable sort: what stands first in the configuration stays first among its like.
    routes.sort_by_key(|(prefix_len, _)| std::cmp::Reverse(*prefix_len));
    routes.into_iter().map(|(_, route)| route).collect()
}

/// The better known, the less.
fn rank(neighbor: &Neighbor) -> usize {
    let order = ["reachable", "probing", "incomplete", "failed"];
    order.iter().position(|state| *state == neighbor.state).unwrap_or(order.len())
}
