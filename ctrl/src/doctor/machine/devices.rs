//! The PCI devices of the ports: who has each, and what is lost when it is taken from the kernel.

use conf::Port;

use crate::device::{is_ready, is_shared};
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::network::Network;
use crate::doctor::pci::{self, PciDevice, VFIO};
use crate::doctor::root::{Seen, Unseen, if_there};

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let mut findings = Vec::new();
    for (port, address) in case.pci_ports() {
        match about(case, port, address) {
            Ok(found) => findings.extend(found),
            Err(unseen) => findings.push(unseen.into()),
        }
    }
    Ok(findings)
}

fn about(case: &Case, port: &Port, address: &str) -> Seen<Vec<Finding>> {
    let name = &port.name;
    let device = match PciDevice::read(&case.root, address) {
        Err(Unseen::Absent(_)) => {
            return Ok(vec![
                Finding::problem(format!("port {name}: there is no PCI device {address}"))
                    .why("the daemon does not start without it.")
                    .advice("Correct `device` of this port; these are the network cards:")
                    .now("lspci -D | grep -i -e ethernet -e network"),
            ]);
        }
        read => read?,
    };
    let text = format!("port {name}: {address} ({})", device.model);
    if !device.is_network() {
        return Ok(vec![
            Finding::problem(format!("{text} is no network card"))
                .why("DPDK makes no port of it.")
                .now("lspci -D | grep -i -e ethernet -e network"),
        ]);
    }
    let driver = device.driver.as_deref().unwrap_or_default();
    if is_shared(driver) {
        return shared(case, &device, &text);
    }
    if !is_ready(driver) {
        return Ok(vec![to_bind(case, &device, &text)?]);
    }
    let mut findings = vec![if driver == VFIO {
        Finding::ok(format!("{text} is bound to {driver}"))
    } else {
        Finding::warning(format!("{text} is bound to {driver}"))
            .why("that driver knows no IOMMU: the device may write to any memory.")
            .now(format!("dpdk-devbind.py --bind=vfio-pci {address}"))
            .boot(format!("driverctl set-override {address} vfio-pci"))
    }];
    findings.extend(group(case, &device, &text)?);
    Ok(findings)
}

/// A device that DPDK and the kernel share.
fn shared(case: &Case, device: &PciDevice, text: &str) -> Seen<Vec<Finding>> {
    let driver = device.driver.as_deref().unwrap_or_default();
    let verbs = pci::folder(&device.address).join("infiniband");
    if driver.starts_with("mlx") && !case.root.has(verbs)? {
        let module = driver.replace("_core", "_ib");
        return Ok(vec![
            Finding::problem(format!("{text} is with {driver}, without {module}"))
                .why("DPDK drives this card through the kernel's verbs.")
                .now(format!("modprobe -a ib_uverbs {module}"))
                .boot(format!("printf 'ib_uverbs\\n{module}\\n' > /etc/modules-load.d/rvs.conf")),
        ]);
    }
    Ok(vec![Finding::ok(format!("{text} stays with the kernel's driver {driver}, as it should"))])
}

/// A device that the kernel has, or nobody.
fn to_bind(case: &Case, device: &PciDevice, text: &str) -> Seen<Finding> {
    let address = &device.address;
    let Some(driver) = &device.driver else {
        return Ok(bind(Finding::problem(format!("{text} is bound to no driver")), address)
            .why("DPDK needs it bound to vfio-pci."));
    };
    let interfaces = device.interfaces.join(", ");
    let interfaces = if interfaces.is_empty() { "no interface" } else { &interfaces };
    let found = format!("{text} is with the kernel's driver {driver} as {interfaces}");
    let network = if_there(Network::read(&case.root, case.login.as_deref()))?;
    let Some(network) = network else {
        return Ok(bind(Finding::problem(found), address)
            .why("it is not known what goes through it: this system shows no routes.")
            .advice("Make sure that you are not logged in through it before you bind it."));
    };
    let mut lost: Vec<_> =
        device.interfaces.iter().flat_map(|name| network.depends_on(name)).collect();
    lost.sort_unstable();
    lost.dedup();
    if !lost.is_empty() {
        let lost = lost.join(" and ");
        return Ok(Finding::problem(format!("{found}, which has {lost}"))
            .why(format!("binding it to vfio-pci takes the interface away, and {lost} with it."))
            .advice(
                "Do not bind it while you are logged in through it: give RVS another port of the \
                 machine, or move routes and login to another one first, or work on the console.",
            ));
    }
    Ok(bind(Finding::problem(found), address)
        .why("DPDK needs it bound to vfio-pci; its kernel interface disappears then."))
}

fn bind(finding: Finding, address: &str) -> Finding {
    finding
        .now("modprobe vfio-pci")
        .now(format!("dpdk-devbind.py --bind=vfio-pci {address}"))
        .boot(format!("driverctl set-override {address} vfio-pci"))
}

/// A device of the same IOMMU group that the kernel uses.
fn group(case: &Case, device: &PciDevice, text: &str) -> Seen<Option<Finding>> {
    let mates = device.mates(&case.root)?;
    let in_use = |mate: &&PciDevice| {
        let driver = mate.driver.as_deref();
        !mate.is_bridge() && !matches!(driver, None | Some(VFIO | "pci-stub"))
    };
    let in_use: Vec<_> = mates.iter().filter(in_use).map(|mate| mate.address.as_str()).collect();
    if in_use.is_empty() {
        return Ok(None);
    }
    let group = device.group.as_deref().unwrap_or_default();
    let others = in_use.join(", ");
    let finding = Finding::problem(format!("{text} shares IOMMU group {group} with {others}"))
        .why("vfio gives out whole groups only, and the kernel uses part of this one.")
        .advice("Bind these to vfio-pci, too, if nothing needs them; or use another slot.");
    Ok(Some(
        in_use
            .iter()
            .fold(finding, |it, mate| it.now(format!("dpdk-devbind.py --bind=vfio-pci {mate}"))),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::{PCI, Tree, only, says};
    use crate::doctor::network::tests::{session, with_network};
    use crate::doctor::pci::tests::with_device;

    const NIC: &str = "0000:3b:00.0";

    fn with_driver(driver: &str, interface: &str) -> Tree {
        let tree = with_device(with_network(Tree::new()), NIC, "0x020000", driver, "12");
        if interface.is_empty() {
            return tree;
        }
        tree.dir(&format!("sys/bus/pci/devices/{NIC}/net/{interface}"))
    }

    fn findings(tree: &Tree) -> Vec<Finding> {
        check(&tree.case(PCI)).unwrap()
    }

    #[test]
    fn a_device_of_the_kernel_is_to_be_bound() {
        let words = ["ixgbe as eth1", "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0", "driverctl"];
        only(&findings(&with_driver("ixgbe", "eth1")), Problem, &words);
        only(&findings(&with_driver("", "")), Problem, &["bound to no driver", "modprobe"]);
        only(&findings(&with_driver("vfio-pci", "")), Fine, &["8086:1572", "vfio-pci"]);
        only(&findings(&with_driver("igb_uio", "")), Warning, &["knows no IOMMU"]);
    }

    #[test]
    fn the_way_in_is_not_to_be_taken_away() {
        let default = findings(&with_driver("ixgbe", "eth0"));
        only(&default, Problem, &["has the default route", "Do not bind it"]);
        assert_eq!(default[0].fix.now, [""; 0], "no command to paste");
        let tree = with_driver("ixgbe", "eth1").file("proc/net/tcp", &session([192, 0, 2, 2]));
        only(&findings(&tree), Problem, &["has an ssh session"]);
        let tree = with_driver("ixgbe", "eth1");
        let mut case = tree.case(PCI);
        case.login = Some("192.0.2.2".to_owned());
        only(&check(&case).unwrap(), Problem, &["has an ssh session"]);
    }

    #[test]
    fn mellanox_cards_stay_and_need_verbs() {
        let tree = with_driver("mlx5_core", "eth0");
        only(&findings(&tree), Problem, &["without mlx5_ib", "modprobe -a ib_uverbs mlx5_ib"]);
        let tree = tree.dir(&format!("sys/bus/pci/devices/{NIC}/infiniband"));
        only(&findings(&tree), Fine, &["stays with the kernel's driver mlx5_core"]);
    }

    #[test]
    fn groups_go_as_a_whole() {
        let tree = with_driver("vfio-pci", "");
        let tree = with_device(tree, "0000:3b:00.1", "0x020000", "vfio-pci", "12");
        let tree = with_device(tree, "0000:3a:00.0", "0x060400", "pcieport", "12");
        only(&findings(&tree), Fine, &[]);
        let tree = with_device(tree, "0000:3b:00.2", "0x010700", "mpt3sas", "12");
        says(&findings(&tree), Problem, &["shares IOMMU group 12 with 0000:3b:00.2"]);
    }

    #[test]
    fn what_is_not_there_or_no_card_is_said() {
        only(&findings(&Tree::new()), Problem, &["there is no PCI device 0000:3b:00.0", "lspci"]);
        let disk = with_device(Tree::new(), NIC, "0x010802", "nvme", "");
        only(&findings(&disk), Problem, &["is no network card"]);
    }
}
