//! The table against a naive model, and the timer wheel against the clock.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::flow::{FlowState, Ipv6Key, Key, TcpState};
use crate::forward::ForwardingMode;
use crate::service::{RealId, ServiceId};
use crate::time::Ticks;

const SECOND: Ticks = Ticks::from_secs(1);

/// Keys of the connection of a client, distinguished by its number, with a real server.
trait Numbered: Key {
    fn pair(client: u32, cport: u16) -> (Self, Self);
}

impl Numbered for FlowKey {
    fn pair(client: u32, cport: u16) -> (Self, Self) {
        let client = Ipv4Addr::from_bits(0xC633_6400 + client);
        let (vip, real) = (Ipv4Addr::new(192, 0, 2, 10), Ipv4Addr::new(10, 0, 0, 11));
        (Self::ipv4(6, client, cport, vip, 80), Self::ipv4(6, real, 8080, client, cport))
    }
}

impl Numbered for Ipv6Key {
    fn pair(client: u32, cport: u16) -> (Self, Self) {
        let host = |net: u128, host: u32| Ipv6Addr::from(net << 64 | u128::from(host));
        let (client, vip, real) = (host(0x2001_0db8, client), host(1, 10), host(2, 11));
        let request = Self::new(6, (client, cport), (vip, 80));
        (request, Self::new(6, (real, 8080), (client, cport)))
    }
}

fn flow_of<K: Numbered>(number: u32, with_reply: bool, now: Tick, timeout: Ticks) -> Flow<K> {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    let (request, reply) = K::pair(number >> 16, number as u16);
    let mode = if with_reply { ForwardingMode::Nat } else { ForwardingMode::Dr };
    let (ids, state) = ((ServiceId(0), RealId(0)), FlowState::Tcp(TcpState::None));
    Flow::new(request, reply, mode, ids, state, (now, timeout))
}

fn flow(number: u32, now: Tick, timeout: Ticks) -> Flow {
    flow_of(number, true, now, timeout)
}

fn touch<K: Key>(table: &mut FlowTable<K>, idx: FlowIdx, now: Tick, timeout: Ticks) {
    let state = FlowState::Tcp(TcpState::Established);
    let flow = table.flow_mut(idx).unwrap();
    if flow.advance((Direction::Request, now), state, timeout) {
        table.hasten(idx);
    }
}

fn find<K: Key>(table: &FlowTable<K>, key: &K) -> Option<Hit> {
    table.lookup(table.hash(key), key)
}

#[derive(Debug)]
struct Pair<K: Key> {
    table: FlowTable<K>,
    model: HashMap<u32, Flow<K>>,
    now: Tick,
}

#[derive(Clone, Debug)]
enum Step {
    Insert { number: u32, with_reply: bool, timeout: Ticks },
    Touch { number: u32, timeout: Ticks },
    Remove { number: u32 },
    Pass { span: Ticks },
    Expire { budget: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    let number = 0..40u32;
    let timeout = prop_oneof![
        3 => (1..300u32).prop_map(Ticks),
        3 => (1..1023u32).prop_map(Ticks::from_secs),
        2 => (1000..1050u32).prop_map(Ticks::from_secs),
        1 => (1..2_678_400u32).prop_map(Ticks::from_secs),
    ];
    let span = prop_oneof![0..3u32, 0..300u32, 0..200_000u32, 0..100_000_000u32].prop_map(Ticks);
    let budget = prop_oneof![Just(0usize), Just(1), Just(1000)];
    let insert = (number.clone(), any::<bool>(), timeout.clone())
        .prop_map(|(number, with_reply, timeout)| Step::Insert { number, with_reply, timeout });
    let touch =
        (number.clone(), timeout).prop_map(|(number, timeout)| Step::Touch { number, timeout });
    prop_oneof![
        6 => insert,
        4 => touch,
        1 => number.prop_map(|number| Step::Remove { number }),
        2 => span.prop_map(|span| Step::Pass { span }),
        2 => budget.prop_map(|budget| Step::Expire { budget }),
    ]
}

impl<K: Numbered> Pair<K> {
    fn new(capacity: u32, now: Tick) -> Self {
        Self { table: FlowTable::new(capacity, 7, now), model: HashMap::new(), now }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Insert { number, with_reply, timeout } => {
                self.insert(number, with_reply, timeout);
            }
            Step::Touch { number, timeout } => {
                let now = self.now;
                if let Some(flow) = self.model.get_mut(&number) {
                    let hit = find(&self.table, &flow.request).expect("a flow of the model");
                    touch(&mut self.table, hit.flow(), now, timeout);
                    (flow.last_seen, flow.life) = (now, flow.life.with_timeout(timeout));
                }
            }
            Step::Remove { number } => {
                let idx = |flow: &Flow<K>| find(&self.table, &flow.request).map(|hit| hit.flow());
                let known = self.model.remove(&number);
                if let Some(idx) = known.and_then(|known| idx(&known)) {
                    assert!(self.table.remove(idx).is_some());
                    assert!(self.table.remove(idx).is_none(), "it is gone");
                }
            }
            Step::Pass { span } => self.now = self.now.after(span),
            Step::Expire { budget } => self.expire(budget),
        }
        self.compare();
    }

    fn insert(&mut self, number: u32, with_reply: bool, timeout: Ticks) {
        if self.model.contains_key(&number) {
            return;
        }
        let flow = flow_of(number, with_reply, self.now, timeout);
        match self.table.insert(flow) {
            Ok(idx) => {
                assert_eq!(self.table.flow(idx).map(|flow| flow.request), Some(flow.request));
                self.model.insert(number, flow);
            }
            Err(TableFull) => {
                let no_bucket = |key: &K| {
                    let both = self.table.buckets_of(self.table.hash(key));
                    both.iter().all(|bucket| self.table.buckets[*bucket].used() == SLOTS)
                };
                let full = self.model.len() == self.table.capacity();
                assert!(full || no_bucket(&flow.request) || no_bucket(&flow.reply));
            }
        }
    }

    fn expire(&mut self, budget: usize) {
        let mut left = budget;
        while let Some(ended) = self.table.expire_next(self.now, &mut left) {
            assert!(ended.deadline().is_due(self.now), "ended before its time");
            let before = self.model.len();
            self.model.retain(|_, known| known.request != ended.request);
            assert_eq!(self.model.len(), before - 1);
        }
        if budget >= 1000 {
            for known in self.model.values() {
                let overdue = known.deadline().after(SECOND).after(SECOND);
                assert!(!overdue.is_due(self.now), "two seconds late: {:?}", known);
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.table.len(), self.model.len());
        for number in 0..40 {
            let asked = flow_of::<K>(number, true, self.now, SECOND);
            let known = self.model.get(&number);
            let hit = find(&self.table, &asked.request);
            assert_eq!(hit.map(|hit| hit.direction()), known.map(|_| Direction::Request));
            let reply = find(&self.table, &asked.reply);
            let expected =
                known.filter(|known| known.mode.sees_replies()).map(|_| Direction::Reply);
            assert_eq!(reply.map(|hit| hit.direction()), expected);
            if let (Some(hit), Some(known)) = (hit, known) {
                let found = self.table.flow(hit.flow()).expect("a hit is a flow");
                assert_eq!(found.deadline(), known.deadline());
                assert!(reply.is_none_or(|reply| reply.flow() == hit.flow()));
            }
        }
        self.table.assert_no_leak(
            self.model.values().map(|known| 1 + usize::from(known.mode.sees_replies())),
        );
    }
}

impl<K: Key> FlowTable<K> {
    /// Every slot, record and link is accounted for; `keys` has one entry per flow.
    fn assert_no_leak(&self, keys: impl Iterator<Item = usize>) {
        let used: usize = self.buckets.iter().map(Bucket::used).sum();
        assert_eq!(used, keys.sum::<usize>(), "slots");
        let records = self.records.iter().filter_map(Record::flow).count();
        assert_eq!((records, records + self.free_count()), (self.len(), self.capacity()));
        assert_eq!(self.wheel.linked(&self.records), records, "links");
    }

    /// Length of the list of free records.
    fn free_count(&self) -> usize {
        let mut next = self.free;
        let free = std::iter::from_fn(|| match *self.records.get(next as usize)? {
            Record::Free { next: after } => {
                next = after;
                Some(())
            }
            Record::Used(_) => panic!("a flow in the list of free records"),
        });
        free.take(self.capacity() + 1).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn behaves_like_a_map_with_deadlines(
        capacity in 1..40u32,
        start in prop_oneof![Just(0u32), Just(u32::MAX - 100), any::<u32>()],
        steps in vec(any_step(), 1..120),
    ) {
        let mut ipv4 = Pair::<FlowKey>::new(capacity, Tick(start));
        let mut ipv6 = Pair::<Ipv6Key>::new(capacity, Tick(start));
        for step in &steps {
            ipv4.apply(step);
            ipv6.apply(step);
        }
    }
}

fn expire_all(table: &mut FlowTable, now: Tick) -> usize {
    let mut budget = usize::MAX;
    std::iter::from_fn(|| table.expire_next(now, &mut budget)).count()
}

#[test]
fn a_deadline_beyond_the_wheel_is_kept_to_the_second() {
    let start = Tick(u32::MAX - 5000);
    for seconds in [1, 1022, 1023, 1024, 1025, 5000, 86_400, 2_678_400] {
        let mut table = FlowTable::new(1, 1, start);
        let idx = table.insert(flow(1, start, Ticks::from_secs(seconds))).unwrap();
        let deadline = table.flow(idx).unwrap().deadline();
        assert_eq!(expire_all(&mut table, Tick(deadline.0.wrapping_sub(1))), 0, "{seconds} s");
        assert_eq!(expire_all(&mut table, deadline.after(SECOND)), 1, "{seconds} s");
    }
}

#[test]
fn a_shorter_timeout_counts_at_once_and_a_longer_one_without_relinking() {
    let start = Tick(u32::MAX - 100);
    let mut table = FlowTable::new(1, 1, start);
    let idx = table.insert(flow(1, start, Ticks::from_secs(900))).unwrap();
    let now = start.after(Ticks::from_secs(10));
    touch(&mut table, idx, now, Ticks::from_secs(10));
    assert_eq!(expire_all(&mut table, now.after(Ticks::from_secs(9))), 0);
    touch(&mut table, idx, now.after(Ticks::from_secs(9)), Ticks::from_secs(120));
    assert_eq!(expire_all(&mut table, now.after(Ticks::from_secs(128))), 0);
    assert_eq!(expire_all(&mut table, now.after(Ticks::from_secs(130))), 1);
}

#[test]
fn the_budget_bounds_the_work_of_one_call() {
    let start = Tick(0);
    let mut table = FlowTable::new(1000, 1, start);
    for number in 0..1000 {
        table.insert(flow(number, start, SECOND)).unwrap();
    }
    let late = start.after(Ticks::from_secs(3));
    for _ in 0..10 {
        let mut budget = 100;
        let ended = std::iter::from_fn(|| table.expire_next(late, &mut budget)).count();
        assert_eq!((ended, budget), (100, 0));
    }
    assert!(table.is_empty());
}

#[test]
fn every_flow_up_to_the_capacity_finds_a_place() {
    let start = Tick(0);
    let mut table = FlowTable::new(200_000, 0xFEED, start);
    for round in 0..3u32 {
        for number in 0..200_000 {
            let flow = flow(round * 200_000 + number, start, SECOND);
            assert!(table.insert(flow).is_ok(), "flow {number} of round {round}");
        }
        assert_eq!(table.insert(flow(700_000, start, SECOND)), Err(TableFull));
        table.assert_no_leak((0..200_000).map(|_| 2));
        for index in 0..200_000 {
            assert!(table.remove(FlowIdx(index)).is_some());
        }
        table.assert_no_leak(std::iter::empty());
    }
}

#[test]
fn a_flow_of_either_family_takes_less_than_128_bytes() {
    let ipv4: FlowTable = FlowTable::new(100_000, 1, Tick(0));
    let ipv6: FlowTable<Ipv6Key> = FlowTable::new(100_000, 1, Tick(0));
    assert!(ipv4.bytes() / ipv4.capacity() <= 88, "{}", ipv4.bytes());
    assert!(ipv6.bytes() / ipv6.capacity() <= 128, "{}", ipv6.bytes());
    assert_eq!(ipv4.bytes(), FlowTable::<FlowKey>::bytes_for(100_000));
}

/// Fills a bucket and, for each of its keys, the other bucket that the key could move to.
fn wall_in(table: &mut FlowTable, bucket: usize) {
    for tag in 1..=8u32 {
        let tag = tag * 2 + 1;
        table.buckets[bucket].put(
            tag as usize / 2 - 1,
            tag,
            Hit::new(FlowIdx(999), Direction::Reply),
        );
        let other = table.other_bucket(bucket, tag);
        for place in 0..SLOTS {
            table.buckets[other].put(place, 0xFFFF_FFFF, Hit::new(FlowIdx(999), Direction::Reply));
        }
    }
}

#[test]
fn a_flow_whose_reply_finds_no_place_leaves_no_trace() {
    let mut table = FlowTable::new(100_000, 3, Tick(0));
    let flow = flow(1, Tick(0), SECOND);
    for bucket in table.buckets_of(table.hash(&flow.reply)) {
        wall_in(&mut table, bucket);
    }
    let [first, second] = table.buckets_of(table.hash(&flow.request));
    let used = |table: &FlowTable| {
        (table.buckets[first].used(), table.buckets[second].used(), table.len())
    };
    assert_eq!(used(&table), (0, 0, 0), "the keys have no bucket in common");
    assert_eq!(table.insert(flow), Err(TableFull));
    assert_eq!(used(&table), (0, 0, 0));
    assert!(table.insert(Flow { mode: ForwardingMode::Dr, ..flow }).is_ok());
}

#[test]
fn a_full_pair_of_buckets_makes_room_and_loses_nobody() {
    let mut table = FlowTable::new(100_000, 3, Tick(0));
    let wanted = flow(1, Tick(0), SECOND);
    let both = table.buckets_of(table.hash(&wanted.request));
    // Other flows that happen to begin in the same bucket, found by trying.
    let neighbors: Vec<_> = (2..)
        .map(|number| flow(number, Tick(0), SECOND))
        .filter(|flow| both.contains(&table.buckets_of(table.hash(&flow.request))[0]))
        .take(40)
        .collect();
    for neighbor in &neighbors {
        table.insert(*neighbor).unwrap();
    }
    assert!(both.iter().all(|bucket| table.buckets[*bucket].used() == SLOTS));
    table.insert(wanted).unwrap();
    for flow in neighbors.iter().chain([&wanted]) {
        assert!(find(&table, &flow.request).is_some() && find(&table, &flow.reply).is_some());
    }
    table.assert_no_leak((0..=neighbors.len()).map(|_| 2));
}
