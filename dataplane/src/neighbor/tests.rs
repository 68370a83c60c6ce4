//! Tests of the neighbour table.

use std::net::Ipv4Addr;

use super::*;
use crate::snapshot::PortIdx;
use crate::stats::Counter;
use crate::time::Ticks;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);

fn hop(last: u8) -> NextHop {
    NextHop { port: PortIdx(0), address: Ipv4Addr::new(10, 0, 0, last) }
}

fn seconds(count: u32) -> Tick {
    Tick(0).after(Ticks::from_secs(count))
}

fn tick(table: &mut NeighborTable<u32>, now: Tick) -> (Vec<Probe>, Vec<u32>) {
    tick_counting(table, now, &NeighborStats::default())
}

fn tick_counting(
    table: &mut NeighborTable<u32>,
    now: Tick,
    stats: &NeighborStats,
) -> (Vec<Probe>, Vec<u32>) {
    let (mut probes, mut given_up) = (Vec::new(), Vec::new());
    table.tick(
        (now, NEIGHBOR_COUNT_MAX),
        stats,
        |probe| probes.push(probe),
        |waiting| given_up.push(waiting.frame),
    );
    (probes, given_up)
}

#[test]
fn packets_wait_for_the_answer_in_order() {
    let mut table = NeighborTable::new();
    let now = seconds(1);
    let first = table.resolve(hop(1), 1, Origin::Received, now);
    assert!(matches!(first, Resolution::Queued { ask: true }), "{first:?}");
    let second = table.resolve(hop(1), 2, Origin::Received, now);
    assert!(matches!(second, Resolution::Queued { ask: false }), "{second:?}");
    let mut released = Vec::new();
    table.learn(hop(1), MAC, now, |waiting| released.push(waiting.frame));
    assert_eq!(released, [1, 2]);
    let third = table.resolve(hop(1), 3, Origin::Received, now);
    assert!(matches!(third, Resolution::Send(MAC, 3)), "{third:?}");
}

#[test]
fn a_silent_neighbour_is_asked_three_times_and_then_fails() {
    let mut table = NeighborTable::new();
    let _ = table.resolve(hop(1), 1, Origin::Received, seconds(0));
    for second in 1..=2 {
        let (probes, given_up) = tick(&mut table, seconds(second));
        assert_eq!(probes, [Probe { hop: hop(1), at: None }]);
        assert!(given_up.is_empty());
    }
    let (probes, given_up) = tick(&mut table, seconds(3));
    assert_eq!((probes.len(), given_up), (1, vec![1]));
    let next = table.resolve(hop(1), 2, Origin::Received, seconds(3));
    assert!(matches!(next, Resolution::Unresolved(2)), "{next:?}");
    table.learn(hop(1), MAC, seconds(4), |_| panic!("nothing waits"));
    let next = table.resolve(hop(1), 3, Origin::Received, seconds(4));
    assert!(matches!(next, Resolution::Send(MAC, 3)), "{next:?}");
}

#[test]
fn a_used_neighbour_is_refreshed_by_unicast_and_an_unused_one_forgotten() {
    let mut table = NeighborTable::new();
    let _ = table.resolve(hop(1), 1, Origin::Received, seconds(0));
    table.learn(hop(1), MAC, seconds(0), |_| ());
    assert!(tick(&mut table, seconds(29)).0.is_empty());
    let _ = table.resolve(hop(1), 1, Origin::Received, seconds(29));
    assert_eq!(tick(&mut table, seconds(30)).0, [Probe { hop: hop(1), at: Some(MAC) }]);
    table.learn(hop(1), MAC, seconds(30), |_| ());
    assert!(tick(&mut table, seconds(88)).0.is_empty(), "nobody uses it any more");
    tick(&mut table, seconds(89));
    assert!(table.is_empty());
}

#[test]
fn a_pinned_neighbour_is_asked_until_it_comes_back() {
    let mut table: NeighborTable<u32> = NeighborTable::new();
    assert_eq!(table.pin(hop(1), seconds(0)), Pinned::New);
    assert_eq!(table.pin(hop(1), seconds(0)), Pinned::Known);
    for second in 1..300 {
        assert_eq!(tick(&mut table, seconds(second)).0.len(), 1, "at {second} s");
    }
    table.learn(hop(1), MAC, seconds(300), |_| ());
    assert!(tick(&mut table, seconds(301)).0.is_empty());
    let unicast = Probe { hop: hop(1), at: Some(MAC) };
    for second in 330..333 {
        assert_eq!(tick(&mut table, seconds(second)).0, [unicast]);
    }
    let state = |table: &NeighborTable<u32>, now| table.report(0, now).expect("one").state;
    assert_eq!(state(&table, seconds(332)), "probing");
    assert_eq!(tick(&mut table, seconds(333)).0, [Probe { hop: hop(1), at: None }]);
    assert_eq!(state(&table, seconds(333)), "incomplete");
}

#[test]
fn queues_are_bounded_and_given_back() {
    let mut table = NeighborTable::new();
    let now = seconds(1);
    for packet in 0..NEIGHBOR_QUEUE_LEN {
        let resolution = table.resolve(hop(1), packet, Origin::Received, now);
        assert!(matches!(resolution, Resolution::Queued { .. }));
    }
    let over = table.resolve(hop(1), 99, Origin::Received, now);
    assert!(matches!(over, Resolution::QueueFull(99)));
    for neighbor in 2..=NEIGHBOR_QUEUE_COUNT {
        let address = hop(u8::try_from(neighbor).expect("64 neighbours"));
        assert!(matches!(
            table.resolve(address, 0, Origin::Received, now),
            Resolution::Queued { .. }
        ));
    }
    let over = table.resolve(hop(200), 0, Origin::Received, now);
    assert!(matches!(over, Resolution::QueueFull(0)));
    table.learn(hop(1), MAC, now, |_| ());
    assert!(matches!(table.resolve(hop(201), 0, Origin::Received, now), Resolution::Queued { .. }));
}

#[test]
fn a_full_table_forgets_the_least_recently_used() {
    let mut table = NeighborTable::new();
    let at = |number: usize| NextHop {
        port: PortIdx(0),
        address: Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number).expect("small")),
    };
    for number in 0..NEIGHBOR_COUNT_MAX {
        assert_eq!(table.pin(at(number), seconds(0)), Pinned::New);
    }
    assert!(matches!(
        table.resolve(at(9999), 0, Origin::Received, seconds(1)),
        Resolution::QueueFull(0)
    ));
    assert_eq!(table.pin(at(9999), seconds(1)), Pinned::NoRoom);
    table.begin_pass();
    table.end_pass();
    let resolution = table.resolve(at(9999), 0, Origin::Received, seconds(1));
    assert!(matches!(resolution, Resolution::Queued { ask: true }), "{resolution:?}");
    assert_eq!(table.len(), NEIGHBOR_COUNT_MAX);
}

#[test]
fn a_pass_unpins_what_it_did_not_come_by_at_its_end_and_not_before() {
    let mut table: NeighborTable<u32> = NeighborTable::new();
    let (kept, removed) = (hop(1), hop(2));
    for hop in [kept, removed] {
        table.pin(hop, seconds(0));
        table.learn(hop, MAC, seconds(0), |_| ());
    }
    let asked = |table: &mut NeighborTable<u32>, now| {
        let hops: Vec<_> = tick(table, now).0.iter().map(|probe| probe.hop).collect();
        for hop in [kept, removed] {
            table.learn(hop, MAC, now, |_| ());
        }
        hops
    };
    table.begin_pass();
    assert_eq!(asked(&mut table, seconds(100)), [kept, removed], "both stay during the pass");
    table.pin(kept, seconds(130));
    assert_eq!(table.len(), 2);
    table.end_pass();
    assert_eq!(asked(&mut table, seconds(200)), [kept]);
    assert_eq!(table.len(), 1, "the other was forgotten");
}

#[test]
fn every_round_tells_how_many_are_in_which_state() {
    let (mut table, stats) = (NeighborTable::new(), NeighborStats::default());
    let counted = |stats: &NeighborStats| {
        let states = [&stats.reachable, &stats.probing, &stats.incomplete, &stats.failed];
        states.map(Counter::value)
    };
    for last in 1..=3 {
        table.pin(hop(last), seconds(0));
    }
    table.learn(hop(1), MAC, seconds(0), |_| ());
    let mut seen = Vec::new();
    for now in 0..40 {
        tick_counting(&mut table, seconds(now), &stats);
        table.learn(hop(3), MAC, seconds(now), |_| ());
        seen.push(counted(&stats));
    }
    assert_eq!(seen[0], [0; 4], "no round was complete");
    assert_eq!(seen[1], [1, 0, 2, 0]);
    assert_eq!(seen[10], [2, 0, 0, 1], "the second one does not answer");
    assert_eq!(seen[32], [1, 1, 0, 1], "the first one is asked again");
    assert_eq!(seen[39], [1, 0, 0, 2]);
    assert_eq!(counted(&NeighborStats::default()), [0; 4]);
}
