//! The IOMMU, behind which vfio gives devices to user space.

use crate::device::is_shared;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::kernel::CommandLine;
use crate::doctor::pci::PciDevice;
use crate::doctor::root::{Seen, if_there};

/// Where vfio is told to do without an IOMMU.
const UNSAFE: &str = "sys/module/vfio/parameters/enable_unsafe_noiommu_mode";

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let root = &case.root;
    let line = CommandLine::read(root)?;
    let groups = if_there(root.names("sys/kernel/iommu_groups"))?.unwrap_or_default().len();
    if groups > 0 {
        let mut findings = vec![Finding::ok(format!("the IOMMU is on, with {groups} groups"))];
        for (port, address) in case.pci_ports() {
            findings.extend(translated(case, &port.name, address)?);
        }
        return Ok(findings);
    }
    let off = ["intel_iommu", "amd_iommu", "iommu"];
    let off = off.iter().find(|name| line.argument(name) == Some("off"));
    let found = match off {
        Some(name) => format!("the kernel's command line switches the IOMMU off: {name}=off"),
        None => "the IOMMU is off: /sys/kernel/iommu_groups is empty".to_owned(),
    };
    if case.config.is_some() && case.pci_ports().next().is_none() {
        return Ok(vec![Finding::ok(format!("{found}, and no port needs it"))]);
    }
    let unsafe_mode = if_there(root.text(UNSAFE))?;
    if unsafe_mode.as_deref() == Some("Y") {
        return Ok(vec![
            enable(case, Finding::warning(format!("{found}; vfio works without (/{UNSAFE})")))?
                .why("nothing keeps a device from writing to any memory."),
        ]);
    }
    let needed = needs_vfio(case)?;
    let finding = if needed { Finding::problem(found) } else { Finding::note(found) };
    let finding = enable(case, finding)?
        .why("without one, vfio-pci takes no device unless it is told to do without.");
    Ok(vec![if needed {
        finding
            .now("modprobe vfio")
            .now(format!("echo Y > /{UNSAFE}     # no protection; for a test"))
    } else {
        finding
    }])
}

/// Whether a port's device is to be given to vfio; not if the kernel keeps it.
fn needs_vfio(case: &Case) -> Seen<bool> {
    for (_, address) in case.pci_ports() {
        let driver = if_there(PciDevice::read(&case.root, address))?.and_then(|it| it.driver);
        if !driver.as_deref().is_some_and(is_shared) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn enable(case: &Case, finding: Finding) -> Seen<Finding> {
    let cpuinfo = case.root.text("proc/cpuinfo")?;
    let finding =
        finding.advice("Switch on VT-d or AMD-Vi in the firmware, and the IOMMU in the kernel.");
    Ok(if cpuinfo.contains("GenuineIntel") {
        finding.kernel("intel_iommu=on iommu=pt")
    } else {
        finding.kernel("iommu=pt")
    })
}

/// A device that stays with its kernel driver and whose every access is translated.
fn translated(case: &Case, port: &str, address: &str) -> Seen<Option<Finding>> {
    let Some(device) = if_there(PciDevice::read(&case.root, address))? else { return Ok(None) };
    let shared = device.driver.as_deref().is_some_and(is_shared);
    let Some(group) = device.group.filter(|_| shared) else { return Ok(None) };
    let path = format!("sys/kernel/iommu_groups/{group}/type");
    let kind = if_there(case.root.text(&path))?.unwrap_or_default();
    let finding = || {
        Finding::note(format!(
            "port {port} ({address}): its IOMMU group is of type {kind} (/{path})"
        ))
        .why("a device that stays with its kernel driver then pays for translating addresses.")
        .kernel("iommu=pt")
    };
    Ok(kind.starts_with("DMA").then(finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::{PACKET, PCI, Tree, only, says};
    use crate::doctor::pci::tests::with_device;

    const NIC: &str = "0000:3b:00.0";

    fn tree(line: &str) -> Tree {
        Tree::new()
            .file("proc/cmdline", line)
            .file("proc/cpuinfo", "vendor_id : GenuineIntel\n")
            .dir("sys/kernel/iommu_groups")
    }

    #[test]
    fn groups_show_that_it_is_on() {
        let on = with_device(tree("quiet"), NIC, "0x020000", "vfio-pci", "3");
        only(&check(&on.case(PCI)).unwrap(), Fine, &["with 1 groups"]);
        let kept = with_device(tree("quiet"), NIC, "0x020000", "mlx5_core", "3")
            .file("sys/kernel/iommu_groups/3/type", "DMA-FQ\n");
        says(&check(&kept.case(PCI)).unwrap(), Note, &["DMA-FQ", "iommu=pt"]);
        let kept = kept.file("sys/kernel/iommu_groups/3/type", "identity\n");
        only(&check(&kept.case(PCI)).unwrap(), Fine, &[]);
    }

    #[test]
    fn without_one_it_depends_on_who_needs_it() {
        let off = tree("quiet intel_iommu=off");
        let words = ["intel_iommu=off", "intel_iommu=on iommu=pt", "enable_unsafe_noiommu_mode"];
        only(&check(&off.case(PCI)).unwrap(), Problem, &words);
        only(&check(&off.case(PACKET)).unwrap(), Fine, &["no port needs it"]);
        only(&check(&off.case(PCI).without_config()).unwrap(), Note, &["the IOMMU off", "VT-d"]);
        let kept = with_device(tree(""), NIC, "0x020000", "mlx5_core", "");
        only(&check(&kept.case(PCI)).unwrap(), Note, &["iommu_groups is empty"]);
    }

    #[test]
    fn vfio_without_one_is_a_warning() {
        let tree = tree("").file(UNSAFE, "Y\n");
        only(&check(&tree.case(PCI)).unwrap(), Warning, &["works without", "any memory"]);
        let tree = tree.file(UNSAFE, "N\n").file("proc/cpuinfo", "vendor_id : AuthenticAMD\n");
        only(&check(&tree.case(PCI)).unwrap(), Problem, &["iommu=pt"]);
    }
}
