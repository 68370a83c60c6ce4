//! An EAL on huge pages without files. Needs free huge pages and the right to use them; without
//! them the test says so and passes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{
    Burst, Eal, EalArgs, HugePages, PktMempool, PortConfig, QueueMemory, SocketId, StartedPort,
    hugepages, mempool,
};

const MEMORY_MIB: u64 = 64;

/// Huge pages this process has mapped.
fn mapped_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("HugetlbPages:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn packet_memory_is_huge_pages() {
    let pages = hugepages::list().unwrap();
    // A kernel that does not tell nodes apart has one.
    let node = pages.iter().max_by_key(|pool| pool.free_mib()).and_then(|pool| pool.node);
    let node = node.unwrap_or(0);
    let here: Vec<_> =
        pages.iter().filter(|pool| pool.node.unwrap_or(0) == node).copied().collect();
    let free = hugepages::free_mib(&here);
    if free < 2 * MEMORY_MIB {
        eprintln!("skipped: {free} MiB of huge pages are free on node {node}");
        return;
    }
    let args = EalArgs::new("dpdk-test")
        .memory_by_node([(node, 64)])
        .huge_pages(HugePages::InMemory)
        .file_prefix("rvs-test");
    let eal = match Eal::init(&args) {
        Ok(eal) => eal,
        Err(e) => {
            // SAFETY: geteuid has no precondition.
            let root = unsafe { libc::geteuid() } == 0;
            assert!(!root, "{e}");
            eprintln!("skipped: huge pages are not for this user: {e}");
            return;
        }
    };
    assert!(mapped_mib() >= MEMORY_MIB);
    let socket = SocketId::new(node);
    let pool = PktMempool::create(&eal, "p", 8191, 256, mempool::DATA_ROOM, socket).unwrap();
    let nowhere = SocketId::new(31);
    if !pages.iter().any(|pool| pool.node == nowhere.node()) {
        let error = PktMempool::create(&eal, "q", 1023, 0, mempool::DATA_ROOM, nowhere);
        assert!(error.is_err(), "a pool on a node that is not there: {error:?}");
    }
    let id = eal.probe("net_null0").unwrap();
    let memory = [QueueMemory { pool: &pool, socket }];
    let (port, mut rx, tx) =
        StartedPort::start_on(&eal, id, &PortConfig::default(), &memory).unwrap();
    let mut burst = Burst::<32>::new();
    assert_eq!(rx[0].rx_burst(&mut burst), 32);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
    // EAL leaves memory without files to the kernel, which takes it back when this process ends.
    drop((rx, tx, port, pool, eal));
}
