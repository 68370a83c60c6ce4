//! What services are scheduled by, kept while it stays the same: tables take time to build, and
//! workers go on in a list from where they were.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use dataplane::forward::ForwardingMode;
use dataplane::sched::{MaglevEntry, MaglevTable, Overloaded, Schedule, Scheduler};
use dataplane::service::{Dest, ServiceId, VirtualService};

/// What a service's schedule is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) scheduler: Scheduler,
    /// Real servers in list order.
    pub(crate) dests: Box<[Dest]>,
    /// The same as Maglev tables see them, and how packets reach each.
    pub(crate) ends: Vec<(MaglevEntry, ForwardingMode)>,
}

impl Wanted {
    fn entries(&self) -> impl Iterator<Item = &MaglevEntry> {
        self.ends.iter().map(|(entry, _)| entry)
    }
}

/// What was made of it.
#[derive(Debug)]
struct Kept {
    wanted: Wanted,
    schedule: Schedule,
    stateless: Option<Arc<MaglevTable>>,
    /// The last weight above 0 of each real server, by which mh lays out its table.
    last_weights: HashMap<End, u32>,
    /// Real servers that were overloaded when they were taken from the list.
    away: HashMap<End, Away>,
}

/// RIP and rport.
type End = (Ipv4Addr, u16);

/// Real servers of one service that are kept as overloaded while they are away, at most.
const AWAY_MAX: usize = 256;

/// An overloaded real server that was taken from the list.
#[derive(Debug)]
struct Away {
    /// The last revision with it.
    revision: u32,
    upper_threshold: u32,
    /// What each worker knew of it.
    known: Box<[Option<Overloaded>]>,
}

/// The schedules of all services.
#[derive(Debug)]
pub(super) struct Schedules {
    workers: usize,
    last_revision: u32,
    kept: HashMap<ServiceId, Kept>,
    /// Of services that were removed and are to come back.
    away: HashMap<ServiceId, HashMap<End, Away>>,
}

impl Schedules {
    /// None yet; for so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self { workers, last_revision: 0, kept: HashMap::new(), away: HashMap::new() }
    }

    /// The number is another service's from now on.
    pub(super) fn forget(&mut self, id: ServiceId) {
        self.kept.remove(&id);
        self.away.remove(&id);
    }

    /// The service was removed and comes back. It begins anew, but that its real servers were
    /// overloaded is remembered with them.
    pub(super) fn begin_anew(&mut self, id: ServiceId) {
        let Some(mut old) = self.kept.remove(&id) else { return };
        let mut away = std::mem::take(&mut old.away);
        self.note_removed(&old, &HashSet::new(), &mut away);
        self.away.insert(id, away);
    }

    /// The schedule of a service, and its table for where there is no room for flows. The revision
    /// changes whenever the scheduler or the list does, and no two services ever have the same.
    pub(super) fn of(
        &mut self,
        id: ServiceId,
        wanted: Wanted,
    ) -> (Schedule, Option<Arc<MaglevTable>>) {
        let old = self.kept.remove(&id);
        let kept = match old {
            Some(kept) if kept.wanted == wanted => kept,
            old => self.make(id, old, wanted),
        };
        let answer = (kept.schedule.clone(), kept.stateless.clone());
        self.kept.insert(id, kept);
        answer
    }

    fn make(&mut self, id: ServiceId, old: Option<Kept>, wanted: Wanted) -> Kept {
        let same_list = |old: &Kept| {
            (old.wanted.scheduler, &old.wanted.dests) == (wanted.scheduler, &wanted.dests)
        };
        let (mut last_weights, mut away, reusable, old) = match old {
            Some(old) if same_list(&old) => (old.last_weights, old.away, Some(old.schedule), None),
            Some(mut old) => {
                let weights = std::mem::take(&mut old.last_weights);
                (weights, std::mem::take(&mut old.away), None, Some(old))
            }
            None => (HashMap::new(), self.away.remove(&id).unwrap_or_default(), None, None),
        };
        let entries = with_last_weights(&wanted, &mut last_weights);
        let schedule = reusable.unwrap_or_else(|| {
            self.last_revision = self.last_revision.checked_add(1).unwrap_or(1);
            let dests = &wanted.dests;
            let schedule = Schedule::new(wanted.scheduler, self.last_revision, dests, || entries)
                .counting(self.workers, dests);
            match &old {
                Some(old) => self.continue_from(old, &mut away, &wanted, schedule),
                None => {
                    self.recall(&mut away, &wanted, &schedule);
                    schedule
                }
            }
        });
        let stateless = VirtualService::stateless_table(&wanted.ends).map(Arc::new);
        Kept { wanted, schedule, stateless, last_weights, away }
    }

    /// Takes over what outlives a change: positions in the list, and who is overloaded.
    fn continue_from(
        &self,
        old: &Kept,
        away: &mut HashMap<End, Away>,
        wanted: &Wanted,
        schedule: Schedule,
    ) -> Schedule {
        let before = &old.wanted.dests;
        let places: HashMap<_, _> =
            before.iter().enumerate().map(|(place, dest)| (dest.real, place)).collect();
        // IPVS takes the mark away when the upper threshold is raised or set to 0.
        let was_at = |place: usize| {
            let dest = wanted.dests.get(place)?;
            let place = *places.get(&dest.real)?;
            let upper = before.get(place)?.upper_threshold;
            Some((place, dest.upper_threshold != 0 && dest.upper_threshold <= upper))
        };
        for worker in self.workers() {
            if let Some(new) = schedule.loads_of(worker)
                && let Some(old) = old.schedule.loads_of(worker)
            {
                new.inherit(old, was_at);
            }
        }
        let present = wanted.entries().map(end).collect();
        self.note_removed(old, &present, away);
        self.recall(away, wanted, &schedule);
        if old.wanted.scheduler != wanted.scheduler {
            return schedule.taking_over();
        }
        let reals = before.iter().map(|dest| dest.real).collect();
        schedule.after(reals, &old.schedule)
    }

    fn workers(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.workers).unwrap_or(u16::MAX)
    }

    /// Keeps what is known of overloaded real servers that are not `present` any more.
    fn note_removed(&self, old: &Kept, present: &HashSet<End>, away: &mut HashMap<End, Away>) {
        let dests = &old.wanted.dests;
        for (place, (dest, entry)) in dests.iter().zip(old.wanted.entries()).enumerate() {
            if present.contains(&end(entry)) || dest.upper_threshold == 0 {
                continue;
            }
            let of = |worker| old.schedule.loads_of(worker)?.overloaded(dests, place);
            let known: Box<[_]> = self.workers().map(of).collect();
            if known.iter().any(Option::is_some) {
                let (revision, upper_threshold) = (old.schedule.revision, dest.upper_threshold);
                away.insert(end(entry), Away { revision, upper_threshold, known });
            }
            if away.len() > AWAY_MAX
                && let Some(longest) = away.iter().min_by_key(|(_, away)| away.revision)
            {
                let longest = *longest.0;
                away.remove(&longest);
            }
        }
    }

    /// Marks those that have come back as overloaded, as IPVS does, unless with a higher threshold.
    fn recall(&self, away: &mut HashMap<End, Away>, wanted: &Wanted, schedule: &Schedule) {
        if away.is_empty() {
            return;
        }
        for (place, (dest, entry)) in wanted.dests.iter().zip(wanted.entries()).enumerate() {
            let Some(before) = away.remove(&end(entry)) else { continue };
            if dest.upper_threshold == 0 || dest.upper_threshold > before.upper_threshold {
                continue;
            }
            for (worker, known) in self.workers().zip(&before.known) {
                if let Some((loads, known)) = schedule.loads_of(worker).zip(known.as_ref()) {
                    loads.recall(place, known);
                }
            }
        }
    }
}

fn end(entry: &MaglevEntry) -> End {
    (entry.address, entry.l4_port)
}

/// The real servers with the last weight above 0 each has had, which is remembered for those that
/// are here.
fn with_last_weights(wanted: &Wanted, last_weights: &mut HashMap<End, u32>) -> Vec<MaglevEntry> {
    let last = |entry: &MaglevEntry| match entry.weight {
        0 => last_weights.get(&end(entry)).copied().unwrap_or(0),
        weight => weight,
    };
    let entries = wanted.entries();
    let entries: Vec<_> =
        entries.map(|entry| MaglevEntry { weight: last(entry), ..*entry }).collect();
    *last_weights = entries.iter().map(|entry| (end(entry), entry.weight)).collect();
    entries
}

#[cfg(test)]
mod tests {
    use dataplane::sched::HashFlags;
    use dataplane::service::RealId;

    use super::*;

    fn wanted(scheduler: Scheduler, mode: ForwardingMode, reals: &[(u8, u32)]) -> Wanted {
        let dest = |(real, weight): &(u8, u32)| Dest::new(RealId(u32::from(*real)), *weight);
        let entry = |(real, weight): &(u8, u32)| MaglevEntry {
            address: Ipv4Addr::new(10, 0, 0, *real),
            l4_port: 80,
            weight: *weight,
        };
        let dests = reals.iter().map(dest).collect();
        let ends = reals.iter().map(|real| (entry(real), mode)).collect();
        Wanted { scheduler, dests, ends }
    }

    #[test]
    fn a_revision_changes_with_the_scheduler_and_the_list_only_and_is_never_shared() {
        let mut all = Schedules::new(2);
        let (dr, nat) = (ForwardingMode::Dr, ForwardingMode::Nat);
        let mut revision = |id, scheduler, mode, reals: &[(u8, u32)]| {
            all.of(ServiceId(id), wanted(scheduler, mode, reals)).0.revision
        };
        let first = revision(7, Scheduler::Rr, dr, &[(1, 1), (2, 2)]);
        assert_ne!(first, 0, "a worker must take it for new");
        assert_eq!(revision(7, Scheduler::Rr, dr, &[(1, 1), (2, 2)]), first);
        assert_eq!(revision(7, Scheduler::Rr, nat, &[(1, 1), (2, 2)]), first);
        let others = [
            revision(7, Scheduler::Wrr, dr, &[(1, 1), (2, 2)]),
            revision(7, Scheduler::Wrr, dr, &[(1, 1), (2, 5)]),
            revision(7, Scheduler::Wrr, dr, &[(1, 1)]),
            revision(8, Scheduler::Rr, dr, &[(1, 1), (2, 2)]),
        ];
        let all: std::collections::HashSet<u32> = others.into_iter().chain([first]).collect();
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn tables_are_built_when_something_changed_and_only_then() {
        let mut all = Schedules::new(1);
        let mut table = |mode, weight| {
            all.of(ServiceId(1), wanted(Scheduler::Rr, mode, &[(1, 1), (2, weight)])).1
        };
        let first = table(ForwardingMode::Dr, 1).unwrap();
        assert!(Arc::ptr_eq(&first, &table(ForwardingMode::Dr, 1).unwrap()));
        let other = table(ForwardingMode::Dr, 5).unwrap();
        assert!(!Arc::ptr_eq(&first, &other) && *first != *other);
        assert!(table(ForwardingMode::Nat, 5).is_none());
        assert!(table(ForwardingMode::Tunnel, 5).is_some());
    }

    #[test]
    fn a_list_is_continued_unless_the_scheduler_or_the_service_is_another() {
        let mut all = Schedules::new(1);
        let rr = |reals: &[(u8, u32)]| wanted(Scheduler::Rr, ForwardingMode::Dr, reals);
        let first = all.of(ServiceId(1), rr(&[(1, 1)])).0;
        let before = |schedule: &Schedule| -> Vec<u32> {
            schedule.before().iter().map(|before| before.revision).collect()
        };
        assert!(before(&first).is_empty());
        let second = all.of(ServiceId(1), rr(&[(2, 1), (1, 1)])).0;
        assert_eq!(before(&second), [first.revision]);
        let third = all.of(ServiceId(1), rr(&[(2, 1)])).0;
        assert_eq!(before(&third), [second.revision, first.revision], "without a pick between");
        let wrr = wanted(Scheduler::Wrr, ForwardingMode::Dr, &[(2, 1), (1, 1)]);
        assert!(before(&all.of(ServiceId(1), wrr).0).is_empty());
        all.forget(ServiceId(1));
        assert!(before(&all.of(ServiceId(1), rr(&[(2, 1)])).0).is_empty());
    }

    #[test]
    fn weight_0_does_not_move_the_clients_of_mh() {
        let mut all = Schedules::new(1);
        let scheduler = Scheduler::Mh(HashFlags::default());
        let mut table = |reals: &[(u8, u32)]| {
            let schedule = all.of(ServiceId(1), wanted(scheduler, ForwardingMode::Nat, reals)).0;
            schedule.maglev().map(|table| format!("{table:?}"))
        };
        let first = table(&[(1, 1), (2, 3)]).unwrap();
        assert_eq!(table(&[(1, 0), (2, 3)]), Some(first.clone()));
        assert_ne!(table(&[(1, 2), (2, 3)]), Some(first));
    }
}
