//! Prefetch hints as a safe function: a hint about any address is harmless.

/// Begins to load the cache lines that `place` stands in. Does nothing where stable Rust has no
/// such hint for the architecture.
#[inline(always)]
pub fn prefetch<T>(place: &T) {
    const LINE: usize = 64;
    let start = std::ptr::from_ref(place).cast::<i8>();
    for offset in (0..size_of::<T>()).step_by(LINE) {
        hint(start.wrapping_add(offset));
    }
}

#[inline(always)]
#[cfg_attr(any(miri, not(target_arch = "x86_64")), expect(unused_variables, reason = "no hint"))]
fn hint(line: *const i8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults, whatever the address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
    }
}
