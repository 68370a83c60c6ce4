//! Buckets: one cache line each, of tags and the flows they stand for.

use std::fmt;
use std::num::NonZeroU32;

use memory::equal_lanes;

use super::{Direction, FlowIdx};

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
    slots: [Option<Hit>; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// A flow found, and by which of its keys: what a slot says.
// The bits are inverted so that none of them set, which no flow has, can stand for "no flow".
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hit(NonZeroU32);

const _: () = assert!(size_of::<Option<Hit>>() == 4);

impl Hit {
    /// The key of `direction` of a flow.
    #[inline(always)]
    pub(crate) fn new(flow: FlowIdx, direction: Direction) -> Self {
        let bits = match direction {
            Direction::Request => flow.0,
            Direction::Reply => flow.0 | REPLY_BIT,
        };
        Self(NonZeroU32::new(!bits).unwrap_or(NonZeroU32::MAX))
    }

    /// The flow.
    #[inline(always)]
    #[must_use]
    pub fn flow(self) -> FlowIdx {
        FlowIdx(!self.0.get() & !REPLY_BIT)
    }

    /// The key that matched.
    #[inline(always)]
    #[must_use]
    pub fn direction(self) -> Direction {
        if !self.0.get() & REPLY_BIT == 0 { Direction::Request } else { Direction::Reply }
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.flow(), self.direction())
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
    pub(super) const EMPTY: Self = Self { tags: [VACANT; SLOTS], slots: [None; SLOTS] };

    /// The slots whose tag is `tag`. All eight are compared before anything branches.
    #[inline(always)]
    pub(super) fn tagged(&self, tag: u32) -> SlotSet {
        SlotSet(equal_lanes(&self.tags, tag))
    }

    /// The first key with this tag.
    #[inline(always)]
    pub(super) fn first_tagged(&self, tag: u32) -> Option<Hit> {
        self.tagged(tag).next().and_then(|place| self.at(place))
    }

    #[inline(always)]
    pub(super) fn at(&self, place: usize) -> Option<Hit> {
        self.slots[place]
    }

    pub(super) fn tag_at(&self, place: usize) -> u32 {
        self.tags[place]
    }

    /// A slot that is not in use.
    #[inline]
    pub(super) fn vacancy(&self) -> Option<usize> {
        self.tagged(VACANT).next()
    }

    pub(super) fn put(&mut self, place: usize, tag: u32, slot: Hit) {
        self.tags[place] = tag;
        self.slots[place] = Some(slot);
    }

    /// Takes out what stands at `place`.
    pub(super) fn take(&mut self, place: usize) -> (u32, Option<Hit>) {
        (std::mem::replace(&mut self.tags[place], VACANT), self.slots[place].take())
    }

    /// Where `slot` stands.
    pub(super) fn find(&self, tag: u32, slot: Hit) -> Option<usize> {
        self.tagged(tag).find(|place| self.slots[*place] == Some(slot))
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.tags.iter().filter(|tag| **tag != VACANT).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_equal_lanes_is_found() {
        for set in 0..1u32 << SLOTS {
            let tags = std::array::from_fn(|place| if set >> place & 1 == 1 { 7 } else { 8 });
            let bucket = Bucket { tags, slots: [None; SLOTS] };
            let expected: Vec<_> = (0..SLOTS).filter(|place| set >> place & 1 == 1).collect();
            assert_eq!(bucket.tagged(7).collect::<Vec<_>>(), expected);
        }
    }
}
