//! Tests against a scan of the whole list, and of how several workers see each other.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const ORDERS: [Order; 6] = [
    Order::LeastConnections,
    Order::WeightedLeastConnections,
    Order::ShortestExpectedDelay,
    Order::NeverQueue,
    Order::Failover,
    Order::Overflow,
];

fn stats() -> Arc<WorkerStats> {
    Arc::new(WorkerStats::new(1, 64))
}

/// The first in list order that no other goes before.
fn scan(loads: &Loads, dests: &[Dest], order: Order) -> Option<usize> {
    let of = |place: usize| {
        let dest = &dests[place];
        (!loads.is_overloaded(place)).then(|| (dest.weight, loads.load(place)))
    };
    let first = (0..dests.len()).find(|place| order.is_better(None, of(*place)))?;
    Some(
        (first..dests.len()).fold(first, |best, place| {
            if order.is_better(of(best), of(place)) { place } else { best }
        }),
    )
}

proptest! {
    #[test]
    fn the_winner_is_who_a_scan_finds(
        weights in vec(0..4u32, 1..40),
        limits in vec(0..6u32, 40),
        events in vec((0..40usize, 0..6u64, 0..6u64), 0..60),
        order in 0..ORDERS.len(),
    ) {
        let order = ORDERS[order];
        let dests: Vec<_> = (0..).zip(weights.iter().zip(&limits)).map(|(real, (weight, limit))| {
            Dest { upper_threshold: *limit, ..Dest::new(RealId(real), *weight) }
        }).collect();
        let counted = Counted::alone(stats());
        let all = Loads::for_workers(1, &dests, Some(order));
        let loads = &all[0];
        loads.fill(&dests, &counted);
        for (place, active, inactive) in events {
            let place = place % dests.len();
            let real = counted.own.real_server(dests[place].real).unwrap();
            real.active.set(active);
            real.inactive.set(inactive);
            loads.changed(&dests, place, &counted);
            let found = loads.first().filter(|place| {
                let dest = &dests[*place];
                let load = loads.load(*place);
                let one = (!loads.is_overloaded(*place)).then_some((dest.weight, load));
                order.is_better(None, one)
            });
            prop_assert_eq!(found, scan(loads, &dests, order));
        }
    }
}

#[test]
fn workers_see_each_other_a_few_at_a_time() {
    let dests: Vec<_> = (0..10).map(|real| Dest::new(RealId(real), 1)).collect();
    let (own, other) = (stats(), stats());
    let counted = Counted { own, others: Arc::new([Arc::clone(&other)]) };
    let all = Loads::for_workers(2, &dests, Some(Order::LeastConnections));
    let loads = &all[0];
    loads.fill(&dests, &counted);
    assert_eq!(loads.first(), Some(0));
    for real in 0..9 {
        other.real_server(RealId(real)).unwrap().active.set(5);
    }
    for seen in 1..9 {
        // The tick of the memory's beginning, so one at a time.
        loads.look_around(&dests, Tick(0), &counted);
        assert_eq!(loads.first(), Some(seen));
    }
    loads.look_around(&dests, Tick(1), &counted);
    assert_eq!((loads.first(), loads.load(8)), (Some(9), Load { active: 5, inactive: 0 }));
}

#[test]
fn who_was_overloaded_stays_so_over_a_change() {
    let limited = |real| Dest { upper_threshold: 4, ..Dest::new(RealId(real), 1) };
    let counted = Counted::alone(stats());
    let real = counted.own.real_server(RealId(0)).unwrap();
    let dests = [limited(0)];
    let old = Loads::for_workers(1, &dests, None);
    old[0].fill(&dests, &counted);
    real.active.set(4);
    old[0].changed(&dests, 0, &counted);
    real.active.set(3);
    old[0].changed(&dests, 0, &counted);
    assert!(old[0].is_overloaded(0), "3 of 4 is not below three quarters");

    let dests = [limited(7), limited(0)];
    let new = Loads::for_workers(1, &dests, None);
    new[0].inherit(&old[0], |place| (place == 1).then_some((0, true)));
    new[0].fill(&dests, &counted);
    assert!(new[0].is_overloaded(1) && !new[0].is_overloaded(0));
}

/// A real server with so many active connections, and a change of their number.
fn set(real: &crate::stats::RealServerStats, loads: &Loads, dests: &[Dest], to: (u64, &Counted)) {
    real.active.set(to.0);
    loads.changed(dests, 0, to.1);
}

#[test]
fn thresholds_that_are_lowered_mark_nobody_before_the_next_connection() {
    let limited = |upper| [Dest { upper_threshold: upper, ..Dest::new(RealId(0), 1) }];
    let counted = Counted::alone(stats());
    let real = counted.own.real_server(RealId(0)).unwrap();
    let old = Loads::for_workers(1, &limited(9), None);
    old[0].fill(&limited(9), &counted);
    set(real, &old[0], &limited(9), (6, &counted));

    let new = Loads::for_workers(1, &limited(4), None);
    new[0].inherit(&old[0], |place| Some((place, true)));
    new[0].fill(&limited(4), &counted);
    assert!(!new[0].is_overloaded(0), "as in IPVS");
    set(real, &new[0], &limited(4), (5, &counted));
    assert!(!new[0].is_overloaded(0), "nor when one ends");
    set(real, &new[0], &limited(4), (6, &counted));
    assert!(new[0].is_overloaded(0));
}

#[test]
fn who_comes_back_is_as_overloaded_as_before_unless_it_has_few_connections_now() {
    let dests = [Dest { upper_threshold: 4, ..Dest::new(RealId(0), 1) }];
    for (left, is_overloaded) in [(4, true), (3, true), (2, false), (0, false)] {
        let counted = Counted::alone(stats());
        let real = counted.own.real_server(RealId(0)).unwrap();
        let old = Loads::for_workers(1, &dests, None);
        old[0].fill(&dests, &counted);
        assert!(old[0].overloaded(&dests, 0).is_none());
        set(real, &old[0], &dests, (4, &counted));
        let away = old[0].overloaded(&dests, 0).unwrap();

        real.active.set(left);
        // The thresholds that it comes back with are not those by which it is judged.
        let back = [Dest { lower_threshold: 1, ..dests[0] }];
        let new = Loads::for_workers(1, &back, None);
        new[0].recall(0, &away);
        new[0].fill(&back, &counted);
        assert_eq!(new[0].is_overloaded(0), is_overloaded, "{left} connections");
    }
}
