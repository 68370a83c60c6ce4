//! `rvs show`: asks the daemon and prints a table, or its answer as it is.

mod ftp;
mod table;
mod tables;

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use crate::api::proto;
use crate::cli;
use crate::client::Connection;
use crate::error::CtrlError;

/// Flows in a table unless `--limit` says otherwise.
const TABLE_FLOWS_MAX: usize = 1000;

/// What to show, and how.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    #[command(flatten)]
    connection: Connection,
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
    /// The configuration that runs, as a file.
    Config,
}

impl What {
    /// The resource that answers this.
    const fn target(self) -> &'static str {
        match self {
            Self::Services | Self::Rates => "/v1/services",
            Self::Flows => "/v1/flows",
            Self::Ports => "/v1/ports",
            Self::Neighbors => "/v1/neighbors",
            Self::Drops => "/v1/drops",
            Self::Workers => "/v1/workers",
            Self::Status => "/v1/status",
            Self::Config => "/v1/config",
        }
    }
}

impl Show {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        if self.json && self.what == What::Config {
            let what = "a configuration is YAML: leave out --json.";
            return Err(CtrlError::Usage(what.to_owned()));
        }
        if self.json || self.what == What::Config {
            let mut out = io::BufWriter::new(io::stdout().lock());
            let parameters = self.parameters(self.limit);
            let take = &mut |piece: &[u8]| out.write_all(piece);
            self.connection.daemon()?.get(self.what.target(), &parameters, take)?;
            // A configuration has its end of line.
            let end: &[u8] = if self.json { b"\n" } else { b"" };
            return out.write_all(end).and_then(|()| out.flush()).map_err(CtrlError::Output);
        }
        let text = match self.what {
            What::Services => tables::services(&self.ask::<proto::Services>()?),
            What::Rates => tables::rates(&self.ask::<proto::Services>()?),
            What::Flows => tables::flows(&self.ask::<proto::Flows>()?),
            What::Ports => tables::ports(&self.ask::<proto::Ports>()?),
            What::Neighbors => tables::neighbors(&self.ask::<proto::Neighbors>()?),
            What::Drops => tables::drops(&self.ask::<proto::Drops>()?, self.all),
            What::Workers => tables::workers(&self.ask::<proto::Workers>()?),
            What::Status => tables::status(&self.ask::<proto::Status>()?),
            What::Config => String::new(),
        };
        cli::print(&text)
    }

    /// Asks for what a table shows.
    fn ask<T: DeserializeOwned>(&self) -> Result<T, CtrlError> {
        let limit = self.limit.unwrap_or(TABLE_FLOWS_MAX);
        self.connection.daemon()?.ask(self.what.target(), &self.parameters(Some(limit)))
    }

    fn parameters(&self, limit: Option<usize>) -> Vec<(&'static str, String)> {
        let limit = limit.filter(|_| self.what == What::Flows);
        limit.map(|limit| ("limit", limit.to_string())).into_iter().collect()
    }
}
