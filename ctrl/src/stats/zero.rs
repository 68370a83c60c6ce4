//! `rvs zero`: counters of services and real servers begin anew.

use clap::Args;
use hyper::Method;

use crate::api::proto;
use crate::cli;
use crate::client::{Connection, Content};
use crate::error::CtrlError;

/// Whose counters.
#[derive(Debug, Args)]
pub(crate) struct Zero {
    /// The service, by its name or as tcp:192.0.2.10:80 or mark:7; all if left out.
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Zero {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let daemon = self.connection.daemon()?;
        let body = proto::Zero { service: self.service.clone() };
        daemon.send(Method::POST, "/v1/zero", &[], Content::json(&body))?;
        let whose = self.service.as_deref().unwrap_or("all services");
        cli::print(&format!("{whose}: counters are 0\n"))
    }
}
