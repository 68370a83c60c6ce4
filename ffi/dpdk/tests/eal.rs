//! Starting the EAL, and finding devices.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{Eal, testing};

#[test]
fn the_second_attempt_is_refused() {
    testing::eal();
    let error = Eal::init(&testing::args()).unwrap_err();
    assert_eq!((error.op, error.errno), ("rte_eal_init", libc::EALREADY));
    assert!(error.detail.contains("only once per process"), "{error}");
}

#[test]
fn versions_are_told() {
    assert!(dpdk::version().starts_with("DPDK "), "{}", dpdk::version());
    testing::eal();
    assert!(dpdk::tsc::hz() > 1_000_000, "{}", dpdk::tsc::hz());
}

#[test]
fn a_device_is_found_again_by_its_name() {
    let eal = testing::eal();
    let name = testing::unique("net_null");
    assert_eq!(eal.port_by_name(&name), None);
    let port = eal.probe(&name).unwrap();
    assert_eq!(eal.port_by_name(&name), Some(port));
    assert_eq!(eal.probe(&name), Ok(port));
}

#[test]
fn a_second_device_of_the_same_name_is_refused() {
    let eal = testing::eal();
    let name = testing::unique("net_null");
    eal.probe(&format!("{name},size=64")).unwrap();
    let error = eal.probe(&format!("{name},size=128")).unwrap_err();
    assert_eq!(error.errno, libc::EEXIST);
    assert!(error.to_string().contains(&name), "{error}");
}

#[test]
fn devices_that_do_not_exist_are_named_with_the_reason() {
    let eal = testing::eal();
    for (devargs, words) in [
        ("net_nosuchdriver0", &["net_nosuchdriver0", "no driver has this name"][..]),
        ("net_af_packet7,iface=nosuchif0", &["net_af_packet7", "nosuchif0"]),
        ("net_af_packet8", &["net_af_packet8"]),
        ("net_pcap_missing,rx_pcap=/nonexistent/in.pcap", &["/nonexistent/in.pcap"]),
        ("0000:ff:1f.7", &["0000:ff:1f.7"]),
        ("ff:1f.7", &["0000:ff:1f.7"]),
        ("no such bus", &["no such bus"]),
    ] {
        let error = eal.probe(devargs).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.op, "rte_dev_probe");
        assert!(error.errno > 0, "{text}");
        for word in words {
            assert!(text.contains(word), "{devargs}: {text:?} does not mention {word:?}");
        }
        println!("{text}");
    }
}

#[test]
fn nonsense_is_refused_before_dpdk_sees_it() {
    let eal = testing::eal();
    for devargs in ["", ",iface=x", "net_null\0"] {
        let error = eal.probe(devargs).unwrap_err();
        assert_eq!(error.errno, libc::EINVAL, "{error}");
    }
    assert_eq!(eal.port_by_name("net\0null"), None);
}
