//! How long a scenario is measured.

use std::time::Duration;

/// How long a scenario is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Packets in each round in memory.
    pub packets: u64,
    /// Time before each round between processes.
    pub warm_up: Duration,
    /// Time of each round between processes.
    pub window: Duration,
}

impl Effort {
    /// For figures to be published.
    pub const FULL: Self = Self {
        rounds: 5,
        packets: 4_000_000,
        warm_up: Duration::from_millis(100),
        window: Duration::from_millis(500),
    };
    /// For a look while working.
    pub const QUICK: Self = Self {
        rounds: 3,
        packets: 1_000_000,
        warm_up: Duration::from_millis(50),
        window: Duration::from_millis(500),
    };
}
