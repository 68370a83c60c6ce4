//! A small table of fixed size beside the flow table: what is kept of the few flows that need more
//! than a record of 64 bytes.
//!
//! Hash chains over an array; nothing is allocated, moved or rehashed after start.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::FixedState;

use crate::flow::{FlowKey, Key as _};

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Entry<V> {
    /// The next in the chain of its hash, or of the free ones.
    next: u32,
    used: Option<(FlowKey, V)>,
}

/// A bounded map from keys to values.
#[derive(Debug)]
pub struct SideTable<V> {
    heads: Box<[u32]>,
    entries: Box<[Entry<V>]>,
    free: u32,
    len: usize,
    /// Where [`Self::take_turn`] goes on.
    turn: usize,
    hasher: FixedState,
}

impl<V> SideTable<V> {
    /// An empty table for `capacity` values. `seed` keys the hash and should be random.
    #[must_use]
    pub fn new(capacity: u32, seed: u64) -> Self {
        let next = |index: u32| if index + 1 == capacity { NONE } else { index + 1 };
        Self {
            heads: vec![NONE; capacity as usize].into_boxed_slice(),
            entries: (0..capacity).map(|index| Entry { next: next(index), used: None }).collect(),
            free: if capacity == 0 { NONE } else { 0 },
            len: 0,
            turn: 0,
            hasher: FixedState::with_seed(seed),
        }
    }

    /// Whether there is nothing in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is no room for another key.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.free == NONE
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &FlowKey) -> Option<&V> {
        let (index, _) = self.find(key)?;
        self.entries.get(index as usize)?.used.as_ref().map(|(_, value)| value)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &FlowKey) -> Option<&mut V> {
        let (index, _) = self.find(key)?;
        self.entries.get_mut(index as usize)?.used.as_mut().map(|(_, value)| value)
    }

    /// Gives `key` this value; false, and nothing done, if there is no room.
    pub fn put(&mut self, key: FlowKey, value: V) -> bool {
        if let Some(old) = self.get_mut(&key) {
            *old = value;
            return true;
        }
        let (index, head) = (self.free, self.head_of(&key));
        let Some(entry) = self.entries.get_mut(index as usize) else { return false };
        self.free = entry.next;
        *entry = Entry { next: self.heads[head], used: Some((key, value)) };
        self.heads[head] = index;
        self.len += 1;
        true
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &FlowKey) -> Option<V> {
        let (index, previous) = self.find(key)?;
        let entry = self.entries.get_mut(index as usize)?;
        let (next, used) = (entry.next, entry.used.take());
        entry.next = self.free;
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => {
                let head = self.head_of(key);
                self.heads[head] = next;
            }
        }
        self.free = index;
        self.len -= 1;
        used.map(|(_, value)| value)
    }

    /// The key and value at the next place, place by place over and over; `None` where it is
    /// vacant.
    pub fn take_turn(&mut self) -> Option<(&FlowKey, &V)> {
        let place = self.turn;
        self.turn = if place + 1 >= self.entries.len() { 0 } else { place + 1 };
        self.entries.get(place)?.used.as_ref().map(|(key, value)| (key, value))
    }

    /// The entry of `key` and the one before it in its chain ([`NONE`] if it is the first).
    fn find(&self, key: &FlowKey) -> Option<(u32, u32)> {
        let (mut previous, mut index) = (NONE, *self.heads.get(self.head_of(key))?);
        // A chain is no longer than the table.
        for _ in 0..=self.len {
            let entry = self.entries.get(index as usize)?;
            if entry.used.as_ref().is_some_and(|(used, _)| used == key) {
                return Some((index, previous));
            }
            (previous, index) = (index, entry.next);
        }
        None
    }

    fn head_of(&self, key: &FlowKey) -> usize {
        let mut hasher = self.hasher.build_hasher();
        key.feed(&mut hasher);
        let upper_half = hasher.finish() >> 32;
        ((upper_half * self.heads.len() as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::Ipv4Addr;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn key(number: u16) -> FlowKey {
        FlowKey::ipv4(6, Ipv4Addr::LOCALHOST, 0, Ipv4Addr::LOCALHOST, number)
    }

    #[test]
    fn a_full_table_refuses_and_takes_turns() {
        let mut table = SideTable::new(3, 1);
        assert!(table.is_empty() && !table.is_full());
        assert!((0..3).all(|number| table.put(key(number), number)));
        assert!(table.is_full() && !table.put(key(3), 3));
        assert!(table.put(key(2), 20), "a key that is there needs no room");
        let mut seen: Vec<u16> = (0..3).map(|_| *table.take_turn().unwrap().1).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 20]);
        assert_eq!(table.remove(&key(1)), Some(1));
        assert_eq!((0..3).filter(|_| table.take_turn().is_none()).count(), 1);
        assert!(!SideTable::new(0, 1).put(key(1), 1));
    }

    proptest! {
        #[test]
        fn it_is_like_a_map(steps in vec((0..3u8, 0..20u16, any::<u32>()), 0..200)) {
            let (mut table, mut model) = (SideTable::new(12, 7), HashMap::new());
            for (step, number, value) in steps {
                match step {
                    0 => {
                        let fits = model.len() < 12 || model.contains_key(&number);
                        prop_assert_eq!(table.put(key(number), value), fits);
                        if fits { model.insert(number, value); }
                    }
                    1 => prop_assert_eq!(table.remove(&key(number)), model.remove(&number)),
                    _ => prop_assert_eq!(table.get(&key(number)), model.get(&number)),
                }
                prop_assert_eq!(table.is_empty(), model.is_empty());
            }
        }
    }
}
