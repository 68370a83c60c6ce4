//! Memory for tables that are read at random: [`PageArray`], in huge pages where there are any, and
//! [`prefetch`].
//!
//! With 4 KiB pages nearly every look-up in a large table misses the TLB as well as the cache.
//! Nothing here knows DPDK or packets.

mod page_array;
mod prefetch;

pub use page_array::{PageArray, Pages};
pub use prefetch::prefetch;
