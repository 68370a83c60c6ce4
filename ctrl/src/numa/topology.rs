//! [`Topology`]: the NUMA nodes of a machine, as the kernel shows them in `/sys`.

use std::fs;
use std::path::Path;

use conf::Device;

use crate::device;
use crate::machine::cpu_list;

/// The nodes of a machine. None at all if the kernel does not tell nodes apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    /// Sorted by number.
    nodes: Vec<Node>,
}

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) number: u32,
    /// Its CPUs; there are nodes with memory alone.
    pub(crate) cpus: Vec<u32>,
    /// Whether it has memory; there are nodes with CPUs alone.
    pub(crate) has_memory: bool,
    /// How far each node is, in the order of the nodes.
    pub(crate) distances: Vec<u32>,
}

impl Topology {
    /// This machine's.
    pub(crate) fn read() -> Self {
        Self::read_below(Path::new("/sys"))
    }

    #[cfg(test)]
    pub(crate) fn of(nodes: Vec<Node>) -> Self {
        Self { nodes }
    }

    #[cfg(test)]
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The same from another directory than `/sys`.
    pub(crate) fn read_below(sys: &Path) -> Self {
        let folder = sys.join("devices/system/node");
        let list = |name: &str| numbers(&folder.join(name));
        let with_memory = list("has_memory");
        let online = list("online").unwrap_or_default();
        let node = |number: u32| {
            let folder = folder.join(format!("node{number}"));
            let distances = fs::read_to_string(folder.join("distance")).unwrap_or_default();
            Node {
                number,
                cpus: numbers(&folder.join("cpulist")).unwrap_or_default(),
                has_memory: with_memory.as_ref().is_none_or(|list| list.contains(&number)),
                distances: distances.split_whitespace().flat_map(str::parse).collect(),
            }
        };
        Self { nodes: online.into_iter().map(node).collect() }
    }

    /// The node of a CPU.
    pub(crate) fn of_cpu(&self, cpu: u32) -> Option<u32> {
        self.nodes.iter().find(|node| node.cpus.contains(&cpu)).map(|node| node.number)
    }

    /// The CPUs of a node.
    pub(crate) fn cpus(&self, number: u32) -> &[u32] {
        self.node(number).map_or(&[], |node| &node.cpus)
    }

    /// The node whose memory is nearest to a node: its own, if it has any.
    pub(crate) fn nearest_memory(&self, number: u32) -> Option<u32> {
        let from = self.node(number)?;
        let far = |at: usize| from.distances.get(at).copied().unwrap_or(u32::MAX);
        let with_memory = self.nodes.iter().enumerate().filter(|(_, node)| node.has_memory);
        let nearest = with_memory.min_by_key(|(at, node)| (node.number != number, far(*at)));
        nearest.map(|(_, node)| node.number)
    }

    /// Whether the kernel tells no nodes at all.
    pub(crate) fn is_unknown(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether memory is the same from everywhere: there is one node that has any, or none is told.
    pub(crate) fn is_uniform(&self) -> bool {
        self.nodes.iter().filter(|node| node.has_memory).count() < 2
    }

    fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.number == number)
    }
}

/// The node that a port's device is attached to. None for virtual devices without a device of the
/// machine behind them, and where firmware does not tell.
pub(crate) fn of_device(device: &Device) -> Option<u32> {
    of_device_below(device, Path::new("/sys"))
}

/// The same from another directory than `/sys`.
pub(crate) fn of_device_below(device: &Device, sys: &Path) -> Option<u32> {
    let folder = match device {
        Device::Pci(address) => sys.join("bus/pci/devices").join(address),
        Device::Vdev(devargs) => {
            sys.join("class/net").join(device::interface(devargs)?).join("device")
        }
    };
    // -1 stands for unknown.
    fs::read_to_string(folder.join("numa_node")).ok()?.trim().parse().ok()
}

/// The numbers in a list of the kernel's; none in an empty one, as of a node without CPUs.
fn numbers(path: &Path) -> Option<Vec<u32>> {
    let text = fs::read_to_string(path).ok()?;
    match text.trim() {
        "" => Some(Vec::new()),
        list => cpu_list(list),
    }
}

#[cfg(test)]
mod tests {
    use core_affinity::CoreId;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn node(number: u32, cpus: &[u32], has_memory: bool, distances: &[u32]) -> Node {
        Node { number, cpus: cpus.to_vec(), has_memory, distances: distances.to_vec() }
    }

    #[test]
    fn nodes_are_read_as_the_kernel_shows_them() {
        let sys = tempfile::tempdir().unwrap();
        let file = |name: &str| sys.path().join("devices/system/node").join(name);
        write(&file("online"), "0-1,3\n");
        write(&file("has_memory"), "0,3\n");
        for (number, cpus, distance) in
            [(0, "0-1,4\n", "10 21 31\n"), (1, "2-3\n", "21 10 12\n"), (3, "\n", "31 12 10\n")]
        {
            write(&file(&format!("node{number}/cpulist")), cpus);
            write(&file(&format!("node{number}/distance")), distance);
        }
        let topology = Topology::read_below(sys.path());
        let expected = [
            node(0, &[0, 1, 4], true, &[10, 21, 31]),
            node(1, &[2, 3], false, &[21, 10, 12]),
            node(3, &[], true, &[31, 12, 10]),
        ];
        assert_eq!(topology, Topology::of(expected.to_vec()));
        assert_eq!((topology.of_cpu(4), topology.of_cpu(3)), (Some(0), Some(1)));
        assert_eq!(topology.of_cpu(9), None);
        assert_eq!(topology.cpus(1), [2, 3]);
        assert!(topology.cpus(3).is_empty() && topology.cpus(2).is_empty());
        let nearest: Vec<_> = (0..4).map(|number| topology.nearest_memory(number)).collect();
        assert_eq!(nearest, [Some(0), Some(3), None, Some(3)]);
        assert!(!topology.is_uniform());
    }

    #[test]
    fn without_nodes_memory_is_the_same_everywhere() {
        let sys = tempfile::tempdir().unwrap();
        let topology = Topology::read_below(sys.path());
        assert_eq!(topology, Topology::default());
        assert!(topology.is_uniform());
        assert_eq!((topology.of_cpu(0), topology.nearest_memory(0)), (None, None));
        // One node with memory and one with CPUs alone.
        let lone =
            Topology::of(vec![node(0, &[0], true, &[10, 20]), node(1, &[1], false, &[20, 10])]);
        assert!(lone.is_uniform());
        assert_eq!(lone.nearest_memory(1), Some(0));
    }

    #[test]
    fn this_machine_has_a_node_for_each_cpu_or_tells_none() {
        let topology = Topology::read();
        let cpus = core_affinity::get_core_ids().unwrap();
        let number = |cpu: &CoreId| u32::try_from(cpu.id).unwrap();
        let known = cpus.iter().filter(|cpu| topology.of_cpu(number(cpu)).is_some()).count();
        assert_eq!(known, if topology == Topology::default() { 0 } else { cpus.len() });
    }

    #[test]
    fn devices_tell_their_node_or_do_not_know_it() {
        let sys = tempfile::tempdir().unwrap();
        let pci = |address: &str| Device::Pci(address.to_owned());
        let vdev = |devargs: &str| Device::Vdev(devargs.to_owned());
        let below = |path: &str| sys.path().join(path);
        write(&below("bus/pci/devices/0000:3b:00.0/numa_node"), "1\n");
        write(&below("bus/pci/devices/0000:00:04.0/numa_node"), "-1\n");
        write(&below("class/net/eth7/device/numa_node"), "3\n");
        let node = |device: &Device| of_device_below(device, sys.path());
        assert_eq!(node(&pci("0000:3b:00.0")), Some(1));
        assert_eq!(node(&pci("0000:00:04.0")), None, "-1 is unknown");
        assert_eq!(node(&pci("0000:00:05.0")), None);
        assert_eq!(node(&vdev("net_af_packet0,qpairs=2,iface=eth7")), Some(3));
        assert_eq!(node(&vdev("net_af_packet0,iface=wan0")), None);
        assert_eq!(node(&vdev("net_null0")), None);
        assert_eq!(node(&vdev("net_tap0,iface=eth7")), None, "it makes an interface of its own");
    }
}
