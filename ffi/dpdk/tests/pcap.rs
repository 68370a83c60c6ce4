//! Frames from a file and into a file.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::testing::{self, read_pcap, write_pcap};
use dpdk::{Burst, PortConfig, StartedPort};

fn frames() -> Vec<Vec<u8>> {
    [60_u8, 61, 255].iter().map(|&len| (0..len).map(|i| i ^ len).collect()).collect()
}

#[test]
fn what_the_file_holds_is_received() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap");
    write_pcap(&path, &frames()).unwrap();
    let pool = testing::pool(255).unwrap();
    let id = testing::pcap_port(Some(&path), None).unwrap();
    let (port, mut rx, _tx) =
        StartedPort::start(testing::eal(), id, &PortConfig::default(), &pool).unwrap();
    let mut burst = Burst::<32>::new();
    assert_eq!(rx[0].rx_burst(&mut burst), 3);
    let received: Vec<Vec<u8>> = burst.iter().map(|m| m.data().to_vec()).collect();
    assert_eq!(received, frames());
    assert!(burst.iter().all(|m| m.rx_port() == id.index()));
    assert_eq!(rx[0].rx_burst(&mut burst), 0);
    assert_eq!(port.stats().unwrap().rx_packets, 3);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_is_sent_is_in_the_file_when_the_port_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let pool = testing::pool(255).unwrap();
    let id = testing::pcap_port(None, Some(&path)).unwrap();
    let (port, rx, mut tx) =
        StartedPort::start(testing::eal(), id, &PortConfig::default(), &pool).unwrap();
    let mut burst = Burst::<32>::new();
    for frame in frames() {
        let mut mbuf = pool.alloc_from(&frame[14..]).unwrap();
        mbuf.prepend(14).unwrap().copy_from_slice(&frame[..14]);
        burst.push(mbuf);
    }
    assert_eq!(tx[0].tx_burst(&mut burst), 3);
    assert_eq!(port.stats().unwrap().tx_packets, 3);
    drop((port, rx, tx));
    assert_eq!(read_pcap(&path).unwrap(), frames());
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn each_queue_has_its_own_packets() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let mut devargs = testing::unique("net_pcap");
    for queue in 0..2_u8 {
        write_pcap(&file(&format!("in{queue}")), &[vec![queue; 60]]).unwrap();
        devargs += &format!(",rx_pcap={}", file(&format!("in{queue}")).display());
        devargs += &format!(",tx_pcap={}", file(&format!("out{queue}")).display());
    }
    let pool = testing::pool(255).unwrap();
    let id = testing::eal().probe(&devargs).unwrap();
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..PortConfig::default() };
    let (port, mut rx, mut tx) = StartedPort::start(testing::eal(), id, &config, &pool).unwrap();
    for queue in [1, 0] {
        let mut burst = Burst::<8>::new();
        assert_eq!(rx[queue].rx_burst(&mut burst), 1);
        assert_eq!(usize::from(burst[0].data()[0]), queue);
        assert_eq!(tx[queue].tx_burst(&mut burst), 1);
    }
    drop((port, rx, tx));
    assert_eq!(read_pcap(&file("out0")).unwrap(), [vec![0; 60]]);
    assert_eq!(read_pcap(&file("out1")).unwrap(), [vec![1; 60]]);
}
