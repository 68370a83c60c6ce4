//! The Internet checksum: in full (RFC 1071) and by incremental update (RFC 1624).
//!
//! Two small types carry the arithmetic. [`Sum`] is the one's-complement sum of bytes and words,
//! built piece by piece (pseudo-header, then segment) and finished once. [`Delta`] is the change a
//! rewrite makes to such a sum; it is computed once per rewrite and applied to every checksum that
//! covers the changed fields, so translating an address and a port costs a few additions whatever
//! the packet's length.
//!
//! Both work modulo 65535, in which the 16-bit words 0x0000 and 0xFFFF are the same number. Given
//! a field that the full computation produced, the incremental update returns bit for bit what the
//! full computation would return after the change: a header is never all zero bits, so the full
//! computation never yields 0xFFFF, and equation 3 of RFC 1624 never yields it from another value.

use std::net::Ipv4Addr;

/// A one's-complement sum of 16-bit big-endian words, not yet folded.
///
/// There is room for four gigabytes of input before the accumulator could overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Sum(u64);

impl Sum {
    /// The empty sum.
    pub const ZERO: Self = Self(0);

    /// The sum of `bytes`; an odd last byte counts as the high half of a word.
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        Self::ZERO.bytes(bytes)
    }

    /// Adds `bytes`, which must begin at an even offset of the summed data. An odd last byte
    /// counts as the high half of a word, so only the last piece may be of odd length.
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // The sum does not depend on byte order until it is folded (RFC 1071 section 2), so whole
        // words are loaded in native order and the folded result is swapped once. Four sums keep
        // the additions independent of each other.
        let (blocks, tail) = bytes.as_chunks::<32>();
        let mut sums = [0u64; 4];
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum = add_carry(*sum, u64::from_ne_bytes(*word));
            }
        }
        let [a, b, c, d] = sums;
        let native = add_carry(add_carry(a, b), add_carry(c, d));
        let native = add_carry(native, tail_sum(tail));
        Self(self.0 + u64::from(u16::from_be(fold(native))))
    }

    /// Adds one 16-bit word.
    #[inline]
    pub fn u16(self, word: u16) -> Self {
        Self(self.0 + u64::from(word))
    }

    /// Adds a 32-bit field.
    #[inline]
    pub fn u32(self, field: u32) -> Self {
        Self(self.0 + u64::from(field))
    }

    /// Adds an IPv4 address.
    #[inline]
    pub fn addr(self, addr: Ipv4Addr) -> Self {
        self.u32(addr.to_bits())
    }

    /// The sum as 16 bits, not inverted. This is what a NIC wants in the checksum field when it
    /// completes the checksum itself.
    #[inline]
    #[must_use]
    pub fn fold(self) -> u16 {
        fold(self.0)
    }

    /// The checksum: the inverted 16-bit sum.
    #[inline]
    #[must_use]
    pub fn finish(self) -> u16 {
        !self.fold()
    }

    /// Whether data that contains its own checksum field sums to the value that says it is intact.
    #[inline]
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.fold() == 0xFFFF
    }
}

/// The Internet checksum of `bytes`, their checksum field counted as it is.
#[inline]
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::of(bytes).finish()
}

/// The sum of the IPv4 pseudo-header of TCP and UDP (RFC 9293 section 3.1, RFC 768): addresses,
/// protocol and length of the segment in bytes. Continue with [`Sum::bytes`] over the segment.
#[inline]
pub fn pseudo_header_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: u16) -> Sum {
    Sum::ZERO.addr(src).addr(dst).u16(u16::from(protocol)).u16(len)
}

/// The pseudo-header sum for a segment given as bytes; `None` when it is longer than an IPv4
/// packet can be.
#[inline]
pub(super) fn pseudo_header_of(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    segment: &[u8],
) -> Option<Sum> {
    let len = u16::try_from(segment.len()).ok()?;
    Some(pseudo_header_v4(src, dst, protocol, len))
}

/// The change that a rewrite makes to a one's-complement sum.
///
/// ```
/// use rvs_dataplane::wire::checksum::{Delta, checksum};
///
/// let mut bytes = [0x45, 0, 10, 0, 0, 1, 0x04, 0x00];
/// let before = checksum(&bytes);
/// bytes[2..6].copy_from_slice(&[192, 0, 2, 7]);
/// bytes[6..8].copy_from_slice(&5001u16.to_be_bytes());
///
/// let address = Delta::addr([10, 0, 0, 1].into(), [192, 0, 2, 7].into());
/// let port = Delta::u16(1024, 5001);
/// assert_eq!(address.and(port).apply(before), checksum(&bytes));
/// ```
// Not folded, so that combining changes is one addition. A constructor adds less than 2^34: the
// accumulator has room for a thousand million changes, where a packet sees a dozen. The sum is of
// words as they lie in memory (RFC 1071 section 2), so that headers need no change of byte order.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct Delta(u64);

impl Delta {
    /// No change.
    pub const NONE: Self = Self(0);

    /// A 16-bit field at an even offset changes from `old` to `new`.
    #[inline]
    pub fn u16(old: u16, new: u16) -> Self {
        Self(u64::from(!old.to_be()) + u64::from(new.to_be()))
    }

    /// A 32-bit field at an even offset changes from `old` to `new`.
    #[inline]
    pub fn u32(old: u32, new: u32) -> Self {
        Self::word(old.to_be_bytes(), new.to_be_bytes())
    }

    /// Four bytes at an even offset change from `old` to `new`, as they are on the wire.
    #[inline(always)]
    pub fn word(old: [u8; 4], new: [u8; 4]) -> Self {
        Self(u64::from(!u32::from_ne_bytes(old)) + u64::from(u32::from_ne_bytes(new)))
    }

    /// Eight bytes at an even offset change from `old` to `new`, as they are on the wire.
    #[inline(always)]
    pub fn words(old: [u8; 8], new: [u8; 8]) -> Self {
        let halves = |bytes: u64| (bytes & 0xFFFF_FFFF) + (bytes >> 32);
        Self(halves(!u64::from_ne_bytes(old)) + halves(u64::from_ne_bytes(new)))
    }

    /// An IPv4 address changes from `old` to `new`.
    #[inline]
    pub fn addr(old: Ipv4Addr, new: Ipv4Addr) -> Self {
        Self::u32(old.to_bits(), new.to_bits())
    }

    /// A 16-bit field at byte `offset` of the summed data changes. At an odd offset, as TCP
    /// options may have, its halves fall into two different words.
    #[inline]
    pub fn u16_at(offset: usize, old: u16, new: u16) -> Self {
        if offset.is_multiple_of(2) {
            Self::u16(old, new)
        } else {
            Self::u16(old.swap_bytes(), new.swap_bytes())
        }
    }

    /// Both changes together.
    #[inline]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The checksum field after the change, by equation 3 of RFC 1624.
    #[inline]
    #[must_use]
    pub fn apply(self, checksum: u16) -> u16 {
        u16::from_be(!fold(u64::from(!checksum.to_be()) + self.0))
    }

    /// A UDP checksum field after the change. Zero means the sender computed none (RFC 768) and
    /// stays zero; a result of zero is sent as 0xFFFF.
    #[inline]
    #[must_use]
    pub fn apply_udp(self, checksum: u16) -> u16 {
        if checksum == 0 { 0 } else { udp_field(self.apply(checksum)) }
    }
}

/// A checksum field after a 16-bit field it covers changed from `old` to `new`.
#[inline]
#[must_use]
pub fn update_u16(checksum: u16, old: u16, new: u16) -> u16 {
    Delta::u16(old, new).apply(checksum)
}

/// A checksum field after a 32-bit field it covers changed from `old` to `new`.
#[inline]
#[must_use]
pub fn update_u32(checksum: u16, old: u32, new: u32) -> u16 {
    Delta::u32(old, new).apply(checksum)
}

/// A checksum field after an IPv4 address it covers changed from `old` to `new`.
#[inline]
#[must_use]
pub fn update_addr(checksum: u16, old: Ipv4Addr, new: Ipv4Addr) -> u16 {
    Delta::addr(old, new).apply(checksum)
}

/// How a computed checksum is written in a UDP header: zero would say "none", and 0xFFFF is the
/// same number (RFC 768).
#[inline]
#[must_use]
pub fn udp_field(checksum: u16) -> u16 {
    if checksum == 0 { 0xFFFF } else { checksum }
}

/// Addition whose carry is added back in.
#[inline]
fn add_carry(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    // After a carry the sum is at most 2^64 - 2, so this addition cannot carry again.
    sum + u64::from(carry)
}

/// The native-order sum of the fewer than 32 bytes that are left of longer data.
#[inline]
fn tail_sum(tail: &[u8]) -> u64 {
    let (words, tail) = tail.as_chunks::<8>();
    let mut sum = 0;
    for word in words {
        sum = add_carry(sum, u64::from_ne_bytes(*word));
    }
    let (halves, tail) = tail.as_chunks::<4>();
    for half in halves {
        sum = add_carry(sum, u64::from(u32::from_ne_bytes(*half)));
    }
    let (pairs, tail) = tail.as_chunks::<2>();
    for pair in pairs {
        sum = add_carry(sum, u64::from(u16::from_ne_bytes(*pair)));
    }
    if let [last] = tail {
        sum = add_carry(sum, u64::from(u16::from_ne_bytes([*last, 0])));
    }
    sum
}

/// A sum reduced to 16 bits, carries added back in. Zero only for zero.
#[inline]
fn fold(sum: u64) -> u16 {
    // Adding the word with its halves exchanged leaves, in the upper half, both halves' sum with
    // the carry that came up from the lower half: the same sum.
    let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 as it is written: 16 bits at a time.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    #[test]
    fn rfc_1071_section_3_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::of(&bytes).fold(), 0xddf2);
        assert_eq!(checksum(&bytes), 0x220d);
    }

    #[test]
    fn rfc_1624_section_4_example() {
        // A header with checksum 0xDD2F whose field changes from 0x5555 to 0x3285 must end at
        // 0x0000; the older equation of RFC 1141 gave 0xFFFF.
        assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn nothing_sums_to_zero_and_ones_are_not_zero() {
        assert_eq!(checksum(&[]), 0xFFFF);
        assert_eq!(Sum::of(&[0xFF; 64]).fold(), 0xFFFF);
        assert_eq!(Sum::of(&[0; 64]).fold(), 0);
        assert!(Sum::of(&[0xFF; 9000]).is_valid());
    }

    #[test]
    fn no_change_leaves_every_checksum_as_it_is() {
        for checksum in 0..=u16::MAX {
            assert_eq!(Delta::NONE.apply(checksum), checksum);
            assert_eq!(Delta::NONE.apply_udp(checksum), checksum);
        }
    }

    #[test]
    fn udp_keeps_zero_and_never_makes_one() {
        assert_eq!(Delta::u16(1, 2).apply_udp(0), 0);
        // 0xdd2f would become 0x0000 here.
        assert_eq!(Delta::u16(0x5555, 0x3285).apply_udp(0xdd2f), 0xFFFF);
        assert_eq!(udp_field(0), 0xFFFF);
        assert_eq!(udp_field(0x1234), 0x1234);
    }

    #[test]
    fn a_segment_longer_than_ipv4_allows_has_no_pseudo_header() {
        let any = Ipv4Addr::UNSPECIFIED;
        assert!(pseudo_header_of(any, any, 6, &vec![0; 65_536]).is_none());
        assert!(pseudo_header_of(any, any, 6, &vec![0; 65_535]).is_some());
    }

    proptest! {
        #[test]
        fn equals_the_naive_sum(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(checksum(&bytes), naive(&bytes));
        }

        #[test]
        fn sums_in_even_pieces(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cut in 0usize..150,
        ) {
            let cut = (cut * 2).min(bytes.len() & !1);
            let (front, back) = bytes.split_at(cut);
            prop_assert_eq!(Sum::of(front).bytes(back).finish(), naive(&bytes));
        }

        #[test]
        fn incremental_equals_full(
            mut bytes in proptest::collection::vec(any::<u8>(), 8..200),
            at in any::<prop::sample::Index>(),
            new in any::<u16>(),
        ) {
            bytes[0] |= 0x40; // A header is never all zero bits.
            let before = checksum(&bytes);
            let at = 1 + at.index(bytes.len() - 2);
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(Delta::u16_at(at, old, new).apply(before), naive(&bytes));
        }

        #[test]
        fn changes_combine(
            mut bytes in proptest::collection::vec(any::<u8>(), 20..60),
            new_addr in any::<u32>(),
            new_port in any::<u16>(),
        ) {
            bytes[0] |= 0x40;
            let before = checksum(&bytes);
            let old_addr = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let old_port = u16::from_be_bytes([bytes[10], bytes[11]]);
            bytes[4..8].copy_from_slice(&new_addr.to_be_bytes());
            bytes[10..12].copy_from_slice(&new_port.to_be_bytes());
            let delta = Delta::u32(old_addr, new_addr).and(Delta::u16(old_port, new_port));
            prop_assert_eq!(delta.apply(before), naive(&bytes));
            let step = update_u16(update_u32(before, old_addr, new_addr), old_port, new_port);
            prop_assert_eq!(step, naive(&bytes));
            let addr = update_addr(before, old_addr.into(), new_addr.into());
            prop_assert_eq!(update_u16(addr, old_port, new_port), naive(&bytes));
        }
    }
}
