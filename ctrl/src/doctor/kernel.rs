//! What the kernel was started with.

use super::root::{Root, Seen};

/// The kernel's command line.
pub(super) struct CommandLine(String);

impl CommandLine {
    pub(super) fn read(root: &Root) -> Seen<Self> {
        root.text("proc/cmdline").map(Self)
    }

    /// The value of an argument, the last if it is there more than once; empty if it has none.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let words = self.0.split_whitespace().rev();
        let mut values = words.filter_map(|word| match word.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (word == name).then_some(""),
        });
        values.next()
    }
}

/// The flags of the first CPU in `/proc/cpuinfo`; empty where the architecture has no such line.
pub(super) fn cpu_flags(cpuinfo: &str) -> Vec<&str> {
    let mut lines = cpuinfo.lines();
    let flags = lines.find_map(|line| line.strip_prefix("flags"));
    flags.map_or_else(Vec::new, |flags| {
        flags.trim_start_matches([' ', '\t', ':']).split(' ').collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_by_their_whole_name_and_the_last_counts() {
        let line = CommandLine("quiet iommu=off intel_iommu=on iommu=pt xisolcpus=3".to_owned());
        assert_eq!(line.argument("iommu"), Some("pt"));
        assert_eq!(line.argument("quiet"), Some(""));
        assert_eq!(line.argument("isolcpus"), None);
    }

    #[test]
    fn flags_are_those_of_a_cpu() {
        let info = "processor\t: 0\nflags\t\t: fpu tsc constant_tsc\nvmx flags\t: x\n";
        assert_eq!(cpu_flags(info), ["fpu", "tsc", "constant_tsc"]);
        assert_eq!(cpu_flags("processor : 0\nFeatures : fp\n"), [""; 0]);
    }
}
