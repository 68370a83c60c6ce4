//! Which cache lines a value lies in.

use std::collections::HashMap;
use std::ops::Range;

/// Bytes of a cache line.
const LINE: usize = 64;

/// The lines that `value` lies in, by number. What it points to is not part of it.
#[must_use]
pub fn cache_lines<T>(value: &T) -> Range<usize> {
    let start = std::ptr::from_ref(value).addr();
    start / LINE..(start + size_of::<T>()).div_ceil(LINE)
}

/// Asserts that nobody has a line that another has; each element of `owners` is the lines of one.
pub fn assert_disjoint(owners: impl IntoIterator<Item = Vec<usize>>) {
    let mut owner_of = HashMap::new();
    for (owner, lines) in owners.into_iter().enumerate() {
        for line in lines {
            let first = *owner_of.entry(line).or_insert(owner);
            assert_eq!(first, owner, "both have something at {:#x}", line * LINE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_one_line_are_noticed() {
        let values = [0u8; 3 * LINE];
        let (first, last) = (cache_lines(&values[0]), cache_lines(&values[2 * LINE]));
        assert_eq!((first.len(), last.start - first.start), (1, 2));
        assert_disjoint([first.clone().collect(), last.collect()]);
        let both = || assert_disjoint([first.clone().collect(), first.clone().collect()]);
        assert!(std::panic::catch_unwind(both).is_err());
    }
}
