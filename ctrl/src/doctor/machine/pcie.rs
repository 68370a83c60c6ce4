//! Whether a card has all lanes of PCI Express that it could have.

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::pci;
use crate::doctor::root::{Seen, if_there};

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let mut findings = Vec::new();
    for (port, address) in case.pci_ports() {
        let fact = |name: &str| if_there(case.root.text(pci::folder(address).join(name)));
        let [width, width_max, speed, speed_max] = [
            fact("current_link_width")?,
            fact("max_link_width")?,
            fact("current_link_speed")?,
            fact("max_link_speed")?,
        ];
        // Devices of virtual machines have none.
        let (Some(width), Some(width_max)) = (width, width_max) else { continue };
        let (speed, speed_max) = (speed.unwrap_or_default(), speed_max.unwrap_or_default());
        let text = format!("port {} ({address}): PCI Express x{width} at {speed}", port.name);
        findings.push(if width == width_max && speed == speed_max {
            Finding::ok(text)
        } else {
            Finding::warning(format!("{text}, and the card can x{width_max} at {speed_max}"))
                .why("the bus may carry less than the card's ports.")
                .advice(
                    "Look into the machine's manual for a slot with all lanes, and reseat the \
                         card.",
                )
        });
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    #[test]
    fn lanes_and_speed_are_compared() {
        let file = |name: &str| format!("sys/bus/pci/devices/0000:3b:00.0/{name}");
        let tree = Tree::new();
        assert_eq!(check(&tree.case(PCI)).unwrap(), [], "a virtual device");
        let tree = tree
            .file(&file("current_link_width"), "8\n")
            .file(&file("max_link_width"), "8\n")
            .file(&file("current_link_speed"), "8.0 GT/s PCIe\n")
            .file(&file("max_link_speed"), "8.0 GT/s PCIe\n");
        only(&check(&tree.case(PCI)).unwrap(), Fine, &["x8 at 8.0 GT/s"]);
        let tree = tree.file(&file("current_link_width"), "4\n");
        only(&check(&tree.case(PCI)).unwrap(), Warning, &["x4 at 8.0", "can x8"]);
    }
}
