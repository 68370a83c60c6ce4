//! Instructions per packet, scenario by scenario, against `perf/baseline/instructions.json`.
//!
//! Without valgrind the scenarios are reported as ignored, with the reason; with `RVS_E2E=require`
//! in the environment they fail instead. `RVS_BASELINE=record` writes the baseline anew
//! (`make baseline`).

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rvs_icount::{COUNTED, Scenario};
use serde::{Deserialize, Serialize};

/// Packets that are counted.
const PACKETS: u32 = 10_000;
/// How much more than the baseline fails, in percent.
const MORE_MAX: f64 = 5.0;
/// The same for another compiler than the baseline's.
const MORE_MAX_OTHER_COMPILER: f64 = 15.0;
/// What is committed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Baseline {
    rustc: String,
    instructions_per_packet: BTreeMap<String, f64>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let record = std::env::var_os("RVS_BASELINE").is_some_and(|what| what == "record");
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(&Err("not run".to_owned()))).exit_code();
    }
    let tools = prepare();
    if record {
        return match tools.and_then(|binary| record_baseline(&binary)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the baseline was not recorded: {error}");
                ExitCode::FAILURE
            }
        };
    }
    arguments.test_threads = arguments.test_threads.or(Some(2));
    libtest_mimic::run(&arguments, trials(&tools)).exit_code()
}

fn trials(tools: &Result<PathBuf, String>) -> Vec<Trial> {
    let trial = |name: &'static str| {
        let tools = tools.clone();
        Trial::ignorable_test(format!("icount::{name}"), move || match tools {
            Ok(binary) => check(&binary, name).map(|()| Completion::Completed),
            Err(reason) if std::env::var_os("RVS_E2E").is_some_and(|mode| mode == "require") => {
                Err(reason.into())
            }
            Err(reason) => Ok(Completion::ignored_with(reason)),
        })
    };
    Scenario::ALL.into_iter().map(|(name, _)| trial(name)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn baseline_path() -> PathBuf {
    root().join("perf/baseline/instructions.json")
}

/// Looks for valgrind and builds the optimised binary; returns its path.
fn prepare() -> Result<PathBuf, String> {
    text_of(Command::new("valgrind").arg("--version"))
        .map_err(|error| format!("valgrind is needed to count instructions: {error}"))?;
    let build = ["build", "--release", "--package", "rvs-icount", "--message-format=json"];
    let messages = text_of(Command::new(env!("CARGO")).args(build).current_dir(root()))?;
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.ok_or_else(|| "cargo build named no binary".to_owned())
}

fn text_of(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn rustc_version() -> Result<String, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    text_of(Command::new(rustc).arg("--version")).map(|text| text.trim().to_owned())
}

/// Instructions per packet of one scenario.
fn count(binary: &Path, scenario: &str) -> Result<f64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", &format!("--toggle-collect={COUNTED}")])
        .arg(binary)
        .args([scenario, &PACKETS.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let number = |line: &str| line.split_once("Collected :")?.1.trim().parse::<f64>().ok();
    let collected = said.lines().find_map(number);
    match collected {
        Some(instructions) if output.status.success() && instructions > 0.0 => {
            Ok(instructions / f64::from(PACKETS))
        }
        _ => Err(format!("{scenario} was not counted: {said}")),
    }
}

fn check(binary: &Path, scenario: &str) -> Result<(), Failed> {
    let path = baseline_path();
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
    let baseline: Baseline = serde_json::from_str(&text)?;
    let known = baseline.instructions_per_packet.get(scenario);
    let missing = || format!("{scenario} is not in {path:?}; run `make baseline`");
    let known = *known.ok_or_else(missing)?;
    let rustc = rustc_version()?;
    let (bound, compiler) = if rustc == baseline.rustc {
        (MORE_MAX, String::new())
    } else {
        (MORE_MAX_OTHER_COMPILER, format!(" (recorded with {}, this is {rustc})", baseline.rustc))
    };
    let counted = count(binary, scenario)?;
    let more = (counted / known - 1.0) * 100.0;
    if more > bound {
        return Err(format!(
            "{scenario} takes {counted:.1} instructions per packet, {more:+.1} % against the \
             {known:.1} of {path:?}{compiler}; {bound} % more is allowed. If it is worth it, \
             record the baseline anew with `make baseline`."
        )
        .into());
    }
    if more < -MORE_MAX {
        eprintln!("{scenario}: {counted:.1} instructions per packet, {more:.1} %: `make baseline`");
    }
    Ok(())
}

fn record_baseline(binary: &Path) -> Result<(), String> {
    let mut instructions_per_packet = BTreeMap::new();
    for (scenario, _) in Scenario::ALL {
        let counted = (count(binary, scenario)? * 10.0).round() / 10.0;
        println!("{scenario:<20} {counted:>8.1} instructions per packet");
        instructions_per_packet.insert(scenario.to_owned(), counted);
    }
    let baseline = Baseline { rustc: rustc_version()?, instructions_per_packet };
    let text = serde_json::to_string_pretty(&baseline).map_err(|error| error.to_string())?;
    std::fs::write(baseline_path(), text + "\n").map_err(|error| error.to_string())
}
