//! `rvs show`: asks the daemon and prints a table, or its answer as it is.

mod flows;
mod ftp;
pub(crate) mod table;
pub(crate) mod tables;

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

use crate::api::proto;
use crate::cli;
use crate::client::{Connection, Daemon, Parameters};
use crate::error::CtrlError;
use crate::select::{self, ServiceFilter};
use crate::term::Screen;
use flows::ShowFlows;

/// What to show, and how.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    form: Form,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Form {
    /// Print the daemon's answer as JSON; docs/API.md describes the fields.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not cut lines at the width of the terminal.
    #[arg(long, global = true)]
    pub(crate) wide: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Virtual services with their real servers and traffic.
    Services(ServiceFilter),
    /// Real servers, in one list.
    RealServers(ServiceFilter),
    /// What services and real servers carry in a second.
    Rates(ServiceFilter),
    /// Connections and their state.
    Flows(ShowFlows),
    /// Ports with their devices, links and counters.
    Ports,
    /// Next hops with their MAC addresses.
    Neighbors,
    /// Networks, the ports they are reached by, and whether gateways answer.
    Routes,
    /// What became of all packets, and why some were dropped.
    Drops(ShowDrops),
    /// Workers: what they run, how full their flow tables are, how busy they are.
    Workers,
    /// Local addresses of fullnat services: ports in use towards each real server.
    LocalPorts(ServiceFilter),
    /// The daemon itself and its workers.
    Status,
    /// The configuration that runs, as a file.
    Config,
}

/// Which drop reasons to show.
#[derive(Debug, Args)]
struct ShowDrops {
    /// Show also the drop reasons that never occurred.
    #[arg(long)]
    all: bool,
}

impl Show {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let daemon = self.connection.daemon()?;
        let (target, parameters) = self.what.request(self.form.json);
        match (&self.what, self.form.json) {
            (What::Config, false) => return print_answer(&daemon, target, &parameters, b""),
            (What::Config, true) => {
                let what = "a configuration is YAML: leave out --json.";
                return Err(CtrlError::Usage(what.to_owned()));
            }
            (_, true) => return print_json(&daemon, target, &parameters),
            (_, false) => {}
        }
        let answer = Answer { daemon: &daemon, target, parameters: &parameters };
        let text = match &self.what {
            What::Services(_) => tables::services(&answer.get()?),
            What::RealServers(_) => tables::real_servers(&answer.get()?),
            What::Rates(_) => tables::rates(&answer.get()?),
            What::Flows(flows) if flows.counts() => flows::counts(&answer.get()?),
            What::Flows(_) => tables::flows(&answer.get()?),
            What::Ports => tables::ports(&answer.get()?),
            What::Neighbors => tables::neighbors(&answer.get()?),
            What::Routes => tables::routes(&answer.get()?),
            What::Drops(drops) => tables::drops(&answer.get::<proto::Drops>()?, drops.all),
            What::Workers => tables::workers(&answer.get()?),
            What::LocalPorts(_) => tables::local_ports(&answer.get()?),
            What::Status => tables::status(&answer.get()?),
            What::Config => String::new(),
        };
        cli::print(&Screen::of_output(self.form.wide).show(&text))
    }
}

impl What {
    /// The resource that answers this, and what it is asked with.
    fn request(&self, json: bool) -> (&'static str, Vec<(String, String)>) {
        let alone = |target| (target, Vec::new());
        let of = |target, filter: &ServiceFilter| (target, select::parameters(filter));
        match self {
            Self::Services(filter) | Self::Rates(filter) => of("/v1/services", filter),
            Self::RealServers(filter) => of("/v1/real-servers", filter),
            Self::LocalPorts(filter) => of("/v1/local-ports", filter),
            Self::Flows(flows) => flows.request(json),
            Self::Ports => alone("/v1/ports"),
            Self::Neighbors => alone("/v1/neighbors"),
            Self::Routes => alone("/v1/routes"),
            Self::Drops(_) => alone("/v1/drops"),
            Self::Workers => alone("/v1/workers"),
            Self::Status => alone("/v1/status"),
            Self::Config => alone("/v1/config"),
        }
    }
}

/// An answer that is still to be asked for.
struct Answer<'a> {
    daemon: &'a Daemon,
    target: &'a str,
    parameters: &'a Parameters,
}

impl Answer<'_> {
    fn get<T: DeserializeOwned>(&self) -> Result<T, CtrlError> {
        self.daemon.ask(self.target, self.parameters)
    }
}

/// Prints the daemon's answer as it comes.
pub(crate) fn print_json(
    daemon: &Daemon,
    target: &str,
    parameters: &Parameters,
) -> Result<(), CtrlError> {
    print_answer(daemon, target, parameters, b"\n")
}

/// Prints the daemon's answer as it comes, and `end` behind it.
fn print_answer(
    daemon: &Daemon,
    target: &str,
    parameters: &Parameters,
    end: &[u8],
) -> Result<(), CtrlError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    daemon.get(target, parameters, &mut |piece| out.write_all(piece))?;
    out.write_all(end).and_then(|()| out.flush()).map_err(CtrlError::Output)
}
