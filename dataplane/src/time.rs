//! The packet path's coarse clock: 100 ticks a second, wrapping.
//!
//! A tick is a `u32`, so that a flow record keeps it in four bytes. It wraps after 497 days;
//! differences are exact up to half of that, far above the longest timeout (31 days).

/// Ticks in one second.
pub const TICKS_PER_SECOND: u32 = 100;

/// Longest timeout that can be set, in seconds: 31 days, as ipvsadm's `--set`.
pub const TIMEOUT_S_MAX: u32 = 31 * 24 * 3600;

const _: () = assert!(TIMEOUT_S_MAX as u64 * (TICKS_PER_SECOND as u64) < 1 << 31);

/// A point in time of the worker's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick(pub u32);

/// A point in time as the worker's loop reads it: the tick, and the cycle counter it was told from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The tick.
    pub tick: Tick,
    /// Cycles since some time in the past; they wrap.
    pub cycles: u64,
}

/// A span of time in ticks of 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub u32);

impl Ticks {
    /// `seconds` as ticks; more than [`TIMEOUT_S_MAX`] is taken as that.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        let seconds = if seconds > TIMEOUT_S_MAX { TIMEOUT_S_MAX } else { seconds };
        Self(seconds * TICKS_PER_SECOND)
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0 / TICKS_PER_SECOND
    }

    /// Whole seconds, rounded up, as listings show remaining time.
    #[must_use]
    pub const fn as_secs_ceil(self) -> u32 {
        self.0.div_ceil(TICKS_PER_SECOND)
    }
}

impl Tick {
    /// The time that has passed since `earlier`; zero if `earlier` is in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Ticks {
        let difference = self.0.wrapping_sub(earlier.0);
        if difference > u32::MAX / 2 { Ticks(0) } else { Ticks(difference) }
    }

    /// This point moved on by `span`.
    #[must_use]
    pub const fn after(self, span: Ticks) -> Self {
        Self(self.0.wrapping_add(span.0))
    }

    /// This point moved back by `span`.
    #[must_use]
    pub const fn before(self, span: Ticks) -> Self {
        Self(self.0.wrapping_sub(span.0))
    }

    /// Whether this point has been reached at `now`.
    #[must_use]
    pub const fn is_due(self, now: Self) -> bool {
        now.0.wrapping_sub(self.0) <= u32::MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_survive_the_wrap() {
        let start = Tick(u32::MAX - 10);
        let later = start.after(Ticks::from_secs(1));
        assert_eq!(later.since(start), Ticks(100));
        assert_eq!(start.since(later), Ticks(0));
        assert_eq!(later.before(Ticks::from_secs(1)), start);
        assert!(!later.is_due(start));
        assert!(later.is_due(later));
        assert!(start.is_due(later));
    }

    #[test]
    fn seconds_round_up_and_are_capped() {
        assert_eq!(Ticks(1).as_secs_ceil(), 1);
        assert_eq!(Ticks::from_secs(900).as_secs_ceil(), 900);
        assert_eq!(Ticks::from_secs(u32::MAX), Ticks::from_secs(TIMEOUT_S_MAX));
    }
}
