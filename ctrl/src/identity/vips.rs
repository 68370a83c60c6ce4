//! What is remembered of an address while it is a VIP: its place among those that workers announce,
//! and whether it ever had real servers in mode NAT.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use dataplane::snapshot::Announced;

/// The VIPs, and the places given so far.
#[derive(Debug, Default)]
pub(super) struct VipPlaces {
    by_address: HashMap<Ipv4Addr, usize>,
    places: Vec<Option<Announced>>,
    /// Those that have real servers in mode NAT, or had some since they are VIPs.
    with_nat: HashSet<Ipv4Addr>,
}

impl VipPlaces {
    /// Takes in which of the present VIPs have real servers in mode NAT.
    pub(super) fn note_nat(&mut self, vips: impl Iterator<Item = Ipv4Addr>) {
        self.with_nat.extend(vips);
        self.with_nat.retain(|vip| self.by_address.contains_key(vip));
    }

    /// Whether a VIP has real servers in mode NAT, or had some since it is a VIP.
    pub(super) fn has_nat(&self, vip: Ipv4Addr) -> bool {
        self.with_nat.contains(&vip)
    }

    /// The places for the VIPs of `generation`. Those that stay keep theirs, and the generation
    /// since which they are VIPs.
    pub(super) fn update(
        &mut self,
        vips: &HashSet<Ipv4Addr>,
        generation: u64,
    ) -> Vec<Option<Announced>> {
        let places = &mut self.places;
        self.by_address.retain(|address, place| {
            let stays = vips.contains(address);
            if !stays && let Some(place) = places.get_mut(*place) {
                *place = None;
            }
            stays
        });
        let mut new: Vec<_> =
            vips.iter().filter(|vip| !self.by_address.contains_key(vip)).copied().collect();
        new.sort_unstable();
        let mut from = 0;
        for address in new {
            let place = (from..places.len())
                .find(|place| places.get(*place).is_some_and(Option::is_none))
                .unwrap_or(places.len());
            from = place + 1;
            let announced = Some(Announced { address, since: generation });
            match places.get_mut(place) {
                Some(free) => *free = announced,
                None => places.push(announced),
            }
            self.by_address.insert(address, place);
        }
        self.places.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vips(last: &[u8]) -> HashSet<Ipv4Addr> {
        last.iter().map(|last| Ipv4Addr::new(192, 0, 2, *last)).collect()
    }

    fn places(announced: &[Option<Announced>]) -> Vec<Option<(u8, u64)>> {
        let short = |vip: Announced| (vip.address.octets()[3], vip.since);
        announced.iter().map(|place| place.map(short)).collect()
    }

    #[test]
    fn who_stays_keeps_its_place_and_who_comes_fills_the_gaps() {
        let mut all = VipPlaces::default();
        let first = all.update(&vips(&[1, 2, 3]), 1);
        assert_eq!(places(&first), [Some((1, 1)), Some((2, 1)), Some((3, 1))]);
        let second = all.update(&vips(&[1, 3]), 2);
        assert_eq!(places(&second), [Some((1, 1)), None, Some((3, 1))]);
        let third = all.update(&vips(&[1, 2, 3, 4]), 3);
        assert_eq!(places(&third), [Some((1, 1)), Some((2, 3)), Some((3, 1)), Some((4, 3))]);
    }
    #[test]
    fn a_vip_of_nat_is_one_until_it_is_no_vip_any_more() {
        let mut all = VipPlaces::default();
        let vip = Ipv4Addr::new(192, 0, 2, 1);
        let mut update = |addresses: &[u8], nat: bool, generation| {
            all.update(&vips(addresses), generation);
            all.note_nat(nat.then_some(vip).into_iter());
            all.has_nat(vip)
        };
        assert!(!update(&[1, 2], false, 1));
        assert!(update(&[1, 2], true, 2));
        assert!(update(&[1], false, 3));
        assert!(!update(&[2], false, 4));
        assert!(!update(&[1, 2], false, 5));
    }
}
