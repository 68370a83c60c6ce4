//! The command line: which commands there are. Their arguments stand in the files that run them.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};

use crate::apply::command::Apply;
use crate::check::Check;
use crate::daemon::Run;
use crate::doctor::Doctor;
use crate::error::CtrlError;
use crate::exit::{self, Exit};
use crate::kill::Kill;
use crate::plan::Plan;
use crate::real_server::{Drain, Set, Undrain};
use crate::save::Save;
use crate::shell::{Completions, Man};
use crate::show::Show;
use crate::stats::{Stats, Zero};
use crate::term;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} ({})", env!("CARGO_PKG_VERSION"), dpdk::version()));

/// RVS, a layer-4 load balancer on DPDK.
#[derive(Debug, Parser)]
#[command(name = "rvs", version = VERSION.as_str(), after_help = exit::help())]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward packets as a configuration file says, until SIGTERM or Ctrl-C.
    Run(Run),
    /// Check a configuration file and report everything that is wrong with it at once.
    Check(Check),
    /// Put a configuration file into force in the running daemon, all of it or nothing.
    Apply(Apply),
    /// Show what a configuration file would change in the running daemon; nothing is changed.
    Plan(Plan),
    /// Write what runs into a configuration file, with its comments kept.
    Save(Save),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Ask the running daemon.
    Show(Show),
    /// Show rates and totals of services and real servers, once or again and again.
    Stats(Stats),
    /// Begin to count anew what services and real servers carry.
    Zero(Zero),
    /// Change weight or thresholds of a real server.
    Set(Set),
    /// Give a real server no new connections, and wait until those it has are over.
    Drain(Drain),
    /// Give a drained real server connections again.
    Undrain(Undrain),
    /// End flows.
    Kill(Kill),
    /// Print completions for a shell.
    Completions(Completions),
    /// Write man pages.
    Man(Man),
    /// Find what would go wrong on this machine, or goes wrong in the running daemon.
    Doctor(Doctor),
}

impl Command {
    fn run(&self) -> Result<(), CtrlError> {
        match self {
            Self::Run(run) => run.run(),
            Self::Check(check) => check.run(),
            Self::Apply(apply) => apply.run(),
            Self::Plan(plan) => plan.run(),
            Self::Save(save) => save.run(),
            Self::Schema => print(&conf::json_schema()),
            Self::Show(show) => show.run(),
            Self::Stats(stats) => stats.run(),
            Self::Zero(zero) => zero.run(),
            Self::Set(set) => set.run(),
            Self::Drain(drain) => drain.run(),
            Self::Undrain(undrain) => undrain.run(),
            Self::Kill(kill) => kill.run(),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
            Self::Doctor(doctor) => doctor.run(),
        }
    }

    /// Whether errors go to a log of JSON lines.
    fn logs_json(&self) -> bool {
        matches!(self, Self::Run(run) if run.logs_json())
    }
}

#[cfg(test)]
impl Cli {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        self.command.run()
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    match command.run() {
        Ok(()) => Exit::Done.into(),
        // Whoever reads the output has seen enough.
        Err(CtrlError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Exit::Done.into()
        }
        // What it found stands on standard output.
        Err(CtrlError::WouldChange) => Exit::Differs.into(),
        Err(error) => {
            report(&error, command.logs_json());
            Exit::of(&error).into()
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
        errors.render(term::has_colours(io::stderr().is_terminal()))
    } else if let CtrlError::Refused { text, is_report: true } = error {
        text.clone()
    } else {
        format!("rvs: {error}")
    };
    // There is nowhere left to complain to.
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<(), CtrlError> {
    write(text.as_bytes())
}

/// Writes an answer of the daemon to standard output, as a line.
pub(crate) fn print_json(answer: &[u8]) -> Result<(), CtrlError> {
    write(&[answer, b"\n"].concat())
}

fn write(bytes: &[u8]) -> Result<(), CtrlError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(CtrlError::Output)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }
}
