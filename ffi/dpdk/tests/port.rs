//! Ports: what they tell, what they refuse, and when they close.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use dpdk::port::PortInfo;
use dpdk::{Burst, Offloads, PortConfig, QueueMemory, SocketId, StartedPort, testing};

/// The right to have ports: what is closed leaves its number to the next, so tests that look at
/// numbers would see each other's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn what_a_port_tells() {
    let _alone = alone();
    let pool = testing::pool(255).unwrap();
    let eal = testing::eal();
    let id = testing::null_port().unwrap();
    let config = PortConfig { promiscuous: true, ..PortConfig::default() };
    let (port, rx, tx) = StartedPort::start(eal, id, &config, &pool).unwrap();
    assert_eq!((rx.len(), tx.len()), (1, 1));
    assert_eq!(port.id(), id);
    assert_eq!(port.driver(), "net_null");
    assert!(port.name().starts_with("net_null"), "{}", port.name());
    assert_eq!(port.device_name(), port.name());
    assert_ne!(port.mac(), [0; 6]);
    assert_eq!(port.mtu(), 1500);
    assert_eq!(port.offloads(), Offloads::default());
    assert!(port.info().max_rx_queues >= 1);
    let link = port.link().unwrap();
    assert!(link.up && link.full_duplex && link.speed_mbps > 0, "{link:?}");
}

#[test]
fn promiscuous_mode() {
    let _alone = alone();
    let pool = testing::pool(255).unwrap();
    let eal = testing::eal();
    let config = PortConfig { promiscuous: true, ..PortConfig::default() };
    let (ring, _rx, _tx) =
        StartedPort::start(eal, testing::ring_port().unwrap(), &config, &pool).unwrap();
    assert!(ring.promiscuous());
    assert_eq!(ring.set_promiscuous(false), Ok(()));
    assert!(!ring.promiscuous());
    assert_eq!(ring.set_promiscuous(true), Ok(()));
    assert!(ring.promiscuous());

    // A device that always receives everything can be started either way, and says no later.
    let config = PortConfig { promiscuous: false, ..config };
    let (null, _rx, _tx) =
        StartedPort::start(eal, testing::null_port().unwrap(), &config, &pool).unwrap();
    if null.promiscuous() {
        assert_eq!(null.set_promiscuous(false).unwrap_err().errno, libc::ENOTSUP);
    }
}

#[test]
fn counters_count() {
    let _alone = alone();
    let pool = testing::pool(255).unwrap();
    let id = testing::ring_port().unwrap();
    let (port, mut rx, mut tx) =
        StartedPort::start(testing::eal(), id, &PortConfig::default(), &pool).unwrap();
    let mut burst = dpdk::Burst::<8>::new();
    for _ in 0..5 {
        burst.push(pool.alloc_from(&[1; 60]).unwrap());
    }
    assert_eq!(tx[0].tx_burst(&mut burst), 5);
    assert_eq!(rx[0].rx_burst(&mut burst), 5);
    let stats = port.stats().unwrap();
    assert_eq!((stats.rx_packets, stats.tx_packets, stats.tx_errors), (5, 5, 0));
    let xstats = port.xstats().unwrap();
    let value = |name: &str| xstats.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    assert_eq!(value("rx_good_packets"), Some(5), "{xstats:?}");
    assert_eq!(value("tx_good_packets"), Some(5), "{xstats:?}");
}

#[test]
fn queues_are_handed_out_once_at_a_time() {
    let _alone = alone();
    let pool = testing::pool(255).unwrap();
    let eal = testing::eal();
    let id = testing::null_port().unwrap();
    let config = PortConfig::default();
    let first = StartedPort::start(eal, id, &config, &pool).unwrap();
    let error = StartedPort::start(eal, id, &config, &pool).unwrap_err();
    assert_eq!(error.errno, libc::EBUSY);
    assert!(error.detail.contains("in use already"), "{error}");
    // The refusal left the port alone.
    let (port, mut rx, _tx) = first;
    assert!(port.link().unwrap().up);
    let mut burst = dpdk::Burst::<8>::new();
    assert_eq!(rx[0].rx_burst(&mut burst), 8);
}

#[test]
fn a_port_closes_with_its_last_part_and_gives_its_packets_back() {
    let _alone = alone();
    let pool = testing::pool(255).unwrap();
    let eal = testing::eal();
    let id = testing::null_port().unwrap();
    let (port, mut rx, tx) = StartedPort::start(eal, id, &PortConfig::default(), &pool).unwrap();
    let name = port.name().to_owned();
    drop(port);
    drop(tx);
    assert_eq!(eal.port_by_name(&name), Some(id));
    let mut burst = dpdk::Burst::<8>::new();
    assert_eq!(rx[0].rx_burst(&mut burst), 8);
    std::thread::spawn(move || drop(rx)).join().unwrap();
    assert_eq!(eal.port_by_name(&name), None);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
    // The id names no port now, which is an error and no more.
    let error = StartedPort::start(eal, id, &PortConfig::default(), &pool).unwrap_err();
    assert_eq!((error.op, error.errno), ("rte_eth_dev_info_get", libc::ENODEV));
}

#[test]
fn requests_a_port_cannot_serve() {
    let _alone = alone();
    let pool = testing::pool(255).unwrap();
    let eal = testing::eal();
    let id = testing::null_port().unwrap();
    let max = PortInfo::of(eal, id).unwrap().max_rx_queues;
    let base = PortConfig::default();
    for (config, words) in [
        (PortConfig { rx_queues: 0, ..base.clone() }, "at least one receive queue".to_owned()),
        (PortConfig { tx_queues: 0, ..base.clone() }, "at least one transmit queue".to_owned()),
        (PortConfig { rx_queues: max + 1, ..base.clone() }, format!("it can have {max}")),
        (PortConfig { mtu: 20, ..base.clone() }, "outside its range of 46 to".to_owned()),
        (PortConfig { mtu: 9000, ..base.clone() }, "hold 2048 bytes".to_owned()),
    ] {
        let error = StartedPort::start(eal, id, &config, &pool).unwrap_err();
        assert_eq!(error.errno, libc::EINVAL, "{error}");
        assert!(error.detail.contains(&words), "{error}");
    }
    // None of this used the port up.
    StartedPort::start(eal, id, &base, &pool).unwrap();
}

#[test]
fn each_receive_queue_has_a_pool_of_its_own() {
    let _alone = alone();
    let pools = [testing::pool(255).unwrap(), testing::pool(255).unwrap()];
    let eal = testing::eal();
    let id = eal.probe(&testing::unique("net_null")).unwrap();
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..PortConfig::default() };
    let sockets = [SocketId::new(0), SocketId::ANY];
    let memory = [0, 1].map(|at| QueueMemory { pool: &pools[at], socket: sockets[at] });

    let error = StartedPort::start_on(eal, id, &config, &memory[..1]).unwrap_err();
    assert!(error.to_string().contains("2 queues, and memory for 1 of them"), "{error}");

    let (port, mut rx, tx) = StartedPort::start_on(eal, id, &config, &memory).unwrap();
    for queue in 0..2 {
        let mut burst = Burst::<32>::new();
        assert_eq!(rx[queue].rx_burst(&mut burst), 32);
        let in_use = pools.each_ref().map(dpdk::PktMempool::in_use);
        assert_eq!((in_use[queue], in_use[1 - queue]), (32, 0));
    }
    drop((port, rx, tx));
}

#[test]
fn a_frame_must_fit_the_buffers_of_every_queue() {
    let _alone = alone();
    let large = testing::pool(255).unwrap();
    let eal = testing::eal();
    let name = testing::unique("small");
    let small =
        dpdk::PktMempool::create(eal, &name, 255, 0, dpdk::mbuf::HEADROOM + 512, SocketId::ANY);
    let small = small.unwrap();
    let config = PortConfig { rx_queues: 2, ..PortConfig::default() };
    let memory = [&large, &small].map(|pool| QueueMemory { pool, socket: SocketId::ANY });
    let id = testing::null_port().unwrap();
    let error = StartedPort::start_on(eal, id, &config, &memory).unwrap_err().to_string();
    assert!(error.contains(&name) && error.contains("MTU of 1500"), "{error}");
}
