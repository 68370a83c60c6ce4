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

/// Real servers in lists before the present one that are remembered at most, the last list apart.
const REMEMBERED: usize = 4096;

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
    /// What was there before this revision, the latest first.
    before: Arc<[Arc<Before>]>,
}

/// What is looked up instead of computed.
#[derive(Clone, Debug)]
enum Table {
    None,
    Buckets(Arc<Buckets>),
    Maglev(Arc<MaglevTable>),
    Sums(Arc<Sums>),
}

/// A list of real servers before a change, so that a scheduler goes on from where it was.
#[derive(Debug)]
pub struct Before {
    /// The revision of the list.
    pub revision: u32,
    /// The list.
    reals: Box<[RealId]>,
    /// What wrr knew of its weights.
    wrr: WrrPlan,
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
            before: Arc::default(),
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

    /// In place of another scheduler: it begins with the list as it is, not one by one.
    #[must_use]
    pub fn taking_over(mut self) -> Self {
        self.wrr.start = self.wrr.adjusted(0);
        self
    }

    /// Going on from the list `reals` with the same scheduler, whose schedule was `old`, and from
    /// those before: a worker may not have picked for several changes.
    #[must_use]
    pub fn after(mut self, reals: Box<[RealId]>, old: &Self) -> Self {
        let mut left = REMEMBERED.saturating_sub(reals.len());
        let last = Before { revision: old.revision, reals, wrr: old.wrr };
        let earlier = old.before.iter().take_while(|before| {
            let is_room = before.reals.len() < left;
            left = left.saturating_sub(before.reals.len() + 1);
            is_room
        });
        self.before = std::iter::once(Arc::new(last)).chain(earlier.cloned()).collect();
        self.wrr.start = self.wrr.adjusted(old.wrr.start);
        self.locality.clone_from(&old.locality);
        self
    }

    /// The lists that this one goes on from, the latest first.
    #[must_use]
    pub fn before(&self) -> &[Arc<Before>] {
        &self.before
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

/// Where a scheduler that was at `state` goes on in the service's present list, change by change.
/// One that has not begun is where it would have begun in the first list known.
pub(super) fn moved(service: &VirtualService, state: SchedState) -> Option<SchedState> {
    let plan = &service.schedule;
    let first = match state.revision {
        None => plan.before.len().checked_sub(1)?,
        Some(_) => plan.before.iter().position(|old| Some(old.revision) == state.revision)?,
    };
    let begun = match state.revision {
        None => SchedState { current_weight: plan.before.get(first)?.wrr.start, ..state },
        Some(_) => state,
    };
    let steps = plan.before.get(..=first)?.iter().enumerate().rev();
    let moved = steps.fold(begun, |state, (index, old)| {
        let next = index.checked_sub(1).and_then(|index| plan.before.get(index));
        let (wrr, position) = match next {
            Some(next) => (&next.wrr, old.position_in(plan, state, &next.reals, |real| *real)),
            None => (&plan.wrr, old.position_in(plan, state, &service.dests, |dest| dest.real)),
        };
        let current_weight = wrr.adjusted(state.current_weight);
        SchedState { revision: state.revision, position, current_weight }
    });
    Some(SchedState { revision: Some(plan.revision), ..moved })
}

impl Before {
    /// Where in the next list a scheduler goes on that was at `state` in this one: rr at the same
    /// real server, or at the next before it that is still there; all others at the head.
    fn position_in<T>(
        &self,
        plan: &Schedule,
        state: SchedState,
        next: &[T],
        real_of: impl Fn(&T) -> RealId,
    ) -> Option<u32> {
        let last = state.position.filter(|_| plan.scheduler == Scheduler::Rr)? as usize;
        let place_now = |real: &RealId| next.iter().position(|one| real_of(one) == *real);
        let up_to = self.reals.get(..=last).unwrap_or(&self.reals);
        u32::try_from(up_to.iter().rev().find_map(place_now)?).ok()
    }
}
