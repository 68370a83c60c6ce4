//! What figures were measured on: without that they mean nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::bench::in_memory;

/// What figures were measured on, and with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Name of the CPU as the kernel tells it, with family and model where there are.
    pub cpu: String,
    /// CPUs that the process may use.
    pub cpus: usize,
    /// Rate of the time stamp counter in MHz.
    pub tsc_mhz: f64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Whether buffers and tables are in huge pages.
    pub huge_pages: bool,
    /// Whether the worker's thread stays on its CPU.
    pub pinned: bool,
    /// Release of the kernel.
    pub kernel: String,
    /// Release of DPDK.
    pub dpdk: String,
    /// The commit of the source tree, ending in `-dirty` if the tree differs from it; nothing where
    /// there is no repository any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Machine {
    /// This machine, with so many CPUs for the process before its thread was pinned. The rate
    /// of the time stamp counter is known once DPDK is up.
    #[must_use]
    pub fn this(cpus: usize, huge_pages: bool, pinned: bool) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            cpu: cpu_name(&read("/proc/cpuinfo")),
            cpus,
            tsc_mhz: in_memory::mhz(),
            memory_mib: memory_mib(&read("/proc/meminfo")),
            huge_pages,
            pinned,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            dpdk: dpdk::version(),
            revision: revision(Path::new(env!("CARGO_MANIFEST_DIR"))),
        }
    }
}

/// `Intel(R) Xeon(R) Processor, family 6 model 143`.
fn cpu_name(cpuinfo: &str) -> String {
    let value = |key: &str| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    // Not every architecture has names.
    let name = value("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    match value("cpu family").zip(value("model")) {
        Some((family, model)) => format!("{name}, family {family} model {model}"),
        None => name,
    }
}

fn memory_mib(meminfo: &str) -> u64 {
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// The commit of the tree that `folder` is in.
fn revision(folder: &Path) -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(folder)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let revision = text.trim();
    (output.status.success() && !revision.is_empty()).then(|| revision.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_named_with_family_and_model() {
        let cpuinfo = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 143\n\
                       model name\t: Intel(R) Xeon(R) Processor\n";
        assert_eq!(cpu_name(cpuinfo), "Intel(R) Xeon(R) Processor, family 6 model 143");
        assert_eq!(cpu_name("model name\t: Other\n"), "Other");
        assert_eq!(cpu_name(""), std::env::consts::ARCH);
    }

    #[test]
    fn memory_is_read_in_mib() {
        assert_eq!(memory_mib("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), 24_000);
        assert_eq!(memory_mib("nonsense"), 0);
    }

    #[test]
    fn outside_a_repository_there_is_no_revision() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(revision(folder.path()), None);
        assert_eq!(revision(&folder.path().join("missing")), None);
    }

    #[test]
    fn this_machine_has_a_name_and_a_kernel() {
        let machine = Machine::this(2, false, true);
        assert!(machine.cpus == 2 && machine.pinned && !machine.huge_pages, "{machine:?}");
        assert!(!machine.cpu.is_empty() && !machine.kernel.is_empty(), "{machine:?}");
        assert!(machine.memory_mib > 0 && machine.dpdk.starts_with("DPDK"), "{machine:?}");
    }
}
