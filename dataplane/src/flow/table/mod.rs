//! The fixed-size flow table of one worker: bucketed hash of the keys of every flow.
//!
//! A key may stand in one of two buckets (`bucket.rs`) and stands in the first unless that was full
//! when it came, so that a look-up nearly always reads one. A full pair of buckets makes room by
//! moving one of its keys to that key's other bucket, which its tag tells; only when none of the
//! sixteen can move is a flow refused like one that finds the table full. So every operation is
//! bounded, and nothing grows or rehashes after start.
//!
//! An IPv4 flow takes one line of 64 bytes for its record and 23 bytes of buckets.

mod bucket;
mod ends;
mod place;

use std::hash::{BuildHasher, Hasher};

use super::entry::{Direction, Entry, Flow, FlowIdx, Record};
use super::expire::Wheel;
use super::key::{FlowKey, Key as _};
use crate::limits::FLOW_COUNT_MAX;
use crate::time::Tick;
use bucket::{Bucket, SLOTS, VACANT};
use foldhash::fast::FixedState;
use memory::{PageArray, prefetch};

pub use bucket::Hit;

/// How full buckets are, in percent, when every flow that can exist has two keys.
const FILL_MAX_PERCENT: usize = 70;
const NO_RECORD: u32 = u32::MAX;

/// Hash of a key, computed once per packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHash(u64);

impl KeyHash {
    /// What stands for the key in a bucket; independent of the choice of the first bucket.
    #[inline(always)]
    const fn tag(self) -> u32 {
        (self.0 >> 32) as u32 | 1
    }
}

const _: () = assert!(KeyHash(0).tag() != VACANT);

/// No room for another flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// All flows of one worker and one address family.
pub type FlowTable<K = FlowKey> = Table<Flow<K>>;

/// A table of flows, or of what is kept like them.
#[derive(Debug)]
pub struct Table<E: Entry> {
    buckets: PageArray<Bucket>,
    records: PageArray<Record<E>>,
    /// First of the free records, which form a list.
    free: u32,
    used: usize,
    wheel: Wheel,
    seed: FixedState,
}

impl<E: Entry> Table<E> {
    /// A table for `capacity` flows (1 to [`FLOW_COUNT_MAX`], clamped) from `now` on. `seed` keys
    /// the hash; it should be random, so that nobody can build collisions.
    #[must_use]
    pub fn new(capacity: u32, seed: u64, now: Tick) -> Self {
        let capacity = capacity.clamp(1, FLOW_COUNT_MAX);
        let next = |index: u32| if index == capacity - 1 { NO_RECORD } else { index + 1 };
        #[expect(clippy::cast_possible_truncation, reason = "capacity is below 2^31")]
        let record = |index: usize| Record::Free { next: next(index as u32) };
        Self {
            buckets: PageArray::new(Self::bucket_count(capacity), |_| Bucket::EMPTY),
            records: PageArray::new(capacity as usize, record),
            free: 0,
            used: 0,
            wheel: Wheel::new(now),
            seed: FixedState::with_seed(seed),
        }
    }

    /// How many buckets a table for `capacity` flows has.
    #[must_use]
    pub const fn bucket_count(capacity: u32) -> usize {
        (capacity as usize * E::KEYS_MAX * 100 / FILL_MAX_PERCENT).div_ceil(SLOTS) + 1
    }

    /// Flows in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there is no flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Flows the table can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.records.len()
    }

    /// The hash that [`Self::lookup`] takes.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, key: &E::Key) -> KeyHash {
        let mut hasher = self.seed.build_hasher();
        key.feed(&mut hasher);
        KeyHash(hasher.finish())
    }

    /// Begins to load all that [`Self::lookup`] will read of buckets.
    #[inline]
    pub fn prefetch_lookup(&self, hash: KeyHash) {
        for bucket in self.buckets_of(hash) {
            prefetch(&self.buckets[bucket]);
        }
    }

    /// Begins to load what [`Self::candidate`] will read.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: KeyHash) {
        prefetch(&self.buckets[self.first_bucket(hash)]);
    }

    /// The flow that probably has the key with this hash, judged by the tag in its first bucket
    /// alone. Its record begins to load, or if there is none, the second bucket.
    /// [`Self::matches`] must confirm it.
    #[inline(always)]
    #[must_use]
    pub fn candidate(&self, hash: KeyHash) -> Option<Hit> {
        let first = self.first_bucket(hash);
        let hit = self.buckets[first].first_tagged(hash.tag());
        match hit {
            Some(hit) => self.prefetch_record(hit),
            None => prefetch(&self.buckets[self.other_bucket(first, hash.tag())]),
        }
        hit
    }

    /// [`Self::candidate`] in the second bucket.
    #[inline(always)]
    #[must_use]
    pub fn second_candidate(&self, hash: KeyHash) -> Option<Hit> {
        let second = self.other_bucket(self.first_bucket(hash), hash.tag());
        let hit = self.buckets[second].first_tagged(hash.tag())?;
        self.prefetch_record(hit);
        Some(hit)
    }

    #[inline(always)]
    fn prefetch_record(&self, hit: Hit) {
        if let Some(record) = self.records.get(hit.flow().0 as usize) {
            prefetch(record);
        }
    }

    /// The flow that has `key` as one of its keys.
    #[inline]
    #[must_use]
    pub fn lookup(&self, hash: KeyHash, key: &E::Key) -> Option<Hit> {
        let [first, second] = self.buckets_of(hash);
        let find = |bucket: usize| {
            let bucket = &self.buckets[bucket];
            let hits = bucket.tagged(hash.tag()).filter_map(|place| bucket.at(place));
            hits.into_iter().find(|hit| self.matches(*hit, key))
        };
        find(first).or_else(|| find(second))
    }

    /// Whether `hit`, found earlier, still is the flow with `key`.
    #[inline(always)]
    #[must_use]
    pub fn matches(&self, hit: Hit, key: &E::Key) -> bool {
        self.flow(hit.flow()).is_some_and(|flow| flow.key_of(hit.direction()) == key)
    }

    /// The record of a flow; `None` if it has ended.
    #[inline(always)]
    #[must_use]
    pub fn flow(&self, idx: FlowIdx) -> Option<&E> {
        self.records.get(idx.0 as usize)?.flow()
    }

    /// The record of a flow, to note a packet with [`Flow::advance`].
    #[inline(always)]
    pub fn flow_mut(&mut self, idx: FlowIdx) -> Option<&mut E> {
        self.records.get_mut(idx.0 as usize)?.flow_mut()
    }

    /// Adds a flow under its request key and, if its mode sees replies, its reply key.
    ///
    /// Neither key may be in the table yet; the caller looks first.
    ///
    /// # Errors
    /// [`TableFull`] if all records, or both buckets of a key and those it could make room in, are
    /// taken; no flow has changed then.
    pub fn insert(&mut self, flow: E) -> Result<FlowIdx, TableFull> {
        let idx = self.insert_request(flow, self.hash(flow.key_of(Direction::Request)))?;
        if flow.has_reply_key() {
            self.insert_reply(idx, self.hash(flow.key_of(Direction::Reply)))?;
        }
        Ok(idx)
    }

    /// Adds a flow under its request key alone, which has this hash.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn insert_request(&mut self, flow: E, hash: KeyHash) -> Result<FlowIdx, TableFull> {
        let index = self.free;
        let record = self.records.get(index as usize).ok_or(TableFull)?;
        let Record::Free { next } = *record else { return Err(TableFull) };
        self.place(hash, Hit::new(FlowIdx(index), Direction::Request))?;
        self.free = next;
        self.used += 1;
        self.records[index as usize] = Record::Used(flow);
        self.wheel.link(&mut self.records, index, flow.ends_at());
        // The next new flow will be written there.
        if let Some(record) = self.records.get(next as usize) {
            prefetch(record);
        }
        Ok(FlowIdx(index))
    }

    /// Has a flow be found under its reply key too, which has this hash.
    ///
    /// # Errors
    /// [`TableFull`] if there is no room for the key; the flow has ended then.
    pub fn insert_reply(&mut self, idx: FlowIdx, hash: KeyHash) -> Result<(), TableFull> {
        let placed = self.place(hash, Hit::new(idx, Direction::Reply));
        placed.inspect_err(|_| _ = self.remove(idx))
    }

    /// Ends a flow and returns its record.
    pub fn remove(&mut self, idx: FlowIdx) -> Option<E> {
        self.flow(idx)?;
        self.wheel.unlink(&mut self.records, idx.0);
        self.release(idx.0)
    }

    /// Has an entry not be found any more by its request key. It stays until it ends.
    pub fn hide(&mut self, idx: FlowIdx) {
        if let Some(entry) = self.flow(idx).copied() {
            self.displace(entry.key_of(Direction::Request), Hit::new(idx, Direction::Request));
        }
    }

    /// The flow at `position` in the table, for listings that walk it piece by piece.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<&E> {
        self.records.get(position)?.flow()
    }

    /// Begins to load the records of up to `count` flows from `position` on.
    pub fn prefetch_from(&self, position: usize, count: usize) {
        for record in self.records.iter().skip(position).take(count) {
            prefetch(record);
        }
    }

    /// Gives the record of an unlinked flow back.
    fn release(&mut self, index: u32) -> Option<E> {
        let record = self.records.get_mut(index as usize)?;
        let flow = *record.flow()?;
        *record = Record::Free { next: self.free };
        self.free = index;
        self.used -= 1;
        let slot = |direction| Hit::new(FlowIdx(index), direction);
        self.displace(flow.key_of(Direction::Request), slot(Direction::Request));
        if flow.has_reply_key() {
            self.displace(flow.key_of(Direction::Reply), slot(Direction::Reply));
        }
        Some(flow)
    }

    /// A number below the count of buckets, by the upper bits of `random`.
    #[inline(always)]
    fn spread(&self, random: u32) -> usize {
        ((u64::from(random) * self.buckets.len() as u64) >> 32) as usize
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the tag is made of the other half")]
    fn first_bucket(&self, hash: KeyHash) -> usize {
        self.spread(hash.0 as u32)
    }

    /// The other bucket that a key with `tag` may stand in, whichever of its two `bucket` is.
    #[inline(always)]
    fn other_bucket(&self, bucket: usize, tag: u32) -> usize {
        // The two add up to a number that the tag alone tells (modulo the count of buckets).
        let sum = self.spread(tag.wrapping_mul(0x9E37_79B1));
        let other = sum.wrapping_sub(bucket);
        if bucket > sum { other.wrapping_add(self.buckets.len()) } else { other }
    }

    #[inline(always)]
    fn buckets_of(&self, hash: KeyHash) -> [usize; 2] {
        let first = self.first_bucket(hash);
        [first, self.other_bucket(first, hash.tag())]
    }

    fn place(&mut self, hash: KeyHash, slot: Hit) -> Result<(), TableFull> {
        let [first, second] = self.buckets_of(hash);
        let (bucket, place) = self
            .vacancy(first)
            .or_else(|| self.vacancy(second))
            .or_else(|| self.make_room(first))
            .or_else(|| self.make_room(second))
            .ok_or(TableFull)?;
        self.buckets[bucket].put(place, hash.tag(), slot);
        Ok(())
    }

    #[inline]
    fn vacancy(&self, bucket: usize) -> Option<(usize, usize)> {
        self.buckets[bucket].vacancy().map(|place| (bucket, place))
    }

    /// Moves a key of a full bucket to its other bucket.
    #[cold]
    fn make_room(&mut self, bucket: usize) -> Option<(usize, usize)> {
        for place in 0..SLOTS {
            let other = self.other_bucket(bucket, self.buckets[bucket].tag_at(place));
            if let Some((other, vacancy)) = self.vacancy(other) {
                let (tag, Some(slot)) = self.buckets[bucket].take(place) else { continue };
                self.buckets[other].put(vacancy, tag, slot);
                return Some((bucket, place));
            }
        }
        None
    }

    fn displace(&mut self, key: &E::Key, slot: Hit) {
        let hash = self.hash(key);
        for bucket in self.buckets_of(hash) {
            let bucket = &mut self.buckets[bucket];
            if let Some(place) = bucket.find(hash.tag(), slot) {
                bucket.take(place);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
