//! Facts about this machine that the configuration is checked against.

use std::fs;

use conf::Machine;

/// The CPUs that are switched on, as the kernel lists them.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// What the checks of the configuration may know. A kernel that does not list its CPUs skips the
/// check of the workers; a worker that cannot be placed is still an error at start.
pub(crate) fn facts() -> Machine {
    let cpus = fs::read_to_string(ONLINE).ok().and_then(|text| cpu_list(text.trim()));
    Machine { cpus }
}

/// Reads the kernel's list format, `0-3,8,10-11`.
pub(crate) fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// Numbers as the kernel lists them, `0-3,8`.
pub(crate) fn cpu_ranges(numbers: &[u32]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let follows = |last: &u32, next: &u32| last.checked_add(1) == Some(*next);
    let runs = numbers.chunk_by(follows).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        run => run.iter().map(u32::to_string).collect(),
    });
    runs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert_eq!(cpu_list("0"), Some(vec![0]));
        assert_eq!(cpu_list("0-2,5,7-8"), Some(vec![0, 1, 2, 5, 7, 8]));
        assert_eq!(cpu_list(""), None);
        assert_eq!(cpu_list("0-x"), None);
    }

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(cpu_ranges(&[9, 0, 1, 2, 5, 8]), "0-2,5,8-9");
        assert_eq!(cpu_ranges(&[u32::MAX]), "4294967295");
        assert_eq!(cpu_ranges(&[]), "");
    }

    #[test]
    fn this_machine_has_a_cpu() {
        assert!(facts().cpus.is_none_or(|cpus| !cpus.is_empty()));
    }
}
