//! Schedulers: which real server a new connection gets, pick by pick as IPVS chooses.
//!
//! What can be known from the configuration alone is in the snapshot; what moves with every pick
//! is a [`SchedState`] of each worker.

mod maglev;
mod rr;
mod wrr;

pub use maglev::{MaglevEntry, MaglevTable};
pub use wrr::WrrPlan;

use crate::service::{RealId, VirtualService};

/// The scheduler of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Round robin, weights ignored but for 0.
    Rr,
    /// Weighted round robin.
    Wrr,
}

impl Scheduler {
    /// The name that ipvsadm uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
        }
    }
}

/// A worker's position in one service's list. It starts anew when the service's list of real
/// servers or its scheduler changes, which shows in the revision.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedState {
    /// Revision of the list that the rest belongs to; `None` before the first pick.
    revision: Option<u32>,
    /// Place in the list chosen last; `None` is the head of the circular list.
    position: Option<u32>,
    /// wrr's current weight.
    current_weight: u32,
}

/// Chooses the real server of a new connection; `None` if none may take one.
///
/// Workers schedule each on their own. So that they do not all begin with the same real server,
/// a worker passes `head_start` picks over when it begins with a list: its number among them.
#[inline]
pub fn schedule(
    service: &VirtualService,
    state: &mut SchedState,
    head_start: u16,
) -> Option<RealId> {
    if state.revision != Some(service.revision) {
        *state = SchedState {
            revision: Some(service.revision),
            position: None,
            current_weight: service.wrr.start,
        };
        for _ in 0..usize::from(head_start) % service.dests.len().max(1) {
            pick(service, state)?;
        }
    }
    let place = pick(service, state)?;
    service.dests.get(place as usize).map(|dest| dest.real)
}

/// The place in the list that is next.
#[inline]
fn pick(service: &VirtualService, state: &mut SchedState) -> Option<u32> {
    match service.scheduler {
        Scheduler::Rr => rr::pick(&service.dests, &mut state.position),
        Scheduler::Wrr => {
            wrr::pick(&service.dests, &service.wrr, &mut state.position, &mut state.current_weight)
        }
    }
}

/// The list and a fresh state behind `names`' weights, for the schedulers' tests.
#[cfg(test)]
fn pool(weights: &[u32]) -> Box<[crate::service::Dest]> {
    use crate::service::Dest;
    let dests = (1u32..).zip(weights).map(|(real, &weight)| Dest { real: RealId(real), weight });
    VirtualService::list_order(dests.collect::<Vec<_>>().into_iter())
}
