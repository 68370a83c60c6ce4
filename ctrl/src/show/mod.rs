//! `rvs show`: asks the daemon and prints a table, or its answer as it is.

mod ftp;
mod table;
mod tables;

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use crate::api::proto;
use crate::error::CtrlError;
use crate::{cli, client};

/// Flows in a table unless `--limit` says otherwise.
const TABLE_FLOWS_MAX: usize = 1000;

/// What to show, and how.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = "/run/rvs/rvs.sock")]
    socket: PathBuf,
    /// Print the daemon's answer as JSON; docs/API.md describes the fields.
    #[arg(long)]
    json: bool,
    /// Show at most N flows [default: 1000 in a table, all with --json].
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show also the drop reasons that never occurred.
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Virtual services with their real servers and traffic.
    Services,
    /// What services and real servers carry in a second.
    Rates,
    /// Connections and their state.
    Flows,
    /// Ports with their devices, links and counters.
    Ports,
    /// Next hops with their MAC addresses.
    Neighbors,
    /// What became of all packets, and why some were dropped.
    Drops,
    /// Workers: what they run, how full their flow tables are, how busy they are.
    Workers,
    /// The daemon itself and its workers.
    Status,
}

impl What {
    /// The resource that answers this.
    fn target(self, limit: Option<usize>) -> String {
        let name = match self {
            Self::Services | Self::Rates => "services",
            Self::Flows => "flows",
            Self::Ports => "ports",
            Self::Neighbors => "neighbors",
            Self::Drops => "drops",
            Self::Workers => "workers",
            Self::Status => "status",
        };
        match limit {
            Some(limit) if self == Self::Flows => format!("/v1/{name}?limit={limit}"),
            _ => format!("/v1/{name}"),
        }
    }
}

/// Runs the command.
pub(crate) fn run(show: &Show) -> Result<(), CtrlError> {
    if show.json {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let target = show.what.target(show.limit);
        client::get(&show.socket, &target, &mut |piece| out.write_all(piece))?;
        return out.write_all(b"\n").and_then(|()| out.flush()).map_err(CtrlError::Output);
    }
    let text = match show.what {
        What::Services => tables::services(&ask::<proto::Services>(show)?),
        What::Rates => tables::rates(&ask::<proto::Services>(show)?),
        What::Flows => tables::flows(&ask::<proto::Flows>(show)?),
        What::Ports => tables::ports(&ask::<proto::Ports>(show)?),
        What::Neighbors => tables::neighbors(&ask::<proto::Neighbors>(show)?),
        What::Drops => tables::drops(&ask::<proto::Drops>(show)?, show.all),
        What::Workers => tables::workers(&ask::<proto::Workers>(show)?),
        What::Status => tables::status(&ask::<proto::Status>(show)?),
    };
    cli::print(&text)
}

/// Asks for what a table shows.
fn ask<T: DeserializeOwned>(show: &Show) -> Result<T, CtrlError> {
    let limit = show.limit.unwrap_or(TABLE_FLOWS_MAX);
    let answer = client::get_whole(&show.socket, &show.what.target(Some(limit)))?;
    client::understand(&show.socket, &answer)
}
