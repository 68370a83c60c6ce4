//! An EAL that does not start; one test, because a process has one attempt.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{Eal, testing};

#[test]
fn arguments_eal_refuses() {
    // Refused before EAL sees it, so it does not use up the attempt.
    let error = Eal::init(&testing::args().extra(["--log\0level"])).unwrap_err();
    assert_eq!((error.op, error.errno), ("rte_eal_init", libc::EINVAL));
    assert!(error.detail.contains("nul byte"), "{error}");

    let error = Eal::init(&testing::args().extra(["--lcores=0@4095"])).unwrap_err();
    assert_eq!(error.op, "rte_eal_init");
    assert!(error.errno > 0 && !error.detail.is_empty(), "{error}");
    println!("{error}");

    let error = Eal::init(&testing::args()).unwrap_err();
    assert_eq!(error.errno, libc::EALREADY, "{error}");
}
