//! `cargo xtask ci`: runs every check and ends with the sum of all test results.
//!
//! A step that fails does not keep the later ones from running, so that one run shows everything.

use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What test runners reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Steps by name, with the arguments of cargo. Tests come last, for their output to be at the end.
const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("docs", &["doc", "--workspace", "--no-deps"]),
    // Each runs once, to see that it works; `make bench-micro` measures.
    ("benchmarks", &["test", "--workspace", "--bench=scrape", "--bench=turn"]),
    ("tests", &["test", "--workspace", "--no-fail-fast"]),
    // The benchmark of single steps is among them.
    ("tests without DPDK", WITHOUT_DPDK),
];

const WITHOUT_DPDK: &[&str] = &[
    "test",
    "--package=rvs-dataplane",
    "--no-default-features",
    "--features=testing",
    "--all-targets",
    "--no-fail-fast",
];

/// Runs all steps in `root`; true if every one passed.
pub(crate) fn run(root: &Path) -> bool {
    let mut failed: Vec<&str> = Vec::new();
    let mut total = Tally::default();
    let breaches = crate::tidy::breaches(root);
    for (name, arguments) in STEPS {
        let start = Instant::now();
        eprintln!("== {name}: cargo {}", arguments.join(" "));
        let (passed, tally) = step(root, arguments);
        total += tally;
        eprintln!("== {name}: {} in {} s", verdict(passed), start.elapsed().as_secs());
        if !passed {
            failed.push(name);
        }
    }
    if total.passed == 0 {
        failed.push("no test was run");
    }
    // Last, since the steps print thousands of lines.
    if !crate::tidy::told(&breaches) {
        failed.push("tidy");
    }
    if !failed.is_empty() {
        eprintln!("== failed: {}", failed.join(", "));
    }
    let Tally { passed, failed: tests_failed, ignored } = total;
    println!("{passed} passed, {tests_failed} failed, {ignored} skipped");
    failed.is_empty()
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

/// Runs cargo, showing what it prints, and sums up the test results in it.
fn step(root: &Path, arguments: &[&str]) -> (bool, Tally) {
    let mut tally = Tally::default();
    let child = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .env("RUSTDOCFLAGS", "-D warnings")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cargo cannot be started: {error}");
            return (false, tally);
        }
    };
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            tally += result_line(&line).unwrap_or_default();
        }
    }
    (child.wait().is_ok_and(|status| status.success()), tally)
}

/// Reads a test runner's closing line: `test result: ok. 7 passed; 0 failed; 1 ignored; ...`.
fn result_line(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut tally = Tally::default();
    for count in counts.split("; ") {
        let (number, what) = count.split_once(' ')?;
        let place = match what {
            "passed" => &mut tally.passed,
            "failed" => &mut tally.failed,
            "ignored" => &mut tally.ignored,
            _ => break,
        };
        *place = number.parse().ok()?;
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let line = "test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out";
        assert_eq!(result_line(line), Some(Tally { passed: 7, failed: 2, ignored: 1 }));
        assert_eq!(result_line("test foo ... ok"), None);
    }
}
