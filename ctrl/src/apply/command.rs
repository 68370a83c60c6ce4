//! `rvs apply`: sends a file to the daemon and says what came of it.

use std::path::PathBuf;

use clap::Args;
use hyper::Method;

use super::summary;
use crate::api::proto::Applied;
use crate::cli;
use crate::client::{Connection, Content};
use crate::error::CtrlError;

/// What to apply, and where.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    connection: Connection,
    /// Print the daemon's answer as JSON; docs/API.md describes the fields.
    #[arg(long)]
    json: bool,
}

impl Apply {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let text = conf::read(&self.config)?;
        let name = self.config.to_string_lossy().into_owned();
        let daemon = self.connection.daemon()?;
        let parameters = [("name".to_owned(), name)];
        let answer = daemon.send(Method::POST, "/v1/apply", &parameters, Content::yaml(text))?;
        if self.json {
            return cli::print_json(&answer);
        }
        let applied: Applied = daemon.understand(&answer)?;
        let lines: Vec<_> = summary(&applied).into_iter().map(|line| format!("{line}\n")).collect();
        cli::print(&lines.concat())
    }
}
