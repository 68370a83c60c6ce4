//! `rvs apply`: sends a file to the daemon and says what came of it.

use std::path::PathBuf;

use clap::Args;

use super::summary;
use crate::api::proto::Applied;
use crate::error::CtrlError;
use crate::{cli, client};

/// What to apply, and where.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    config: PathBuf,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = "/run/rvs/rvs.sock")]
    socket: PathBuf,
    /// Print the daemon's answer as JSON; docs/API.md describes the fields.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(apply: &Apply) -> Result<(), CtrlError> {
    let text = conf::read(&apply.config)?;
    let name = apply.config.to_string_lossy();
    let answer = client::post(&apply.socket, "/v1/apply", &[("name", &name)], text)?;
    if apply.json {
        return cli::print(&format!("{}\n", String::from_utf8_lossy(&answer)));
    }
    let applied: Applied = client::understand(&apply.socket, &answer)?;
    let lines: Vec<_> = summary(&applied).into_iter().map(|line| format!("{line}\n")).collect();
    cli::print(&lines.concat())
}
