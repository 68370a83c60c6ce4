//! Flow rules on net_tap, which keeps them in the kernel's traffic control. Needs root and
//! /dev/net/tun; without them the test says so and passes. Where the kernel has no `flower`
//! classifier, rules are found sensible and then refused, which is tested instead.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::net::Ipv4Addr;
use std::path::Path;

use dpdk::{FlowMatch, L4Protocol, PortConfig, StartedPort, testing};

#[test]
fn rules_are_checked_made_and_taken_back() {
    // SAFETY: unshare only detaches this thread from the network namespace of the others.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 || !Path::new("/dev/net/tun").exists() {
        eprintln!("skipped: a tap device in a network namespace needs root and /dev/net/tun");
        return;
    }
    let pool = testing::pool(4095).unwrap();
    let id = testing::eal().probe("net_tap0,iface=rules0").unwrap();
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..PortConfig::default() };
    let (port, rx, tx) = StartedPort::start(testing::eal(), id, &config, &pool).unwrap();
    for protocol in [L4Protocol::Tcp, L4Protocol::Udp] {
        let dst = Ipv4Addr::new(10, 0, 0, 100);
        let packets = FlowMatch { protocol, dst, dst_port: 5000, dst_port_mask: u16::MAX };
        assert_eq!(port.check_flow_rule(&packets, 1), Ok(()));
        assert_eq!(port.check_flow_rule(&packets, 2).unwrap_err().errno, libc::EINVAL);
        match port.add_flow_rule(&packets, 1) {
            Ok(rule) => {
                // The same rule can be made again only after it was taken back.
                let error = port.add_flow_rule(&packets, 1).map(drop).unwrap_err();
                assert_eq!(error.op, "rte_flow_create");
                drop(rule);
                drop(port.add_flow_rule(&packets, 1).unwrap());
            }
            Err(error) => {
                eprintln!("this kernel keeps no rules: {error}");
                assert_eq!(error.op, "rte_flow_create");
                assert!(error.detail.contains("Kernel"), "{error}");
            }
        }
    }
    drop((port, rx, tx));
    assert_eq!(pool.in_use(), 0);
}
