//! Pick by pick against a Linux 6.1 IPVS: sequences that were recorded from one.

use std::sync::Arc;

use super::*;
use crate::service::{Dest, ServiceId, ServiceKey};
use crate::stats::WorkerStats;

/// A service and one worker's view of it; real servers are numbered from 1, as they were added.
struct Pool {
    service: VirtualService,
    state: SchedState,
    counted: Counted,
    random: u64,
    /// The address that clients connect to.
    dst: Ipv4Addr,
}

impl Pool {
    fn new(scheduler: Scheduler, weights: &[u32]) -> Self {
        Self::of(scheduler, (1..).zip(weights).map(|(real, w)| Dest::new(RealId(real), *w)))
    }

    fn of(scheduler: Scheduler, dests: impl Iterator<Item = Dest>) -> Self {
        let dests = VirtualService::list_order(dests.collect::<Vec<_>>().into_iter());
        let schedule = Schedule::new(scheduler, 1, &dests, || entries(&dests));
        let service = VirtualService {
            id: ServiceId(0),
            key: ServiceKey::endpoint(6, Ipv4Addr::new(192, 0, 2, 10), 80),
            schedule: schedule.counting(1, &dests),
            dests,
            local_addresses: Box::default(),
            stateless: None,
            persistence: None,
            helper: None,
            ops: false,
        };
        let counted = Counted::alone(Arc::new(WorkerStats::new(1, 2000)));
        let dst = Ipv4Addr::new(192, 0, 2, 10);
        Self { service, state: SchedState::default(), counted, random: 7, dst }
    }

    /// Another list or other weights, as a new snapshot brings them.
    fn change(&mut self, weights: &[(u32, u32)]) {
        let reals = self.service.dests.iter().map(|dest| dest.real).collect();
        let revision = self.service.schedule.revision;
        let dests = weights.iter().map(|(real, w)| Dest::new(RealId(*real), *w));
        let dests = VirtualService::list_order(dests.collect::<Vec<_>>().into_iter());
        let scheduler = self.service.schedule.scheduler;
        let schedule = Schedule::new(scheduler, revision + 1, &dests, || entries(&dests));
        let schedule = schedule.counting(1, &dests);
        self.service.schedule = schedule.after(reals, &self.service.schedule);
        self.service.dests = dests;
    }

    fn pick(&mut self) -> Option<u32> {
        self.pick_for(Ipv4Addr::new(198, 51, 100, 1), 1)
    }

    fn pick_for(&mut self, client: Ipv4Addr, cport: u16) -> Option<u32> {
        let asked = Asked { client: (client, cport), dst: self.dst };
        let (counted, random) = (&self.counted, &mut self.random);
        let mut asker = Asker { worker: 0, counted, now: Tick(0), random };
        schedule(&self.service, &mut self.state, &asked, &mut asker).map(|real| real.0)
    }

    /// Picks, and the connection is there from then on: active, as after a SYN.
    fn connect(&mut self) -> Option<u32> {
        let real = self.pick()?;
        self.counted.own.real_server(RealId(real)).unwrap().active.add(1);
        self.changed(real);
        Some(real)
    }

    fn disconnect(&self, real: u32) {
        self.counted.own.real_server(RealId(real)).unwrap().active.subtract(1);
        self.changed(real);
    }

    fn changed(&self, real: u32) {
        let dests = &self.service.dests;
        let place = dests.iter().position(|dest| dest.real.0 == real).unwrap();
        if let Some(loads) = self.service.schedule.loads_of(0) {
            loads.changed(dests, place, &self.counted);
        }
    }

    fn connections(&mut self, count: usize) -> Vec<u32> {
        (0..count).map_while(|_| self.connect()).collect()
    }
}

/// Real servers 10.2.0.2:80, 10.3.0.2:80 ... in the order they were added.
fn entries(dests: &[Dest]) -> Vec<MaglevEntry> {
    let entry = |dest: &Dest| MaglevEntry {
        address: Ipv4Addr::from_bits(0x0A01_0002 + (dest.real.0 << 16)),
        l4_port: 80,
        weight: dest.weight,
    };
    dests.iter().map(entry).collect()
}

#[test]
fn least_connection_schedulers_follow_the_kernel() {
    let weights = [1, 2, 3];
    let of = |scheduler, count| Pool::new(scheduler, &weights).connections(count);
    assert_eq!(of(Scheduler::Lc, 6), [3, 2, 1, 3, 2, 1]);
    assert_eq!(of(Scheduler::Wlc, 14), [3, 2, 1, 3, 2, 3, 3, 2, 1, 3, 2, 3, 3, 2]);
    assert_eq!(of(Scheduler::Sed, 12), [3, 2, 3, 3, 2, 1, 3, 2, 3, 3, 2, 1]);
    assert_eq!(of(Scheduler::Nq, 12), [3, 2, 1, 3, 3, 2, 3, 2, 3, 3, 2, 1]);
    assert_eq!(Pool::new(Scheduler::Fo, &[3, 5, 5, 1]).connections(3), [3, 3, 3]);
    assert_eq!(
        Pool::new(Scheduler::Ovf, &[1, 2, 3]).connections(20),
        [3, 3, 3, 3, 2, 2, 2, 1, 1],
        "each takes one more than its weight, then nobody"
    );
}

#[test]
fn locality_schedulers_follow_the_kernel() {
    let lblc = Pool::new(Scheduler::Lblc, &[1, 2, 3]).connections(10);
    assert_eq!(lblc, [3, 3, 3, 3, 2, 2, 2, 1, 1, 1], "r1 for good, as nobody has room");
    let lblcr = Pool::new(Scheduler::Lblcr, &[1, 2, 3]).connections(9);
    assert_eq!(lblcr, [3, 3, 3, 3, 2, 2, 2, 1, 1]);
}

#[test]
fn destinations_are_remembered_over_changes_of_the_list() {
    for scheduler in [Scheduler::Lblc, Scheduler::Lblcr] {
        let mut pool = Pool::new(scheduler, &[1, 1, 1]);
        let at = |pool: &mut Pool, dst: u8| {
            pool.dst = Ipv4Addr::new(10, 9, 9, dst);
            pool.connect().unwrap()
        };
        let all: Vec<_> = (1..=3).map(|dst| at(&mut pool, dst)).collect();
        assert_eq!(all, [3, 2, 1]);
        pool.change(&[(9, 9), (1, 1), (2, 1), (3, 1)]);
        let again: Vec<_> = (1..=3).map(|dst| at(&mut pool, dst)).collect();
        assert_eq!(again, all, "{scheduler:?}");
        // One that is gone is replaced by the least busy.
        pool.change(&[(9, 9), (1, 1), (2, 1)]);
        assert_eq!(at(&mut pool, 1), 9, "{scheduler:?}");
        // More destinations than there is room for do no harm.
        for dst in 0..20_000 {
            pool.dst = Ipv4Addr::from_bits(0x0A0A_0000 + dst);
            assert!(pool.pick().is_some());
        }
    }
}

#[test]
fn thresholds_take_real_servers_out_and_back() {
    for scheduler in [Scheduler::Rr, Scheduler::Wrr, Scheduler::Wlc, Scheduler::Fo] {
        let dest = |real, upper, lower| Dest {
            upper_threshold: upper,
            lower_threshold: lower,
            ..Dest::new(RealId(real), 1)
        };
        let mut pool = Pool::of(scheduler, [dest(1, 4, 0), dest(2, 2, 1)].into_iter());
        let mut picks = pool.connections(20);
        picks.sort_unstable();
        assert_eq!(picks, [1, 1, 1, 1, 2, 2], "{scheduler:?}");
        // The first comes back below three quarters of 4, the second below 1.
        pool.disconnect(1);
        pool.disconnect(2);
        assert_eq!(pool.pick(), None, "{scheduler:?}");
        pool.disconnect(1);
        assert_eq!(pool.pick(), Some(1), "{scheduler:?}");
        pool.disconnect(2);
        let picks: Vec<_> = (0..3).filter_map(|_| pool.connect()).collect();
        assert!(picks.contains(&2), "{scheduler:?} {picks:?}");
    }
}

#[test]
fn rr_goes_on_from_where_it_was() {
    let mut pool = Pool::new(Scheduler::Rr, &[1, 1, 1, 1]);
    assert_eq!(pool.connections(2), [4, 3]);
    // The last chosen is deleted: the position goes back to the one before it.
    pool.change(&[(1, 1), (2, 1), (4, 1)]);
    assert_eq!(pool.connections(3), [2, 1, 4]);
    // A new one comes first, behind the position.
    pool.change(&[(1, 1), (2, 1), (4, 1), (5, 1)]);
    assert_eq!(pool.connections(4), [2, 1, 5, 4]);
    // Weights do not matter, but for 0.
    pool.change(&[(1, 7), (2, 0), (4, 1), (5, 1)]);
    assert_eq!(pool.connections(3), [1, 5, 4]);
}

#[test]
fn several_changes_between_two_picks_are_gone_through_one_by_one() {
    let mut pool = Pool::new(Scheduler::Rr, &[1, 1, 1, 1]);
    assert_eq!(pool.connections(2), [4, 3]);
    // The position goes back to 4 with the deletion, and 3 returns as the newest, behind it.
    pool.change(&[(1, 1), (2, 1), (4, 1)]);
    pool.change(&[(1, 1), (2, 1), (4, 1), (3, 1)]);
    assert_eq!(pool.connections(4), [2, 1, 3, 4]);

    let mut one_by_one = Pool::new(Scheduler::Wrr, &[6, 4, 2]);
    let mut at_once = Pool::new(Scheduler::Wrr, &[6, 4, 2]);
    assert_eq!(one_by_one.connections(4), at_once.connections(4));
    // By 10s, then by 3s: what is left of the current weight depends on both.
    one_by_one.change(&[(1, 30), (2, 10), (3, 20)]);
    one_by_one.change(&[(1, 9), (2, 3), (3, 6)]);
    at_once.change(&[(1, 9), (2, 3), (3, 6)]);
    let before: Vec<_> = one_by_one.service.schedule.before().iter().map(|b| b.revision).collect();
    assert_eq!(before, [2, 1]);
    assert_ne!(one_by_one.connections(6), at_once.connections(6));
}

#[test]
fn only_so_many_lists_are_remembered() {
    let mut pool = Pool::new(Scheduler::Rr, &[1; 1000]);
    let all: Vec<_> = (1..=1000).map(|real| (real, 1)).collect();
    for _ in 0..10 {
        pool.change(&all);
    }
    let remembered = pool.service.schedule.before().len();
    assert_eq!(remembered, 4, "up to 4096 real servers in all");
    assert_eq!(pool.connections(2), [1000, 999], "from the oldest known on");
}

#[test]
fn hashing_schedulers_keep_a_client_with_its_real_server() {
    let flags = |fallback, port| HashFlags { fallback, port };
    for scheduler in [Scheduler::Sh, Scheduler::Mh] {
        let mut pool = Pool::new(scheduler(flags(false, false)), &[1, 2, 3]);
        let client = Ipv4Addr::new(10, 1, 0, 2);
        let real = pool.pick_for(client, 1).unwrap();
        assert!((2..100).all(|cport| pool.pick_for(client, cport) == Some(real)));
        let mut by_port = Pool::new(scheduler(flags(false, true)), &[1, 2, 3]);
        assert!((2..100).any(|cport| by_port.pick_for(client, cport) != Some(real)));

        let weights: Vec<_> = (1..=3).map(|n| if n == real { (n, 0) } else { (n, n) }).collect();
        let mut quiet = Pool::new(scheduler(flags(true, false)), &[1, 2, 3]);
        quiet.change(&weights);
        assert!(quiet.pick_for(client, 1).is_some_and(|other| other != real));
    }
    let mut pool = Pool::new(Scheduler::Dh, &[1, 2, 3]);
    let real = pool.pick();
    assert!((0..50).all(|n| pool.pick_for(Ipv4Addr::from_bits(n), 9) == real));
}

#[test]
fn two_choices_follow_the_weights_and_the_load() {
    let mut pool = Pool::new(Scheduler::Twos, &[10, 20, 0, 70]);
    let picks = pool.connections(1000);
    let count = |real| picks.iter().filter(|pick| **pick == real).count();
    assert_eq!(count(3), 0);
    assert!((60..140).contains(&count(1)), "{}", count(1));
    assert!((600..800).contains(&count(4)), "{}", count(4));
    assert_eq!(Pool::new(Scheduler::Twos, &[0, 0]).pick(), None);
    assert_eq!(Pool::new(Scheduler::Twos, &[]).pick(), None);
}

#[test]
fn nobody_is_chosen_from_nothing() {
    let flags = HashFlags { fallback: true, port: true };
    for scheduler in Scheduler::all(flags) {
        for weights in [&[][..], &[0], &[0, 0, 0]] {
            assert_eq!(Pool::new(scheduler, weights).pick(), None, "{scheduler:?} {weights:?}");
        }
        assert!(Pool::new(scheduler, &[0, 3]).pick().is_none_or(|real| real == 2));
        assert_eq!(Pool::new(scheduler, &[3]).pick(), Some(1), "{scheduler:?}");
    }
}
