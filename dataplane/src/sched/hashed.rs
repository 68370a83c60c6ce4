//! dh and sh: real servers by a hash of the destination's or the source's address.
//!
//! IPVS' rules (`ip_vs_dh`, `ip_vs_sh`): 256 buckets, filled from the list of real servers; a
//! bucket whose real server takes nothing means that nobody is chosen, unless `sh-fallback` says to
//! look into others.

use std::net::Ipv4Addr;

use crate::service::Dest;

/// Buckets, as IPVS has by default; a power of two.
const BUCKETS: usize = 256;
const BUCKET_BITS: u32 = BUCKETS.trailing_zeros();

/// The place in the list for each bucket.
pub(super) type Buckets = Box<[u32; BUCKETS]>;

/// The kernel's multiplicative hash (`hash_32`), its highest bits.
#[inline]
fn hash(value: u32) -> usize {
    (value.wrapping_mul(0x61C8_8647) >> (u32::BITS - BUCKET_BITS)) as usize
}

/// dh's buckets: the list over and over, whatever the weights. `None` for an empty list.
pub(super) fn destination_buckets(dests: &[Dest]) -> Option<Buckets> {
    fill((0..).zip(dests).map(|(place, _)| (place, 1)))
}

/// sh's buckets: the list over and over, each real server as often in a row as its weight says, at
/// least once. `None` for an empty list.
pub(super) fn source_buckets(dests: &[Dest]) -> Option<Buckets> {
    fill((0..).zip(dests).map(|(place, dest)| (place, dest.weight.max(1) as usize)))
}

fn fill(shares: impl Iterator<Item = (u32, usize)> + Clone) -> Option<Buckets> {
    shares.clone().next()?;
    let in_turn = shares.cycle().flat_map(|(place, times)| std::iter::repeat_n(place, times));
    let mut buckets = Box::new([0; BUCKETS]);
    buckets.iter_mut().zip(in_turn).for_each(|(bucket, place)| *bucket = place);
    Some(buckets)
}

/// dh's choice.
#[inline]
pub(super) fn by_destination(
    buckets: &Buckets,
    dst: Ipv4Addr,
    takes: impl Fn(usize) -> bool,
) -> Option<usize> {
    Some(buckets[hash(dst.to_bits())] as usize).filter(|place| takes(*place))
}

/// sh's choice; `port` is 0 unless `sh-port` is set.
#[inline]
pub(super) fn by_source(
    buckets: &Buckets,
    (src, port): (Ipv4Addr, u16),
    fallback: bool,
    takes: impl Fn(usize) -> bool,
) -> Option<usize> {
    let hashed = hash(u32::from(port).wrapping_add(src.to_bits()));
    let at = |offset: usize| buckets[(offset + hashed) % BUCKETS] as usize;
    let first = at(0);
    if takes(first) {
        return Some(first);
    }
    if !fallback {
        return None;
    }
    (0..BUCKETS).map(|k| at((k + hashed) % BUCKETS)).find(|place| takes(*place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::RealId;

    fn dests(weights: &[u32]) -> Vec<Dest> {
        (0..).map(RealId).zip(weights).map(|(real, weight)| Dest::new(real, *weight)).collect()
    }

    // The bucket numbers are those of a Linux 6.1 IPVS.
    #[test]
    fn buckets_are_those_of_the_kernel() {
        let cases: [([u8; 4], u16, usize); 6] = [
            ([10, 1, 0, 2], 0, 15),
            ([10, 1, 0, 2], 40_000, 179),
            ([192, 0, 2, 1], 0, 50),
            ([203, 0, 113, 77], 0, 57),
            ([203, 0, 113, 77], 12_345, 152),
            ([10, 9, 9, 9], 0, 251),
        ];
        for (address, port, bucket) in cases {
            let value = u32::from(port).wrapping_add(Ipv4Addr::from(address).to_bits());
            assert_eq!(hash(value), bucket, "{address:?} {port}");
        }
    }

    #[test]
    fn shares_are_those_of_the_kernel() {
        let buckets = source_buckets(&dests(&[3, 2, 1])).unwrap();
        let count = |place| buckets.iter().filter(|bucket| **bucket == place).count();
        assert_eq!([count(0), count(1), count(2)], [129, 85, 42]);
        let greatest = source_buckets(&dests(&[1, 2_147_483_647, 1])).unwrap();
        assert_eq!(greatest.iter().filter(|bucket| **bucket == 1).count(), 255);
        // Weight 0 still has its bucket, and dh does not look at weights.
        assert_eq!(source_buckets(&dests(&[0, 2])).unwrap()[..6], [0, 1, 1, 0, 1, 1]);
        assert_eq!(destination_buckets(&dests(&[9, 0, 2])).unwrap()[..4], [0, 1, 2, 0]);
        assert!(destination_buckets(&[]).is_none() && source_buckets(&[]).is_none());
    }

    #[test]
    fn who_takes_nothing_is_not_replaced_unless_asked() {
        let buckets = source_buckets(&dests(&[1, 1, 1])).unwrap();
        let client = (Ipv4Addr::new(10, 1, 0, 2), 0);
        let chosen = by_source(&buckets, client, false, |_| true).unwrap();
        assert_eq!(by_source(&buckets, client, false, |place| place != chosen), None);
        let other = by_source(&buckets, client, true, |place| place != chosen).unwrap();
        assert_ne!(other, chosen);
        assert_eq!(by_source(&buckets, client, true, |_| false), None);
        assert_eq!(by_destination(&buckets, client.0, |_| false), None);
    }
}
