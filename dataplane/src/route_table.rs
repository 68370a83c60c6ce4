//! Static routes: the longest prefix that holds a destination says which gateway it goes to.
//!
//! Built by the control thread, read-only on workers. Prefixes of one length share a hash map, so a
//! look-up takes as many steps as there are different lengths, however many routes there are.

use std::net::Ipv4Addr;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use crate::snapshot::{NextHop, Route};

/// All routes of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteTable {
    /// Longest prefixes first.
    groups: Vec<Group>,
    gateways: Vec<NextHop>,
}

/// The routes whose prefixes have the same length.
#[derive(Clone, Debug)]
struct Group {
    mask: u32,
    hops: Hops,
}

#[derive(Clone, Debug)]
enum Hops {
    /// The usual case, above all of a default route: nothing to hash.
    One(u32, NextHop),
    Many(HashMap<u32, NextHop, RandomState>),
}

impl RouteTable {
    /// A table of `routes`; of two to the same prefix the first counts.
    pub(crate) fn new(routes: &[Route]) -> Self {
        let mut routes = routes.to_vec();
        // A stable sort: what stands first stays first among its like.
        routes.sort_by_key(|route| std::cmp::Reverse(route.to.prefix_len()));
        let same_length = routes.chunk_by(|a, b| a.to.prefix_len() == b.to.prefix_len());
        let groups = same_length.filter_map(Group::new).collect();
        let mut seen: HashSet<NextHop, RandomState> = HashSet::default();
        let gateways =
            routes.iter().map(|route| route.via).filter(|via| seen.insert(*via)).collect();
        Self { groups, gateways }
    }

    /// The gateway towards `destination`.
    #[inline]
    pub(crate) fn find(&self, destination: Ipv4Addr) -> Option<NextHop> {
        let bits = destination.to_bits();
        self.groups.iter().find_map(|group| group.find(bits & group.mask))
    }

    /// The gateways, each once.
    pub(crate) fn gateways(&self) -> &[NextHop] {
        &self.gateways
    }
}

impl Group {
    fn new(routes: &[Route]) -> Option<Self> {
        let first = routes.first()?;
        let hops = if let [only] = routes {
            Hops::One(only.to.network(), only.via)
        } else {
            let mut hops = HashMap::default();
            for route in routes {
                hops.entry(route.to.network()).or_insert(route.via);
            }
            Hops::Many(hops)
        };
        Some(Self { mask: first.to.mask(), hops })
    }

    #[inline]
    fn find(&self, network: u32) -> Option<NextHop> {
        match &self.hops {
            Hops::One(only, hop) => (*only == network).then_some(*hop),
            Hops::Many(hops) => hops.get(&network).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{PortIdx, Subnet};

    fn hop(last: u8) -> NextHop {
        NextHop { port: PortIdx(0), address: Ipv4Addr::new(192, 0, 2, last) }
    }

    fn route(to: [u8; 4], prefix_len: u8, gateway: u8) -> Route {
        Route { to: Subnet::of(to.into(), prefix_len), via: hop(gateway) }
    }

    #[test]
    fn the_longest_prefix_wins_whatever_the_order() {
        let mut routes = vec![
            route([0, 0, 0, 0], 0, 1),
            route([10, 0, 0, 0], 8, 2),
            route([11, 0, 0, 0], 8, 3),
            route([10, 1, 0, 0], 16, 4),
            route([10, 1, 2, 3], 32, 5),
            route([10, 1, 2, 3], 32, 6),
        ];
        for _ in 0..routes.len() {
            routes.rotate_left(1);
            routes.sort_by_key(|route| route.via.address == hop(6).address);
            let table = RouteTable::new(&routes);
            let found = |address: [u8; 4]| table.find(address.into());
            assert_eq!(found([10, 1, 2, 3]), Some(hop(5)), "the first of two");
            assert_eq!(found([10, 1, 2, 4]), Some(hop(4)));
            assert_eq!(found([10, 2, 0, 0]), Some(hop(2)));
            assert_eq!(found([11, 255, 0, 9]), Some(hop(3)));
            assert_eq!(found([12, 0, 0, 1]), Some(hop(1)));
        }
        assert_eq!(RouteTable::new(&routes[1..2]).find([9, 9, 9, 9].into()), None);
    }

    #[test]
    fn a_gateway_of_many_routes_is_one_gateway() {
        let routes: Vec<_> = (0..100).map(|n| route([10, n, 0, 0], 16, 7 + n % 2)).collect();
        assert_eq!(RouteTable::new(&routes).gateways(), [hop(7), hop(8)]);
        assert!(RouteTable::default().gateways().is_empty());
    }
}
