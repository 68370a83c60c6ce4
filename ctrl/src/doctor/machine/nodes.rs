//! Workers and ports on different NUMA nodes.

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::Seen;
use crate::numa;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let Some(config) = &case.config else { return Ok(Vec::new()) };
    let topology = case.topology();
    if topology.is_unknown() {
        let found = "the kernel does not say which CPU is on which NUMA node";
        return Ok(vec![Finding::unknown(found).why("memory and CPUs should be near each other.")]);
    }
    if topology.is_uniform() {
        return Ok(vec![Finding::ok("one NUMA node")]);
    }
    let layout = case.layout(config);
    let mut findings = Vec::new();
    for (index, port) in config.ports.iter().enumerate() {
        if layout.port_node(index).is_none() && matches!(port.device, conf::Device::Pci(_)) {
            let found = format!("port {}: the NUMA node of its device is not known", port.name);
            findings.push(Finding::unknown(found));
        }
    }
    let warnings = numa::warnings(config, &layout, &topology);
    findings.extend(warnings.into_iter().map(|warning| {
        Finding::warning(warning).advice("Choose `workers` on the node of the ports.")
    }));
    if findings.is_empty() {
        findings.push(Finding::ok("workers and ports are on the same NUMA nodes"));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Unknown, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    const NODE: &str = "sys/bus/pci/devices/0000:3b:00.0/numa_node";

    fn two_nodes() -> Tree {
        Tree::new()
            .file("sys/devices/system/node/online", "0-1\n")
            .file("sys/devices/system/node/node0/cpulist", "0-1\n")
            .file("sys/devices/system/node/node0/distance", "10 21\n")
            .file("sys/devices/system/node/node1/cpulist", "2-3\n")
            .file("sys/devices/system/node/node1/distance", "21 10\n")
    }

    #[test]
    fn far_ports_are_warned_of() {
        let findings = |tree: Tree| check(&tree.case(PCI)).unwrap();
        only(&findings(two_nodes().file(NODE, "0\n")), Fine, &["same NUMA nodes"]);
        only(&findings(two_nodes().file(NODE, "1\n")), Warning, &["on NUMA node 1", "2-3"]);
        only(&findings(two_nodes()), Unknown, &["port wan", "not known"]);
        only(&findings(Tree::new()), Unknown, &["which CPU"]);
        let one = Tree::new().file("sys/devices/system/node/online", "0\n");
        only(&findings(one), Fine, &["one NUMA node"]);
    }
}
