//! `rvs-bench` as a user calls it.

use std::process::{Command, Output, Stdio};

fn bench(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rvs-bench"));
    command.args(flags).output().expect("rvs-bench starts")
}

#[test]
fn scenarios_are_listed_by_name() {
    let output = bench(&["--list", "--only", "fullnat/both/1M"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = "memif/established/fullnat/both/1M\nmemory/established/fullnat/both/1M\n";
    assert_eq!(text, expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn wrong_flags_are_refused_with_the_reason() {
    for (flags, reason) in [
        (["--only", "no such scenario"], "no scenario has that in its name"),
        (["--link", "tin"], "possible values: memory, memif"),
        (["--frame-size", "12"], "frames have 64 to 1518 bytes"),
    ] {
        let output = bench(&flags);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(reason), "{text}");
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rvs-bench"))
        .arg("--list")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rvs-bench starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("rvs-bench ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
