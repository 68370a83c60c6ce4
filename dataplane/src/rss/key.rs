//! [`RssKey`]: the secret, or not so secret, number that the hash of RSS is computed with.
//!
//! Ours are fixed, not drawn at start: the queue of a flow is then the same after a restart and on
//! every director, what the arithmetic needs of a key (see [`RssError::WeakKey`]) is shown by tests
//! once, and a packet's queue can be computed by hand when something is looked for. Who knows the
//! key can aim at one queue, but could do so anyway by sending one 5-tuple; the flow table, where
//! collisions would hurt, has a key of its own that is drawn at start.

use super::RssError;

/// Bytes a key has at least: IPv6 with ports is 36 bytes, and the hash looks 4 bytes further.
pub const RSS_KEY_LEN_MIN: usize = 40;

/// Bytes a key has at most: what the NICs with the longest keys take (`i40e`, `ice`).
pub const RSS_KEY_LEN_MAX: usize = 52;

/// A key for the hash of RSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RssKey {
    bytes: [u8; RSS_KEY_LEN_MAX],
    len: usize,
}

impl RssKey {
    /// For ports where each packet is hashed by both ends: no two parts of it look alike, so that
    /// every bit of addresses and ports moves the queue in its own way. The first 52 bytes of the
    /// fractional part of pi, a number that nobody chose.
    pub const BOTH_ENDS: Self = Self {
        bytes: [
            0x24, 0x3f, 0x6a, 0x88, 0x85, 0xa3, 0x08, 0xd3, 0x13, 0x19, 0x8a, 0x2e, 0x03, 0x70,
            0x73, 0x44, 0xa4, 0x09, 0x38, 0x22, 0x29, 0x9f, 0x31, 0xd0, 0x08, 0x2e, 0xfa, 0x98,
            0xec, 0x4e, 0x6c, 0x89, 0x45, 0x28, 0x21, 0xe6, 0x38, 0xd0, 0x13, 0x77, 0xbe, 0x54,
            0x66, 0xcf, 0x34, 0xe9, 0x0c, 0x6c, 0xc0, 0xac, 0x29, 0xb7,
        ],
        len: RSS_KEY_LEN_MAX,
    };

    /// For ports where a packet is hashed by one end: it repeats every 16 bits, so that an address
    /// and port hash alike as source and as destination, wherever a NIC puts them in its input. The
    /// price: only the exclusive or of the address' halves and the port matters. The pattern is
    /// that of Woo and Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling"
    /// (KAIST, 2012); it has an odd number of ones, without which ports could not reach all queues.
    pub const ONE_END: Self = Self {
        bytes: {
            let mut bytes = [0x6d; RSS_KEY_LEN_MAX];
            let mut at = 1;
            while at < RSS_KEY_LEN_MAX {
                bytes[at] = 0x5a;
                at += 2;
            }
            bytes
        },
        len: RSS_KEY_LEN_MAX,
    };

    /// A key of 40 to 52 bytes, such as one that a device reports.
    pub fn new(key: &[u8]) -> Result<Self, RssError> {
        if !(RSS_KEY_LEN_MIN..=RSS_KEY_LEN_MAX).contains(&key.len()) {
            return Err(RssError::KeyLength(key.len()));
        }
        let mut bytes = [0; RSS_KEY_LEN_MAX];
        bytes[..key.len()].copy_from_slice(key);
        Ok(Self { bytes, len: key.len() })
    }

    /// The key for a device that takes `len` bytes. What is cut off is used by no packet of ours.
    pub fn with_len(self, len: usize) -> Result<Self, RssError> {
        Self::new(self.bytes().get(..len).ok_or(RssError::KeyLength(len))?)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_cut_for_a_device_and_never_made_up() {
        for key in [RssKey::BOTH_ENDS, RssKey::ONE_END] {
            let short = key.with_len(40).unwrap();
            assert_eq!(short.bytes(), &key.bytes()[..40]);
            assert_eq!(short.with_len(52), Err(RssError::KeyLength(52)));
            assert_eq!(key.with_len(16), Err(RssError::KeyLength(16)));
            assert_eq!(key.with_len(53), Err(RssError::KeyLength(53)));
        }
        assert_eq!(RssKey::new(&[0; 39]), Err(RssError::KeyLength(39)));
    }
}
