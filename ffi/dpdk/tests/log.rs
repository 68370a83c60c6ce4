//! The log of EAL and the drivers.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::sync::Mutex;

use dpdk::log::{self, LogLevel};
use dpdk::testing;

static SEEN: Mutex<Vec<(LogLevel, String)>> = Mutex::new(Vec::new());

#[test]
fn lines_reach_the_sink_and_are_kept() {
    log::set_sink(Some(|level, line| SEEN.lock().unwrap().push((level, line.to_owned()))));
    let eal = testing::eal();
    eal.probe("net_af_packet0,iface=nosuchif0").unwrap_err();
    log::set_sink(None);
    let seen = SEEN.lock().unwrap();
    assert!(seen.iter().all(|(_, line)| !line.contains('\n')), "{seen:?}");
    let told = |lines: &[(LogLevel, String)]| {
        lines.iter().any(|(level, line)| *level <= LogLevel::Error && line.contains("nosuchif0"))
            || lines
                .iter()
                .any(|(level, line)| *level <= LogLevel::Error && line.contains("net_af_packet0"))
    };
    assert!(told(&seen), "{seen:?}");
    assert!(told(&log::recent()));
}
