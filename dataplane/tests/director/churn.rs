//! A hundred million operations on a flow table that is full most of the time: no flow is lost,
//! none is left behind, and a flow is refused only when every record is taken.

use std::net::Ipv4Addr;

use rvs_dataplane::flow::{Flow, FlowIdx, FlowKey, FlowState, FlowTable, TableFull};
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::service::{RealId, ServiceId};
use rvs_dataplane::testing::Random;
use rvs_dataplane::time::{Tick, Ticks};

const OPERATIONS: u64 = 100_000_000;
/// Small enough for the caches, so that the test takes seconds; a table is full at any size.
const CAPACITY: u32 = 8192;
const SECOND: Ticks = Ticks::from_secs(1);

/// A flow nobody has had before; its real server's number says where the model keeps it.
fn flow(number: u64, slot: usize, now: Tick, lifetime: Ticks) -> Flow {
    let low = u32::try_from(number & 0xFFFF_FFFF).unwrap();
    let client = Ipv4Addr::from_bits(10 << 24 | low >> 16);
    let cport = u16::try_from(low & 0xFFFF).unwrap();
    let (vip, real) = (Ipv4Addr::new(192, 0, 2, 10), Ipv4Addr::new(172, 16, 0, 1));
    let request = FlowKey::ipv4(17, client, cport, vip, 53);
    let reply = FlowKey::ipv4(17, real, 53, client, cport);
    let ids = (ServiceId(0), RealId(u32::try_from(slot).unwrap()));
    Flow::new(request, reply, ForwardingMode::Nat, ids, FlowState::Udp, (now, lifetime))
}

/// The table, and the flows it must hold.
struct Churn {
    table: FlowTable,
    /// The model's flows; those beyond `used` are free places.
    slots: Vec<usize>,
    used: usize,
    /// By slot: its place in `slots`, and its flow.
    place: Vec<usize>,
    flows: Vec<Option<(FlowIdx, FlowKey)>>,
    random: Random,
    now: Tick,
    made: u64,
    refused: u64,
    ended: u64,
}

impl Churn {
    fn new(now: Tick) -> Self {
        let count = CAPACITY as usize;
        Self {
            table: FlowTable::new(CAPACITY, 0xC0_FFEE, now),
            slots: (0..count).collect(),
            used: 0,
            place: (0..count).collect(),
            flows: vec![None; count],
            random: Random::new(0x5EED),
            now,
            made: 0,
            refused: 0,
            ended: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(1000) {
            0..450 => self.insert(),
            450..550 => self.remove(),
            550..998 => self.look_up(),
            _ => self.pass(),
        }
    }

    fn insert(&mut self) {
        let lifetime = Ticks::from_secs(u32::try_from(1 + self.random.below(200)).unwrap());
        let slot = self.slots.get(self.used).copied();
        let flow = flow(self.made, slot.unwrap_or(0), self.now, lifetime);
        self.made += 1;
        match (self.table.insert(flow), slot) {
            (Ok(idx), Some(slot)) => {
                self.flows[slot] = Some((idx, flow.request));
                self.used += 1;
            }
            (Err(TableFull), None) => self.refused += 1,
            (outcome, _) => panic!("{outcome:?} with {} of {CAPACITY} flows", self.used),
        }
    }

    /// Any flow of the model.
    fn any(&mut self) -> Option<(FlowIdx, FlowKey)> {
        let chosen = if self.used == 0 { return None } else { self.random.below(self.used) };
        self.flows[self.slots[chosen]]
    }

    fn remove(&mut self) {
        let Some((idx, key)) = self.any() else { return };
        let removed = self.table.remove(idx).expect("a known flow");
        assert_eq!(removed.request, key);
        self.forget(&removed);
    }

    fn look_up(&mut self) {
        let Some((idx, key)) = self.any() else { return };
        let hit = self.table.lookup(self.table.hash(&key), &key).expect("a known flow");
        assert_eq!(hit.flow(), idx);
    }

    /// A second passes, and some of what has ended leaves.
    fn pass(&mut self) {
        self.now = self.now.after(SECOND);
        let mut budget = 256;
        while let Some(ended) = self.table.expire_next(self.now, &mut budget) {
            assert!(ended.deadline().is_due(self.now));
            self.ended += 1;
            self.forget(&ended);
        }
    }

    fn forget(&mut self, flow: &Flow) {
        let slot = flow.real.index();
        let known = self.flows[slot].take().map(|(_, key)| key);
        assert_eq!(known, Some(flow.request), "a flow that nobody knew");
        self.used -= 1;
        let (place, last) = (self.place[slot], self.slots[self.used]);
        self.slots.swap(place, self.used);
        (self.place[last], self.place[slot]) = (place, self.used);
    }
}

#[test]
fn nothing_is_lost_and_nothing_left_behind() {
    let mut churn = Churn::new(Tick(u32::MAX - 100_000));
    for _ in 0..OPERATIONS {
        churn.step();
    }
    assert_eq!(churn.table.len(), churn.used);
    assert!(churn.refused > 1_000_000 && churn.ended > 1_000_000, "full, and old flows ended");
    // Everything that is left can be taken out, and then as many flows as ever find room.
    while churn.used > 0 {
        churn.remove();
    }
    assert!(churn.table.is_empty());
    for _ in 0..CAPACITY {
        churn.insert();
    }
    assert_eq!(churn.table.len(), CAPACITY as usize);
}
