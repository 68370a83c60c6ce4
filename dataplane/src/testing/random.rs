//! [`Random`]: numbers for tests and benchmarks, the same in every run.

use std::net::Ipv4Addr;

/// A small fast generator (xorshift64*), so that a million packets are made in no time.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // From 0 only 0 would follow.
        Self(seed.max(1))
    }

    /// Any number.
    pub fn u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from((u128::from(self.u64()) * bound as u128) >> 64).unwrap()
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.u64().to_be_bytes()[0]
    }

    /// An address in 10/8 and a port that is not a well-known one.
    pub fn end(&mut self) -> (Ipv4Addr, u16) {
        let [_, a, b, c, ..] = self.u64().to_be_bytes();
        (Ipv4Addr::new(10, a, b, c), u16::try_from(1024 + self.below(64_512)).unwrap())
    }

    /// Puts `items` in any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for left in (1..items.len()).rev() {
            items.swap(left, self.below(left + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_below_their_bound_and_reach_all_of_it() {
        let mut random = Random::new(0);
        let mut seen = [0; 10];
        for _ in 0..10_000 {
            seen[random.below(seen.len())] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| random.end().1 >= 1024));
    }

    #[test]
    fn shuffling_moves_and_keeps_everything() {
        let mut items: Vec<u32> = (0..1000).collect();
        Random::new(7).shuffle(&mut items);
        assert!(items.iter().enumerate().filter(|(at, item)| *at == **item as usize).count() < 20);
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
