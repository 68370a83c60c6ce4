//! A real kernel interface: frames through a veth pair in a network namespace of the test's own.
//! Needs root; without it the test says so and passes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::process::Command;
use std::time::{Duration, Instant};

use dpdk::{Burst, PktMempool, PortConfig, RxQueue, StartedPort, TxQueue, testing};

fn ip(args: &str) {
    let status = Command::new("ip").args(args.split(' ')).status().unwrap();
    assert!(status.success(), "ip {args}: {status}");
}

fn start(interface: &str, pool: &PktMempool) -> (StartedPort, RxQueue, TxQueue) {
    let eal = testing::eal();
    let devargs = format!("{},iface={interface}", testing::unique("net_af_packet"));
    let id = eal.probe(&devargs).unwrap();
    let config = PortConfig { promiscuous: true, ..PortConfig::default() };
    let (port, rx, tx) = StartedPort::start(eal, id, &config, pool).unwrap();
    (port, rx.into_iter().next().unwrap(), tx.into_iter().next().unwrap())
}

/// Polls until a frame of our own EtherType arrives; the kernel sends some of its own on a new
/// link.
fn receive(rx: &mut RxQueue) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut burst = Burst::<32>::new();
    loop {
        assert!(Instant::now() < deadline, "no frame arrived");
        rx.rx_burst(&mut burst);
        if let Some(ours) = burst.iter().find(|m| m.data().get(12..14) == Some(&[0x88, 0xb5])) {
            return ours.data().to_vec();
        }
        burst.clear();
        std::thread::yield_now();
    }
}

#[test]
fn frames_pass_between_two_kernel_interfaces() {
    // SAFETY: unshare only detaches this thread from the network namespace of the others.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        eprintln!("skipped: a network namespace needs root");
        return;
    }
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
    let pool = testing::pool(1023).unwrap();
    let (left, mut left_rx, mut left_tx) = start("left", &pool);
    let (right, mut right_rx, mut right_tx) = start("right", &pool);
    assert_eq!((left.driver(), left.mtu()), ("net_af_packet", 1500));
    assert!(left.link().unwrap().up && right.link().unwrap().up);
    assert!(left.info().kernel_if_index.is_some());
    assert_ne!(left.mac(), right.mac());
    assert!(left.promiscuous());

    for (len, from, to, tx, rx) in [
        (60, &left, &right, &mut left_tx, &mut right_rx),
        (1514, &right, &left, &mut right_tx, &mut left_rx),
    ] {
        let mut frame = vec![0xab; len];
        frame[..6].copy_from_slice(&to.mac());
        frame[6..12].copy_from_slice(&from.mac());
        // An EtherType for local experiments.
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        let mut burst = Burst::<32>::new();
        burst.push(pool.alloc_from(&frame).unwrap());
        assert_eq!(tx.tx_burst(&mut burst), 1);
        assert_eq!(receive(rx), frame);
        assert!(from.stats().unwrap().tx_packets >= 1);
        assert!(to.stats().unwrap().rx_packets >= 1);
    }

    drop((left, left_rx, left_tx, right, right_rx, right_tx));
    assert_eq!(pool.in_use(), 0);
}
