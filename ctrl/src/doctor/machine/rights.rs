//! What this process may do; the daemon, started the same way, may do as much.

use conf::Device;

use crate::device;
use crate::doctor::case::Case;
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::root::Seen;

/// Capabilities (`linux/capability.h`) for ports on kernel interfaces, and what for.
const FOR_INTERFACES: &[(u32, &str, &str)] = &[
    (12, "CAP_NET_ADMIN", "net_af_packet and net_af_xdp need it"),
    (13, "CAP_NET_RAW", "net_af_packet and net_af_xdp need it for their sockets"),
];
/// Those for PCI devices, which not every one needs.
const FOR_DEVICES: &[(u32, &str, &str)] = &[
    (13, "CAP_NET_RAW", "NVIDIA's cards need it for their queues"),
    (21, "CAP_SYS_ADMIN", "without an IOMMU, DPDK needs it to find out physical addresses"),
];
const IPC_LOCK: u32 = 14;
/// Open files beside the one of every huge page.
const FILES: u64 = 512;
const PAGE_MIB: u64 = 2;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    // A daemon that runs has what it needs.
    if case.daemon.is_some() {
        return Ok(Vec::new());
    }
    let status = case.root.text("proc/self/status")?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let uid = line("Uid:").and_then(|ids| ids.split_whitespace().nth(1));
    let held = line("CapEff:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let (Some(uid), Some(held)) = (uid, held) else {
        return Ok(vec![Finding::unknown("/proc/self/status has no Uid or CapEff")]);
    };
    let mut findings = Vec::new();
    for (severity, number, name, why) in needed(case) {
        if held >> number & 1 == 0 {
            findings.push(
                Finding::new(severity, format!("this process (user {uid}) has no {name}"))
                    .why(format!("{why}."))
                    .advice("Run as root, or give it to the daemon; containers want --cap-add."),
            );
        }
    }
    if uid == "0" && findings.is_empty() {
        findings.push(Finding::ok("root, with all capabilities that are needed"));
    }
    if uid != "0" {
        findings.push(
            Finding::note("not root")
                .why("some facts may be unknown, and the daemon needs /dev/vfio and /run/rvs.")
                .advice("Run `rvs doctor` as the user that is to run the daemon."),
        );
    }
    findings.extend(limits(case, held >> IPC_LOCK & 1 == 1)?);
    Ok(findings)
}

/// The capabilities that the ports need, with how bad it is to lack them.
fn needed(case: &Case) -> Vec<(Severity, u32, &'static str, &'static str)> {
    let ports = case.config.iter().flat_map(|config| &config.ports);
    let mut kinds: Vec<_> = ports
        .map(|port| match &port.device {
            Device::Pci(_) => (Severity::Note, FOR_DEVICES),
            Device::Vdev(devargs) if device::interface(devargs).is_some() => {
                (Severity::Warning, FOR_INTERFACES)
            }
            Device::Vdev(_) => (Severity::Note, &[][..]),
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let all = kinds.iter().flat_map(|(severity, list)| {
        list.iter().map(|(number, name, why)| (*severity, *number, *name, *why))
    });
    all.collect()
}

fn limits(case: &Case, may_lock: bool) -> Seen<Vec<Finding>> {
    let limits = case.root.text("proc/self/limits")?;
    let memory = u64::from(case.config.as_ref().map_or(0, |config| config.dpdk.memory_mib));
    let mut findings = Vec::new();
    match soft(&limits, "Max locked memory") {
        None => findings.push(Finding::unknown("/proc/self/limits has no locked memory")),
        // Only vfio locks memory.
        Some(_) if may_lock || case.pci_ports().next().is_none() => {}
        Some(bytes) if bytes >> 20 < memory => findings.push(
            Finding::problem(format!("locked memory is limited to {} MiB", bytes >> 20))
                .why(format!("all {memory} MiB of `dpdk.memory` are locked for vfio."))
                .now("ulimit -l unlimited")
                .boot(unit("LimitMEMLOCK=infinity")),
        ),
        Some(_) => {}
    }
    let files = FILES + memory / PAGE_MIB;
    match soft(&limits, "Max open files") {
        None => findings.push(Finding::unknown("/proc/self/limits has no open files")),
        Some(limit) if limit < files => findings.push(
            Finding::warning(format!("open files are limited to {limit}; {files} may be needed"))
                .why("DPDK may keep a file open for each huge page, and each client is one.")
                .now(format!("ulimit -n {}", files.next_power_of_two()))
                .boot(unit(&format!("LimitNOFILE={}", files.next_power_of_two()))),
        ),
        Some(_) => {}
    }
    Ok(findings)
}

/// Sets something for the daemon's unit.
fn unit(line: &str) -> String {
    let name = line.split('=').next().unwrap_or_default();
    format!(
        "mkdir -p /etc/systemd/system/rvs.service.d && printf '[Service]\\n{line}\\n' > \
         /etc/systemd/system/rvs.service.d/{name}.conf"
    )
}

/// A limit in force; the highest number stands for none.
fn soft(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::{PACKET, PCI, Tree, only, says};

    fn findings(uid: &str, held: &str, locked: &str, files: &str) -> Vec<Finding> {
        with(PCI, uid, held, locked, files)
    }

    fn with(config: &str, uid: &str, held: &str, locked: &str, files: &str) -> Vec<Finding> {
        let limits =
            format!("Max locked memory  {locked} x bytes\nMax open files  {files} 1 files");
        let tree = Tree::new()
            .file("proc/self/status", &format!("Uid:\t{uid}\t{uid}\t0\t0\nCapEff:\t{held}\n"))
            .file("proc/self/limits", &limits);
        check(&tree.case(config)).unwrap()
    }

    #[test]
    fn root_may_do_everything() {
        only(&findings("0", "000001ffffffffff", "8388608", "1024"), Fine, &["root"]);
        let bounded = findings("0", "00000000a80425fb", "unlimited", "1024");
        only(&bounded, Note, &["no CAP_SYS_ADMIN", "--cap-add"]);
        let bounded = with(PACKET, "0", "00000000a80425fb", "unlimited", "1024");
        only(&bounded, Warning, &["no CAP_NET_ADMIN"]);
    }

    #[test]
    fn others_are_told_what_they_lack() {
        let none = findings("1000", "0000000000000000", "8388608", "1024");
        says(&none, Note, &["user 1000", "CAP_NET_RAW"]);
        says(&none, Note, &["not root"]);
        says(&none, Problem, &["limited to 8 MiB", "all 512 MiB", "LimitMEMLOCK"]);
        let enough = findings("1000", "0000000000203000", "unlimited", "1024");
        only(&enough, Note, &["not root"]);
    }

    #[test]
    fn files_are_counted_by_pages() {
        let few = findings("0", "000001ffffffffff", "8388608", "767");
        says(&few, Warning, &["limited to 767; 768 may", "ulimit -n 1024"]);
    }
}
