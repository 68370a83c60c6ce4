//! `rvs-bench` as a user calls it.

use std::fs;
use std::process::{Command, Output, Stdio};

/// Results as `--out` writes them.
const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/run.json");

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
        (&["--only", "no such scenario"][..], "no scenario has \"no such scenario\" in its name"),
        (&["--out", "results", "--name=a/b"], "names consist of letters, digits"),
        (&["--link", "tin"], "possible values: memory, memif"),
        (&["--frame-size", "12"], "frames have 64 to 1518 bytes, not 12"),
        (&["--frame-size", "omix"], "\"omix\" is neither imix nor a number of bytes"),
    ] {
        let output = bench(flags);
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

#[test]
fn rows_are_printed_again_from_a_file() {
    let output = bench(&["--from", RUN]);
    let text = String::from_utf8_lossy(&output.stdout);
    for row in [
        "Only memory is measured from now on.\n",
        "The run ended after 3 of 4 scenarios.\n",
        "memif/established/dr/requests/10k         18.00    12.00   (11.50-12.50)    67%      225  \
         Mpps; busy 97 %; packets checked 140000\n",
        "memory/fill/100                        invalid: 3 of 10 packets were lost in a round;",
        "memory/two-workers                            -    36.00   (34.00-37.00)      -       75  \
         Mpps; one worker 18500 kpps; two give of one 195 %\n",
    ] {
        assert!(text.contains(row), "{row}\nis missing in\n{text}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_file_that_holds_no_results_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let text = fs::read_to_string(RUN).expect("results");
    for (text, reason) in [
        (text.replace("memory/fill/100", "memory/drill"), "unknown scenario \"memory/drill\""),
        (text.replace("\"cpus\": 2,", ""), "missing field `cpus`"),
    ] {
        fs::write(&file, text).expect("it is written");
        let output = bench(&["--from", &file.display().to_string()]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("run.json: these are no results") && text.contains(reason), "{text}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_measured() {
    let output = bench(&["--only", "memory/reload", "--out", "/proc/results"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("rvs-bench: /proc/results: "), "{text}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn plots_are_drawn_again_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = bench(&["--from", RUN, "--out", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut drawn: Vec<String> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    drawn.sort();
    assert_eq!(drawn, ["run-rates-memif.svg", "run-workers.svg"]);
    let plot = fs::read_to_string(folder.path().join("run-workers.svg")).expect("a plot");
    assert!(plot.contains("Two workers do 1.95 times what one does."), "{plot}");
}

#[test]
fn tables_for_a_page_are_made_from_a_file() {
    let output = bench(&["--from", RUN, "--markdown"]);
    let page = String::from_utf8_lossy(&output.stdout);
    for part in [
        "Example CPU, family 6 model 143, 2 CPUs, TSC 2700 MHz, 24000 MiB; Linux 6.18.0, DPDK",
        "### Between two processes\n",
        "| DR requests | **12.00** (11.50-12.50), 225, 67 % |\n",
        "| memory/fill/100 | invalid | - | - | 3 of 10 packets were lost in a round;",
        "The run ended after 3 of 4 scenarios.",
    ] {
        assert!(page.contains(part), "{part}\nis missing in\n{page}");
    }
    assert!(!page.contains("The packet path alone"), "{page}");
    assert_eq!(output.status.code(), Some(0));
    let output = bench(&["--markdown"]);
    assert_eq!(output.status.code(), Some(2));
}
