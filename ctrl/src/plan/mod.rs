//! `rvs plan`: what a file would change.

pub(crate) mod text;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use hyper::Method;

use crate::api::proto;
use crate::cli;
use crate::client::{Connection, Content};
use crate::error::CtrlError;
use crate::term;
use text::Look;

/// Most changes that are shown, unless all are asked for.
const CHANGES_MAX: usize = 200;

/// What to compare, and how to show it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Nothing is changed. Without FILE the daemon reads the file it was started with, so that what \
commands have changed since shows, the other way round: as what applying the file would undo.")]
pub(crate) struct Plan {
    /// The configuration file [default: the one the daemon was started with].
    #[arg(value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
    /// Print the daemon's answer as JSON; docs/API.md describes the fields.
    #[arg(long)]
    json: bool,
    /// Show all changes, and long values whole [default: 200 changes].
    #[arg(long)]
    all: bool,
    /// End with exit status 7 if something would change.
    #[arg(long)]
    exit_code: bool,
}

impl Plan {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let daemon = self.connection.daemon()?;
        let answer = match &self.config {
            Some(file) => {
                let name = [("name".to_owned(), file.to_string_lossy().into_owned())];
                daemon.send(Method::POST, "/v1/plan", &name, Content::yaml(conf::read(file)?))?
            }
            None => daemon.fetch("/v1/plan", &[])?,
        };
        let plan: proto::Plan = daemon.understand(&answer)?;
        if self.json {
            cli::print_json(&answer)?;
        } else {
            let in_color = term::has_colours(io::stdout().is_terminal());
            let changes_max = if self.all { usize::MAX } else { CHANGES_MAX };
            cli::print(&text::text(&plan, Look { in_color, changes_max }))?;
        }
        if self.exit_code && !plan.changes.is_empty() {
            return Err(CtrlError::WouldChange);
        }
        Ok(())
    }
}
