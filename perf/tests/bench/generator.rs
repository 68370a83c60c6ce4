//! The generator by itself, with a wire in the place of the director.

use std::collections::BTreeMap;

use dataplane::forward::ForwardingMode;
use dataplane::io::Burst;
use dataplane::wire::Mac;
use dpdk::{Mbuf, testing};
use rvs_perf::bench::site::VIP;
use rvs_perf::generator::arp::NEIGHBOR;
use rvs_perf::generator::flows::Flows;
use rvs_perf::generator::frame::Template;
use rvs_perf::generator::requests::{Plan, Requests};
use rvs_perf::generator::sizes::{FrameSizes, Templates};
use rvs_perf::generator::tcp::Connections;
use rvs_perf::generator::{Engine, LAN, WAN};

const DIRECTOR: Mac = Mac([2, 0, 0, 0, 1, 1]);
const WINDOW: u64 = 64;

/// Joins both ports until the engine is through or nothing moves any more. `change` sees every
/// frame on its way, and whether it stays on it.
fn join(engine: &mut impl Engine, mut change: impl FnMut(&mut Mbuf) -> bool) {
    let mut idle = 0;
    while idle < 3 {
        idle += 1;
        for (from, to) in [(WAN, LAN), (LAN, WAN)] {
            let mut burst = Burst::new();
            engine.fill(from, &mut burst);
            for mut frame in burst.take() {
                idle = 0;
                let (dst, src) = frame.data_mut().split_at_mut(6);
                dst.swap_with_slice(&mut src[..6]);
                if change(&mut frame) {
                    burst.push(frame);
                }
            }
            engine.take(to, &mut burst);
        }
    }
}

#[test]
fn a_connection_is_eight_segments() {
    let pool = testing::pool(511).expect("a pool");
    let mut engine = Connections::new(DIRECTOR, VIP, WINDOW, pool.clone());
    engine.grant(1_000);
    join(&mut engine, |_| true);
    let counts = *engine.counts();
    assert_eq!((counts.completed, counts.wrong, engine.fault()), (1_000, 0, None));
    assert_eq!((counts.requests, counts.answers), (5_000, 3_000));
    assert_eq!((counts.forwarded, counts.replied), (5_000, 3_000));
    assert!(counts.checked > 100 && engine.is_spent() && engine.in_flight() == 0, "{counts:?}");
    drop(engine);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_connection_with_a_lost_segment_is_lost() {
    let pool = testing::pool(511).expect("a pool");
    let mut engine = Connections::new(DIRECTOR, VIP, WINDOW, pool.clone());
    engine.grant(10);
    // The first eight segments make way for others; one of those is lost.
    let mut seen = 0;
    join(&mut engine, |_| {
        seen += 1;
        seen != 25
    });
    assert_eq!((engine.counts().completed, engine.in_flight()), (9, 1));
    engine.write_off();
    assert_eq!((engine.counts().lost, engine.in_flight()), (1, 0));
    engine.grant(100);
    join(&mut engine, |_| true);
    assert_eq!((engine.counts().completed, engine.counts().lost), (109, 1));
}

#[test]
fn a_segment_that_comes_twice_is_wrong() {
    let pool = testing::pool(511).expect("a pool");
    let mut engine = Connections::new(DIRECTOR, VIP, WINDOW, pool.clone());
    engine.grant(1);
    let mut syn = Burst::new();
    engine.fill(WAN, &mut syn);
    let copy = pool.alloc_from(syn[0].data()).expect("a buffer");
    syn.push(copy);
    engine.take(LAN, &mut syn);
    assert_eq!(engine.counts().wrong, 1);
    let fault = "a segment came back that does not fit the connection's state";
    assert_eq!(engine.fault(), Some(fault));
}

#[test]
fn a_damaged_segment_is_wrong() {
    let pool = testing::pool(511).expect("a pool");
    let mut engine = Connections::new(DIRECTOR, VIP, WINDOW, pool.clone());
    engine.grant(1_000);
    // The window of TCP: no state depends on it, and the checksum covers it.
    join(&mut engine, |frame| {
        frame.data_mut()[48] ^= 1;
        true
    });
    assert_eq!(engine.fault(), Some("a TCP checksum is wrong"));
}

fn requests(answered: bool, flows: Flows) -> Requests {
    let pool = testing::pool(511).expect("a pool");
    let template = Template::udp((NEIGHBOR, DIRECTOR), VIP, 60);
    let mode = ForwardingMode::Dr;
    let templates = template.into();
    Requests::new(Plan { templates, flows, mode, answered, window: Some(WINDOW) }, pool)
}

#[test]
fn requests_come_back_and_answers_too() {
    for flows in [Flows::known(100, 7), Flows::fresh(), Flows::again(10)] {
        let mut engine = requests(true, flows);
        engine.grant(5_000);
        join(&mut engine, |_| true);
        let counts = *engine.counts();
        assert_eq!((counts.requests, counts.forwarded), (5_000, 5_000));
        assert_eq!((counts.answers, counts.replied), (5_000, 5_000));
        assert!(counts.checked > 10 && counts.wrong == 0, "{counts:?}, {:?}", engine.fault());
    }
}

#[test]
fn lost_requests_hold_the_window_until_they_are_written_off() {
    let mut engine = requests(false, Flows::known(10, 7));
    engine.grant(1_000);
    join(&mut engine, |_| false);
    assert_eq!((engine.counts().requests, engine.in_flight()), (WINDOW, WINDOW));
    engine.write_off();
    join(&mut engine, |_| true);
    let counts = engine.counts();
    assert_eq!((counts.lost, counts.forwarded), (WINDOW, 1_000 - WINDOW));
    assert!(engine.is_spent() && engine.in_flight() == 0);
}

#[test]
fn a_request_to_another_place_is_wrong() {
    for (place, fault) in [
        (33, "the checksum of an IP header is wrong"),
        (37, "a UDP checksum is wrong"),
        (0, "a frame went to another MAC address than the neighbour's"),
    ] {
        let mut engine = requests(false, Flows::known(10, 7));
        engine.grant(1_000);
        join(&mut engine, |frame| {
            frame.data_mut()[place] ^= 1;
            true
        });
        assert_eq!(engine.fault(), Some(fault));
        assert_eq!(engine.counts().wrong, engine.counts().checked);
    }
}

#[test]
fn frames_of_a_mix_come_back_in_all_their_lengths() {
    let pool = testing::pool(511).expect("a pool");
    let template = |length| Template::udp((NEIGHBOR, DIRECTOR), VIP, length);
    let templates = Templates::new(FrameSizes::Imix, template);
    let (flows, mode) = (Flows::known(100, 7), ForwardingMode::Dr);
    let plan = Plan { templates, flows, mode, answered: true, window: Some(WINDOW) };
    let mut engine = Requests::new(plan, pool.clone());
    engine.grant(12_000);
    let mut lengths = BTreeMap::new();
    join(&mut engine, |frame| {
        *lengths.entry(frame.data().len()).or_insert(0) += 1;
        true
    });
    // Requests and answers.
    assert_eq!(lengths, BTreeMap::from([(60, 14_000), (590, 8_000), (1514, 2_000)]));
    let counts = *engine.counts();
    assert_eq!((counts.requests, counts.replied, engine.fault()), (12_000, 12_000, None));
    drop(engine);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn damage_in_either_direction_is_found() {
    const DST_ADDRESS: std::ops::Range<usize> = 30..34;
    const PAYLOAD: usize = 50;
    for damaged_requests in [true, false] {
        let mut engine = requests(true, Flows::known(10, 7));
        engine.grant(5_000);
        join(&mut engine, |frame| {
            let is_request = frame.data()[DST_ADDRESS] == VIP.0.octets();
            // A damaged request is turned round, so its answer must be mended.
            if damaged_requests || !is_request {
                frame.data_mut()[PAYLOAD] ^= 1;
            }
            true
        });
        assert_eq!(engine.fault(), Some("a UDP checksum is wrong"), "{damaged_requests}");
        assert!(engine.counts().wrong < engine.counts().checked, "the other direction is right");
    }
}
