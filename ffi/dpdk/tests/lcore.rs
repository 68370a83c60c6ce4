//! Registration of std threads.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::collections::HashSet;
use std::sync::Barrier;

use dpdk::{LcoreId, PktMempool, SocketId, ThreadRegistration, mempool, testing};

#[test]
fn registered_threads_have_ids_of_their_own_until_they_leave() {
    let eal = testing::eal();
    let barrier = Barrier::new(4);
    let ids: Vec<LcoreId> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                s.spawn(|| {
                    assert_eq!(LcoreId::current(), None);
                    let registration = ThreadRegistration::register(eal).unwrap();
                    let id = registration.lcore();
                    assert_eq!(LcoreId::current(), Some(id));
                    // All four are registered at the same time.
                    barrier.wait();
                    let twice = ThreadRegistration::register(eal).unwrap_err();
                    assert_eq!(twice.errno, libc::EALREADY);
                    assert!(twice.detail.contains(&id.get().to_string()), "{twice}");
                    drop(registration);
                    assert_eq!(LcoreId::current(), None);
                    id
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4);
}

#[test]
fn ids_are_given_again() {
    let eal = testing::eal();
    std::thread::spawn(|| {
        for _ in 0..2 * LcoreId::LIMIT {
            ThreadRegistration::register(eal).unwrap();
        }
    })
    .join()
    .unwrap();
}

#[test]
fn a_cache_is_counted_as_available() {
    let eal = testing::eal();
    let name = testing::unique("pool");
    let room = mempool::DATA_ROOM;
    let pool = PktMempool::create(eal, &name, 1023, 256, room, SocketId::ANY).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| {
            let _registration = ThreadRegistration::register(eal).unwrap();
            drop(pool.alloc().unwrap());
            assert_eq!(pool.in_use(), 0);
        });
    });
    assert_eq!((pool.in_use(), pool.available()), (0, 1023));
}

#[test]
fn ids_have_a_limit() {
    assert_eq!(LcoreId::new(LcoreId::LIMIT), None);
    assert_eq!(LcoreId::new(5).map(LcoreId::get), Some(5));
}
