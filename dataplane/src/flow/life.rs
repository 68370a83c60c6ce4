//! How long a flow may idle, and how many packets it has had from its client, in four bytes.
//!
//! The longest timeout leaves the upper four bits, and nobody asks for more than a few packets.

use std::fmt;

use crate::time::{TICKS_PER_SECOND, TIMEOUT_S_MAX, Ticks};

const COUNT_SHIFT: u32 = 28;
const TIMEOUT: u32 = (1 << COUNT_SHIFT) - 1;
const ONE: u32 = 1 << COUNT_SHIFT;

const _: () = assert!(TIMEOUT_S_MAX * TICKS_PER_SECOND <= TIMEOUT);
const _: () = assert!((Life::MANY as u32) < 16);

/// A timeout and a count of packets that ends at [`Self::MANY`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Life(u32);

impl Life {
    /// More packets than anybody asks for.
    pub(super) const MANY: u8 = 9;

    /// No packets yet.
    pub(super) const fn new(timeout: Ticks) -> Self {
        Self(timeout.0 & TIMEOUT)
    }

    #[inline(always)]
    pub(super) const fn timeout(self) -> Ticks {
        Ticks(self.0 & TIMEOUT)
    }

    /// The same with another timeout.
    #[inline(always)]
    pub(super) const fn with_timeout(self, timeout: Ticks) -> Self {
        Self(self.0 & !TIMEOUT | timeout.0 & TIMEOUT)
    }

    #[inline(always)]
    pub(super) const fn in_packets(self) -> u8 {
        (self.0 >> COUNT_SHIFT) as u8
    }

    /// Whether the timeout is shorter than that of `other`, which has as many packets.
    #[inline(always)]
    pub(super) const fn is_shorter(self, other: Self) -> bool {
        self.0 < other.0
    }

    /// Whether packets are still counted.
    #[inline(always)]
    pub(super) const fn counts(self) -> bool {
        self.0 < (Self::MANY as u32) << COUNT_SHIFT
    }

    /// The same with one packet more, if they are still counted.
    pub(super) const fn with_packet(self) -> Self {
        if self.counts() { Self(self.0 + ONE) } else { self }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} packets", self.timeout(), self.in_packets())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_timeout_and_the_count_do_not_disturb_each_other() {
        let longest = Ticks::from_secs(TIMEOUT_S_MAX);
        let mut life = Life::new(longest);
        for packets in 1..20 {
            life = life.with_packet();
            assert_eq!((life.timeout(), life.in_packets()), (longest, packets.min(Life::MANY)));
            let short = life.with_timeout(Ticks(1));
            assert_eq!((short.timeout(), short.in_packets()), (Ticks(1), life.in_packets()));
            life = short.with_timeout(longest);
        }
    }
}
