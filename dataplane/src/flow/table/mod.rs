//! The fixed-size flow table of one worker: bucketed hash of both keys of every flow.
//!
//! A bucket is one cache line: eight tags (32 bits of the hash) and eight slots (flow index and
//! direction). A key may stand in one of two buckets; insertion takes the emptier. There are two
//! slots for every key that can exist, so that both buckets are full practically never; if they
//! are, the flow is refused like one that finds the table full. Nothing moves, grows or rehashes
//! after start.

use std::hash::{BuildHasher, Hasher};

use super::entry::{Direction, Flow, FlowIdx};
use super::expire::Wheel;
use super::key::FlowKey;
use crate::limits::FLOW_COUNT_MAX;
use crate::prefetch::prefetch;
use crate::time::{Tick, Ticks};
use foldhash::fast::FixedState;

const SLOTS: usize = 8;
const EMPTY: u32 = u32::MAX;
const REPLY_BIT: u32 = 1 << 31;

#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u32; SLOTS],
    slots: [u32; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    const VACANT: Self = Self { tags: [0; SLOTS], slots: [EMPTY; SLOTS] };

    /// The slots in use whose tag is `tag`.
    #[inline]
    fn tagged(&self, tag: u32) -> impl Iterator<Item = u32> {
        // All eight are compared before anything branches.
        let same: [bool; SLOTS] =
            std::array::from_fn(|place| self.tags[place] == tag && self.slots[place] != EMPTY);
        same.into_iter().zip(self.slots).filter_map(|(same, slot)| same.then_some(slot))
    }

    fn free_slots(&self) -> usize {
        self.slots.iter().filter(|slot| **slot == EMPTY).count()
    }
}

/// Hash of a key, computed once per packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(u64);

impl KeyHash {
    fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A flow found, and by which of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The flow.
    pub flow: FlowIdx,
    /// The key that matched.
    pub direction: Direction,
}

/// No room for another flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// All flows of one worker.
#[derive(Debug)]
pub struct FlowTable {
    buckets: Box<[Bucket]>,
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    wheel: Wheel,
    seed: FixedState,
}

impl FlowTable {
    /// A table for `capacity` flows (1 to [`FLOW_COUNT_MAX`], clamped), whose clock starts at
    /// `now`. `seed` keys the hash; it should be random, so that nobody can build collisions.
    #[must_use]
    pub fn new(capacity: u32, seed: u64, now: Tick) -> Self {
        let capacity = capacity.clamp(1, FLOW_COUNT_MAX) as usize;
        let bucket_count = (capacity * 2 * 2).div_ceil(SLOTS).next_power_of_two();
        let mut flows = Vec::new();
        flows.resize_with(capacity, || None);
        #[expect(clippy::cast_possible_truncation, reason = "capacity is below 2^31")]
        let free = (0..capacity as u32).rev().collect();
        Self {
            buckets: vec![Bucket::VACANT; bucket_count].into_boxed_slice(),
            flows,
            free,
            wheel: Wheel::new(now),
            seed: FixedState::with_seed(seed),
        }
    }

    /// Flows in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len() - self.free.len()
    }

    /// Whether there is no flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Flows the table can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.flows.len()
    }

    /// The hash that [`Self::lookup`] takes.
    #[inline]
    #[must_use]
    pub fn hash(&self, key: &FlowKey) -> KeyHash {
        let mut hasher = self.seed.build_hasher();
        key.feed(&mut hasher);
        KeyHash(hasher.finish())
    }

    /// Begins to load what [`Self::candidate`] will read.
    #[inline]
    pub fn prefetch_buckets(&self, hash: KeyHash) {
        for bucket in self.buckets_of(hash) {
            prefetch(&self.buckets[bucket]);
        }
    }

    /// The flow that probably has the key with this hash, judged by the tag alone, whose record
    /// begins to load. [`Self::matches`] must confirm it.
    #[inline]
    #[must_use]
    pub fn candidate(&self, hash: KeyHash) -> Option<Hit> {
        let hit = self.candidates(hash).next()?;
        prefetch(self.flows.get(hit.flow.0 as usize)?);
        Some(hit)
    }

    /// The flow that has `key` as one of its keys.
    #[inline]
    #[must_use]
    pub fn lookup(&self, hash: KeyHash, key: &FlowKey) -> Option<Hit> {
        self.candidates(hash).find(|hit| self.matches(*hit, key))
    }

    /// All flows whose tag and bucket fit the hash.
    #[inline]
    fn candidates(&self, hash: KeyHash) -> impl Iterator<Item = Hit> {
        let buckets = self.buckets_of(hash).into_iter();
        buckets.flat_map(move |bucket| self.buckets[bucket].tagged(hash.tag())).map(decode)
    }

    /// Whether `hit`, found earlier, still is the flow with `key`.
    #[inline]
    #[must_use]
    pub fn matches(&self, hit: Hit, key: &FlowKey) -> bool {
        self.flow(hit.flow).is_some_and(|flow| flow.key(hit.direction) == key)
    }

    /// The record of a flow; `None` if it has ended.
    #[inline]
    #[must_use]
    pub fn flow(&self, idx: FlowIdx) -> Option<&Flow> {
        self.flows.get(idx.0 as usize)?.as_ref()
    }

    /// Adds a flow under its request key and, if `with_reply`, its reply key.
    ///
    /// Neither key may be in the table yet; the caller looks first.
    ///
    /// # Errors
    /// [`TableFull`] if all records, or both buckets of a key, are taken; nothing has changed then.
    pub fn insert(&mut self, flow: Flow, with_reply: bool) -> Result<FlowIdx, TableFull> {
        let index = *self.free.last().ok_or(TableFull)?;
        self.place(&flow.request, index)?;
        if with_reply && self.place(&flow.reply, index | REPLY_BIT).is_err() {
            self.displace(&flow.request, index);
            return Err(TableFull);
        }
        self.free.pop();
        let deadline = flow.deadline();
        self.flows[index as usize] = Some(flow);
        self.wheel.link(&mut self.flows, index, deadline);
        Ok(FlowIdx(index))
    }

    /// Ends a flow and returns its record.
    pub fn remove(&mut self, idx: FlowIdx) -> Option<Flow> {
        self.flow(idx)?;
        self.wheel.unlink(&mut self.flows, idx.0);
        self.release(idx.0)
    }

    /// Notes a packet of the flow at `now`, after which it may idle for `timeout`.
    #[inline]
    pub fn touch(&mut self, idx: FlowIdx, now: Tick, timeout: Ticks) {
        let Some(flow) = self.flows.get_mut(idx.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        let shorter = timeout < flow.timeout;
        flow.last_seen = now;
        flow.timeout = timeout;
        // A longer life needs no relinking: the wheel looks at the deadline when it comes by.
        if shorter {
            self.wheel.unlink(&mut self.flows, idx.0);
            self.wheel.link(&mut self.flows, idx.0, now.after(timeout));
        }
    }

    /// Changes the state of a flow and returns the one before.
    #[inline]
    pub fn set_state(&mut self, idx: FlowIdx, state: super::FlowState) -> Option<super::FlowState> {
        let flow = self.flows.get_mut(idx.0 as usize)?.as_mut()?;
        Some(std::mem::replace(&mut flow.state, state))
    }

    /// Takes out one flow that has ended by `now`; looks at no more than `budget` records, which
    /// is counted down. `None` when nothing more is due or the budget is spent.
    pub fn expire_next(&mut self, now: Tick, budget: &mut usize) -> Option<Flow> {
        while *budget > 0 {
            let index = self.wheel.pop_due(&mut self.flows, now)?;
            *budget -= 1;
            let deadline = self.flow(FlowIdx(index))?.deadline();
            if deadline.is_due(now) {
                return self.release(index);
            }
            self.wheel.link(&mut self.flows, index, deadline);
        }
        None
    }

    /// The flow at `position` in the table, for listings that walk it piece by piece.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<&Flow> {
        self.flows.get(position)?.as_ref()
    }

    /// Gives the record of an unlinked flow back.
    fn release(&mut self, index: u32) -> Option<Flow> {
        let flow = self.flows[index as usize].take()?;
        self.displace(&flow.request, index);
        self.displace(&flow.reply, index | REPLY_BIT);
        self.free.push(index);
        Some(flow)
    }

    fn buckets_of(&self, hash: KeyHash) -> [usize; 2] {
        let mask = self.buckets.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "masked to the table's size anyway")]
        let first = hash.0 as usize & mask;
        // An odd multiple of the tag spreads the second choice; equal buckets do no harm.
        let second = first ^ ((hash.tag() as usize).wrapping_mul(0x5bd1_e995) & mask);
        [first, second]
    }

    fn place(&mut self, key: &FlowKey, slot: u32) -> Result<(), TableFull> {
        let hash = self.hash(key);
        let [first, second] = self.buckets_of(hash);
        let emptier = if self.buckets[second].free_slots() > self.buckets[first].free_slots() {
            second
        } else {
            first
        };
        let bucket = &mut self.buckets[emptier];
        let free = bucket.slots.iter().position(|slot| *slot == EMPTY).ok_or(TableFull)?;
        bucket.tags[free] = hash.tag();
        bucket.slots[free] = slot;
        Ok(())
    }

    fn displace(&mut self, key: &FlowKey, slot: u32) {
        let hash = self.hash(key);
        for bucket in self.buckets_of(hash) {
            let slots = &mut self.buckets[bucket].slots;
            if let Some(found) = slots.iter_mut().find(|candidate| **candidate == slot) {
                *found = EMPTY;
                return;
            }
        }
    }
}

fn decode(slot: u32) -> Hit {
    let direction = if slot & REPLY_BIT == 0 { Direction::Request } else { Direction::Reply };
    Hit { flow: FlowIdx(slot & !REPLY_BIT), direction }
}

#[cfg(test)]
mod tests;
