//! The huge pages of the machine the test runs on.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::hugepages;

#[test]
fn the_kernel_tells() {
    let pools = hugepages::list().unwrap();
    for pool in &pools {
        assert!(pool.free <= pool.total && pool.size_kib.is_power_of_two(), "{pool:?}");
    }
    let sum: u64 = pools.iter().map(hugepages::HugePagePool::free_mib).sum();
    assert_eq!(hugepages::free_mib(&pools), sum);
}
