//! A hint to the CPU that memory will be read soon.
//!
//! The one file of this crate with `unsafe` code: the intrinsic takes a raw pointer, so it is
//! declared unsafe, though a prefetch cannot fault. `docs/PERFORMANCE.md` says what it is worth.

/// Begins to load the cache lines that `place` stands in. Does nothing where stable Rust has no
/// such hint for the architecture.
#[inline(always)]
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the intrinsic takes a pointer"))]
pub(crate) fn prefetch<T>(place: &T) {
    const LINE: usize = 64;
    let start = std::ptr::from_ref(place).cast::<i8>();
    for offset in (0..size_of::<T>()).step_by(LINE) {
        let line = start.wrapping_add(offset);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch never faults, whatever the address.
        // WHY UNSAFE: with 1M flows a packet costs far less (`make bench`).
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}
