//! The cycle counter, read natively: it is read once per poll loop.

/// The counter of the calling CPU: the time-stamp counter on x86-64, the virtual counter on
/// aarch64.
#[inline]
#[must_use]
pub fn now() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 CPU has the rdtsc instruction, and Linux lets user code run it.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks: u64;
        // SAFETY: Linux lets user code read the virtual counter; the instruction touches no memory.
        unsafe {
            core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack));
        }
        ticks
    }
}

/// Counts per second, as EAL measured them at start; 0 before [`Eal::init`](crate::Eal::init).
#[must_use]
pub fn hz() -> u64 {
    // SAFETY: rte_get_tsc_hz returns a variable; it has no precondition.
    unsafe { dpdk_sys::rte_get_tsc_hz() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_upwards() {
        let first = now();
        let mut last = first;
        for _ in 0..1_000_000 {
            last = now();
            if last > first {
                break;
            }
        }
        assert!(last > first);
    }
}
