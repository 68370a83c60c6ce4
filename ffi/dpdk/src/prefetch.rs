//! Hints to the cache as safe functions: a hint about any address is harmless.

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

/// Asks the CPU to load the cache line at this address, to be written soon: a line that another
/// CPU has written or read is taken from it now and not at the first write.
#[inline(always)]
#[allow(clippy::inline_always, reason = "a hint must not become a call")]
pub fn prefetch_write<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        // The intrinsic falls back to a hint for reading when the target is the baseline, although
        // every x86-64 CPU knows this instruction or takes it for a no-op.
        // SAFETY: prefetching faults on no address, mapped or not.
        unsafe {
            core::arch::asm!(
                "prefetchw [{}]", in(reg) address,
                options(nostack, preserves_flags, readonly)
            );
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: prefetching faults on no address, mapped or not.
        unsafe {
            core::arch::asm!(
                "prfm pstl1keep, [{}]", in(reg) address,
                options(nostack, preserves_flags, readonly)
            );
        }
    }
}

/// Tells the CPU that another one reads the cache line at this address next: it is moved to where
/// both find it soon, as a NIC would have written it. Does nothing on CPUs that cannot.
#[inline(always)]
#[allow(clippy::inline_always, reason = "a hint must not become a call")]
pub fn demote<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: the hint faults on no address, and is a no-op where it is not known.
        unsafe {
            core::arch::asm!(
                "cldemote [{}]", in(reg) address,
                options(nostack, preserves_flags, readonly)
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
