//! `rvs kill`: ends flows, by the filters of `rvs show flows`.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use hyper::Method;
use serde_json::json;

use crate::api::proto::{FlowCount, FlowsEnded};
use crate::check::counted;
use crate::cli;
use crate::client::{Connection, Content};
use crate::error::CtrlError;
use crate::select::{self, FlowFilter};
use crate::show::print_json;

/// Where flows are counted.
const COUNT: &str = "/v1/flows/count";

/// What a command without a filter says.
const NO_FILTER: &str = "nothing says which flows are to end: give a filter such as --client, or \
                         --all. See `rvs kill --help`.";

/// Which flows are to end.
///
/// Nobody is told: no reset is sent. What comes of a connection afterwards has no flow, so it is
/// dropped, and answered with a reset where a packet without a service would be. A connection that
/// its client opens anew is scheduled anew.
#[derive(Debug, Args)]
pub(crate) struct Kill {
    #[command(flatten)]
    filter: FlowFilter,
    /// End persistence templates, and no flows.
    #[arg(long, help_heading = "Which flows")]
    template: bool,
    /// End persistence templates, too.
    #[arg(long, conflicts_with = "template", help_heading = "Which flows")]
    with_templates: bool,
    /// End all flows.
    #[arg(long, help_heading = "Which flows")]
    all: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Say how many would end, and end none.
    #[arg(long)]
    dry_run: bool,
    /// Print the daemon's answer as JSON; docs/API.md describes the fields.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Kill {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        if self.filter.is_all() && !self.all {
            return Err(CtrlError::Usage(NO_FILTER.to_owned()));
        }
        let asks = !self.yes && !self.dry_run;
        if asks && !io::stdin().is_terminal() {
            let text = "there is no terminal to ask on: give --yes, or --dry-run to count.";
            return Err(CtrlError::Usage(text.to_owned()));
        }
        let template = (!self.with_templates).then_some(self.template);
        let mut parameters = select::parameters(&self.filter.with_template(template));
        let daemon = self.connection.daemon()?;
        let noun = if self.template { "template" } else { "flow" };
        if self.dry_run && self.json {
            return print_json(&daemon, COUNT, &parameters);
        }
        if asks || self.dry_run {
            let FlowCount { count, .. } = daemon.ask(COUNT, &parameters)?;
            let found = counted(count, noun);
            if self.dry_run {
                return cli::print(&format!("{found} would end\n"));
            }
            if count == 0 {
                return self.none_ended(&format!("{found} ended"));
            }
            if !agreed(&format!("End {found}?"))? {
                return self.none_ended("nothing has ended");
            }
        }
        if self.all {
            parameters.push(("all".to_owned(), "true".to_owned()));
        }
        let answer = daemon.send(Method::DELETE, "/v1/flows", &parameters, Content::default())?;
        if self.json {
            return cli::print_json(&answer);
        }
        let FlowsEnded { ended } = daemon.understand(&answer)?;
        cli::print(&format!("{} ended\n", counted(ended, noun)))
    }

    /// Says in these words, or as the daemon would, that no flow has ended.
    fn none_ended(&self, words: &str) -> Result<(), CtrlError> {
        if self.json {
            return cli::print(&format!("{}\n", json!(FlowsEnded { ended: 0 })));
        }
        cli::print(&format!("{words}\n"))
    }
}

/// Asks on the terminal.
fn agreed(question: &str) -> Result<bool, CtrlError> {
    let mut error = io::stderr().lock();
    write!(error, "{question} [y/N] ").and_then(|()| error.flush()).map_err(CtrlError::Output)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(CtrlError::Output)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
