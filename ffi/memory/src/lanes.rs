//! Eight 32-bit values compared at once.

/// Which of eight values equal `wanted`: bit `n` of the result stands for value `n`.
#[inline(always)]
#[must_use]
#[cfg(target_arch = "x86_64")]
pub fn equal_lanes(lanes: &[u32; 8], wanted: u32) -> u32 {
    use core::arch::x86_64::{
        __m128i, _mm_cmpeq_epi32, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16,
        _mm_packs_epi32, _mm_set1_epi32,
    };
    // Left to itself the compiler compares four values at once and four one by one.
    let half = |half: &[u32; 4]| -> __m128i {
        // SAFETY: the load reads 16 bytes, which `half` has, at any alignment.
        unsafe { _mm_loadu_si128(half.as_ptr().cast()) }
    };
    let [a, b, c, d, e, f, g, h] = *lanes;
    let (low, high) = (half(&[a, b, c, d]), half(&[e, f, g, h]));
    // SAFETY: x86-64 includes SSE2, and none of these reads or writes memory.
    #[allow(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic that is always there")]
    let equal = unsafe {
        let wanted = _mm_set1_epi32(wanted.cast_signed());
        let (low, high) = (_mm_cmpeq_epi32(low, wanted), _mm_cmpeq_epi32(high, wanted));
        let words = _mm_packs_epi32(low, high);
        _mm_movemask_epi8(_mm_packs_epi16(words, words))
    };
    // Bits 8 to 15 repeat the others.
    equal.cast_unsigned() & 0xFF
}

/// Which of eight values equal `wanted`: bit `n` of the result stands for value `n`.
#[inline(always)]
#[must_use]
#[cfg(not(target_arch = "x86_64"))]
pub fn equal_lanes(lanes: &[u32; 8], wanted: u32) -> u32 {
    (0..).zip(lanes).fold(0, |set, (lane, value)| set | u32::from(*value == wanted) << lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_equal_lanes_is_found() {
        for set in 0..256u32 {
            let lanes = std::array::from_fn(|lane| if set >> lane & 1 == 1 { 7 } else { 8 });
            assert_eq!(equal_lanes(&lanes, 7), set);
            assert_eq!(equal_lanes(&lanes, 8), !set & 0xFF);
        }
    }
}
