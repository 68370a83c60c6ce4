//! Memory: huge pages or not, and how many packet buffers.

use conf::{Config, Device};
use dataplane::limits::{
    BURST_LEN_MAX, FRAGMENT_HELD_COUNT, HANDOVER_RING_LEN, NEIGHBOR_QUEUE_COUNT, NEIGHBOR_QUEUE_LEN,
};
use dpdk::mbuf::HEADROOM;
use dpdk::{HugePages, hugepages};

use crate::error::{CtrlError, how_to_reserve};

/// The EAL argument by which an operator forgoes huge pages. It is answered here and not passed on.
pub(crate) const NO_HUGE: &str = "--no-huge";
/// Buffers that each thread keeps at hand.
pub(crate) const POOL_CACHE: u32 = 256;
/// Bytes of a buffer beside its data: the header of its pool entry and the mbuf itself.
const BUFFER_OVERHEAD: u64 = 256;
/// What a frame is longer than an IP packet, VLAN tag and check sequence included.
const FRAME_OVERHEAD: u16 = 22;
/// The usual room for data, which holds a frame of the usual MTU and suits every NIC.
const DATA_ROOM_MIN: u16 = 2048;

/// Where packet memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The kind of pages.
    pub(crate) pages: HugePages,
    /// How much there is.
    pub(crate) mib: u32,
    /// Whether the configuration forgoes huge pages.
    forgone: bool,
}

impl Memory {
    /// Chooses for `config`: huge pages when enough of them are free, ordinary memory otherwise,
    /// which PCI devices cannot use.
    pub(crate) fn choose(config: &Config) -> Result<Self, CtrlError> {
        // What cannot be read is not there.
        let free_mib = hugepages::list().map_or(0, |pools| hugepages::free_mib(&pools));
        Self::choose_from(config, free_mib)
    }

    fn choose_from(config: &Config, free_mib: u64) -> Result<Self, CtrlError> {
        let mib = config.dpdk.memory_mib;
        let forgone = config.dpdk.eal_args.iter().any(|arg| arg == NO_HUGE);
        if free_mib >= u64::from(mib) && !forgone {
            return Ok(Self { pages: HugePages::InMemory, mib, forgone });
        }
        let pci = config.ports.iter().find_map(|port| match &port.device {
            Device::Pci(address) => Some((port, address)),
            Device::Vdev(_) => None,
        });
        match pci {
            Some((port, device)) if !forgone => Err(CtrlError::HugePages {
                port: port.name.clone(),
                device: device.clone(),
                memory_mib: mib,
                free_mib,
            }),
            _ => Ok(Self { pages: HugePages::None, mib, forgone }),
        }
    }

    /// Whether these are huge pages.
    pub(crate) fn is_huge(self) -> bool {
        self.pages == HugePages::InMemory
    }

    /// Logs which memory is used, and how to get the better kind.
    pub(crate) fn announce(self) {
        let kind = self.describe();
        if self.is_huge() {
            tracing::info!("memory: {kind}");
        } else if self.forgone {
            tracing::info!("memory: {kind}, since `dpdk.eal_args` has {NO_HUGE}");
        } else {
            tracing::warn!(
                "memory: {kind}, since not enough huge pages are free; forwarding is slower. {}",
                how_to_reserve(self.mib)
            );
        }
    }

    /// In words, such as `512 MiB of huge pages`.
    pub(crate) fn describe(self) -> String {
        let kind = if self.is_huge() { "huge pages" } else { "ordinary memory" };
        format!("{} MiB of {kind}", self.mib)
    }
}

/// The size of the pool of packet buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolSize {
    /// Buffers.
    pub(crate) count: u32,
    /// Bytes in each, headroom included.
    pub(crate) data_room: u16,
}

impl PoolSize {
    /// As many buffers as can be in use at once: in every descriptor of every queue, waiting for
    /// neighbours or first fragments, in bursts, in caches, on their way to other workers. More
    /// would never be used. They may take three quarters of the memory; the rest is for queues and
    /// drivers.
    pub(crate) fn of(config: &Config) -> Result<Self, CtrlError> {
        let mtu = config.ports.iter().map(|port| port.mtu).max().unwrap_or(0);
        let room = (mtu + FRAME_OVERHEAD).max(DATA_ROOM_MIN).next_multiple_of(64);
        let data_room = HEADROOM + room;

        let workers = config.workers.len() as u64;
        let descriptors: u64 = config
            .ports
            .iter()
            .map(|port| u64::from(port.rx_descriptors) + u64::from(port.tx_descriptors))
            .sum();
        let bursts = 2 * BURST_LEN_MAX * config.ports.len();
        let held = NEIGHBOR_QUEUE_LEN * NEIGHBOR_QUEUE_COUNT + FRAGMENT_HELD_COUNT;
        let own = (bursts + held) as u64 + u64::from(POOL_CACHE) * 2;
        let handed_over = (workers - 1) * HANDOVER_RING_LEN as u64;
        let needed = (descriptors + own + handed_over) * workers + u64::from(POOL_CACHE) * 2;

        let buffer = u64::from(data_room) + BUFFER_OVERHEAD;
        let fit = (u64::from(config.dpdk.memory_mib) << 20) * 3 / 4 / buffer;
        if needed > fit {
            let needed_mib = (needed * buffer * 4).div_ceil(3 << 20);
            return Err(CtrlError::MemoryTooSmall {
                memory_mib: config.dpdk.memory_mib,
                needed_mib: u32::try_from(needed_mib).unwrap_or(u32::MAX),
                ports: config.ports.len(),
            });
        }
        // Pools of a power of two less one use memory best.
        let round = needed.next_power_of_two() - 1;
        let count = if round >= needed && round <= fit { round } else { needed };
        Ok(Self { count: u32::try_from(count).unwrap_or(u32::MAX), data_room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dpdk: &str, ports: &str) -> Config {
        let text = format!(
            "version: 1\ndpdk: {{{dpdk}}}\nworkers: [0]\nports: {{{ports}}}\nservices: {{}}\n"
        );
        conf::parse("test.yaml", &text, &conf::Machine::default()).unwrap()
    }

    #[test]
    fn huge_pages_when_there_are_enough_ordinary_memory_otherwise() {
        let vdev = config("memory: 512M", "lan: {device: net_null0}");
        let huge = Memory::choose_from(&vdev, 512).unwrap();
        assert_eq!(huge.describe(), "512 MiB of huge pages");
        let ordinary = Memory::choose_from(&vdev, 511).unwrap();
        assert_eq!(ordinary.describe(), "512 MiB of ordinary memory");
        let unwanted = config("memory: 512M, eal_args: [--no-huge]", "lan: {device: net_null0}");
        assert!(!Memory::choose_from(&unwanted, 4096).unwrap().is_huge());
    }

    #[test]
    fn a_pci_device_without_huge_pages_is_an_error_that_says_how_to_reserve_them() {
        let pci = config("memory: 1G", "lan: {device: \"0000:3b:00.0\"}");
        assert!(Memory::choose_from(&pci, 1024).unwrap().is_huge());
        let error = Memory::choose_from(&pci, 100).unwrap_err().to_string();
        for word in ["port lan", "0000:3b:00.0", "1024 MiB", "100 MiB", "echo 512", "nr_hugepages"]
        {
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn every_descriptor_has_its_buffer() {
        let one = PoolSize::of(&config("memory: 128M", "lan: {device: net_null0}")).unwrap();
        assert_eq!(one, PoolSize { count: 8191, data_room: 2176 });
        let ports = "lan: {device: net_null0, rx_descriptors: 4096, tx_descriptors: 4096, \
                     mtu: 9000}";
        let jumbo = PoolSize::of(&config("memory: 1G", ports)).unwrap();
        assert!(jumbo.count >= 8192 + 2048 && jumbo.data_room >= 9000 + 22 + HEADROOM);
        let error = PoolSize::of(&config("memory: 64M", ports)).unwrap_err().to_string();
        assert!(error.contains("64 MiB") && error.contains("memory: "), "{error}");
    }
}
