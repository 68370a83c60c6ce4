//! lblc and lblcr: real servers by destination, as long as they are not too busy.
//!
//! IPVS' rules (`ip_vs_lblc`, `ip_vs_lblcr`): what has served a destination goes on to serve it,
//! unless it has more active connections than its weight while somebody else has less than half of
//! its own. Then the least busy by wlc takes over (lblc) or joins those that serve it (lblcr).
//! Meant for caches behind services that are found by a mark, where destinations differ.
//!
//! Each worker remembers destinations in a table of fixed size, made by the control thread; where
//! it has no place left, the one of four that was used longest ago is forgotten.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::service::{Dest, RealId};
use crate::time::{Tick, Ticks};

use super::load::{Cell, Loads, is_less};

/// Destinations remembered, and how many of them share a choice of places.
const SLOTS: usize = 4096;
const WAYS: usize = 4;
/// Real servers that can serve one destination with lblcr.
const MEMBERS: usize = 16;
/// Time after which lblcr takes away the busiest of those that serve a destination, if they have
/// been the same for so long: IPVS' `lblcr_expiration`.
const SHRINK_AFTER: Ticks = Ticks::from_secs(24 * 3600);

/// One worker's memory of a service's destinations.
#[derive(Debug)]
pub(super) struct Locality {
    slots: Box<[Slot]>,
}

/// A destination, and who serves it.
#[derive(Debug, Default)]
struct Slot {
    dst: Cell,
    used: Cell,
    changed: Cell,
    /// Who serves it; empty where there is no destination.
    count: Cell,
    /// The longest there first.
    members: [Member; MEMBERS],
}

#[derive(Debug, Default)]
struct Member {
    real: Cell,
    /// Where it stood in the list when it was looked at last.
    place: Cell,
}

/// What a pick looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) dests: &'a [Dest],
    pub(super) loads: &'a Loads,
    pub(super) now: Tick,
}

impl Locality {
    /// For as many workers.
    pub(super) fn for_workers(workers: usize) -> Arc<[Self]> {
        let new = || Self { slots: (0..SLOTS).map(|_| Slot::default()).collect() };
        (0..workers).map(|_| new()).collect()
    }

    /// lblc's choice.
    pub(super) fn one(&self, view: View<'_>, dst: Ipv4Addr) -> Option<usize> {
        if let Some(slot) = self.find(dst) {
            slot.used.set(view.now.0);
            let serving = slot.members[0].place_in(view.dests);
            let serving = serving.filter(|place| view.weight(*place) > 0);
            if let Some(place) = serving.filter(|place| !view.is_too_busy(*place)) {
                return Some(place);
            }
        }
        let place = view.least_busy()?;
        self.slot_for(dst, view.now).begin(place, view);
        Some(place)
    }

    /// lblcr's choice.
    pub(super) fn of_set(&self, view: View<'_>, dst: Ipv4Addr) -> Option<usize> {
        let Some(slot) = self.find(dst) else {
            let place = view.least_busy()?;
            self.slot_for(dst, view.now).begin(place, view);
            return Some(place);
        };
        slot.used.set(view.now.0);
        let serving = slot.least_busy(view);
        if slot.count.get() > 1 && view.now.since(Tick(slot.changed.get())) > SHRINK_AFTER {
            slot.drop_busiest(view);
        }
        if let Some(place) = serving.filter(|place| !view.is_too_busy(*place)) {
            return Some(place);
        }
        let place = view.least_busy()?;
        slot.join(place, view);
        Some(place)
    }

    fn set_of(&self, dst: Ipv4Addr) -> &[Slot] {
        let hash = dst.to_bits().wrapping_mul(0x61C8_8647) as usize >> 16;
        let first = hash % (SLOTS / WAYS) * WAYS;
        &self.slots[first..first + WAYS]
    }

    fn find(&self, dst: Ipv4Addr) -> Option<&Slot> {
        self.set_of(dst).iter().find(|slot| slot.count.get() > 0 && slot.dst.get() == dst.to_bits())
    }

    /// The slot of a destination: its own, an empty one, or the one used longest ago.
    fn slot_for(&self, dst: Ipv4Addr, now: Tick) -> &Slot {
        let set = self.set_of(dst);
        let age = |slot: &&Slot| match slot.count.get() {
            0 => u32::MAX,
            _ => now.since(Tick(slot.used.get())).0,
        };
        let oldest = || set.iter().max_by_key(age).unwrap_or(&set[0]);
        let slot = self.find(dst).unwrap_or_else(oldest);
        slot.dst.set(dst.to_bits());
        slot.used.set(now.0);
        slot
    }
}

impl Slot {
    /// Served by this real server alone from now on.
    fn begin(&self, place: usize, view: View<'_>) {
        self.count.set(0);
        self.join(place, view);
    }

    /// Served by this real server, too. A full set stays as it is, unless somebody in it is not
    /// there any more.
    fn join(&self, place: usize, view: View<'_>) {
        if self.count.get() as usize == MEMBERS {
            self.drop_removed(view);
        }
        let count = self.count.get() as usize;
        let serves = |member: &Member| member.place_in(view.dests) == Some(place);
        let is_in = self.members[..count].iter().any(serves);
        if let (false, Some(member), Some(dest)) =
            (is_in, self.members.get(count), view.dests.get(place))
        {
            member.set(dest.real, place);
            self.count.set(self.count.get() + 1);
            self.changed.set(view.now.0);
        }
    }

    /// Places of those that serve, the latest first.
    fn serving<'a>(&'a self, view: View<'a>) -> impl Iterator<Item = (usize, usize)> + 'a {
        let members = self.members[..self.count.get() as usize].iter().enumerate().rev();
        members.filter_map(move |(index, member)| Some((index, member.place_in(view.dests)?)))
    }

    fn least_busy(&self, view: View<'_>) -> Option<usize> {
        let places = self.serving(view).map(|(_, place)| place);
        places
            .filter(|place| view.weight(*place) > 0 && !view.loads.is_overloaded(*place))
            .reduce(|best, other| if view.is_busier(best, other) { other } else { best })
    }

    #[cold]
    fn drop_removed(&self, view: View<'_>) {
        let removed = |member: &Member| member.place_in(view.dests).is_none();
        if let Some(index) = self.members.iter().position(removed) {
            self.drop_member(index);
        }
    }

    /// Takes one of those that serve away.
    fn drop_member(&self, index: usize) {
        let last = self.count.get() as usize - 1;
        for at in index..last {
            let next = &self.members[at + 1];
            self.members[at].set(RealId(next.real.get()), next.place.get() as usize);
        }
        self.count.set(self.count.get() - 1);
    }

    fn drop_busiest(&self, view: View<'_>) {
        let busiest = self
            .serving(view)
            .filter(|(_, place)| view.weight(*place) > 0)
            .reduce(|most, other| if view.is_busier(other.1, most.1) { other } else { most });
        let Some((index, _)) = busiest else { return };
        self.drop_member(index);
        self.changed.set(view.now.0);
    }
}

impl Member {
    fn set(&self, real: RealId, place: usize) {
        self.real.set(real.0);
        self.place.set(u32::try_from(place).unwrap_or(u32::MAX));
    }

    /// Its place in the present list, if it is there.
    fn place_in(&self, dests: &[Dest]) -> Option<usize> {
        let (real, place) = (RealId(self.real.get()), self.place.get() as usize);
        if dests.get(place).is_some_and(|dest| dest.real == real) {
            return Some(place);
        }
        let place = dests.iter().position(|dest| dest.real == real)?;
        self.set(real, place);
        Some(place)
    }
}

impl View<'_> {
    fn weight(self, place: usize) -> u32 {
        self.dests.get(place).map_or(0, |dest| dest.weight)
    }

    /// wlc's choice.
    fn least_busy(self) -> Option<usize> {
        let takes = |place: &usize| self.weight(*place) > 0 && !self.loads.is_overloaded(*place);
        self.loads.first().filter(takes)
    }

    /// Whether a real server has more than its share while another has room.
    fn is_too_busy(self, place: usize) -> bool {
        self.loads.load(place).active > self.weight(place) && self.loads.has_room()
    }

    /// Whether `one` has the greater cost for its weight.
    fn is_busier(self, one: usize, other: usize) -> bool {
        let weighed = |place: usize| (self.loads.load(place).cost(), self.weight(place));
        is_less(weighed(other), weighed(one))
    }
}
