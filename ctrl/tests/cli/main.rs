//! Commands that need no running daemon, as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::tests_outside_test_module,
    reason = "an integration test is all test: what it cannot do fails it"
)]

mod check;
mod doctor;

use assert_cmd::Command;

/// Runs `rvs`; its exit status, standard output and standard error.
fn rvs(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("rvs").unwrap().args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}
