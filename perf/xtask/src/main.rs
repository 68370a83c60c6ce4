//! `cargo xtask COMMAND`: the project's chores, one subcommand each.

mod ci;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci     everything that must hold before a commit: fmt, clippy, tidy, doc, all tests
  tidy   the rules of docs/STYLE.md that a program can check
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let passed = match command.as_str() {
        "ci" => ci::run(&root()),
        "tidy" => tidy::told(&tidy::breaches(&root())),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The project's root: two levels above this package.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}
