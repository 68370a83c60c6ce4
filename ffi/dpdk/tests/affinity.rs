//! Which CPUs the initialising thread keeps.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{LcoreId, testing};

fn cpus() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    status.lines().find(|l| l.starts_with("Cpus_allowed:")).unwrap().to_owned()
}

#[test]
fn the_main_thread_is_not_narrowed_to_one_cpu() {
    let before = cpus();
    testing::eal();
    assert_eq!(cpus(), before);
    assert_eq!(LcoreId::current(), LcoreId::new(0));
    assert_eq!(std::thread::spawn(cpus).join().unwrap(), before);
}
