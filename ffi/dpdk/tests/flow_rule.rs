//! Flow rules on virtual ports that have none.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::net::Ipv4Addr;

use dpdk::{FlowMatch, L4Protocol, PortConfig, StartedPort, testing};

const TO_LOCAL_PORTS: FlowMatch = FlowMatch {
    protocol: L4Protocol::Tcp,
    dst: Ipv4Addr::new(10, 0, 0, 100),
    dst_port: 3,
    dst_port_mask: 7,
};

#[test]
fn ports_without_rules_say_so() {
    let pool = testing::pool(255).unwrap();
    for id in [testing::null_port().unwrap(), testing::ring_port().unwrap()] {
        let (port, _rx, _tx) =
            StartedPort::start(testing::eal(), id, &PortConfig::default(), &pool).unwrap();
        let udp = FlowMatch { protocol: L4Protocol::Udp, ..TO_LOCAL_PORTS };
        for packets in [TO_LOCAL_PORTS, udp] {
            let errors = [
                port.check_flow_rule(&packets, 0).unwrap_err(),
                port.add_flow_rule(&packets, 0).map(drop).unwrap_err(),
            ];
            for error in errors {
                assert!([libc::ENOSYS, libc::ENOTSUP].contains(&error.errno), "{error}");
                assert!(error.detail.contains(port.name()), "{error}");
            }
        }
        // The refusals left the port alone.
        assert!(port.link().unwrap().up);
    }
}

#[test]
fn a_queue_that_is_not_there_is_refused() {
    let pool = testing::pool(255).unwrap();
    let id = testing::null_port().unwrap();
    let (port, _rx, _tx) =
        StartedPort::start(testing::eal(), id, &PortConfig::default(), &pool).unwrap();
    let error = port.add_flow_rule(&TO_LOCAL_PORTS, 1).unwrap_err();
    assert_eq!((error.op, error.errno), ("rte_flow_create", libc::EINVAL));
    assert!(error.detail.contains("no queue 1 among its 1"), "{error}");
}
