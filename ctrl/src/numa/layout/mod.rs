//! [`Layout`]: which worker takes its memory where, and how much of `dpdk.memory` is on each node.

use super::topology::Topology;

/// What a node is given at most that has ports and no workers: enough for what drivers keep beside
/// rings and buffers, which are on the nodes of workers.
const DRIVERS_MIB: u32 = 64;
/// All such nodes together get at most one part in so many.
const DRIVERS_SHARE: u32 = 4;

/// A node with packet memory, or, alone, the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The node; `None` stands for wherever EAL finds memory.
    pub(crate) node: Option<u32>,
    /// The packet buffers that the workers here need; none if no worker takes its memory here.
    pub(crate) buffers: u64,
    /// The part of `dpdk.memory` that is here.
    pub(crate) mib: u32,
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    places: Vec<Place>,
    /// All of it in one place.
    whole: Place,
    /// By worker: its place.
    homes: Vec<usize>,
    /// By worker: the node of its CPU.
    worker_nodes: Vec<Option<u32>>,
    /// By port: the node of its device.
    port_nodes: Vec<Option<u32>>,
}

impl Layout {
    /// Plans for workers on these CPUs and ports on these nodes; `buffers` says how many a number
    /// of workers needs.
    pub(crate) fn new(
        topology: &Topology,
        workers: &[u32],
        port_nodes: Vec<Option<u32>>,
        memory_mib: u32,
        buffers: impl Fn(usize) -> u64,
    ) -> Self {
        let worker_nodes: Vec<_> = workers.iter().map(|&cpu| topology.of_cpu(cpu)).collect();
        let near = |node: &Option<u32>| node.and_then(|node| topology.nearest_memory(node));
        let homes: Vec<_> = worker_nodes.iter().map(near).collect();
        let known = homes.iter().flatten().next().copied();
        let whole = Place { node: None, buffers: buffers(workers.len()), mib: memory_mib };
        let (false, Some(known)) = (topology.is_uniform(), known) else {
            let homes = vec![0; workers.len()];
            return Self { places: vec![whole], whole, homes, worker_nodes, port_nodes };
        };
        // A CPU of which the kernel does not say where it is goes where another worker is.
        let homes: Vec<u32> = homes.into_iter().map(|home| home.unwrap_or(known)).collect();
        let mut nodes = homes.clone();
        nodes.extend(port_nodes.iter().filter_map(near));
        nodes.sort_unstable();
        nodes.dedup();
        let mut places: Vec<_> = nodes
            .iter()
            .map(|&node| {
                let here = homes.iter().filter(|home| **home == node).count();
                let buffers = if here == 0 { 0 } else { buffers(here) };
                Place { node: Some(node), buffers, mib: 0 }
            })
            .collect();
        divide(memory_mib, &mut places);
        let place = |home: &u32| nodes.iter().position(|node| node == home).unwrap_or_default();
        let homes = homes.iter().map(place).collect();
        Self { places, whole, homes, worker_nodes, port_nodes }
    }

    /// The same machine with memory that cannot be placed.
    pub(crate) fn with_ordinary_memory(&self) -> Self {
        let homes = vec![0; self.homes.len()];
        Self { places: vec![self.whole], homes, ..self.clone() }
    }

    /// Every node with memory of ours, by number; one place without node where nodes do not matter.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// By worker: its place among [`places`](Self::places).
    pub(crate) fn homes(&self) -> &[usize] {
        &self.homes
    }

    /// MiB by node, for EAL; nothing where nodes do not matter.
    pub(crate) fn by_node(&self) -> impl Iterator<Item = (u32, u32)> {
        self.places.iter().filter_map(|place| Some((place.node?, place.mib)))
    }

    /// The node of a worker's CPU.
    pub(crate) fn worker_node(&self, worker: usize) -> Option<u32> {
        self.worker_nodes.get(worker).copied().flatten()
    }

    /// The node of a port's device.
    pub(crate) fn port_node(&self, port: usize) -> Option<u32> {
        self.port_nodes.get(port).copied().flatten()
    }

    /// The least memory with which every place has what `needed_mib` says by place.
    pub(crate) fn memory_for(&self, needed_mib: &[u32]) -> u32 {
        let enough = |total: u32| {
            let mut places = self.places.clone();
            divide(total, &mut places);
            places.iter().zip(needed_mib).all(|(place, needed)| place.mib >= *needed)
        };
        let (mut too_little, mut all) = (0, u32::MAX);
        while all - too_little > 1 {
            let middle = too_little + (all - too_little) / 2;
            if enough(middle) {
                all = middle;
            } else {
                too_little = middle;
            }
        }
        all
    }
}

/// Divides memory by what workers need, after a little for the nodes that have ports alone.
fn divide(total_mib: u32, places: &mut [Place]) {
    let lonely = places.iter().filter(|place| place.buffers == 0).count();
    let lonely = u32::try_from(lonely).unwrap_or(u32::MAX);
    let drivers = (total_mib / DRIVERS_SHARE / lonely.max(1)).min(DRIVERS_MIB);
    let mut left = total_mib - drivers * lonely;
    let mut needed: u64 = places.iter().map(|place| place.buffers).sum();
    for place in places {
        if place.buffers == 0 {
            place.mib = drivers;
            continue;
        }
        // Of what is left, so that rounding loses nothing.
        let part = u128::from(left) * u128::from(place.buffers) / u128::from(needed.max(1));
        place.mib = u32::try_from(part).unwrap_or(left);
        left -= place.mib;
        needed -= place.buffers;
    }
}

#[cfg(test)]
pub(crate) mod tests;
