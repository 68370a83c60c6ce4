//! `rvs doctor`: finds what would go wrong on this machine, and how to put it right.
//!
//! A check looks at facts and returns [`Finding`]s; each is a file under `machine/` (the kernel's
//! own files under `/sys` and `/proc`, read through [`Root`], which tests point at trees of their
//! own) or under `running/` (two samples of a running daemon's answers). A fact that cannot be read
//! is reported as unknown, never taken for fine. `case.rs` has what all checks know, `report.rs`
//! prints.
//!
//! The doctor changes nothing. Only `--probe` opens devices, and only where no daemon runs.

mod case;
mod finding;
#[cfg(test)]
mod fixture;
mod kernel;
mod machine;
mod network;
mod pci;
mod probe;
mod report;
mod root;
mod running;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::api::proto::Status;
use crate::check;
use crate::cli;
use crate::error::CtrlError;
use case::Case;
use finding::{Finding, Group};
use report::{Colours, Report};
use root::Root;

/// The file that is looked at if nobody names one.
const USUAL_CONFIG: &str = "/etc/rvs/rvs.yaml";

/// What to look at, and how to say it.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The configuration file [default: that of the running daemon, else /etc/rvs/rvs.yaml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's control socket [default: the one in the configuration file].
    #[arg(long, env = "RVS_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Open the ports' devices through DPDK and say what they can do. Not while a daemon runs.
    #[arg(long)]
    probe: bool,
    /// Seconds between the two looks at a running daemon.
    #[arg(long, value_name = "SECONDS", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// Exit with status 1 for warnings, too.
    #[arg(long)]
    strict: bool,
    /// Print one JSON object; docs/OPERATIONS.md describes it.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Runs the command.
    ///
    /// # Errors
    /// [`CtrlError::Unwell`] if there are problems, or, with `--strict`, warnings.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let report = self.examine();
        let text = if self.json { report.json() } else { report.text(Colours::of_stdout()) };
        cli::print(&text)?;
        let (problems, warnings) = (report.problems(), report.warnings());
        if problems > 0 || (self.strict && warnings > 0) {
            return Err(CtrlError::Unwell { problems, warnings });
        }
        Ok(())
    }

    fn examine(&self) -> Report {
        let mut report = Report::default();
        // The file says where the socket is, and the daemon what its file is.
        let usual = Some(PathBuf::from(USUAL_CONFIG)).filter(|file| file.exists());
        let mut loaded = self.config.clone().or(usual).map(|file| Loaded::read(&file));
        let in_file = loaded.as_ref().and_then(Loaded::socket);
        let socket = self.socket.clone().or(in_file);
        let socket = socket.unwrap_or_else(|| conf::Control::default().socket);
        let status = running::status(&socket);
        if let (None, Ok(status)) = (&self.config, &status) {
            loaded = Some(Loaded::read(Path::new(&status.config)));
        }
        report.add(Group::Configuration, "configuration", Loaded::finding(loaded.as_ref()));

        let config = loaded.and_then(|loaded| loaded.config.ok());
        let case = Case::of_this_machine(Root::new("/"), config, &status, socket);
        machine::examine(&case, &mut report);
        report.add_all(Group::Devices, "probe", self.probed(&case));
        running::examine(&case.socket, status, Duration::from_secs(self.interval), &mut report);
        report
    }

    /// What the ports' devices can do, if that was asked for and disturbs nobody.
    fn probed(&self, case: &Case) -> Vec<Finding> {
        let what = "what the ports' devices can do (RSS, flow rules, checksums)";
        match (&case.config, &case.daemon, self.probe) {
            (Some(config), None, true) => probe::examine(config),
            (None, _, true) => vec![Finding::unknown(format!("{what}: no file names any"))],
            (_, Some(_), true) => vec![
                Finding::unknown(format!("{what}: a daemon has them"))
                    .why("a device can be opened by one process at a time.")
                    .advice("What it agreed on with its devices stands at the end of this report."),
            ],
            (Some(_), None, false) => vec![
                Finding::unknown(what)
                    .why("it decides whether packets reach the worker that owns their flow.")
                    .advice("Ask DPDK, which opens the devices for a moment.")
                    .now("rvs doctor --probe"),
            ],
            (None, _, false) | (_, Some(_), false) => Vec::new(),
        }
    }
}

/// A configuration file, or what is wrong with it.
struct Loaded {
    file: PathBuf,
    config: Result<conf::Config, CtrlError>,
}

impl Loaded {
    /// Reads a file. Whether its workers exist is a check of its own.
    fn read(file: &Path) -> Self {
        let name = file.display().to_string();
        let text = conf::read(file).map_err(CtrlError::from);
        let document =
            text.and_then(|text| check::document(&name, &text, &conf::Machine::default()));
        let config = document.map(|document| document.config);
        Self { file: file.to_path_buf(), config }
    }

    fn socket(&self) -> Option<PathBuf> {
        self.config.as_ref().ok().map(|config| config.control.socket.clone())
    }

    fn finding(loaded: Option<&Self>) -> Finding {
        let Some(Self { file, config }) = loaded else {
            return Finding::note(format!(
                "no configuration file was named, nor is {USUAL_CONFIG}"
            ))
            .why("what depends on workers, ports and addresses was not looked at.")
            .now("rvs doctor --config FILE");
        };
        let file = file.display();
        match config {
            Ok(config) => Finding::ok(format!("{file}: {}", check::summary(config))),
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default().trim_end_matches(':');
                Finding::problem(format!("{file} cannot be used: {first}"))
                    .why(
                        "the daemon does not start with it, and what depends on it was not looked \
                          at.",
                    )
                    .advice("Every mistake with its line:")
                    .now(format!("rvs check {file}"))
            }
        }
    }
}

/// What the daemon says of itself, or why it says nothing.
type Asked = Result<Status, CtrlError>;

#[cfg(test)]
mod tests;
