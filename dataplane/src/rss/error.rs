//! [`RssError`]: why a port's RSS cannot be computed, or cannot do what is wanted.

use std::fmt;

use super::{REDIRECTION_SIZE_MAX, RSS_KEY_LEN_MAX, RSS_KEY_LEN_MIN};

/// Why RSS cannot steer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RssError {
    /// A hash key of a length that IPv6 with ports does not fit, or that no NIC has.
    KeyLength(usize),
    /// A redirection table whose size is not a power of two, so that its index is not a few bits
    /// of the hash, or is out of bounds.
    TableSize(usize),
    /// More queues than the redirection table has entries, or none.
    QueueCount {
        /// Queues asked for.
        queues: u16,
        /// Entries of the table.
        table_size: usize,
    },
    /// A queue that the redirection table does not name: it would never receive anything.
    NoSuchQueue(u16),
    /// Under this key an L4 port moves fewer bits of the hash than the redirection table looks at,
    /// so that some queues could not be reached from some addresses.
    WeakKey {
        /// Independent bits of the table's index that a port moves.
        rank: u32,
        /// Bits of the table's index.
        wanted: u32,
    },
    /// A key under which the source end and the destination end of a packet hash differently.
    AsymmetricKey,
}

impl fmt::Display for RssError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::KeyLength(len) => write!(
                f,
                "an RSS key of {len} bytes cannot be used, it takes {RSS_KEY_LEN_MIN} to \
                 {RSS_KEY_LEN_MAX}"
            ),
            Self::TableSize(size) => write!(
                f,
                "a redirection table of {size} entries cannot be computed with, it takes a power \
                 of two up to {REDIRECTION_SIZE_MAX}"
            ),
            Self::QueueCount { queues, table_size } => {
                write!(f, "{queues} queues do not fit a redirection table of {table_size} entries")
            }
            Self::NoSuchQueue(queue) => {
                write!(f, "the redirection table sends nothing to queue {queue}")
            }
            Self::WeakKey { rank, wanted } => write!(
                f,
                "under this RSS key an L4 port moves {rank} of the {wanted} bits of the \
                 redirection table's index"
            ),
            Self::AsymmetricKey => write!(
                f,
                "under this RSS key a packet's source and destination do not hash alike, which \
                 needs a key that repeats every 16 bits"
            ),
        }
    }
}

impl std::error::Error for RssError {}
