//! CRC32c, as far as a router of packets needs it: what a change at the front does to it.
//!
//! A CRC is linear: the CRCs of two messages of one length differ by what the difference of the
//! messages alone comes to, and every further byte of zeros multiplies that by x^8. So one that
//! was right stays right, and a wrong one wrong, without a look at the message; only its length
//! has to be known.
//!
//! (RFC 9260 appendix A; polynomial 0x1EDC6F41.) Bit 31 is the coefficient of x^0 here, as in all
//! CRCs whose bytes are taken in from the least significant bit.

/// The polynomial, reflected.
const POLYNOMIAL: u32 = 0x82F6_3B78;
/// x^8: what one byte of zeros multiplies by.
const ONE_BYTE: u32 = 1 << (31 - 8);
/// Messages are at most this long, in bits of their length: an IPv4 packet.
const LEN_BITS: usize = 16;

/// By place: what 2^place bytes of zeros multiply by.
const POWERS: [u32; LEN_BITS] = {
    let mut powers = [ONE_BYTE; LEN_BITS];
    let mut place = 1;
    while place < LEN_BITS {
        powers[place] = multiply(powers[place - 1], powers[place - 1]);
        place += 1;
    }
    powers
};

/// How the CRC of a message of `len` bytes changes (by exclusive or) when its first four bytes
/// become others.
#[must_use]
pub fn change_at_front(before: [u8; 4], after: [u8; 4], len: u16) -> u32 {
    let mut change = u32::from_le_bytes(before) ^ u32::from_le_bytes(after);
    for (place, power) in POWERS.iter().enumerate() {
        if len >> place & 1 == 1 {
            change = multiply(change, *power);
        }
    }
    change
}

/// The product of two polynomials, modulo the CRC's.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let (mut product, mut degree) = (0, 0);
    while degree < u32::BITS {
        // All ones where the coefficient is there: branches would be guessed wrong half the time.
        product ^= b & ((a << degree) >> 31).wrapping_neg();
        b = b >> 1 ^ POLYNOMIAL & (b & 1).wrapping_neg();
        degree += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::crc32c;

    #[test]
    fn the_longest_message_is_covered() {
        let mut message = vec![0x5A; usize::from(u16::MAX)];
        let before = crc32c(&message);
        message[..4].copy_from_slice(&[1, 2, 3, 4]);
        let change = change_at_front([0x5A; 4], [1, 2, 3, 4], u16::MAX);
        assert_eq!(before ^ change, crc32c(&message));
    }

    proptest! {
        #[test]
        fn a_changed_crc_equals_a_computed_one(
            mut message in vec(any::<u8>(), 4..3000),
            after in any::<[u8; 4]>(),
        ) {
            let before = *message.first_chunk().unwrap();
            let crc = crc32c(&message);
            message[..4].copy_from_slice(&after);
            let change = change_at_front(before, after, u16::try_from(message.len()).unwrap());
            prop_assert_eq!(crc ^ change, crc32c(&message));
        }
    }
}
