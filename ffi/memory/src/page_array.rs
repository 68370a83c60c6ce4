//! [`PageArray`]: a boxed slice whose memory is in huge pages where the system has some to give.
//!
//! First reserved huge pages (hugetlbfs) are tried, then ordinary memory that the kernel is asked
//! to back with transparent huge pages. Memory is touched when the array is made, on the thread
//! that makes it: so it belongs to that thread's NUMA node, and no later access waits for the
//! kernel. Where that node has too few reserved pages the kernel would take those of another one;
//! ordinary memory of the own node is better then.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::node;

/// Arrays smaller than this are left to the allocator: a huge page would be mostly waste.
const LARGE: usize = HUGE_PAGE;
const HUGE_PAGE: usize = 2 << 20;

/// What kind of pages an array is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pages {
    /// Reserved huge pages.
    Huge,
    /// Ordinary memory which the kernel may back with huge pages.
    Transparent,
    /// Whatever the allocator gives: the array is small, or could not be mapped.
    Ordinary,
}

impl Pages {
    /// In an operator's words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Huge => "huge pages",
            Self::Transparent => "transparent huge pages",
            Self::Ordinary => "ordinary pages",
        }
    }
}

/// Keeps the memory alive; the elements are reached through the array's own pointer.
enum Backing<T> {
    Mapped(#[expect(dead_code, reason = "unmaps when dropped")] MmapMut, Pages),
    Boxed(NonNull<[T]>),
}

/// A fixed-size array of plain values.
pub struct PageArray<T: Copy> {
    start: NonNull<T>,
    len: usize,
    backing: Backing<T>,
}

// SAFETY: the array owns its elements and nothing else refers to them.
unsafe impl<T: Copy + Send> Send for PageArray<T> {}
// SAFETY: as a slice, which is what it gives out.
unsafe impl<T: Copy + Sync> Sync for PageArray<T> {}

impl<T: Copy> PageArray<T> {
    /// An array of `len` elements, each `value` of its index.
    #[must_use]
    pub fn new(len: usize, mut value: impl FnMut(usize) -> T) -> Self {
        let bytes = len.saturating_mul(size_of::<T>());
        let mapped = if bytes < LARGE || cfg!(miri) { None } else { map(bytes, align_of::<T>()) };
        let Some((mut map, offset, pages)) = mapped else {
            return Self::boxed((0..len).map(value).collect());
        };
        let start = map[offset..].as_mut_ptr().cast::<T>();
        for index in 0..len {
            // SAFETY: `map` gave room for `len` elements behind `offset`, which is aligned for T.
            let place = unsafe { start.add(index) };
            // SAFETY: `place` is inside the mapping, aligned, and nobody else knows of it.
            unsafe { place.write(value(index)) };
        }
        let start = NonNull::new(start).unwrap_or(NonNull::dangling());
        Self { start, len, backing: Backing::Mapped(map, pages) }
    }

    fn boxed(elements: Box<[T]>) -> Self {
        let len = elements.len();
        let elements = NonNull::from(Box::leak(elements));
        Self { start: elements.cast(), len, backing: Backing::Boxed(elements) }
    }

    /// The kind of pages it is in.
    #[must_use]
    pub fn pages(&self) -> Pages {
        match self.backing {
            Backing::Mapped(_, pages) => pages,
            Backing::Boxed(_) => Pages::Ordinary,
        }
    }

    /// The NUMA nodes it is on, looked at every 2 MiB; empty if the kernel does not say.
    #[must_use]
    pub fn nodes(&self) -> BTreeSet<u32> {
        node::of(self.start.as_ptr().cast(), size_of_val(&**self))
    }
}

/// Room for `bytes` bytes from the returned offset on, aligned to `align` at least.
fn map(bytes: usize, align: usize) -> Option<(MmapMut, usize, Pages)> {
    let whole = bytes.checked_next_multiple_of(HUGE_PAGE)?;
    if align > HUGE_PAGE {
        return None;
    }
    if let Some(map) = reserved_nearby(whole) {
        return Some((map, 0, Pages::Huge));
    }
    // The kernel only takes huge pages for aligned ranges, so there is room to begin at one.
    let map = MmapOptions::new().len(whole.checked_add(HUGE_PAGE)?).map_anon().ok()?;
    let offset = map.as_ptr().align_offset(HUGE_PAGE);
    let advised = map.advise(Advice::HugePage).is_ok();
    (offset <= HUGE_PAGE).then_some(())?;
    Some((map, offset, if advised { Pages::Transparent } else { Pages::Ordinary }))
}

/// Reserved huge pages of the calling thread's own NUMA node, if it has enough of them.
fn reserved_nearby(len: usize) -> Option<MmapMut> {
    let mut map = MmapOptions::new().len(len).huge(Some(21)).map_anon().ok()?;
    for byte in map.iter_mut().step_by(HUGE_PAGE) {
        *byte = 0;
    }
    node::is_near(&node::of(map.as_ptr(), len), node::preferred()).then_some(map)
}

impl<T: Copy> Drop for PageArray<T> {
    fn drop(&mut self) {
        if let Backing::Boxed(elements) = self.backing {
            // SAFETY: it was leaked in `boxed` and is given back once, here.
            drop(unsafe { Box::from_raw(elements.as_ptr()) });
        }
    }
}

impl<T: Copy> Deref for PageArray<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements were written at `start`, in memory that `backing` keeps.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for PageArray<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> fmt::Debug for PageArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageArray")
            .field("len", &self.len)
            .field("pages", &self.pages())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct Line(u64);

    #[test]
    fn every_element_is_made_aligned_and_its_own() {
        for len in [0, 1, 1000, 100_000] {
            let mut array = PageArray::new(len, |index| Line(index as u64));
            assert_eq!(array.len(), len);
            assert_eq!(array.as_ptr().align_offset(64), 0);
            assert!(array.iter().enumerate().all(|(index, line)| line.0 == index as u64));
            for line in array.iter_mut() {
                line.0 += 1;
            }
            assert!(array.iter().enumerate().all(|(index, line)| line.0 == index as u64 + 1));
        }
    }

    #[test]
    fn small_arrays_stay_in_ordinary_memory_and_large_ones_do_not() {
        assert_eq!(PageArray::new(10, |_| 0u8).pages(), Pages::Ordinary);
        let large = PageArray::new(LARGE, |_| 1u8);
        if cfg!(not(miri)) {
            assert!(large.pages() < Pages::Ordinary, "{large:?}");
        }
    }

    #[test]
    fn an_array_is_on_the_node_that_its_maker_gets_memory_from() {
        for len in [1, 3 * LARGE] {
            let array = PageArray::new(len, |_| 1u8);
            let nodes = array.nodes();
            assert!(node::is_near(&nodes, node::preferred()), "{nodes:?}");
            assert_eq!(nodes.is_empty(), node::preferred().is_none());
        }
        assert!(PageArray::new(0, |_| 1u8).nodes().is_empty());
    }
}
