//! Schedulers: which real server a new connection gets, pick by pick as IPVS chooses.
//!
//! What can be known from the configuration alone is in a service's [`Schedule`], made by the
//! control thread; what moves with every pick is a [`SchedState`] of each worker. Who is how busy
//! is in [`Loads`].

mod hashed;
mod load;
mod locality;
mod maglev;
mod rr;
mod schedule;
mod twos;
mod wrr;

use std::net::Ipv4Addr;

pub use load::{Counted, Load, Loads, Order, Overloaded};
pub use maglev::{MaglevEntry, MaglevTable};
pub use schedule::{Before, Schedule};

use locality::View;

use crate::service::{RealId, VirtualService};
use crate::time::Tick;

/// The scheduler of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Round robin, weights ignored but for 0.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Least connections by weight.
    Wlc,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Weighted failover.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// Locality-based least connections.
    Lblc,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Power of two choices.
    Twos,
    /// Destination hashing.
    Dh,
    /// Source hashing.
    Sh(HashFlags),
    /// Maglev hashing.
    Mh(HashFlags),
}

/// Flags of the schedulers that hash the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashFlags {
    /// `sh-fallback`, `mh-fallback`: look for another real server if the one hashed to takes
    /// nothing.
    pub fallback: bool,
    /// `sh-port`, `mh-port`: hash the source port, too.
    pub port: bool,
}

impl Scheduler {
    /// All of them, those that hash the source with these flags.
    #[must_use]
    pub const fn all(flags: HashFlags) -> [Self; 14] {
        [
            Self::Rr,
            Self::Wrr,
            Self::Lc,
            Self::Wlc,
            Self::Sed,
            Self::Nq,
            Self::Fo,
            Self::Ovf,
            Self::Lblc,
            Self::Lblcr,
            Self::Twos,
            Self::Dh,
            Self::Sh(flags),
            Self::Mh(flags),
        ]
    }

    /// The name that ipvsadm uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Sed => "sed",
            Self::Nq => "nq",
            Self::Fo => "fo",
            Self::Ovf => "ovf",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Twos => "twos",
            Self::Dh => "dh",
            Self::Sh(_) => "sh",
            Self::Mh(_) => "mh",
        }
    }

    /// By what it compares real servers, if it does.
    #[must_use]
    pub const fn order(self) -> Option<Order> {
        match self {
            Self::Lc => Some(Order::LeastConnections),
            Self::Wlc | Self::Lblc | Self::Lblcr => Some(Order::WeightedLeastConnections),
            Self::Sed => Some(Order::ShortestExpectedDelay),
            Self::Nq => Some(Order::NeverQueue),
            Self::Fo => Some(Order::Failover),
            Self::Ovf => Some(Order::Overflow),
            Self::Rr | Self::Wrr | Self::Twos | Self::Dh | Self::Sh(_) | Self::Mh(_) => None,
        }
    }

    /// Whether it looks at connections.
    #[must_use]
    pub const fn counts(self) -> bool {
        self.order().is_some() || matches!(self, Self::Twos)
    }
}

/// A worker's position in one service's list.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedState {
    /// Revision of the list that the rest belongs to; `None` before the first pick.
    revision: Option<u32>,
    /// Place in the list chosen last; `None` is the head of the circular list.
    position: Option<u32>,
    /// wrr's current weight.
    current_weight: u32,
}

/// Whom a connection is from, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The client's address and port.
    pub client: (Ipv4Addr, u16),
    /// The destination's address.
    pub dst: Ipv4Addr,
}

/// The worker that asks.
#[derive(Debug)]
pub struct Asker<'a> {
    /// Its number.
    pub worker: u16,
    /// Where it reads connections.
    pub counted: &'a Counted,
    /// The time.
    pub now: Tick,
    /// Where its random numbers come from; not 0.
    pub random: &'a mut u64,
}

impl Asker<'_> {
    /// A number up to and including `most`, about equally likely (xorshift64*).
    fn draw(&mut self, most: u64) -> u64 {
        *self.random ^= *self.random >> 12;
        *self.random ^= *self.random << 25;
        *self.random ^= *self.random >> 27;
        let mixed = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D);
        let scaled = (u128::from(mixed) * (u128::from(most) + 1)) >> 64;
        u64::try_from(scaled).unwrap_or(most)
    }
}

/// Chooses the real server of a new connection; `None` if none may take one.
///
/// Workers schedule each on their own. So that they do not all begin with the same real server,
/// a worker passes as many picks over as its number when it begins with a list in turn.
#[inline]
pub fn schedule(
    service: &VirtualService,
    state: &mut SchedState,
    asked: &Asked,
    asker: &mut Asker<'_>,
) -> Option<RealId> {
    let loads = service.schedule.loads_of(asker.worker);
    if let Some(loads) = loads {
        loads.fill(&service.dests, asker.counted);
        loads.look_around(&service.dests, asker.now, asker.counted);
    }
    if state.revision != Some(service.schedule.revision) {
        begin(service, state, asked, asker);
    }
    let place = pick(service, loads, state, asked, asker)?;
    service.dests.get(place).map(|dest| dest.real)
}

/// Goes on after a change of the list as IPVS does, or begins with it.
#[cold]
fn begin(service: &VirtualService, state: &mut SchedState, asked: &Asked, asker: &mut Asker<'_>) {
    let plan = &service.schedule;
    let begins = state.revision.is_none();
    let moved = schedule::moved(service, *state);
    let is_moved = moved.is_some();
    *state = moved.unwrap_or(SchedState {
        revision: Some(plan.revision),
        position: None,
        current_weight: plan.wrr.start,
    });
    if is_moved && !begins {
        return;
    }
    if matches!(plan.scheduler, Scheduler::Rr | Scheduler::Wrr) {
        let loads = plan.loads_of(asker.worker);
        for _ in 0..usize::from(asker.worker) % service.dests.len().max(1) {
            let _ = pick(service, loads, state, asked, asker);
        }
    }
}

/// The place in the list that is next.
#[inline]
fn pick(
    service: &VirtualService,
    loads: Option<&Loads>,
    state: &mut SchedState,
    asked: &Asked,
    asker: &mut Asker<'_>,
) -> Option<usize> {
    let (dests, plan) = (&service.dests, &service.schedule);
    let is_overloaded = |place: usize| loads.is_some_and(|loads| loads.is_overloaded(place));
    let takes = |place: usize| {
        dests.get(place).is_some_and(|dest| dest.weight > 0) && !is_overloaded(place)
    };
    let end = |flags: HashFlags| (asked.client.0, if flags.port { asked.client.1 } else { 0 });
    match plan.scheduler {
        Scheduler::Rr => rr::pick(dests, &mut state.position, is_overloaded),
        Scheduler::Wrr => {
            let weight = &mut state.current_weight;
            wrr::pick(dests, &plan.wrr, &mut state.position, weight, is_overloaded)
        }
        Scheduler::Lc | Scheduler::Wlc | Scheduler::Sed | Scheduler::Nq | Scheduler::Fo => {
            loads?.first().filter(|place| takes(*place))
        }
        Scheduler::Ovf => {
            let has_room = |place: usize| {
                let weight = dests.get(place).map_or(0, |dest| dest.weight);
                loads.is_some_and(|loads| loads.load(place).active <= weight)
            };
            loads?.first().filter(|place| takes(*place) && has_room(*place))
        }
        Scheduler::Lblc | Scheduler::Lblcr => {
            let (locality, loads) = plan.locality_of(asker.worker).zip(loads)?;
            let view = View { dests, loads, now: asker.now };
            if plan.scheduler == Scheduler::Lblc {
                locality.one(view, asked.dst)
            } else {
                locality.of_set(view, asked.dst)
            }
        }
        Scheduler::Twos => twos::pick(dests, plan.sums()?, loads?, |most| asker.draw(most)),
        Scheduler::Dh => hashed::by_destination(plan.buckets()?, asked.dst, takes),
        Scheduler::Sh(flags) => {
            hashed::by_source(plan.buckets()?, end(flags), flags.fallback, takes)
        }
        Scheduler::Mh(flags) => {
            let (table, (client, cport)) = (plan.maglev()?, end(flags));
            let first = table.place(client, cport);
            if takes(first) {
                return Some(first);
            }
            let others = || table.other_place(client, cport, table.size(), takes);
            flags.fallback.then(others).flatten()
        }
    }
}

/// The list behind these weights, for the schedulers' tests.
#[cfg(test)]
fn pool(weights: &[u32]) -> Box<[crate::service::Dest]> {
    use crate::service::Dest;
    let dests = (1u32..).zip(weights).map(|(real, &weight)| Dest::new(RealId(real), weight));
    VirtualService::list_order(dests.collect::<Vec<_>>().into_iter())
}

#[cfg(test)]
mod tests;
