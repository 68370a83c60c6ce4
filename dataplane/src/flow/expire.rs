//! The timer wheel: every flow stands in the list of the second in which it may have ended.
//!
//! Packets only write `last_seen`; they never move a flow in the wheel, unless its timeout became
//! shorter. When the wheel comes to a flow whose life went on, it is linked anew. A flow further
//! away than the wheel is long is looked at once per round.

use super::entry::{Entry, Record};
use memory::prefetch;

use crate::limits::FLOW_COUNT_MAX;
use crate::time::{TICKS_PER_SECOND, Tick, Ticks};

const SLOT_COUNT: usize = 1024;
/// Bits of a record's number; the number that has all of them stands for "none".
const INDEX_BITS: u32 = 27;
const NONE: u32 = (1 << INDEX_BITS) - 1;
const SLOT_LEN: Ticks = Ticks(TICKS_PER_SECOND);

const _: () = assert!(FLOW_COUNT_MAX < NONE);
// The slot takes the bits that two numbers leave.
const _: () = assert!(SLOT_COUNT <= 1 << (2 * (u32::BITS - INDEX_BITS)));

/// A flow's place in the wheel's lists: its neighbours and the slot, in eight bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct WheelLink {
    next: u32,
    previous: u32,
}

impl WheelLink {
    const SLOT_BITS: u32 = u32::BITS - INDEX_BITS;

    #[expect(clippy::cast_possible_truncation, reason = "below SLOT_COUNT")]
    const fn new(next: u32, previous: u32, slot: usize) -> Self {
        let (high, low) =
            (slot as u32 >> Self::SLOT_BITS, slot as u32 & ((1 << Self::SLOT_BITS) - 1));
        Self {
            next: next & NONE | high << INDEX_BITS,
            previous: previous & NONE | low << INDEX_BITS,
        }
    }

    const fn next(self) -> u32 {
        self.next & NONE
    }

    const fn previous(self) -> u32 {
        self.previous & NONE
    }

    /// The slot it is in.
    pub(super) const fn slot(self) -> usize {
        ((self.next >> INDEX_BITS) << Self::SLOT_BITS | self.previous >> INDEX_BITS) as usize
    }

    fn set_next(&mut self, next: u32) {
        *self = Self::new(next, self.previous(), self.slot());
    }

    fn set_previous(&mut self, previous: u32) {
        *self = Self::new(self.next(), previous, self.slot());
    }
}

/// Lists of flows by the second they are to be looked at.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Box<[u32; SLOT_COUNT]>,
    /// The slot being emptied.
    current: usize,
    /// When the current slot ends.
    current_end: Tick,
}

impl Wheel {
    pub(super) fn new(now: Tick) -> Self {
        let heads = Box::new([NONE; SLOT_COUNT]);
        Self { heads, current: 0, current_end: now.after(SLOT_LEN) }
    }

    /// Puts an unlinked flow where it is looked at first after `deadline`.
    pub(super) fn link<E: Entry>(&mut self, flows: &mut [Record<E>], index: u32, deadline: Tick) {
        let slot = (self.current + self.slots_ahead(deadline)) % SLOT_COUNT;
        let head = self.heads[slot];
        if let Some(next) = record(flows, head) {
            next.link_mut().set_previous(index);
        }
        if let Some(flow) = record(flows, index) {
            *flow.link_mut() = WheelLink::new(head, NONE, slot);
            self.heads[slot] = index;
        }
    }

    /// How many slots behind the current one a flow with `deadline` belongs.
    fn slots_ahead(&self, deadline: Tick) -> usize {
        let ahead = deadline.since(self.current_end).0 / TICKS_PER_SECOND + 1;
        (ahead as usize).min(SLOT_COUNT - 1)
    }

    /// Whether a flow in `slot` is looked at as soon as one linked for `deadline` would be.
    #[inline]
    pub(super) fn is_in_time(&self, slot: usize, deadline: Tick) -> bool {
        let ahead = (slot + SLOT_COUNT - self.current) % SLOT_COUNT;
        ahead <= self.slots_ahead(deadline)
    }

    /// Takes a linked flow out.
    pub(super) fn unlink<E: Entry>(&mut self, flows: &mut [Record<E>], index: u32) {
        let Some(link) = record(flows, index).map(|flow| flow.link()) else { return };
        let (next, previous) = (link.next(), link.previous());
        if let Some(flow) = record(flows, next) {
            flow.link_mut().set_previous(previous);
        }
        match record(flows, previous) {
            Some(flow) => flow.link_mut().set_next(next),
            None => self.heads[link.slot()] = next,
        }
    }

    /// Takes out the next flow whose second has passed by `now`.
    pub(super) fn pop_due<E: Entry>(&mut self, flows: &mut [Record<E>], now: Tick) -> Option<u32> {
        loop {
            if !self.current_end.is_due(now) {
                return None;
            }
            let head = self.heads[self.current];
            if head != NONE {
                self.unlink(flows, head);
                // Whatever is next in the list is needed next.
                if let Some(next) = flows.get(self.heads[self.current] as usize) {
                    prefetch(next);
                }
                return Some(head);
            }
            self.current = (self.current + 1) % SLOT_COUNT;
            self.current_end = self.current_end.after(SLOT_LEN);
        }
    }
}

#[cfg(test)]
impl Wheel {
    /// Flows in all lists, which are walked in both directions.
    pub(super) fn linked<E: Entry>(&self, flows: &[Record<E>]) -> usize {
        let mut count = 0;
        for (slot, head) in self.heads.iter().enumerate() {
            let (mut previous, mut index) = (NONE, *head);
            while let Some(record) = flows.get(index as usize) {
                let link = record.flow().expect("a list holds no freed record").link();
                assert_eq!((link.previous(), link.slot()), (previous, slot));
                (previous, index) = (index, link.next());
                count += 1;
                assert!(count <= flows.len(), "a list goes in circles");
            }
        }
        count
    }
}

fn record<E>(flows: &mut [Record<E>], index: u32) -> Option<&mut E> {
    flows.get_mut(index as usize)?.flow_mut()
}
