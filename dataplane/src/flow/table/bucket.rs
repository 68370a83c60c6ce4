//! Buckets: one cache line each, of tags and the flows they stand for.

use super::{Direction, FlowIdx, Hit};

/// Keys a bucket has room for.
pub(super) const SLOTS: usize = 8;
const REPLY_BIT: u32 = 1 << 31;
/// The tag of a slot that is not in use; [`KeyHash::tag`](super::KeyHash) is never this.
pub(super) const VACANT: u32 = 0;

/// Eight tags (31 bits of the hash, and a bit that says the slot is in use) and eight slots.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    tags: [u32; SLOTS],
    slots: [u32; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// One key's place: a flow and which of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    pub(super) fn new(flow: u32, direction: Direction) -> Self {
        Self(match direction {
            Direction::Request => flow,
            Direction::Reply => flow | REPLY_BIT,
        })
    }

    #[inline(always)]
    pub(super) fn hit(self) -> Hit {
        let direction = if self.0 & REPLY_BIT == 0 { Direction::Request } else { Direction::Reply };
        Hit { flow: FlowIdx(self.0 & !REPLY_BIT), direction }
    }
}

/// Slots of a bucket as a set of their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotSet(u32);

impl Iterator for SlotSet {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let first = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (first < SLOTS).then_some(first)
    }
}

impl Bucket {
    pub(super) const EMPTY: Self = Self { tags: [VACANT; SLOTS], slots: [0; SLOTS] };

    /// The slots whose tag is `tag`. All eight are compared before anything branches.
    #[inline(always)]
    pub(super) fn tagged(&self, tag: u32) -> SlotSet {
        let mut set = 0;
        for (place, candidate) in self.tags.iter().enumerate() {
            set |= u32::from(*candidate == tag) << place;
        }
        SlotSet(set)
    }

    /// The first key with this tag.
    #[inline(always)]
    pub(super) fn first_tagged(&self, tag: u32) -> Option<Hit> {
        self.tagged(tag).next().map(|place| self.at(place))
    }

    #[inline(always)]
    pub(super) fn at(&self, place: usize) -> Hit {
        Slot(self.slots[place]).hit()
    }

    pub(super) fn tag_at(&self, place: usize) -> u32 {
        self.tags[place]
    }

    /// A slot that is not in use.
    #[inline]
    pub(super) fn vacancy(&self) -> Option<usize> {
        self.tagged(VACANT).next()
    }

    pub(super) fn put(&mut self, place: usize, tag: u32, slot: Slot) {
        self.tags[place] = tag;
        self.slots[place] = slot.0;
    }

    /// Takes out what stands at `place`.
    pub(super) fn take(&mut self, place: usize) -> (u32, Slot) {
        (std::mem::replace(&mut self.tags[place], VACANT), Slot(self.slots[place]))
    }

    /// Where `slot` stands.
    pub(super) fn find(&self, tag: u32, slot: Slot) -> Option<usize> {
        self.tagged(tag).find(|place| self.slots[*place] == slot.0)
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.tags.iter().filter(|tag| **tag != VACANT).count()
    }
}
