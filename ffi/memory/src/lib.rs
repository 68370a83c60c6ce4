//! Memory for tables that are read at random: [`PageArray`], in huge pages where there are any,
//! [`prefetch`], and [`equal_lanes`] to look at a cache line at once.
//!
//! With 4 KiB pages nearly every look-up in a large table misses the TLB as well as the cache.
//! Nothing here knows DPDK or packets.

mod lanes;
mod node;
mod page_array;
mod prefetch;

pub use lanes::equal_lanes;
pub use page_array::{PageArray, Pages};
pub use prefetch::prefetch;
