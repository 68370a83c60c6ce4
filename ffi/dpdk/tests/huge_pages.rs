//! An EAL on huge pages without files. Needs free huge pages and the right to use them; without
//! them the test says so and passes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{
    Burst, Eal, EalArgs, HugePages, PktMempool, PortConfig, SocketId, StartedPort, hugepages,
    mempool,
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
    let free = hugepages::free_mib(&hugepages::list().unwrap());
    if free < 2 * MEMORY_MIB {
        eprintln!("skipped: {free} MiB of huge pages are free");
        return;
    }
    let args = EalArgs::new("dpdk-test")
        .memory_mib(64)
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
    let pool = PktMempool::create(&eal, "p", 8191, 256, mempool::DATA_ROOM, SocketId::ANY).unwrap();
    let id = eal.probe("net_null0").unwrap();
    let (port, mut rx, tx) = StartedPort::start(&eal, id, &PortConfig::default(), &pool).unwrap();
    let mut burst = Burst::<32>::new();
    assert_eq!(rx[0].rx_burst(&mut burst), 32);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
    // EAL leaves memory without files to the kernel, which takes it back when this process ends.
    drop((rx, tx, port, pool, eal));
}
