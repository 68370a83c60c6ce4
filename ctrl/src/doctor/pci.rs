//! [`PciDevice`]: a PCI device as `/sys` shows it.

use std::path::PathBuf;

use super::root::{Root, Seen, Unseen, if_there};

/// PCI classes (PCI Code and ID Assignment): network controllers, bridges.
const NETWORK: u32 = 0x02;
const BRIDGE: u32 = 0x06;
/// The driver that gives a device to user space behind an IOMMU.
pub(super) const VFIO: &str = "vfio-pci";

/// What is known of a PCI device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PciDevice {
    /// Its address in full.
    pub(super) address: String,
    /// Vendor and device, such as `8086:1572`.
    pub(super) model: String,
    /// Class, subclass and interface, a byte each.
    class: u32,
    /// The kernel driver it is bound to.
    pub(super) driver: Option<String>,
    /// The kernel interfaces on it.
    pub(super) interfaces: Vec<String>,
    /// Its IOMMU group.
    pub(super) group: Option<String>,
}

impl PciDevice {
    /// Reads a device; [`Unseen::Absent`] if there is none with this address.
    pub(super) fn read(root: &Root, address: &str) -> Seen<Self> {
        let folder = folder(address);
        let hex = |name: &str| -> Seen<u32> {
            let text = root.text(folder.join(name))?;
            let digits = text.strip_prefix("0x").unwrap_or(&text);
            u32::from_str_radix(digits, 16).map_err(|_| Unseen::Garbled {
                path: root.path(folder.join(name)),
                text: text.clone(),
                expected: "number",
            })
        };
        let (vendor, device) = (hex("vendor")?, hex("device")?);
        Ok(Self {
            address: address.to_owned(),
            model: format!("{vendor:04x}:{device:04x}"),
            class: hex("class")?,
            driver: if_there(root.link(folder.join("driver")))?,
            interfaces: interfaces(root, &folder)?,
            group: if_there(root.link(folder.join("iommu_group")))?,
        })
    }

    /// Whether it is a network card.
    pub(super) const fn is_network(&self) -> bool {
        self.class >> 16 == NETWORK
    }

    /// Whether it is a bridge, which does not count in its IOMMU group.
    pub(super) const fn is_bridge(&self) -> bool {
        self.class >> 16 == BRIDGE
    }

    /// The other devices of its IOMMU group.
    pub(super) fn mates(&self, root: &Root) -> Seen<Vec<Self>> {
        let Some(group) = &self.group else { return Ok(Vec::new()) };
        let names = root.names(format!("sys/kernel/iommu_groups/{group}/devices"))?;
        let others = names.iter().filter(|name| **name != self.address);
        others.map(|name| Self::read(root, name)).collect()
    }
}

/// Where a device is in `/sys`.
pub(super) fn folder(address: &str) -> PathBuf {
    PathBuf::from("sys/bus/pci/devices").join(address)
}

/// The interfaces right below a device and, of virtio, one level deeper.
fn interfaces(root: &Root, folder: &std::path::Path) -> Seen<Vec<String>> {
    let below = root.names(folder)?;
    let virtio = below.iter().filter(|name| name.starts_with("virtio"));
    let places = virtio.map(|name| folder.join(name)).chain([folder.to_path_buf()]);
    let mut found = Vec::new();
    for place in places {
        found.extend(if_there(root.names(place.join("net")))?.unwrap_or_default());
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixture::Tree;
    use super::*;

    /// With a device of a class and IOMMU group, bound to a driver if it is not empty.
    pub(in crate::doctor) fn with_device(
        tree: Tree,
        address: &str,
        class: &str,
        driver: &str,
        group: &str,
    ) -> Tree {
        let folder = format!("sys/bus/pci/devices/{address}");
        let tree = tree
            .file(&format!("{folder}/vendor"), "0x8086\n")
            .file(&format!("{folder}/device"), "0x1572\n")
            .file(&format!("{folder}/class"), &format!("{class}\n"));
        let tree = if driver.is_empty() {
            tree
        } else {
            tree.link(&format!("{folder}/driver"), &format!("../drivers/{driver}"))
        };
        if group.is_empty() {
            return tree;
        }
        tree.link(&format!("{folder}/iommu_group"), &format!("../../groups/{group}"))
            .file(&format!("sys/kernel/iommu_groups/{group}/devices/{address}"), "")
    }

    #[test]
    fn a_device_is_read_with_its_interfaces_and_group() {
        let tree = with_device(Tree::new(), "0000:3b:00.0", "0x020000", "i40e", "12");
        let tree = with_device(tree, "0000:3b:00.1", "0x020000", "", "12");
        let tree = tree
            .dir("sys/bus/pci/devices/0000:3b:00.0/net/eth5")
            .dir("sys/bus/pci/devices/0000:3b:00.1/virtio3/net/eth6");
        let root = tree.root();
        let first = PciDevice::read(&root, "0000:3b:00.0").unwrap();
        assert_eq!((first.model.as_str(), first.is_network()), ("8086:1572", true));
        assert_eq!(first.driver.as_deref(), Some("i40e"));
        assert_eq!(first.interfaces, ["eth5"]);
        let mates = first.mates(&root).unwrap();
        assert_eq!(mates.len(), 1);
        assert_eq!(
            (mates[0].driver.as_deref(), &*mates[0].interfaces),
            (None, &["eth6".into()][..])
        );
        assert!(matches!(PciDevice::read(&root, "0000:3b:00.2"), Err(Unseen::Absent(_))));
    }
}
