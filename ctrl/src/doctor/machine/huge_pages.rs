//! Huge pages for packet memory, on every NUMA node that the daemon would take some from.

use dpdk::hugepages::{self, HugePagePool};

use crate::doctor::case::{Case, Running};
use crate::doctor::finding::Finding;
use crate::doctor::root::{Seen, Unseen};
use crate::memory::{self, Memory, NO_HUGE};
use crate::numa::PoolSize;

const WHY: &str = "PCI devices need huge pages, and with ordinary ones most packets miss the TLB.";

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    if let Some(daemon) = &case.daemon {
        return Ok(vec![in_use(daemon)]);
    }
    let pools = pools(case)?;
    let Some(config) = &case.config else {
        let free = hugepages::free_mib(&pools);
        return Ok(vec![Finding::note(format!("{free} MiB of huge pages are free"))]);
    };
    let layout = case.layout(config);
    let mut findings = Vec::new();
    // Huge pages that the daemon cannot do without are looked at as if they were there.
    let memory = Memory::choose_from(config, layout.clone(), &pools)
        .unwrap_or_else(|_| Memory::huge(layout.clone()));
    if let Err(error) = PoolSize::all(config, &memory.layout, memory.pages) {
        let finding = Finding::problem(error.to_string());
        findings.push(finding.why("the daemon does not start without room for its packets."));
    }
    let has_pci = case.pci_ports().next().is_some();
    if config.dpdk.eal_args.iter().any(|arg| arg == NO_HUGE) {
        let found = format!("`dpdk.eal_args` forgoes huge pages with {NO_HUGE}");
        let finding = if has_pci {
            Finding::problem(format!("{found}, and there are PCI devices"))
        } else {
            Finding::note(found)
        };
        findings.push(finding.why(WHY).advice(format!("Take {NO_HUGE} out of `dpdk.eal_args`.")));
        return Ok(findings);
    }
    let shortages = memory::shortages(config, &layout, &pools);
    if shortages.is_empty() {
        let free = hugepages::free_mib(&pools);
        let wanted = config.dpdk.memory_mib;
        let found = format!("{free} MiB of huge pages are free, `dpdk.memory` is {wanted} MiB");
        findings.push(Finding::ok(found));
        return Ok(findings);
    }
    let found = memory::missing(&shortages);
    let finding = if has_pci { Finding::problem(found) } else { Finding::warning(found) };
    let finding = finding.why(WHY).advice("Reserve more, or ask for less with `dpdk.memory`.");
    let commands = shortages.iter().map(memory::Shortage::command);
    let finding = commands.fold(finding, Finding::now);
    findings.push(finding.kernel(&memory::boot_argument(&shortages)));
    Ok(findings)
}

/// The pools of huge pages.
pub(super) fn pools(case: &Case) -> Seen<Vec<HugePagePool>> {
    let sys = case.root.path("sys");
    hugepages::list_below(&sys).map_err(|error| {
        // Which file it is stands in the error only where its text is wrong.
        Unseen::at(&sys.join("devices/system/node"))(error)
    })
}

fn in_use(daemon: &Running) -> Finding {
    let Some(memory) = &daemon.memory else {
        return Finding::unknown("whether the running daemon has huge pages: it does not say");
    };
    let found = format!("the running daemon has {memory}");
    if memory.contains("huge pages") {
        return Finding::ok(found);
    }
    Finding::warning(found)
        .why(WHY)
        .advice("Stop the daemon and run `rvs doctor` again: it says what is missing.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Problem, Unknown, Warning};
    use crate::doctor::fixture::{PACKET, PCI, Tree, only, says};

    fn pool(tree: Tree, node: u32, total: &str, free: &str) -> Tree {
        let folder = format!("sys/devices/system/node/node{node}/hugepages/hugepages-2048kB");
        tree.file(&format!("{folder}/nr_hugepages"), total)
            .file(&format!("{folder}/free_hugepages"), free)
    }

    fn one_node(total: &str, free: &str) -> Tree {
        let tree = Tree::new()
            .file("sys/devices/system/node/online", "0\n")
            .file("sys/devices/system/node/node0/cpulist", "0-3\n")
            .file("sys/devices/system/node/node0/distance", "10\n");
        pool(tree, 0, total, free)
    }

    #[test]
    fn enough_is_fine_and_too_few_stop_pci_devices_only() {
        only(&check(&one_node("256", "256").case(PCI)).unwrap(), Fine, &["512 MiB"]);
        let few = one_node("100", "90");
        let words = [
            "`dpdk.memory` is 512 MiB and 180 MiB are free",
            "echo 266 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
            "hugepages=266",
        ];
        only(&check(&few.case(PCI)).unwrap(), Problem, &words);
        only(&check(&few.case(PACKET)).unwrap(), Warning, &words);
        only(&check(&few.case(PCI).without_config()).unwrap(), Note, &["180 MiB"]);
    }

    #[test]
    fn with_two_nodes_the_one_of_the_worker_counts() {
        let tree = one_node("1024", "1024")
            .file("sys/devices/system/node/online", "0-1\n")
            .file("sys/devices/system/node/has_memory", "0-1\n")
            .file("sys/devices/system/node/node0/cpulist", "0,2\n")
            .file("sys/devices/system/node/node0/distance", "10 21\n")
            .file("sys/devices/system/node/node1/cpulist", "1,3\n")
            .file("sys/devices/system/node/node1/distance", "21 10\n");
        let findings = check(&pool(tree, 1, "0", "0").case(PCI)).unwrap();
        only(
            &findings,
            Problem,
            &[
                "NUMA node 1 is to have 512 MiB",
                "echo 256 > /sys/devices/system/node/node1/hugepages",
                "hugepages=1:256",
            ],
        );
    }

    #[test]
    fn memory_too_small_for_the_ports_and_forgone_pages_are_said() {
        let small = PCI.replace("512M", "64M");
        let large = "rx_descriptors: 8192, tx_descriptors: 8192, device";
        let small = small
            .replace("{wan: {device", &format!("{{lan: {{{large}: net_null0}}, wan: {{{large}"));
        let findings = check(&one_node("512", "512").case(&small)).unwrap();
        says(&findings, Problem, &["64 MiB of memory do not hold"]);
        let forgone = PCI.replace("512M", "512M, eal_args: [--no-huge]");
        only(&check(&Tree::new().case(&forgone)).unwrap(), Problem, &["--no-huge"]);
        // 13,696 buffers of this size take 32 MiB of huge pages, or 54 MiB of ordinary ones.
        let deep = "rx_descriptors: 4096, device";
        let ports = PACKET.replace("512M", "64M");
        let ports =
            ports.replace("{wan: {device", &format!("{{lan: {{{deep}: net_null0}}, wan: {{{deep}"));
        let findings = check(&one_node("0", "0").case(&ports)).unwrap();
        says(&findings, Problem, &["64 MiB of memory do not hold"]);
        only(&check(&one_node("256", "256").case(&ports)).unwrap(), Fine, &["512 MiB"]);
    }

    #[test]
    fn a_running_daemon_says_itself_what_it_has() {
        let case = |memory| Tree::new().case(PCI).running(memory);
        only(&check(&case("512 MiB of huge pages")).unwrap(), Fine, &["512 MiB of huge pages"]);
        only(&check(&case("512 MiB of ordinary memory")).unwrap(), Warning, &["ordinary"]);
        let mut silent = case("");
        silent.daemon = Some(Running { memory: None });
        only(&check(&silent).unwrap(), Unknown, &["does not say"]);
    }

    #[test]
    fn garbage_is_unknown() {
        let unseen = check(&one_node("many", "0").case(PCI)).unwrap_err();
        assert!(unseen.to_string().contains("\"many\" is not a number"), "{unseen}");
    }
}
