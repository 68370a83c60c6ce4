//! Numbers for keys, from a limited supply, given back when nobody refers to them any more.
//!
//! A number is in force while the configuration has its key, then retired until it is known that no
//! flow refers to it, then free. A key that comes back while its number is retired gets the same
//! one again, so that flows which have stayed go on.

use std::collections::HashMap;
use std::hash::Hash;

/// How a key came to its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The last configuration had it, too.
    Kept,
    /// Nobody has ever had this number, so its counters are 0.
    Fresh,
    /// This key has had it until some time ago, and nobody since.
    Returned,
    /// Somebody has had it.
    Used,
}

/// A number that is not in force any more.
#[derive(Clone, Copy, Debug)]
struct Retired {
    number: u32,
    /// The first generation without it.
    since: u64,
}

/// The numbers of one kind of thing.
#[derive(Debug)]
pub(super) struct Numbers<K> {
    limit: u32,
    in_force: HashMap<K, u32>,
    retired: HashMap<K, Retired>,
    /// Numbers that were used and can be used again.
    free: Vec<u32>,
    /// Numbers from here on were never used.
    unused: u32,
}

impl<K: Hash + Eq + Copy> Numbers<K> {
    /// Numbers below `limit`.
    pub(super) fn new(limit: u32) -> Self {
        let (in_force, retired) = (HashMap::new(), HashMap::new());
        Self { limit, in_force, retired, free: Vec::new(), unused: 0 }
    }

    /// How many of `keys` could not get a number; 0 if all can. No key may stand twice.
    pub(super) fn shortage(&self, keys: impl Iterator<Item = K>) -> usize {
        let has_one = |key: &K| self.in_force.contains_key(key) || self.retired.contains_key(key);
        let wanted = keys.filter(|key| !has_one(key)).count();
        let unused = self.limit.saturating_sub(self.unused);
        let left = self.free.len() + usize::try_from(unused).unwrap_or(usize::MAX);
        wanted.saturating_sub(left)
    }

    /// The number of a key, if it has one.
    pub(super) fn find(&self, key: &K) -> Option<u32> {
        let retired = || self.retired.get(key).map(|retired| retired.number);
        self.in_force.get(key).copied().or_else(retired)
    }

    /// How many numbers are retired.
    pub(super) fn retired_count(&self) -> usize {
        self.retired.len()
    }

    /// Begins a new configuration: whatever is not named by [`Self::keep_or_assign`] until
    /// [`Self::settle`] is retired.
    pub(super) fn begin(&mut self) -> Previous<K> {
        Previous(std::mem::take(&mut self.in_force))
    }

    /// The number of a key of the new configuration; `None` if there is none left.
    pub(super) fn keep_or_assign(
        &mut self,
        previous: &mut Previous<K>,
        key: K,
    ) -> Option<(u32, Origin)> {
        let (number, origin) = if let Some(number) = previous.0.remove(&key) {
            (number, Origin::Kept)
        } else if let Some(retired) = self.retired.remove(&key) {
            (retired.number, Origin::Returned)
        } else if let Some(number) = self.free.pop() {
            (number, Origin::Used)
        } else if self.unused < self.limit {
            self.unused += 1;
            (self.unused - 1, Origin::Fresh)
        } else {
            return None;
        };
        self.in_force.insert(key, number);
        Some((number, origin))
    }

    /// Retires what the configuration of `generation` does not have any more.
    pub(super) fn settle(&mut self, previous: Previous<K>, generation: u64) {
        let gone = previous.0.into_iter();
        self.retired.extend(gone.map(|(key, number)| (key, Retired { number, since: generation })));
    }

    /// Frees the retired numbers that nobody refers to: all workers run `generation` or a later
    /// one, which does not have them, and `is_idle` says so. `freed` hears of each.
    pub(super) fn release(
        &mut self,
        generation: u64,
        mut is_idle: impl FnMut(&K, u32) -> bool,
        mut freed: impl FnMut(K, u32),
    ) {
        let free = &mut self.free;
        self.retired.retain(|key, retired| {
            let stays = retired.since > generation || !is_idle(key, retired.number);
            if !stays {
                freed(*key, retired.number);
                free.push(retired.number);
            }
            stays
        });
    }

    /// All keys that have a number.
    pub(super) fn all(&self) -> impl Iterator<Item = &K> {
        self.in_force.keys().chain(self.retired.keys())
    }

    /// The retired numbers and their keys.
    pub(super) fn retired(&self) -> impl Iterator<Item = (&K, u32)> {
        self.retired.iter().map(|(key, retired)| (key, retired.number))
    }
}

/// The numbers of the configuration before.
#[derive(Debug)]
pub(super) struct Previous<K>(HashMap<K, u32>);

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts a configuration of these keys into force; the numbers in their order.
    fn apply(numbers: &mut Numbers<char>, keys: &str, generation: u64) -> Vec<(u32, Origin)> {
        let mut previous = numbers.begin();
        let given = keys.chars().map(|key| numbers.keep_or_assign(&mut previous, key).unwrap());
        let given = given.collect();
        numbers.settle(previous, generation);
        given
    }

    #[test]
    fn a_key_keeps_its_number_and_gets_it_back_while_it_is_retired() {
        let mut numbers = Numbers::new(3);
        assert_eq!(apply(&mut numbers, "ab", 1), [(0, Origin::Fresh), (1, Origin::Fresh)]);
        assert_eq!(apply(&mut numbers, "b", 2), [(1, Origin::Kept)]);
        assert_eq!(apply(&mut numbers, "ba", 3), [(1, Origin::Kept), (0, Origin::Returned)]);
        assert_eq!(numbers.retired_count(), 0);
    }

    #[test]
    fn a_number_is_free_when_every_worker_is_past_it_and_it_is_idle() {
        let mut numbers = Numbers::new(2);
        apply(&mut numbers, "ab", 1);
        apply(&mut numbers, "b", 2);
        assert_eq!(numbers.shortage("bc".chars()), 1, "a's number is not free yet");
        numbers.release(1, |_, _| true, |_, _| {});
        assert_eq!(numbers.shortage("bc".chars()), 1, "a worker still runs generation 1");
        numbers.release(2, |_, number| number != 0, |_, _| {});
        assert_eq!(numbers.shortage("bc".chars()), 1, "flows are left");
        let mut freed = Vec::new();
        numbers.release(2, |_, _| true, |key, number| freed.push((key, number)));
        assert_eq!(freed, [('a', 0)]);
        assert_eq!(numbers.shortage("bc".chars()), 0);
        assert_eq!(apply(&mut numbers, "bc", 3), [(1, Origin::Kept), (0, Origin::Used)]);
    }

    #[test]
    fn what_does_not_fit_is_told_before_and_gets_no_number() {
        let mut numbers = Numbers::new(2);
        assert_eq!(numbers.shortage("abcd".chars()), 2);
        apply(&mut numbers, "ab", 1);
        assert_eq!(numbers.shortage("abcd".chars()), 2);
        assert_eq!(numbers.shortage("ab".chars()), 0);
        let mut previous = numbers.begin();
        assert!(numbers.keep_or_assign(&mut previous, 'c').is_none());
    }
}
