//! Tests of the choice of memory, on machines with one and two nodes.

use dpdk::hugepages::HugePagePool;

use super::*;
use crate::numa::{Topology, two_nodes};

const VDEV: &str = "lan: {device: net_null0}";
const PCI: &str = "lan: {device: \"0000:3b:00.0\"}";

fn config(dpdk: &str, workers: &str, ports: &str) -> Config {
    let text = format!(
        "version: 1\ndpdk: {{{dpdk}}}\nworkers: [{workers}]\nports: {{{ports}}}\nservices: {{}}\n"
    );
    conf::parse("test.yaml", &text, &conf::Machine::default()).unwrap()
}

/// 2 MiB pages of a node: all, and free.
fn pages(node: u32, total: u64, free: u64) -> HugePagePool {
    HugePagePool { size_kib: 2048, node: Some(node), total, free }
}

fn chosen(
    config: &Config,
    topology: &Topology,
    free: &[HugePagePool],
) -> Result<Memory, CtrlError> {
    let ports = vec![None; config.ports.len()];
    let layout = Layout::new(topology, &config.workers, ports, config.dpdk.memory_mib, |_| 1);
    Memory::choose_from(config, layout, free)
}

#[test]
fn huge_pages_when_there_are_enough_ordinary_memory_otherwise() {
    let one = Topology::default();
    let vdev = config("memory: 512M", "0", VDEV);
    let huge = chosen(&vdev, &one, &[pages(0, 256, 256)]).unwrap();
    assert_eq!(huge.describe(), "512 MiB of huge pages");
    let ordinary = chosen(&vdev, &one, &[pages(0, 300, 255)]).unwrap();
    assert_eq!(ordinary.describe(), "512 MiB of ordinary memory");
    let unwanted = config("memory: 512M, eal_args: [--no-huge]", "0", VDEV);
    assert!(!chosen(&unwanted, &one, &[pages(0, 2048, 2048)]).unwrap().is_huge());
    // All nodes together, and all sizes: it does not matter where they are.
    let large = HugePagePool { size_kib: 1 << 20, node: Some(1), total: 1, free: 1 };
    let gib = config("memory: 1026M", "0", PCI);
    assert!(chosen(&gib, &one, &[pages(0, 1, 1), large]).unwrap().is_huge());
}

#[test]
fn a_pci_device_without_huge_pages_is_an_error_that_says_how_to_reserve_them() {
    let one = Topology::default();
    let pci = config("memory: 1G", "0", PCI);
    assert!(chosen(&pci, &one, &[pages(0, 512, 512)]).unwrap().is_huge());
    // 10 pages are someone else's.
    let error = chosen(&pci, &one, &[pages(0, 60, 50)]).unwrap_err().to_string();
    for words in [
        "port lan is the PCI device 0000:3b:00.0",
        "`dpdk.memory` is 1024 MiB and 100 MiB are free",
        "`echo 522 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`",
        "`hugepages=522`",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(!error.contains("node"), "{error}");
}

#[test]
fn every_node_must_have_its_part() {
    let pci = config("memory: 1G", "0, 4", PCI);
    let huge = chosen(&pci, &two_nodes(), &[pages(0, 256, 256), pages(1, 256, 256)]).unwrap();
    assert_eq!(huge.describe(), "1024 MiB of huge pages (512 on node 0, 512 on node 1)");

    // Enough in all, but on one node.
    let apart = [pages(0, 600, 600), pages(1, 8, 5)];
    let error = chosen(&pci, &two_nodes(), &apart).unwrap_err().to_string();
    for words in [
        "NUMA node 1 is to have 512 MiB of `dpdk.memory`, and 10 MiB are free there",
        "`echo 259 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages`",
        "`hugepages=1:259`",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(!error.contains("node 0") && !error.contains("node0"), "{error}");

    let error = chosen(&pci, &two_nodes(), &[]).unwrap_err().to_string();
    assert!(error.contains("`hugepages=0:256,1:256`"), "both at once: {error}");
}

#[test]
fn virtual_devices_do_with_ordinary_memory_which_has_no_nodes() {
    let vdev = config("memory: 1G", "0, 4", VDEV);
    let memory = chosen(&vdev, &two_nodes(), &[pages(0, 600, 600)]).unwrap();
    assert_eq!(memory.describe(), "1024 MiB of ordinary memory");
    assert_eq!(memory.layout.by_node().count(), 0);
    assert!(matches!(&memory.lack, Some(Lack::TooFew(all)) if all[0].node == Some(1)));
}

#[test]
fn arguments_that_divide_the_memory_are_the_operator_s_business() {
    let own = config("memory: 1G, eal_args: [\"--socket-mem=900,124\"]", "0, 4", PCI);
    let pages = [pages(0, 450, 450), pages(1, 62, 62)];
    assert!(chosen(&own, &two_nodes(), &pages).unwrap().is_huge());
    assert!(chosen(&own, &two_nodes(), &pages[..1]).is_err());
}

#[test]
fn advice_names_the_nodes() {
    let pci = config("memory: 1G", "4", PCI);
    let memory = chosen(&pci, &two_nodes(), &[pages(1, 512, 512)]).unwrap();
    assert!(memory.advice().contains("/node/node1/hugepages/"), "{}", memory.advice());
    let forgone = config("memory: 1G, eal_args: [--no-huge]", "4", PCI);
    let memory = chosen(&forgone, &two_nodes(), &[]).unwrap();
    assert!(!memory.advice().contains("huge pages"), "{}", memory.advice());
}
