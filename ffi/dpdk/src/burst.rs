//! [`Burst`]: a fixed number of packets that are received or sent together.

use arrayvec::ArrayVec;

use crate::Mbuf;

/// Up to `N` packets. What is left in it is freed when it is dropped or cleared.
pub type Burst<const N: usize> = ArrayVec<Mbuf, N>;

/// Frees every packet of a burst with one call, which is cheaper than dropping them one by one.
pub fn free_all<const N: usize>(burst: &mut Burst<N>) {
    let count = u32::try_from(burst.len()).unwrap_or(u32::MAX);
    let first = burst.as_mut_ptr().cast::<*mut dpdk_sys::rte_mbuf>();
    // SAFETY: the packets become this function's responsibility; a shorter array is always valid.
    unsafe { burst.set_len(0) };
    // SAFETY: `first` points to `count` mbufs, each owned by nobody else: Mbuf is a transparent
    // wrapper of the pointer, and the line above took them out of the burst.
    unsafe { dpdk_sys::rte_pktmbuf_free_bulk(first, count) };
}
