//! Tests of the defences by themselves.

use super::*;
use crate::forward::ForwardingMode;
use crate::service::{RealId, ServiceId};

const CAPACITY: usize = 100_000;

fn with(drop_entry: Defence, drop_packet: Defence, secure_tcp: Defence) -> IpvsOptions {
    IpvsOptions { drop_entry, drop_packet, secure_tcp, ..IpvsOptions::default() }
}

/// Looks at a table with so many free places.
fn look(defences: &mut Defences, options: &IpvsOptions, free: usize) -> usize {
    defences.look(options, CAPACITY - free, CAPACITY)
}

#[test]
fn automatic_defences_come_with_the_threshold_and_go_a_quarter_beyond_it() {
    let options = with(Defence::Auto, Defence::Auto, Defence::Auto);
    let mut defences = Defences::default();
    for (free, is_up) in [
        (50_000, false),
        (10_000, false),
        (9_999, true),
        (12_499, true),
        (12_500, false),
        (10_000, false),
        (0, true),
        (100_000, false),
    ] {
        let due = look(&mut defences, &options, free);
        assert_eq!((due > 0, defences.sheds()), (is_up, is_up), "{free} free");
        assert_eq!(defences.secure_tcp, is_up, "{free} free");
    }
}

#[test]
fn the_table_is_gone_through_in_32_seconds_and_faster_under_pressure() {
    let options = with(Defence::Auto, Defence::Off, Defence::Off);
    for (free, seconds) in [(9_000, 32), (5_000, 32), (4_999, 4), (1_250, 4), (1_249, 1), (0, 1)] {
        let mut defences = Defences::default();
        let ticks = seconds * TICKS_PER_SECOND;
        let looked: usize = (0..ticks).map(|_| look(&mut defences, &options, free)).sum();
        assert_eq!(looked, CAPACITY, "{free} free");
        assert_eq!(defences.sheds_idle, seconds < 32);
    }
    let mut always = Defences::default();
    let options = with(Defence::Always, Defence::Off, Defence::Off);
    let looked: usize = (0..ROUND).map(|_| always.look(&options, 0, 7)).sum();
    assert_eq!((looked, always.sheds_idle), (7, true), "small tables no faster than large ones");
}

#[test]
fn drop_packet_refuses_more_the_fuller_the_table_is() {
    let options = with(Defence::Off, Defence::Auto, Defence::Off);
    let refused_of_100 = |free| {
        let mut defences = Defences::default();
        look(&mut defences, &options, free);
        (0..100).filter(|_| defences.refuses()).count()
    };
    // IPVS: threshold / (threshold - free).
    let refused = [50_000, 10_000, 9_999, 9_000, 8_000, 5_000, 1_000, 0].map(refused_of_100);
    assert_eq!(refused, [0, 0, 0, 10, 20, 50, 100, 100]);
    let mut always = Defences::default();
    let options =
        IpvsOptions { am_droprate: 4, ..with(Defence::Off, Defence::Always, Defence::Off) };
    look(&mut always, &options, CAPACITY);
    let refused: Vec<_> = (0..8).map(|_| always.refuses()).collect();
    assert_eq!(refused, [true, false, false, false, true, false, false, false]);
    // Another rate counts from the next that is refused on, as in IPVS.
    look(&mut always, &IpvsOptions { am_droprate: 2, ..options }, CAPACITY);
    let refused: Vec<_> = (0..4).map(|_| always.refuses()).collect();
    assert_eq!(refused, [true, false, true, false]);
}

#[test]
fn a_table_of_one_flow_is_nearly_full_when_it_is_full() {
    let options = with(Defence::Auto, Defence::Auto, Defence::Auto);
    let mut defences = Defences::default();
    defences.look(&options, 0, 1);
    assert!(!defences.sheds() && !defences.refuses());
    defences.look(&options, 1, 1);
    assert!(defences.sheds() && defences.refuses() && defences.secure_tcp);
}

#[test]
fn flows_that_others_hang_on_are_not_shed() {
    let options = with(Defence::Always, Defence::Off, Defence::Off);
    let mut defences = Defences::default();
    look(&mut defences, &options, CAPACITY);
    let (key, mode) = (FlowKey::default(), ForwardingMode::Nat);
    let ids = (ServiceId(0), RealId(0));
    let state = FlowState::Tcp(TcpState::SynRecv);
    let mut flow = Flow::new(key, key, mode, ids, state, (Tick(0), Ticks::from_secs(60)));
    assert_eq!(defences.sheds_flow(&flow, Tick(99)), None);
    assert_eq!(defences.sheds_flow(&flow, Tick(100)), Some(Shed::HalfOpen));
    flow.control = flow.control.with_helper();
    assert_eq!(defences.sheds_flow(&flow, Tick(100)), None);
}
