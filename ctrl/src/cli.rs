//! The command line: `rvs run`, `check`, `apply`, `schema`, `show`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};

use crate::apply::command::{self, Apply};
use crate::doctor::Doctor;
use crate::error::CtrlError;
use crate::log::{self, Format, Level};
use crate::show::{self, Show};
use crate::{check, daemon};

/// Exit status when something was refused or failed.
const FAILED: u8 = 1;
/// Exit status when no daemon could be reached. (2, bad usage, comes from clap.)
const UNREACHABLE: u8 = 3;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} ({})", env!("CARGO_PKG_VERSION"), dpdk::version()));

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon could be reached.";

/// RVS, a layer-4 load balancer on DPDK.
#[derive(Debug, Parser)]
#[command(name = "rvs", version = VERSION.as_str(), after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward packets as a configuration file says, until SIGTERM or Ctrl-C.
    Run(Run),
    /// Check a configuration file and report everything that is wrong with it at once.
    Check {
        /// The configuration file.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Put a configuration file into force in the running daemon, all of it or nothing.
    Apply(Apply),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Ask the running daemon.
    Show(Show),
    /// Find what would go wrong on this machine, or goes wrong in the running daemon.
    Doctor(Doctor),
}

#[derive(Debug, Args)]
struct Run {
    /// The configuration file; docs/CONFIG.md describes it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How log lines on standard error look.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: Format,
    /// How much is logged.
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    log_level: Level,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let (done, json) = match Cli::parse().command {
        Command::Run(run) => {
            log::start(run.log_format, run.log_level);
            (daemon::run(&run.config), run.log_format.is_json())
        }
        Command::Check { config } => (check_file(&config), false),
        Command::Apply(apply) => (command::run(&apply), false),
        Command::Schema => (print(&conf::json_schema()), false),
        Command::Show(show) => (show::run(&show), false),
        Command::Doctor(doctor) => (doctor.run(), false),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(CtrlError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(&error, json);
            ExitCode::from(if error.is_unreachable() { UNREACHABLE } else { FAILED })
        }
    }
}

/// Says on standard error what went wrong.
fn report(error: &CtrlError, json: bool) {
    if json {
        tracing::error!("{error}");
        return;
    }
    let text = if let CtrlError::Conf(errors) = error {
        errors.render(io::stderr().is_terminal())
    } else if let CtrlError::Refused { text, is_report: true } = error {
        text.clone()
    } else {
        format!("rvs: {error}")
    };
    // There is nowhere left to complain to.
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

fn check_file(config: &std::path::Path) -> Result<(), CtrlError> {
    let checked = check::load(config)?;
    print(&format!("{}: correct: {}\n", config.display(), check::summary(&checked)))
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<(), CtrlError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CtrlError::Output)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_needs_a_configuration_and_knows_its_log_formats() {
        assert!(Cli::try_parse_from(["rvs", "run"]).is_err());
        assert!(
            Cli::try_parse_from(["rvs", "run", "--config", "x", "--log-format", "xml"]).is_err()
        );
        let cli = Cli::try_parse_from(["rvs", "run", "--config", "x", "--log-format", "json"]);
        let Command::Run(run) = cli.unwrap().command else { panic!("not run") };
        assert_eq!((run.log_format, run.log_level), (Format::Json, Level::Info));
    }
}
