//! [`Schedule`]: what the schedulers need to know of a service, made by the control thread.

use std::sync::Arc;

use crate::service::{Dest, RealId, VirtualService};

use super::hashed::{Buckets, destination_buckets, source_buckets};
use super::load::Loads;
use super::locality::Locality;
use super::twos::{Sums, sums};
use super::wrr::WrrPlan;
use super::{MaglevEntry, MaglevTable, SchedState, Scheduler};

/// Slots of mh's table; more only if there are more real servers.
const MH_SLOTS: u32 = 4093;

/// How a service's real servers are chosen.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The scheduler.
    pub scheduler: Scheduler,
    /// Changes whenever the scheduler or the list of real servers does.
    pub revision: u32,
    /// What wrr needs to know of all weights.
    pub(super) wrr: WrrPlan,
    table: Table,
    /// By worker; where connections matter.
    loads: Option<Arc<[Loads]>>,
    /// By worker; lblc and lblcr have it.
    locality: Option<Arc<[Locality]>>,
    /// What was there before this revision.
    before: Option<Arc<Before>>,
}

/// What is looked up instead of computed.
#[derive(Clone, Debug)]
enum Table {
    None,
    Buckets(Arc<Buckets>),
    Maglev(Arc<MaglevTable>),
    Sums(Arc<Sums>),
}

/// The list of real servers before a change, so that a scheduler goes on from where it was.
#[derive(Debug)]
pub struct Before {
    /// The revision of the list.
    pub revision: u32,
    /// The list.
    pub reals: Box<[RealId]>,
}

impl Schedule {
    /// For real servers in list order, with what mh knows of them. `revision` differs from that of
    /// any other list or scheduler of the service.
    #[must_use]
    pub fn new(
        scheduler: Scheduler,
        revision: u32,
        dests: &[Dest],
        entries: impl FnOnce() -> Vec<MaglevEntry>,
    ) -> Self {
        let table = match scheduler {
            Scheduler::Dh => destination_buckets(dests).map(|all| Table::Buckets(Arc::new(all))),
            Scheduler::Sh(_) => source_buckets(dests).map(|all| Table::Buckets(Arc::new(all))),
            Scheduler::Mh(_) => MaglevTable::with_slots(&entries(), MH_SLOTS)
                .map(|table| Table::Maglev(Arc::new(table))),
            Scheduler::Twos => Some(Table::Sums(Arc::new(sums(dests)))),
            Scheduler::Rr
            | Scheduler::Wrr
            | Scheduler::Lc
            | Scheduler::Wlc
            | Scheduler::Sed
            | Scheduler::Lblc
            | Scheduler::Lblcr
            | Scheduler::Nq
            | Scheduler::Fo
            | Scheduler::Ovf => None,
        };
        Self {
            scheduler,
            revision,
            // The list is in reverse.
            wrr: WrrPlan::after_adding(dests.iter().rev().map(|dest| dest.weight)),
            table: table.unwrap_or(Table::None),
            loads: None,
            locality: None,
            before: None,
        }
    }

    /// With memory for `workers` workers to count connections in, if that matters.
    #[must_use]
    pub fn counting(mut self, workers: usize, dests: &[Dest]) -> Self {
        let limited = dests.iter().any(|dest| dest.upper_threshold > 0);
        if self.scheduler.counts() || limited {
            self.loads = Some(Loads::for_workers(workers, dests, self.scheduler.order()));
        }
        if matches!(self.scheduler, Scheduler::Lblc | Scheduler::Lblcr) {
            self.locality = Some(Locality::for_workers(workers));
        }
        self
    }

    /// Going on from another list with the same scheduler, whose schedule was `old`.
    #[must_use]
    pub fn after(mut self, before: Before, old: &Self) -> Self {
        self.before = Some(Arc::new(before));
        self.locality.clone_from(&old.locality);
        self
    }

    /// The list that this one goes on from.
    #[must_use]
    pub fn before(&self) -> Option<&Before> {
        self.before.as_deref()
    }

    /// A worker's memory of connections, if they matter.
    #[inline]
    #[must_use]
    pub fn loads_of(&self, worker: u16) -> Option<&Loads> {
        self.loads.as_ref()?.get(usize::from(worker))
    }

    #[inline]
    pub(super) fn locality_of(&self, worker: u16) -> Option<&Locality> {
        self.locality.as_ref()?.get(usize::from(worker))
    }

    #[inline]
    pub(super) fn buckets(&self) -> Option<&Buckets> {
        if let Table::Buckets(buckets) = &self.table { Some(buckets) } else { None }
    }

    /// mh's table.
    #[inline]
    #[must_use]
    pub fn maglev(&self) -> Option<&MaglevTable> {
        if let Table::Maglev(table) = &self.table { Some(table) } else { None }
    }

    #[inline]
    pub(super) fn sums(&self) -> Option<&Sums> {
        if let Table::Sums(sums) = &self.table { Some(sums) } else { None }
    }
}

impl Before {
    /// Where a scheduler that was at `state` in this list goes on in the service's present one: rr
    /// at the same real server, or at the next before it that is still there; wrr at the head, with
    /// its weight adjusted.
    pub(super) fn moved(&self, state: SchedState, service: &VirtualService) -> SchedState {
        let plan = &service.schedule;
        let place_now = |real: &RealId| {
            let place = service.dests.iter().position(|dest| dest.real == *real)?;
            u32::try_from(place).ok()
        };
        let position = match (plan.scheduler, state.position) {
            (Scheduler::Rr, Some(last)) => {
                let up_to = self.reals.get(..=last as usize).unwrap_or(&self.reals);
                up_to.iter().rev().find_map(place_now)
            }
            _ => None,
        };
        SchedState {
            revision: Some(plan.revision),
            position,
            current_weight: plan.wrr.adjusted(state.current_weight),
        }
    }
}
