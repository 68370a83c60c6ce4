//! The end of the EAL; one test, because it takes the EAL of the process with it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::fs;

use dpdk::{DpdkError, Eal, PktMempool, PortConfig, SocketId, StartedPort, mempool, testing};

/// Whether the process has this much memory mapped in one piece.
fn mapped_mib(at_least: u64) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().any(|line| {
        let range = line.split(' ').next().unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let parse = |hex| u64::from_str_radix(hex, 16).unwrap();
        let accessible = line.contains(" rw-");
        accessible && (parse(to) - parse(from)) >> 20 >= at_least
    })
}

#[test]
fn memory_goes_back_after_the_last_reference() {
    let eal = Eal::init(&testing::args()).unwrap();
    assert!(mapped_mib(128));
    let pool = PktMempool::create(&eal, "p", 1023, 0, mempool::DATA_ROOM, SocketId::ANY).unwrap();
    let id = eal.probe("net_ring0").unwrap();
    let (port, rx, tx) = StartedPort::start(&eal, id, &PortConfig::default(), &pool).unwrap();
    let mbuf = pool.alloc().unwrap();

    // Everything that refers to the EAL keeps it alive.
    drop(eal);
    drop(pool);
    drop(port);
    drop(rx);
    assert!(mapped_mib(128));
    drop(mbuf);
    drop(tx);
    assert!(!mapped_mib(128));

    let again = Eal::init(&testing::args()).unwrap_err();
    assert_eq!(
        again,
        DpdkError {
            detail: again.detail.clone(),
            ..DpdkError::new("rte_eal_init", libc::EALREADY)
        }
    );
}
