//! The timer wheel: every flow stands in the list of the second in which it may have ended.
//!
//! Packets only write `last_seen`; they never move a flow in the wheel, unless its timeout became
//! shorter. When the wheel comes to a flow whose life went on, it is linked anew. A flow further
//! away than the wheel is long is looked at once per round.

use super::entry::{Flow, Record, WheelLink};
use memory::prefetch;

use crate::time::{TICKS_PER_SECOND, Tick, Ticks};

const SLOT_COUNT: usize = 1024;
const NONE: u32 = u32::MAX;
const SLOT_LEN: Ticks = Ticks(TICKS_PER_SECOND);

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
    pub(super) fn link<K: Copy>(&mut self, flows: &mut [Record<K>], index: u32, deadline: Tick) {
        let slot = (self.current + self.slots_ahead(deadline)) % SLOT_COUNT;
        let head = self.heads[slot];
        if let Some(next) = record(flows, head) {
            next.wheel.previous = index;
        }
        if let Some(flow) = record(flows, index) {
            #[expect(clippy::cast_possible_truncation, reason = "below SLOT_COUNT")]
            let slot = slot as u16;
            flow.wheel = WheelLink { next: head, previous: NONE, slot };
            self.heads[usize::from(slot)] = index;
        }
    }

    /// How many slots behind the current one a flow with `deadline` belongs.
    fn slots_ahead(&self, deadline: Tick) -> usize {
        let ahead = deadline.since(self.current_end).0 / TICKS_PER_SECOND + 1;
        (ahead as usize).min(SLOT_COUNT - 1)
    }

    /// Whether a flow in `slot` is looked at as soon as one linked for `deadline` would be.
    #[inline]
    pub(super) fn is_in_time(&self, slot: u16, deadline: Tick) -> bool {
        let ahead = (usize::from(slot) + SLOT_COUNT - self.current) % SLOT_COUNT;
        ahead <= self.slots_ahead(deadline)
    }

    /// Takes a linked flow out.
    pub(super) fn unlink<K: Copy>(&mut self, flows: &mut [Record<K>], index: u32) {
        let Some(WheelLink { next, previous, slot }) = record(flows, index).map(|flow| flow.wheel)
        else {
            return;
        };
        if let Some(flow) = record(flows, next) {
            flow.wheel.previous = previous;
        }
        match record(flows, previous) {
            Some(flow) => flow.wheel.next = next,
            None => self.heads[usize::from(slot)] = next,
        }
    }

    /// Takes out the next flow whose second has passed by `now`.
    pub(super) fn pop_due<K: Copy>(&mut self, flows: &mut [Record<K>], now: Tick) -> Option<u32> {
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
    pub(super) fn linked<K: Copy>(&self, flows: &[Record<K>]) -> usize {
        let mut count = 0;
        for (slot, head) in self.heads.iter().enumerate() {
            let (mut previous, mut index) = (NONE, *head);
            while let Some(record) = flows.get(index as usize) {
                let link = record.flow().expect("a list holds no freed record").wheel;
                let WheelLink { next, previous: before, slot: home } = link;
                assert_eq!((before, usize::from(home)), (previous, slot));
                (previous, index) = (index, next);
                count += 1;
                assert!(count <= flows.len(), "a list goes in circles");
            }
        }
        count
    }
}

fn record<K>(flows: &mut [Record<K>], index: u32) -> Option<&mut Flow<K>> {
    flows.get_mut(index as usize)?.flow_mut()
}
