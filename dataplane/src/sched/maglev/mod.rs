//! [`MaglevTable`]: from a client to a place in the list of real servers, by a table alone.
//!
//! Every real server has a permutation of all slots, and they take free slots in turn, each as its
//! weight says (Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer",
//! NSDI 2016, section 3.4). So the table depends on the real servers and their weights alone, every
//! director with the same ones has the same, and a real server that goes moves few of the others'
//! clients. Hash, permutations and turns are those of IPVS (`ip_vs_mh`).

use std::hash::Hasher as _;
use std::net::Ipv4Addr;

use siphasher::sip::SipHasher13;

/// Numbers of slots: the largest primes below powers of two, as in IPVS.
const SIZES: [u32; 10] = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521, 131_071];

/// Both halves of the key for slots and for where a permutation begins, and for its step.
const SLOT_KEY: u64 = 2_654_435_761;
const STEP_KEY: u64 = 2_654_446_892;

/// A real server, as the table sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaglevEntry {
    /// RIP.
    pub address: Ipv4Addr,
    /// rport.
    pub l4_port: u16,
    /// Weight; 0 has no slots.
    pub weight: u32,
}

/// A place in the list of real servers for each hash of a client.
#[derive(Debug, PartialEq, Eq)]
pub struct MaglevTable {
    slots: Box<[u32]>,
}

impl MaglevTable {
    /// A table for real servers in their list's order, with at least `per_entry` slots for each
    /// as far as the largest size goes. `None` if none of them has a weight, or they are more than
    /// the largest size has slots.
    #[must_use]
    pub fn build(entries: &[MaglevEntry], per_entry: u32) -> Option<Self> {
        let count = u32::try_from(entries.len()).ok()?;
        Self::with_slots(entries, count.saturating_mul(per_entry))
    }

    /// The same with at least so many slots in all, and one for each real server.
    #[must_use]
    pub fn with_slots(entries: &[MaglevEntry], slots: u32) -> Option<Self> {
        let count = u32::try_from(entries.len()).ok()?;
        let wanted = slots.max(count);
        let largest = SIZES[SIZES.len() - 1];
        let size = SIZES.into_iter().find(|size| *size >= wanted).unwrap_or(largest);
        if count > size || entries.iter().all(|entry| entry.weight == 0) {
            return None;
        }
        Some(Self { slots: fill(entries, size) })
    }

    /// The place in the list for a client. The port may be left out as 0, so that all connections
    /// of a client come to one place.
    #[inline]
    #[must_use]
    pub fn place(&self, client: Ipv4Addr, cport: u16) -> usize {
        self.place_at(self.slot(client, cport, 0))
    }

    /// The place for a client whose place may not be used: the first that may, of up to `tries`
    /// other slots that IPVS would look at (`mh-fallback`).
    #[must_use]
    pub fn other_place(
        &self,
        client: Ipv4Addr,
        cport: u16,
        tries: u32,
        may_be_used: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let first = self.slot(client, cport, 0);
        (0..tries)
            .map(|k| self.place_at(self.slot(client, cport, (first + k) % self.size())))
            .find(|place| may_be_used(*place))
    }

    /// Slots.
    #[must_use]
    pub fn size(&self) -> u32 {
        // One of SIZES.
        u32::try_from(self.slots.len()).unwrap_or(1)
    }

    #[inline]
    fn place_at(&self, slot: u32) -> usize {
        self.slots[slot as usize % self.slots.len()] as usize
    }

    #[inline]
    fn slot(&self, client: Ipv4Addr, cport: u16, offset: u32) -> u32 {
        hash(SLOT_KEY, (client, cport), offset) % self.size()
    }
}

/// IPVS' hash of an end of a connection.
#[inline]
fn hash(key: u64, (address, l4_port): (Ipv4Addr, u16), offset: u32) -> u32 {
    let value = offset.wrapping_add(u32::from(l4_port)).wrapping_add(address.to_bits());
    let mut hasher = SipHasher13::new_with_keys(key, key);
    hasher.write(&value.to_le_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "IPVS takes the low half")]
    let low = hasher.finish() as u32;
    low
}

/// Where a real server's permutation stands, and how it goes on.
struct Permutation {
    at: u32,
    step: u32,
    /// Slots it takes in each round.
    turns: u32,
}

fn fill(entries: &[MaglevEntry], size: u32) -> Box<[u32]> {
    const FREE: u32 = u32::MAX;
    let shift = shift(entries, size);
    let gcd = gcd_of(entries);
    let permutation = |entry: &MaglevEntry| {
        let end = (entry.address, entry.l4_port);
        let turns = (entry.weight / gcd) >> shift;
        Permutation {
            at: hash(SLOT_KEY, end, 0) % size,
            step: hash(STEP_KEY, end, 0) % (size - 1) + 1,
            turns: if entry.weight == 0 { 0 } else { turns.max(1) },
        }
    };
    let mut permutations: Vec<_> = entries.iter().map(permutation).collect();
    let mut slots = vec![FREE; size as usize].into_boxed_slice();
    let mut free = size;
    while free > 0 {
        for (place, permutation) in (0..).zip(&mut permutations) {
            for _ in 0..permutation.turns.min(free) {
                // The size is prime, so that the steps come by every slot.
                while slots[permutation.at as usize] != FREE {
                    permutation.at = (permutation.at + permutation.step) % size;
                }
                slots[permutation.at as usize] = place;
                free -= 1;
            }
        }
    }
    slots
}

/// How far weights are scaled down, so that a round leaves room for several.
fn shift(entries: &[MaglevEntry], size: u32) -> u32 {
    let greatest = entries.iter().map(|entry| entry.weight).max().unwrap_or(0) / gcd_of(entries);
    // IPVS: half of the bits of the size, which is 6 for the usual 4093.
    let room = (u32::BITS - size.leading_zeros()) / 2;
    (u32::BITS - greatest.leading_zeros()).saturating_sub(room)
}

fn gcd_of(entries: &[MaglevEntry]) -> u32 {
    entries
        .iter()
        .fold(0, |gcd, entry| crate::sched::wrr::greatest_common_divisor(gcd, entry.weight))
        .max(1)
}

#[cfg(test)]
mod tests;
