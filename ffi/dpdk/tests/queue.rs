//! Bursts in and out, and who owns the packets.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{Burst, PktMempool, PortConfig, PortId, RxQueue, StartedPort, TxQueue, burst, testing};

fn start(id: PortId, pool: &PktMempool, config: &PortConfig) -> (StartedPort, RxQueue, TxQueue) {
    let (port, rx, tx) = StartedPort::start(testing::eal(), id, config, pool).unwrap();
    (port, rx.into_iter().next().unwrap(), tx.into_iter().next().unwrap())
}

fn fill<const N: usize>(pool: &PktMempool, burst: &mut Burst<N>) {
    while !burst.is_full() {
        let n = u8::try_from(burst.len()).unwrap();
        burst.push(pool.alloc_from(&[n; 64]).unwrap());
    }
}

fn first_bytes<const N: usize>(burst: &Burst<N>) -> Vec<u8> {
    burst.iter().map(|m| m.data()[0]).collect()
}

#[test]
fn queues_may_move_to_another_thread() {
    fn send<T: Send>() {}
    fn share<T: Send + Sync>() {}
    send::<RxQueue>();
    send::<TxQueue>();
    share::<StartedPort>();
    share::<PktMempool>();
}

#[test]
fn a_burst_fills_the_room_that_is_left() {
    let pool = testing::pool(255).unwrap();
    let (_port, mut rx, _tx) = start(testing::null_port().unwrap(), &pool, &PortConfig::default());
    let mut burst = Burst::<32>::new();
    assert_eq!(rx.rx_burst(&mut burst), 32);
    assert!(burst.iter().all(|m| m.len() == 64 && m.is_contiguous()));
    assert_eq!(rx.rx_burst(&mut burst), 0);
    burst.truncate(12);
    assert_eq!(rx.rx_burst(&mut burst), 20);
    assert_eq!((burst.len(), pool.in_use()), (32, 32));
    burst::free_all(&mut burst);
    assert_eq!((burst.len(), pool.in_use()), (0, 0));
    burst::free_all(&mut burst);
    rx.rx_burst(&mut burst);
    assert_eq!(pool.in_use(), 32);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn an_exhausted_pool_receives_nothing() {
    let pool = testing::pool(31).unwrap();
    let (_port, mut rx, _tx) = start(testing::null_port().unwrap(), &pool, &PortConfig::default());
    let taken: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    let mut burst = Burst::<32>::new();
    assert_eq!(rx.rx_burst(&mut burst), 0);
    drop(taken);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_is_sent_leaves_the_burst() {
    let pool = testing::pool(255).unwrap();
    let (port, mut rx, mut tx) =
        start(testing::silent_port().unwrap(), &pool, &PortConfig::default());
    let mut burst = Burst::<32>::new();
    assert_eq!(rx.rx_burst(&mut burst), 0);
    fill(&pool, &mut burst);
    assert_eq!(tx.tx_burst(&mut burst), 32);
    assert_eq!((burst.len(), tx.tx_burst(&mut burst)), (0, 0));
    assert_eq!(pool.in_use(), 0);
    let stats = port.stats().unwrap();
    assert_eq!((stats.tx_packets, stats.rx_packets), (32, 0));
}

#[test]
fn packets_pass_a_ring_in_order_and_what_it_refuses_stays() {
    let pool = testing::pool(8191).unwrap();
    let (_port, mut rx, mut tx) =
        start(testing::ring_port().unwrap(), &pool, &PortConfig::default());
    let mut sent = 0;
    let mut burst = Burst::<48>::new();
    // The ring holds 1023 packets, which is no multiple of 48, so one burst is split.
    loop {
        fill(&pool, &mut burst);
        let taken = tx.tx_burst(&mut burst);
        sent += taken;
        if taken < 48 {
            let rest: Vec<u8> = (u8::try_from(taken).unwrap()..48).collect();
            assert_eq!(first_bytes(&burst), rest);
            break;
        }
        assert!(sent < 8191, "the ring never filled");
    }
    assert!(!sent.is_multiple_of(48), "the last burst was refused as a whole");
    assert_eq!(pool.in_use() as usize, sent + burst.len());
    drop(burst);
    assert_eq!(pool.in_use() as usize, sent);

    let mut received = 0;
    let mut burst = Burst::<48>::new();
    while rx.rx_burst(&mut burst) > 0 {
        received += burst.len();
        let count = u8::try_from(burst.len()).unwrap();
        assert_eq!(first_bytes(&burst), (0..count).collect::<Vec<u8>>());
        burst.clear();
    }
    assert_eq!((received, pool.in_use()), (sent, 0));
}

#[test]
fn queues_know_their_place() {
    let pool = testing::pool(255).unwrap();
    let id = testing::null_port().unwrap();
    let config = PortConfig { rx_queues: 3, tx_queues: 2, ..PortConfig::default() };
    let (port, rx, tx) = StartedPort::start(testing::eal(), id, &config, &pool).unwrap();
    assert_eq!(rx.iter().map(RxQueue::queue_id).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(tx.iter().map(TxQueue::queue_id).collect::<Vec<_>>(), [0, 1]);
    assert!(rx.iter().all(|q| q.port_id() == port.id()));
    assert!(tx.iter().all(|q| q.port_id() == port.id()));
    assert_eq!(format!("{:?}", rx[2]), format!("RxQueue {{ port: {}, queue: 2 }}", port.id()));
    assert_eq!(format!("{:?}", tx[1]), format!("TxQueue {{ port: {}, queue: 1 }}", port.id()));
}

#[test]
fn queues_of_a_port_do_not_mix() {
    let pool = testing::pool(255).unwrap();
    let id = testing::ring_port().unwrap();
    let max = dpdk::PortInfo::of(testing::eal(), id).unwrap().max_rx_queues;
    assert!(max >= 2, "a ring port with several queues is needed, not {max}");
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..PortConfig::default() };
    let (_port, mut rx, mut tx) = StartedPort::start(testing::eal(), id, &config, &pool).unwrap();
    let mut burst = Burst::<8>::new();
    for (queue, byte) in [(1, 11), (0, 10)] {
        burst.push(pool.alloc_from(&[byte; 64]).unwrap());
        assert_eq!(tx[queue].tx_burst(&mut burst), 1);
    }
    for (queue, byte) in [(0, 10), (1, 11)] {
        assert_eq!(rx[queue].rx_burst(&mut burst), 1);
        assert_eq!(first_bytes(&burst), [byte]);
        burst.clear();
    }
    assert_eq!(pool.in_use(), 0);
}
