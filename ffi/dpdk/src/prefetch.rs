//! Prefetch hints as safe functions: a hint about any address is harmless.

/// Asks the CPU to load the cache line at this address, to be read soon.
#[inline(always)]
#[allow(clippy::inline_always, reason = "a hint must not become a call")]
pub fn prefetch_read<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching faults on no address, mapped or not; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: prefetching faults on no address, mapped or not.
        unsafe {
            core::arch::asm!(
                "prfm pldl1keep, [{}]", in(reg) address,
                options(nostack, preserves_flags, readonly)
            );
        }
    }
}
