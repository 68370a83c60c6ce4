//! [`Role`]: whose packets come in by a port, as far as it matters which worker receives them.

use std::net::Ipv4Addr;

use conf::{Config, ForwardingMode};
use dpdk::RssEnds;

/// What is behind a port. A mistake here costs hand-overs and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Role {
    /// Clients of real servers in mode NAT.
    pub(crate) nat_requests: bool,
    /// Real servers in mode NAT.
    pub(crate) nat_replies: bool,
    /// Real servers in mode FULLNAT.
    pub(crate) fullnat_replies: bool,
}

impl Role {
    /// The end of NAT's packets that is the client's here; `None` without NAT or with both sides.
    pub(super) fn nat_end(self) -> Option<RssEnds> {
        match (self.nat_requests, self.nat_replies) {
            // By source, FULLNAT's replies would be lost to one queue per real server.
            (true, false) if !self.fullnat_replies => Some(RssEnds::Source),
            (false, true) => Some(RssEnds::Destination),
            _ => None,
        }
    }
}

/// The roles of the ports of `config`, in its order. Real servers are behind the port that the best
/// route to them leads to. Clients are taken to be behind ports with a default route and ports
/// without real servers; a route to some network more often leads to machines of the site.
pub(crate) fn roles(config: &Config) -> Vec<Role> {
    let nat_in_use = config.services.iter().any(|service| service.has_mode(ForwardingMode::Nat));
    let mut behind: Vec<(usize, ForwardingMode)> = Vec::new();
    for real in config.services.iter().flat_map(|service| &service.real_servers) {
        behind.extend(way_to(config, *real.address.ip()).map(|port| (port, real.mode)));
    }
    let role = |port: usize| {
        let has_default = config.routes.iter().any(|r| r.port == port && r.to.prefix_len() == 0);
        let clients = has_default || !behind.iter().any(|(at, _)| *at == port);
        Role {
            nat_requests: nat_in_use && clients,
            nat_replies: behind.contains(&(port, ForwardingMode::Nat)),
            fullnat_replies: behind.contains(&(port, ForwardingMode::FullNat)),
        }
    };
    (0..config.ports.len()).map(role).collect()
}

/// The port that packets to an address leave by: the longest prefix, and a subnet before a route.
fn way_to(config: &Config, address: Ipv4Addr) -> Option<usize> {
    let own = config.ports.iter().enumerate();
    let own = own.flat_map(|(port, of)| of.addresses.iter().map(move |own| (own, port)));
    let subnets = own.map(|(own, port)| (own.subnet(), true, port));
    let routes = config.routes.iter().map(|route| (route.to, false, route.port));
    subnets
        .chain(routes)
        .filter(|(net, _, _)| net.contains(&address))
        .max_by_key(|(net, is_subnet, _)| (net.prefix_len(), *is_subnet))
        .map(|(_, _, port)| port)
}
