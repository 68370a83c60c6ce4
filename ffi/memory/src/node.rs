//! On which NUMA node memory is.
//!
//! Linux takes a page from the node of the CPU that first touches it, unless that node has none
//! left or the process runs under another policy (`numactl`).

use std::collections::BTreeSet;

#[cfg(not(miri))]
use libc::{c_int, c_ulong};
use memmap2::MmapOptions;

/// Ask for the node of an address (`linux/mempolicy.h`: `MPOL_F_NODE | MPOL_F_ADDR`).
#[cfg(not(miri))]
const NODE_OF_ADDRESS: c_ulong = 1 << 0 | 1 << 1;
/// How far apart the bytes are that are asked for: the size of the pages of large arrays.
const STEP: usize = 2 << 20;
/// The length of an ordinary page, or less.
const PAGE: usize = 4096;

/// The nodes that the `len` bytes from `start` on are on, which have been touched; a page every
/// 2 MiB is looked at. Empty if the kernel does not say, as one without NUMA, or in a container
/// that may not ask.
pub(crate) fn of(start: *const u8, len: usize) -> BTreeSet<u32> {
    let places = (0..len).step_by(STEP).chain(len.checked_sub(1));
    places.filter_map(|at| of_address(start.wrapping_add(at))).collect()
}

/// The node that the calling thread gets ordinary memory from.
pub(crate) fn preferred() -> Option<u32> {
    let mut page = MmapOptions::new().len(PAGE).map_anon().ok()?;
    let first = page.first_mut()?;
    *first = 1;
    of_address(first)
}

/// Whether memory on these nodes is as near as `preferred`; what the kernel does not tell is taken
/// for near.
pub(crate) fn is_near(nodes: &BTreeSet<u32>, preferred: Option<u32>) -> bool {
    preferred.is_none_or(|near| nodes.iter().all(|node| *node == near))
}

#[cfg(not(miri))]
fn of_address(address: *const u8) -> Option<u32> {
    let mut node: c_int = -1;
    // SAFETY: with these flags the call writes one integer to `node`, takes no node mask, and only
    // looks up the page of the address, whatever that is.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut node,
            std::ptr::null_mut::<c_ulong>(),
            c_ulong::default(),
            address,
            NODE_OF_ADDRESS,
        )
    };
    if ret == 0 { u32::try_from(node).ok() } else { None }
}

#[cfg(miri)]
fn of_address(_: *const u8) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_near_if_all_of_it_is_where_the_thread_gets_its_own() {
        let on = |nodes: &[u32]| nodes.iter().copied().collect::<BTreeSet<u32>>();
        assert!(is_near(&on(&[1]), Some(1)));
        assert!(!is_near(&on(&[0]), Some(1)));
        assert!(!is_near(&on(&[0, 1]), Some(1)));
        assert!(is_near(&on(&[0]), None), "not told");
        assert!(is_near(&on(&[]), Some(1)), "not told");
    }

    #[test]
    fn this_thread_gets_memory_from_one_node() {
        let memory = vec![1u8; 3 * STEP];
        let nodes = of(memory.as_ptr(), memory.len());
        if let Some(near) = preferred() {
            assert!(nodes.contains(&near), "{near} is not in {nodes:?}");
        } else {
            assert!(nodes.is_empty(), "{nodes:?}");
        }
        assert!(of(memory.as_ptr(), 0).is_empty());
        assert!(of(std::ptr::null(), 1).is_empty(), "not mapped");
    }
}
