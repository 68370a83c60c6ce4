//! Receive-side scaling on virtual ports: net_null has it, net_ring has not.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{
    PktMempool, PortConfig, PortId, PortInfo, Rss, RssConfig, RssEnds, RxQueue, StartedPort,
    TxQueue, testing,
};

const QUEUES: u16 = 3;

fn key(first: u8) -> Vec<u8> {
    (first..first + 40).collect()
}

fn config(rss: Rss) -> PortConfig {
    PortConfig { rx_queues: QUEUES, tx_queues: QUEUES, rss, ..PortConfig::default() }
}

fn start(id: PortId, rss: Rss) -> (StartedPort, Vec<RxQueue>, Vec<TxQueue>, PktMempool) {
    let pool = testing::pool(255).unwrap();
    let (port, rx, tx) = StartedPort::start(testing::eal(), id, &config(rss), &pool).unwrap();
    (port, rx, tx, pool)
}

#[test]
fn a_port_tells_what_it_can_do() {
    let null = PortInfo::of(testing::eal(), testing::null_port().unwrap()).unwrap();
    assert!(null.hashes(RssEnds::Both));
    assert!(!null.hashes(RssEnds::Source) && !null.hashes(RssEnds::Destination));
    assert_eq!(null.rss_table_size, 128);
    let ring = PortInfo::of(testing::eal(), testing::ring_port().unwrap()).unwrap();
    assert!(!ring.hashes(RssEnds::Both));
    assert_eq!((ring.rss_table_size, ring.rss_key_len), (0, None));
}

#[test]
fn what_is_set_is_read_back() {
    let first = RssConfig { key: key(1), ends: RssEnds::Both };
    let (port, _rx, _tx, _pool) = start(testing::null_port().unwrap(), Rss::Set(first.clone()));
    assert!(port.offloads().rss);
    let queues: Vec<u16> = (0..QUEUES).cycle().take(128).collect();
    port.steer_by_rss(&first, &queues).unwrap();
    assert_eq!(port.rss().unwrap(), first);
    assert_eq!(port.redirection_table().unwrap(), queues);

    let second = RssConfig { key: key(100), ..first };
    let reversed: Vec<u16> = queues.into_iter().rev().collect();
    port.set_rss(&second).unwrap();
    port.set_redirection_table(&reversed).unwrap();
    assert_eq!(port.rss().unwrap(), second);
    assert_eq!(port.redirection_table().unwrap(), reversed);
}

#[test]
fn what_cannot_be_set_is_refused_and_changes_nothing() {
    let rss = RssConfig { key: key(1), ends: RssEnds::Both };
    let (port, _rx, _tx, _pool) = start(testing::null_port().unwrap(), Rss::Set(rss.clone()));
    let queues: Vec<u16> = (0..QUEUES).cycle().take(128).collect();
    port.steer_by_rss(&rss, &queues).unwrap();

    let by_source = RssConfig { ends: RssEnds::Source, ..rss.clone() };
    let error = port.steer_by_rss(&by_source, &queues).unwrap_err();
    assert_eq!((error.op, error.errno), ("rte_eth_dev_rss_hash_update", libc::ENOTSUP));
    assert!(error.detail.contains("by their source alone"), "{error}");
    for (queues, words) in
        [(vec![0; 64], "has 128 entries, not 64"), (vec![QUEUES; 128], "no queue 3 among its 3")]
    {
        let error = port.set_redirection_table(&queues).unwrap_err();
        assert_eq!((error.op, error.errno), ("rte_eth_dev_rss_reta_update", libc::EINVAL));
        assert!(error.detail.contains(words), "{error}");
    }
    let long = RssConfig { key: vec![7; 65], ..rss.clone() };
    let error = port.set_rss(&long).unwrap_err();
    assert!(error.detail.contains("65 bytes is longer than any"), "{error}");
    assert_eq!(port.rss().unwrap(), rss);
    assert_eq!(port.redirection_table().unwrap(), queues);
}

#[test]
fn ports_without_it_say_so() {
    let (ring, _rx, _tx, _pool) = start(testing::ring_port().unwrap(), Rss::Driver);
    assert!(!ring.offloads().rss);
    assert_eq!(ring.rss().unwrap_err().errno, libc::ENOTSUP);
    for error in
        [ring.redirection_table().unwrap_err(), ring.set_redirection_table(&[0]).unwrap_err()]
    {
        assert_eq!(error.errno, libc::ENOTSUP);
        assert!(error.detail.contains("no redirection table"), "{error}");
    }
    let rss = RssConfig { key: key(1), ends: RssEnds::Both };
    let error = ring.steer_by_rss(&rss, &[0]).unwrap_err();
    assert_eq!(error.errno, libc::ENOTSUP);
    assert!(error.detail.contains("cannot spread IPv4 packets"), "{error}");
}

#[test]
fn a_port_that_cannot_is_not_started_and_not_used_up() {
    let pool = testing::pool(255).unwrap();
    let eal = testing::eal();
    let rss = RssConfig { key: key(1), ends: RssEnds::Destination };
    for (id, words) in [
        (testing::ring_port().unwrap(), "cannot spread IPv4 packets"),
        (testing::null_port().unwrap(), "by their destination alone"),
    ] {
        let wanted = config(Rss::Set(rss.clone()));
        let error = StartedPort::start(eal, id, &wanted, &pool).unwrap_err();
        assert_eq!(error.errno, libc::EINVAL);
        assert!(error.detail.contains(words), "{error}");
        // With one queue there is nothing to spread.
        let single = PortConfig { rx_queues: 1, ..wanted };
        let (port, _rx, _tx) = StartedPort::start(eal, id, &single, &pool).unwrap();
        assert!(!port.offloads().rss);
    }
}
