//! The pools of packet buffers: how many buffers each needs, and which worker uses which.

use conf::Config;
use dataplane::limits::{
    BURST_LEN_MAX, FRAGMENT_HELD_COUNT, HANDOVER_RING_LEN, NEIGHBOR_QUEUE_COUNT, NEIGHBOR_QUEUE_LEN,
};
use dpdk::mbuf::HEADROOM;
use dpdk::{Eal, HugePages, PktMempool, QueueMemory, SocketId};

use super::layout::{Layout, Place};
use crate::error::CtrlError;

/// Buffers that each thread keeps at hand.
const POOL_CACHE: u32 = 256;
/// Bytes of a buffer beside its data: the header of its pool entry and the mbuf itself.
const BUFFER_OVERHEAD: u64 = 256;
/// Bytes of a page of ordinary memory.
const ORDINARY_PAGE: u64 = 4096;
/// What a frame is longer than an IP packet, VLAN tag and check sequence included.
const FRAME_OVERHEAD: u16 = 22;
/// The usual room for data, which holds a frame of the usual MTU and suits every NIC.
const DATA_ROOM_MIN: u16 = 2048;

/// The size of a pool of packet buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolSize {
    /// Buffers.
    pub(crate) count: u32,
    /// Bytes in each, headroom included.
    pub(crate) data_room: u16,
}

impl PoolSize {
    /// The pool of every place; `None` where no worker is. Each may take three quarters of its
    /// place's memory; the rest is for queues and drivers.
    pub(crate) fn all(
        config: &Config,
        layout: &Layout,
        pages: HugePages,
    ) -> Result<Vec<Option<Self>>, CtrlError> {
        let places = layout.places().iter();
        let sizes: Vec<_> = places.map(|place| Self::of(config, *place, pages)).collect();
        let missing = layout.places().iter().zip(&sizes).find(|(_, size)| size.is_err());
        if let Some((place, _)) = missing {
            let needed: Vec<_> = sizes.iter().map(|size| size.err().unwrap_or_default()).collect();
            return Err(CtrlError::MemoryTooSmall {
                memory_mib: place.mib,
                node: place.node,
                needed_mib: layout.memory_for(&needed),
                ports: config.ports.len(),
            });
        }
        Ok(sizes.into_iter().map(|size| size.ok().flatten()).collect())
    }

    /// As many buffers as can be in use at once ([`buffers`]); more would never be used. Where they
    /// do not fit: how many MiB the place would need.
    fn of(config: &Config, place: Place, pages: HugePages) -> Result<Option<Self>, u32> {
        if place.buffers == 0 {
            return Ok(None);
        }
        let mtu = config.ports.iter().map(|port| port.mtu).max().unwrap_or(0);
        let room = (mtu + FRAME_OVERHEAD).max(DATA_ROOM_MIN).next_multiple_of(64);
        let data_room = HEADROOM + room;

        let needed = place.buffers;
        let buffer = bytes_of_buffer(data_room, pages);
        let fit = (u64::from(place.mib) << 20) * 3 / 4 / buffer;
        if needed > fit {
            let needed_mib = (needed * buffer * 4).div_ceil(3 << 20);
            return Err(u32::try_from(needed_mib).unwrap_or(u32::MAX));
        }
        // Pools of a power of two less one use memory best.
        let round = needed.next_power_of_two() - 1;
        let count = if round >= needed && round <= fit { round } else { needed };
        Ok(Some(Self { count: u32::try_from(count).unwrap_or(u32::MAX), data_room }))
    }
}

/// The memory that a buffer takes, in bytes. DPDK has none cross a page, and where that is an
/// ordinary one, what a page has beyond the last whole buffer is lost; with huge pages it is too
/// little to count.
fn bytes_of_buffer(data_room: u16, pages: HugePages) -> u64 {
    let bytes = u64::from(data_room) + BUFFER_OVERHEAD;
    match pages {
        HugePages::InMemory => bytes,
        HugePages::None if bytes > ORDINARY_PAGE => bytes.next_multiple_of(ORDINARY_PAGE),
        HugePages::None => ORDINARY_PAGE / (ORDINARY_PAGE / bytes),
    }
}

/// The buffers that can be in use at once of a pool that `here` of the workers receive into: in
/// every receive descriptor of these, and, since packets are handed over, anywhere with every
/// worker: in transmit descriptors, bursts, caches and rings, waiting for neighbours or first
/// fragments.
pub(crate) fn buffers(config: &Config, here: usize) -> u64 {
    let workers = config.workers.len() as u64;
    let sum =
        |of: fn(&conf::Port) -> u16| config.ports.iter().map(|port| u64::from(of(port))).sum();
    let (rx, tx): (u64, u64) = (sum(|port| port.rx_descriptors), sum(|port| port.tx_descriptors));
    let bursts = 2 * BURST_LEN_MAX * config.ports.len();
    let held = NEIGHBOR_QUEUE_LEN * NEIGHBOR_QUEUE_COUNT + FRAGMENT_HELD_COUNT;
    let own = (bursts + held) as u64 + u64::from(POOL_CACHE) * 2;
    let handed_over = (workers - 1) * HANDOVER_RING_LEN as u64;
    rx * here as u64 + (tx + own + handed_over) * workers + u64::from(POOL_CACHE) * 2
}

/// The pools, and whose they are.
#[derive(Debug)]
pub(crate) struct Pools {
    /// By worker: the pool and the node of its place.
    of_worker: Vec<(PktMempool, SocketId)>,
}

impl Pools {
    /// Makes a pool in every place that has workers; `sizes` are those of
    /// [`all`](PoolSize::all).
    pub(crate) fn create(
        eal: &Eal,
        layout: &Layout,
        sizes: &[Option<PoolSize>],
    ) -> Result<Self, CtrlError> {
        let mut pools = Vec::with_capacity(sizes.len());
        for (place, size) in layout.places().iter().zip(sizes) {
            pools.push(size.map(|size| create(eal, *place, size)).transpose()?);
        }
        let home = |home: &usize| pools.get(*home).cloned().flatten();
        Ok(Self { of_worker: layout.homes().iter().filter_map(home).collect() })
    }

    /// By worker: the pool that it takes its buffers from.
    pub(crate) fn by_worker(&self) -> impl Iterator<Item = &PktMempool> {
        self.of_worker.iter().map(|(pool, _)| pool)
    }

    /// By worker: where the queues are that it polls.
    pub(crate) fn queues(&self) -> Vec<QueueMemory<'_>> {
        let memory = self.of_worker.iter();
        memory.map(|(pool, socket)| QueueMemory { pool, socket: *socket }).collect()
    }
}

fn create(eal: &Eal, place: Place, size: PoolSize) -> Result<(PktMempool, SocketId), CtrlError> {
    let (name, socket) = match place.node {
        None => ("rvs".to_owned(), SocketId::ANY),
        Some(node) => (format!("rvs-node{node}"), SocketId::new(node)),
    };
    let pool = PktMempool::create(eal, &name, size.count, POOL_CACHE, size.data_room, socket);
    let pool = pool.map_err(|source| CtrlError::Pool { node: place.node, source })?;
    tracing::debug!("pool {name}: {} buffers of {} bytes", size.count, size.data_room);
    Ok((pool, socket))
}

#[cfg(test)]
mod tests {
    use dpdk::{Burst, testing};

    use super::super::layout::tests::two_nodes;
    use super::super::topology::Topology;
    use super::*;
    use crate::port;

    fn config(memory: &str, workers: &str, ports: &str) -> Config {
        let text = format!(
            "version: 1\ndpdk: {{memory: {memory}}}\nworkers: [{workers}]\nports: {{{ports}}}\n\
             services: {{}}\n"
        );
        conf::parse("test.yaml", &text, &conf::Machine::default()).unwrap()
    }

    fn layout(config: &Config, topology: &Topology, ports: Vec<Option<u32>>) -> Layout {
        let mib = config.dpdk.memory_mib;
        Layout::new(topology, &config.workers, ports, mib, |here| buffers(config, here))
    }

    fn sizes(config: &Config, topology: &Topology) -> Result<Vec<Option<PoolSize>>, CtrlError> {
        PoolSize::all(config, &layout(config, topology, vec![Some(1)]), HugePages::InMemory)
    }

    const LARGE: &str =
        "lan: {device: net_null0, rx_descriptors: 4096, tx_descriptors: 4096, mtu: 9000}";

    #[test]
    fn every_descriptor_has_its_buffer() {
        let one = Topology::default();
        let small = config("128M", "0", "lan: {device: net_null0}");
        let size = PoolSize { count: 8191, data_room: 2176 };
        assert_eq!(sizes(&small, &one).unwrap(), [Some(size)]);
        let jumbo = sizes(&config("1G", "0", LARGE), &one).unwrap()[0].unwrap();
        assert!(jumbo.count >= 8192 + 2048 && jumbo.data_room >= 9000 + 22 + HEADROOM);
        let error = sizes(&config("64M", "0", LARGE), &one).unwrap_err().to_string();
        assert!(error.starts_with("64 MiB of memory do not hold"), "{error}");
        assert!(error.contains("memory: ") && !error.contains("node"), "{error}");
    }

    #[test]
    fn a_pool_holds_what_its_workers_receive_wherever_it_is_handed_over_to() {
        let config = config("1G", "0, 4, 5", LARGE);
        assert_eq!(buffers(&config, 3) - buffers(&config, 0), 3 * 4096);
        assert!(buffers(&config, 0) > 3 * 4096, "all that can be sent");
        let apart: u64 = [1, 2].map(|here| buffers(&config, here)).iter().sum();
        assert_eq!(apart, 3 * 4096 + 2 * buffers(&config, 0), "rx once, all else twice");
    }

    #[test]
    fn each_node_with_workers_has_a_pool_of_its_share() {
        let lan = "lan: {device: net_null0}";
        let both = sizes(&config("1G", "0, 4, 5", lan), &two_nodes()).unwrap();
        let counts: Vec<_> = both.iter().flatten().map(|size| size.count).collect();
        assert_eq!(counts.len(), 2, "{both:?}");
        let ports_alone = sizes(&config("1G", "0", lan), &two_nodes()).unwrap();
        assert!(ports_alone[0].is_some() && ports_alone[1].is_none(), "{ports_alone:?}");
    }

    #[test]
    fn without_nodes_there_is_one_pool_for_all() {
        let few = "lan: {device: net_null0, rx_descriptors: 64, tx_descriptors: 64}";
        let config = config("64M", "0, 1", few);
        let layout = layout(&config, &Topology::default(), vec![None]);
        let sizes = PoolSize::all(&config, &layout, HugePages::None).unwrap();
        let pools = Pools::create(testing::eal(), &layout, &sizes).unwrap();
        let names: Vec<_> = pools.by_worker().map(PktMempool::name).collect();
        assert_eq!(names, ["rvs", "rvs"]);
        assert!(pools.queues().iter().all(|memory| memory.socket == SocketId::ANY));
    }

    #[test]
    fn a_buffer_takes_what_is_reckoned_for_it() {
        for (data_room, lost) in [(1000, 0), (2176, 0), (9216, 3072)] {
            let name = testing::unique("pool");
            let count = 1023;
            let pool =
                PktMempool::create(testing::eal(), &name, count, 0, data_room, SocketId::ANY);
            let pool = pool.unwrap();
            let buffers: Vec<_> = (0..count).map(|_| pool.alloc().unwrap()).collect();
            let addresses = || buffers.iter().map(|buffer| buffer.data().as_ptr().addr());
            let span = (addresses().max().unwrap() - addresses().min().unwrap()) as u64;
            let reckoned = bytes_of_buffer(data_room, HugePages::None) * u64::from(count);
            assert!(span <= reckoned, "{data_room}: {span} bytes, {reckoned} reckoned");
            // What is beyond whole pages is set aside, and then not used.
            let used = reckoned - lost * u64::from(count);
            assert!(span >= used - used / 16, "{data_room}: {span} of {reckoned}");
        }
        assert_eq!(bytes_of_buffer(2176, HugePages::InMemory), 2432);
    }

    #[test]
    fn a_receive_queue_is_filled_from_the_pool_of_the_worker_that_polls_it() {
        let names = ["net_null", "net_null"].map(testing::unique);
        let [a, b] = names.map(|name| format!("{{device: {name}}}"));
        let config = config("64M", "0, 4, 5", &format!("a: {a}, b: {b}"));
        // EAL has one node here, so the pools of two stand beside each other on it.
        let [near, far] = [testing::pool(255).unwrap(), testing::pool(255).unwrap()];
        let of_worker = [&near, &far, &far].map(|pool| (pool.clone(), SocketId::ANY));
        let pools = Pools { of_worker: of_worker.to_vec() };

        let mut started = port::start_all(testing::eal(), &config, &pools.queues()).unwrap();
        let mut polled = 0;
        for (worker, queues) in started.queues.iter_mut().enumerate() {
            for (rx, _) in queues.pairs.iter_mut().flatten() {
                let mut burst = Burst::<32>::new();
                assert_eq!(rx.rx_burst(&mut burst), 32);
                let expected = if worker == 0 { (32, 0) } else { (0, 32) };
                assert_eq!((near.in_use(), far.in_use()), expected, "worker {worker}");
                polled += 1;
            }
        }
        assert_eq!(polled, 6, "every worker has a queue on both ports");
        assert_eq!((near.in_use(), far.in_use()), (0, 0));
    }

    #[test]
    fn the_memory_that_an_error_asks_for_is_enough() {
        for workers in ["0", "0, 4, 5", "0, 1, 2, 4"] {
            let little = config("64M", workers, LARGE);
            let error = sizes(&little, &two_nodes()).unwrap_err();
            assert!(error.to_string().contains(" on NUMA node "), "{error}");
            let CtrlError::MemoryTooSmall { needed_mib, .. } = error else { panic!("{error}") };
            let enough = config(&format!("{needed_mib}M"), workers, LARGE);
            assert!(sizes(&enough, &two_nodes()).is_ok(), "{needed_mib} MiB for {workers}");
        }
    }
}
