//! Pools: exhaustion, return, and requests that make no sense.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{Mbuf, PktMempool, SocketId, mempool, testing};

#[test]
fn what_is_taken_comes_back() {
    let pool = testing::pool(63).unwrap();
    assert_eq!((pool.capacity(), pool.available(), pool.in_use()), (63, 63, 0));
    let taken: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(taken.len(), 63);
    assert!(pool.alloc().is_none());
    assert!(pool.alloc_from(b"x").is_none());
    assert_eq!((pool.available(), pool.in_use()), (0, 63));
    drop(taken);
    assert_eq!((pool.available(), pool.in_use()), (63, 0));
}

#[test]
fn a_burst_is_filled_up_or_left_as_it_was() {
    let pool = testing::pool(63).unwrap();
    let mut burst: dpdk::Burst<32> = dpdk::Burst::new();
    burst.push(pool.alloc_from(b"first").unwrap());
    assert!(pool.alloc_burst(&mut burst));
    assert_eq!((burst.len(), pool.in_use()), (32, 32));
    assert_eq!(burst[0].data(), b"first");
    assert!(burst[1..].iter().all(|mbuf| mbuf.is_empty() && mbuf.is_contiguous()));

    let mut second: dpdk::Burst<32> = dpdk::Burst::new();
    assert!(!pool.alloc_burst(&mut second), "31 are left");
    assert_eq!((second.len(), pool.in_use()), (0, 32));
    assert!(!pool.alloc_some(&mut second, 33), "it has room for 32");
    assert!(pool.alloc_some(&mut second, 31));
    assert_eq!((second.len(), pool.in_use()), (31, 63));
    drop(second);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_clone_is_the_same_pool() {
    let pool = testing::pool(63).unwrap();
    let clone = pool.clone();
    let mbuf = clone.alloc().unwrap();
    assert_eq!(pool.in_use(), 1);
    drop((pool, clone));
    // The last handle is gone; the packet is not.
    assert!(mbuf.is_empty());
}

#[test]
fn packets_may_be_freed_on_any_thread() {
    let pool = testing::pool(255).unwrap();
    let (send, receive) = std::sync::mpsc::sync_channel::<Mbuf>(16);
    let consumer = std::thread::spawn(move || receive.iter().map(|m| m.len()).sum::<usize>());
    for _ in 0..10_000 {
        // The consumer may be behind, so wait for a buffer.
        let mbuf = loop {
            match pool.alloc_from(&[7; 60]) {
                Some(mbuf) => break mbuf,
                None => std::thread::yield_now(),
            }
        };
        send.send(mbuf).unwrap();
    }
    drop(send);
    assert_eq!(consumer.join().unwrap(), 600_000);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_packet_too_long_for_a_buffer_is_refused() {
    let pool = testing::pool(63).unwrap();
    assert_eq!(pool.alloc_from(&[1; 2048]).unwrap().len(), 2048);
    assert!(pool.alloc_from(&[1; 2049]).is_none());
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn requests_that_make_no_sense() {
    let eal = testing::eal();
    let room = mempool::DATA_ROOM;
    let name = testing::unique("pool");
    let create = |name: &str, count, cache, room| {
        PktMempool::create(eal, name, count, cache, room, SocketId::ANY)
    };
    let first = create(&name, 63, 0, room).unwrap();
    assert_eq!((first.name(), first.data_room()), (name.as_str(), room));
    for (name, count, cache, room, errno, words) in [
        (name.as_str(), 63, 0, room, libc::EEXIST, name.as_str()),
        ("small_cache", 63, 43, room, libc::EINVAL, "at least 64 buffers"),
        ("large_cache", 4095, 513, room, libc::EINVAL, "512 is the largest cache"),
        ("nul\0", 63, 0, room, libc::EINVAL, "nul byte"),
        ("no_room", 63, 0, 100, libc::EINVAL, "less than the headroom"),
        ("a_name_of_more_than_25_bytes", 63, 0, room, libc::ENAMETOOLONG, "a_name_of"),
        ("too_much", 10_000_000, 0, room, libc::ENOMEM, "10000000 buffers"),
    ] {
        let error = create(name, count, cache, room).unwrap_err();
        assert_eq!(error.errno, errno, "{error}");
        assert!(error.detail.contains(words), "{error}");
    }
}
