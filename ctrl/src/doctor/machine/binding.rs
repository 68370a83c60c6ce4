//! The vfio-pci module, and whether this system lets anyone use vfio.

use crate::device;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::pci::{PciDevice, VFIO};
use crate::doctor::root::{Seen, if_there};

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let root = &case.root;
    let mut bound = false;
    let mut needed = false;
    for (_, address) in case.pci_ports() {
        let driver = if_there(PciDevice::read(root, address))?.and_then(|it| it.driver);
        let driver = driver.unwrap_or_default();
        bound |= driver == VFIO;
        needed |= !device::is_ready(&driver);
    }
    if bound && !root.has("dev/vfio/vfio")? {
        return Ok(vec![
            Finding::problem("a device is bound to vfio-pci, and /dev/vfio/vfio is not there")
                .why("DPDK opens devices through it.")
                .advice("In a container, pass it on: `--device /dev/vfio` of docker and podman."),
        ]);
    }
    if root.has(format!("sys/bus/pci/drivers/{VFIO}"))? {
        return Ok(vec![Finding::ok("the module vfio-pci is loaded")]);
    }
    let load = |finding: Finding| {
        finding
            .why("it hands devices over to user space.")
            .now("modprobe vfio-pci")
            .boot("echo vfio-pci > /etc/modules-load.d/vfio-pci.conf")
    };
    Ok(if needed {
        vec![load(Finding::problem("the module vfio-pci is not loaded"))]
    } else if case.config.is_none() {
        vec![load(Finding::note("the module vfio-pci is not loaded"))]
    } else {
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Problem};
    use crate::doctor::fixture::{PACKET, PCI, Tree, only};
    use crate::doctor::pci::tests::with_device;

    #[test]
    fn the_module_is_wanted_for_devices_that_are_not_bound_yet() {
        let device = |driver| with_device(Tree::new(), "0000:3b:00.0", "0x020000", driver, "");
        let words = ["not loaded", "modprobe vfio-pci", "/etc/modules-load.d"];
        only(&check(&device("ixgbe").case(PCI)).unwrap(), Problem, &words);
        only(&check(&device("ixgbe").case(PCI).without_config()).unwrap(), Note, &words);
        assert_eq!(check(&device("mlx5_core").case(PCI)).unwrap(), []);
        assert_eq!(check(&Tree::new().case(PACKET)).unwrap(), []);
        let loaded = device("ixgbe").dir("sys/bus/pci/drivers/vfio-pci");
        only(&check(&loaded.case(PCI)).unwrap(), Fine, &["is loaded"]);
    }

    #[test]
    fn a_container_needs_the_device_of_vfio() {
        let tree = with_device(Tree::new(), "0000:3b:00.0", "0x020000", VFIO, "3")
            .dir("sys/bus/pci/drivers/vfio-pci");
        only(&check(&tree.case(PCI)).unwrap(), Problem, &["/dev/vfio/vfio", "container"]);
        let tree = tree.file("dev/vfio/vfio", "");
        only(&check(&tree.case(PCI)).unwrap(), Fine, &[]);
    }
}
