//! [`LocalPortUsage`]: how near a worker is to the end of its local ports towards a real server.
//!
//! Every flow of a FULLNAT service holds one local port towards its real server, so the ports in
//! use are counted already: they are the real server's active and inactive flows on that worker.

use crate::stats::RealServerStats;

/// Ports in use and ports there are, of one worker towards one real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPortUsage {
    /// Ports in use now.
    pub used: u64,
    /// Ports there are, by [`LocalPortShare::capacity`](super::LocalPortShare::capacity).
    pub capacity: u64,
}

/// What an operator should make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalPortLevel {
    /// Less than three quarters are in use.
    Ample,
    /// Three quarters are in use: add local addresses before it bites.
    Scarce,
    /// 19 of 20 are in use: new flows need several tries to find a port, and are about to be
    /// refused.
    Critical,
}

impl LocalPortUsage {
    /// Of a real server of a FULLNAT service, by one worker's counters.
    #[must_use]
    pub fn of(real: &RealServerStats, capacity: u64) -> Self {
        Self { used: real.active.value().saturating_add(real.inactive.value()), capacity }
    }

    /// The same over several workers or real servers.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            used: self.used.saturating_add(other.used),
            capacity: self.capacity.saturating_add(other.capacity),
        }
    }

    /// The share in use, in percent, rounded down; 100 without any port.
    #[must_use]
    pub fn percent(self) -> u64 {
        (self.used.saturating_mul(100)).checked_div(self.capacity).unwrap_or(100)
    }

    /// What it means.
    #[must_use]
    pub fn level(self) -> LocalPortLevel {
        match self.percent() {
            0..75 => LocalPortLevel::Ample,
            75..95 => LocalPortLevel::Scarce,
            _ => LocalPortLevel::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_at_their_thresholds() {
        let level = |used| LocalPortUsage { used, capacity: 1000 }.level();
        assert_eq!((level(0), level(749)), (LocalPortLevel::Ample, LocalPortLevel::Ample));
        assert_eq!((level(750), level(949)), (LocalPortLevel::Scarce, LocalPortLevel::Scarce));
        assert_eq!((level(950), level(1001)), (LocalPortLevel::Critical, LocalPortLevel::Critical));
        assert_eq!(LocalPortUsage { used: 0, capacity: 0 }.level(), LocalPortLevel::Critical);
    }

    #[test]
    fn each_flow_holds_a_port() {
        let stats = RealServerStats::default();
        stats.active.add(3);
        stats.inactive.add(4);
        let usage = LocalPortUsage::of(&stats, 64_512);
        assert_eq!(usage.plus(usage), LocalPortUsage { used: 14, capacity: 129_024 });
    }
}
