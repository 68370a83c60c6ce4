//! Routes: each destination once, each gateway a neighbour of some port.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::port::{Ports, not_a_host_of};
use crate::config::Route;
use crate::diag::Diags;
use crate::raw::{RawConfig, RawRoute};
use crate::read::Text;
use crate::rule::Rule;
use crate::span::{At, Span};
use crate::value;

/// A route of which some values may have been wrong.
#[derive(Debug)]
pub(super) struct RouteDraft {
    pub(super) to: Option<At<Ipv4Net>>,
    pub(super) via: Option<At<Ipv4Addr>>,
}

impl RouteDraft {
    /// The checked route, if all of it was right.
    pub(super) fn finish(&self, ports: &Ports<'_>) -> Option<Route> {
        let (to, via) = (self.to?.value, self.via?.value);
        Some(Route { to, via, port: ports.on_link(via)?.port })
    }
}

/// All routes of the file.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) list: Vec<RouteDraft>,
    /// Whether every route written could be read.
    pub(super) known: bool,
    pub(super) destinations: Destinations,
}

impl Routes {
    fn new(list: Vec<RouteDraft>, known: bool) -> Self {
        let mut destinations = Destinations::default();
        list.iter().filter_map(|route| route.to).for_each(|to| destinations.add(to.value));
        Self { list, known, destinations }
    }
}

/// Where routes lead: networks by prefix length, so that many are looked up as fast as a few.
#[derive(Debug, Clone, Default)]
pub(crate) struct Destinations(BTreeMap<u8, HashSet<Ipv4Addr>>);

impl Destinations {
    /// Takes in that of a route.
    pub(crate) fn add(&mut self, to: Ipv4Net) {
        self.0.entry(to.prefix_len()).or_default().insert(to.network());
    }

    /// Whether a route leads to `addr`.
    pub(crate) fn hold(&self, addr: Ipv4Addr) -> bool {
        self.0.iter().any(|(prefix_len, networks)| {
            Ipv4Net::new(addr, *prefix_len).is_ok_and(|net| networks.contains(&net.network()))
        })
    }
}

/// Checks each route by itself.
pub(super) fn routes(raw: &RawConfig<'_>, diags: &mut Diags) -> Routes {
    let Some(routes) = &raw.routes else { return Routes::new(Vec::new(), true) };
    let list: Vec<RouteDraft> = routes.items.iter().map(|route| draft(route, diags)).collect();
    let known = list.len() == routes.written && list.iter().all(|route| route.to.is_some());
    Routes::new(list, known)
}

fn draft(raw: &RawRoute<'_>, diags: &mut Diags) -> RouteDraft {
    RouteDraft {
        to: raw.to.as_ref().and_then(|text| destination(text, diags)),
        via: raw.via.as_ref().and_then(|text| value::host(text, diags)),
    }
}

/// A destination prefix with host bits zero.
fn destination(text: &Text<'_>, diags: &mut Diags) -> Option<At<Ipv4Net>> {
    if text.text == "default" {
        let help = "write `to: 0.0.0.0/0` for the default route";
        diags.error(Rule::BadValue, text.span, "`to` is not a prefix: `default`", help);
        return None;
    }
    value::network(text, diags)
}

/// Checks routes against each other and against the ports.
pub(super) fn check_between(routes: &Routes, ports: &Ports<'_>, diags: &mut Diags) {
    let mut seen: HashMap<Ipv4Net, Span> = HashMap::new();
    for route in &routes.list {
        if let Some(to) = &route.to {
            if let Some(first) = seen.get(&to.value) {
                let message = format!("a second route to {}", to.value);
                let help = "keep one route for each destination";
                diags.error(Rule::Duplicate, to.span, message, help).see(*first, "first here");
            } else {
                seen.insert(to.value, to.span);
            }
        }
        if let Some(via) = &route.via {
            check_gateway(via, ports, diags);
        }
    }
}

/// A gateway is a host in the subnet of a port.
fn check_gateway(via: &At<Ipv4Addr>, ports: &Ports<'_>, diags: &mut Diags) {
    let addr = via.value;
    match ports.on_link(addr) {
        None if !ports.known => {}
        None => {
            let message = format!("no port reaches the gateway {addr}");
            let help = format!("use a gateway in a subnet of a port ({})", ports.subnets());
            diags.error(Rule::Unreachable, via.span, message, help);
        }
        Some(link) => {
            if let Some(kind) = not_a_host_of(link.subnet, addr) {
                let message = format!("the gateway {addr} is the {kind} of {}", link.subnet);
                let help = "use the address of the router in this subnet";
                diags.error(Rule::UnusableAddress, via.span, message, help);
            }
        }
    }
}
