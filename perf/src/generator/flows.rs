//! Which flow sends next: flows in a random order round and round, or a new one every time.

use crate::bench::traffic::{self, End};

/// New flows are numbers below two to this; their clients fit in 100.64.0.0/10.
const FRESH_BITS: u32 = 26;

/// New flows there are before the first one comes again.
pub const FRESH_COUNT: u32 = 1 << FRESH_BITS;

/// An odd factor permutes all numbers of so many bits and keeps neighbours apart.
const SCATTER: u32 = 0x9e37_79b1;

/// A prime above all counts of flows, so that its multiples permute the numbers below any of them.
const STRIDE: u32 = 2_654_435_761;

#[inline]
fn fresh_client(number: u32) -> End {
    traffic::client(number.wrapping_mul(SCATTER) & (FRESH_COUNT - 1))
}

/// The sequence of clients.
#[derive(Clone, Debug)]
pub enum Flows {
    /// These in turn, for ever.
    Known {
        /// In random order.
        clients: Box<[End]>,
        /// Whose turn it is.
        next: usize,
    },
    /// One that has not been before, every time.
    Fresh {
        /// How many there have been.
        next: u32,
    },
    /// The first so many of the new ones, in another order, for ever.
    Again {
        /// How many.
        count: u32,
        /// How many there have been.
        next: u32,
    },
}

impl Flows {
    /// `count` flows in a random order, the same for the same seed.
    #[must_use]
    pub fn known(count: u32, seed: u64) -> Self {
        let order = traffic::random_order(count, seed);
        Self::Known { clients: order.into_iter().map(traffic::client).collect(), next: 0 }
    }

    /// New flows, scattered.
    #[must_use]
    pub fn fresh() -> Self {
        Self::Fresh { next: 0 }
    }

    /// The first `count` of the new ones once more, each as often as the others.
    #[must_use]
    pub fn again(count: u32) -> Self {
        Self::Again { count: count.max(1), next: 0 }
    }

    /// The next client.
    #[inline]
    pub fn next_client(&mut self) -> End {
        match self {
            Self::Known { clients, next } => {
                let client = clients.get(*next).copied();
                *next += 1;
                if *next >= clients.len() {
                    *next = 0;
                }
                client.unwrap_or((std::net::Ipv4Addr::UNSPECIFIED, 0))
            }
            Self::Fresh { next } => {
                let client = fresh_client(*next);
                *next = next.wrapping_add(1);
                client
            }
            Self::Again { count, next } => {
                let place = u64::from(*next) * u64::from(STRIDE) % u64::from(*count);
                *next = if *next + 1 == *count { 0 } else { *next + 1 };
                fresh_client(u32::try_from(place).unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn known_flows_come_round_in_the_same_order() {
        let mut flows = Flows::known(100, 1);
        let first: Vec<End> = (0..100).map(|_| flows.next_client()).collect();
        let second: Vec<End> = (0..100).map(|_| flows.next_client()).collect();
        assert_eq!(first, second);
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 100);
    }

    #[test]
    fn the_first_flows_come_again_all_of_them() {
        for count in [1, 2, 1000, 65_536] {
            let mut fresh = Flows::fresh();
            let first: HashSet<End> = (0..count).map(|_| fresh.next_client()).collect();
            let mut again = Flows::again(count);
            for _ in 0..2 {
                assert_eq!((0..count).map(|_| again.next_client()).collect::<HashSet<_>>(), first);
            }
        }
    }

    #[test]
    fn fresh_flows_do_not_repeat_and_are_scattered() {
        let mut flows = Flows::fresh();
        let clients: Vec<End> = (0..100_000).map(|_| flows.next_client()).collect();
        assert_eq!(clients.iter().collect::<HashSet<_>>().len(), 100_000);
        assert!(clients.windows(2).all(|pair| pair[0].0 != pair[1].0));
        let last = traffic::client(FRESH_COUNT - 1).0;
        assert!((64..128).contains(&last.octets()[1]) && last.octets()[0] == 100, "{last}");
    }
}
