//! What a flow's record keeps for people only: when it was opened, and the packets of its client.
//!
//! There is room for it beside the keys of IPv4. With those of IPv6 a record and its share of the
//! buckets would go over 128 bytes, so there it is left out. That is why the defences do not go by
//! these counts, but by the few bits beside the timeout (`life`), which all records have.

use std::fmt;

use crate::time::{Tick, Ticks};

/// When a flow was opened, and what has come since.
pub trait Tally: Copy + fmt::Debug {
    /// Of a flow that is opened at `now`.
    fn opened_at(now: Tick) -> Self;

    /// Counts a packet from the client.
    fn count(&mut self);

    /// How long the flow has been there at `now`, below 497 days; `None` if it is not kept.
    fn age(&self, now: Tick) -> Option<Ticks>;

    /// Packets from the client, up to `u32::MAX`; `None` if they are not counted.
    fn packets(&self) -> Option<u32>;
}

/// All of it, in eight bytes.
#[derive(Clone, Copy, Debug)]
pub struct PacketTally {
    opened: Tick,
    packets: u32,
}

/// Nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoTally;

impl Tally for PacketTally {
    #[inline(always)]
    fn opened_at(now: Tick) -> Self {
        Self { opened: now, packets: 0 }
    }

    #[inline(always)]
    fn count(&mut self) {
        self.packets = self.packets.saturating_add(1);
    }

    fn age(&self, now: Tick) -> Option<Ticks> {
        // Unlike a deadline it never lies ahead, so all of the clock's range counts.
        Some(Ticks(now.0.wrapping_sub(self.opened.0)))
    }

    fn packets(&self) -> Option<u32> {
        Some(self.packets)
    }
}

impl Tally for NoTally {
    #[inline(always)]
    fn opened_at(_: Tick) -> Self {
        Self
    }

    #[inline(always)]
    fn count(&mut self) {}

    fn age(&self, _: Tick) -> Option<Ticks> {
        None
    }

    fn packets(&self) -> Option<u32> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_go_over_the_wrap_of_the_clock_and_counts_stop_at_their_end() {
        let mut tally = PacketTally::opened_at(Tick(u32::MAX - 5));
        assert_eq!(tally.age(Tick(u32::MAX - 5)), Some(Ticks(0)));
        assert_eq!(tally.age(Tick(u32::MAX - 6)), Some(Ticks(u32::MAX)), "497 days");
        assert_eq!(tally.age(Tick(4)), Some(Ticks(10)));
        tally.count();
        assert_eq!(tally.packets(), Some(1));
        tally.packets = u32::MAX - 1;
        tally.count();
        tally.count();
        assert_eq!(tally.packets(), Some(u32::MAX));
    }
}
