//! Packet memory: huge pages or not, and whether every node has enough of them.

use conf::{Config, Device};
use dpdk::{EalArgs, HugePages, hugepages};

use crate::error::CtrlError;
use crate::numa::Layout;

/// The EAL argument by which an operator forgoes huge pages. It is answered here and not passed on.
pub(crate) const NO_HUGE: &str = "--no-huge";
/// The size of huge pages that advice is about: every machine has it.
const PAGE_KIB: u64 = 2048;

/// Where packet memory comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The kind of pages.
    pub(crate) pages: HugePages,
    /// How much there is where.
    pub(crate) layout: Layout,
    /// Why these are no huge pages.
    lack: Option<Lack>,
}

/// Why there are no huge pages.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lack {
    /// The configuration forgoes them.
    Forgone,
    /// Too few are free.
    TooFew(Vec<Shortage>),
}

/// A node, or the machine as a whole, with too few free huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// The node; `None` stands for the whole machine.
    node: Option<u32>,
    /// What is wanted there.
    wanted_mib: u32,
    /// What is free there.
    free_mib: u64,
    /// How many pages of 2 MiB would have to be reserved there.
    pages: u64,
}

impl Memory {
    /// Chooses for `config`, laid out like this: huge pages when enough of them are free
    /// everywhere, ordinary memory otherwise, which PCI devices cannot use.
    pub(crate) fn choose(config: &Config, layout: Layout) -> Result<Self, CtrlError> {
        // What cannot be read is not there.
        Self::choose_from(config, layout, &hugepages::list().unwrap_or_default())
    }

    /// The same, where these huge pages are free.
    pub(crate) fn choose_from(
        config: &Config,
        layout: Layout,
        free: &[hugepages::HugePagePool],
    ) -> Result<Self, CtrlError> {
        let ordinary = |layout: &Layout, lack| Self {
            pages: HugePages::None,
            layout: layout.with_ordinary_memory(),
            lack: Some(lack),
        };
        if config.dpdk.eal_args.iter().any(|arg| arg == NO_HUGE) {
            return Ok(ordinary(&layout, Lack::Forgone));
        }
        let shortages = shortages(config, &layout, free);
        if shortages.is_empty() {
            return Ok(Self::huge(layout));
        }
        let pci = config.ports.iter().find_map(|port| match &port.device {
            Device::Pci(address) => Some((port, address)),
            Device::Vdev(_) => None,
        });
        match pci {
            Some((port, device)) => Err(CtrlError::HugePages {
                port: port.name.clone(),
                device: device.clone(),
                missing: missing(&shortages),
                advice: how_to_reserve(&shortages),
            }),
            None => Ok(ordinary(&layout, Lack::TooFew(shortages))),
        }
    }

    /// Huge pages, laid out like this.
    pub(crate) fn huge(layout: Layout) -> Self {
        Self { pages: HugePages::InMemory, layout, lack: None }
    }

    /// Whether these are huge pages.
    pub(crate) fn is_huge(&self) -> bool {
        self.pages == HugePages::InMemory
    }

    /// Logs which memory is used, and how to get the better kind.
    pub(crate) fn announce(&self) {
        let kind = self.describe();
        match &self.lack {
            None => tracing::info!("memory: {kind}"),
            Some(Lack::Forgone) => {
                tracing::info!("memory: {kind}, since `dpdk.eal_args` has {NO_HUGE}");
            }
            Some(Lack::TooFew(shortages)) => tracing::warn!(
                "memory: {kind}, since not enough huge pages are free ({}); forwarding is slower. \
                 {}",
                missing(shortages),
                how_to_reserve(shortages)
            ),
        }
    }

    /// In words, such as `512 MiB of huge pages (256 on node 0, 256 on node 1)`.
    pub(crate) fn describe(&self) -> String {
        let kind = if self.is_huge() { "huge pages" } else { "ordinary memory" };
        let mib: u32 = self.layout.places().iter().map(|place| place.mib).sum();
        let nodes = self.layout.by_node().map(|(node, mib)| format!("{mib} on node {node}"));
        let nodes: Vec<_> = nodes.collect();
        let nodes =
            if nodes.is_empty() { String::new() } else { format!(" ({})", nodes.join(", ")) };
        format!("{mib} MiB of {kind}{nodes}")
    }

    /// What to do when EAL does not start with it.
    pub(crate) fn advice(&self) -> String {
        if !self.is_huge() {
            return "If it is about memory, ask for less with `dpdk.memory`; if it is about an \
                    argument, see `dpdk.eal_args` in the configuration."
                .to_owned();
        }
        let all = self.layout.places().iter().map(|place| shortage(place.node, place.mib, &[]));
        format!(
            "If it is about memory, huge pages may be on another NUMA node or taken by now. {} \
             If it is about an argument, see `dpdk.eal_args` in the configuration.",
            how_to_reserve(&all.collect::<Vec<_>>())
        )
    }
}

impl Shortage {
    /// The command that reserves enough there.
    pub(crate) fn command(&self) -> String {
        let folder = match self.node {
            None => "/sys/kernel/mm".to_owned(),
            Some(node) => format!("/sys/devices/system/node/node{node}"),
        };
        let pages = self.pages;
        format!("echo {pages} > {folder}/hugepages/hugepages-{PAGE_KIB}kB/nr_hugepages")
    }
}

/// Where there are too few free huge pages. Where extra EAL arguments divide the memory, only the
/// machine as a whole is looked at.
pub(crate) fn shortages(
    config: &Config,
    layout: &Layout,
    free: &[hugepages::HugePagePool],
) -> Vec<Shortage> {
    let extra = config.dpdk.eal_args.iter().cloned();
    let whole = [(None, config.dpdk.memory_mib)];
    let by_node = layout.by_node().map(|(node, mib)| (Some(node), mib)).collect::<Vec<_>>();
    let wanted = if by_node.is_empty() || EalArgs::new("").extra(extra).user_sets_memory() {
        whole.as_slice()
    } else {
        &by_node
    };
    let all = wanted.iter().map(|&(node, mib)| shortage(node, mib, free));
    all.filter(|shortage| shortage.free_mib < u64::from(shortage.wanted_mib)).collect()
}

fn shortage(node: Option<u32>, wanted_mib: u32, pools: &[hugepages::HugePagePool]) -> Shortage {
    let here = || pools.iter().filter(|pool| node.is_none() || pool.node == node);
    let usual = here().filter(|pool| pool.size_kib == PAGE_KIB);
    let taken: u64 = usual.map(|pool| pool.total.saturating_sub(pool.free)).sum();
    Shortage {
        node,
        wanted_mib,
        free_mib: here().map(hugepages::HugePagePool::free_mib).sum(),
        pages: taken + (u64::from(wanted_mib) << 10).div_ceil(PAGE_KIB),
    }
}

/// What is missing, in words.
pub(crate) fn missing(shortages: &[Shortage]) -> String {
    let all = shortages.iter().map(|Shortage { node, wanted_mib, free_mib, .. }| match node {
        None => format!("`dpdk.memory` is {wanted_mib} MiB and {free_mib} MiB are free"),
        Some(node) => format!(
            "NUMA node {node} is to have {wanted_mib} MiB of `dpdk.memory`, and {free_mib} MiB are \
             free there"
        ),
    });
    all.collect::<Vec<_>>().join("; ")
}

/// What to do about it.
fn how_to_reserve(shortages: &[Shortage]) -> String {
    let commands = shortages.iter().map(|shortage| format!("`{}`", shortage.command()));
    format!(
        "Reserve them with {} as root, or from boot on with `{}` on the kernel's command line; or \
         ask for less with `dpdk.memory`.",
        commands.collect::<Vec<_>>().join(" and "),
        boot_argument(shortages),
    )
}

/// The kernel argument that reserves enough everywhere. Kernels from 5.16 on take a number for each
/// node.
pub(crate) fn boot_argument(shortages: &[Shortage]) -> String {
    let boot = |shortage: &Shortage| match shortage.node {
        None => shortage.pages.to_string(),
        Some(node) => format!("{node}:{}", shortage.pages),
    };
    format!("hugepages={}", shortages.iter().map(boot).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests;
