//! `rvs set`, `drain`, `undrain`: one real server of a service.

mod drain;
mod set;

use clap::Args;
use hyper::Method;
use serde::Serialize;

use crate::api::proto::{Edited, ListedRealServer, RealServers};
use crate::client::{Connection, Content, Daemon, encoded};
use crate::error::CtrlError;
use crate::show::tables::end_of;

pub(crate) use drain::{Drain, Undrain};
pub(crate) use set::Set;

/// Which real server.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The service, by its name or as tcp:192.0.2.10:80 or mark:7.
    #[arg(value_name = "SERVICE")]
    service: String,
    /// The real server, as ADDRESS:PORT, or as ADDRESS if the service has no other there.
    #[arg(value_name = "REAL")]
    real: String,
    #[command(flatten)]
    connection: Connection,
}

/// A real server that was found.
struct Found {
    daemon: Daemon,
    service: String,
    /// Its address and port, as the API names it.
    name: String,
    /// The same without a port where its flows have any.
    end: String,
}

impl Place {
    fn find(&self) -> Result<Found, CtrlError> {
        let daemon = self.connection.daemon()?;
        let (name, end) = match listed(&daemon, &self.service, &self.real)?.as_slice() {
            [] => {
                let text = format!("service {} has no real server {}.", self.service, self.real);
                return Err(CtrlError::Refused { text, is_report: false });
            }
            [one] => (name_of(one), end_of(&one.real_server)),
            several => {
                let names: Vec<_> = several.iter().map(name_of).collect();
                let text = format!("{} is several real servers: {}.", self.real, names.join(", "));
                return Err(CtrlError::Usage(text));
            }
        };
        Ok(Found { daemon, service: self.service.clone(), name, end })
    }
}

fn name_of(listed: &ListedRealServer) -> String {
    format!("{}:{}", listed.real_server.rip, listed.real_server.rport)
}

/// The real servers of a service that a text names.
fn listed(daemon: &Daemon, service: &str, real: &str) -> Result<Vec<ListedRealServer>, CtrlError> {
    let filter = [("service", service), ("real", real)];
    let filter = filter.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer: RealServers = daemon.ask("/v1/real-servers", &filter)?;
    Ok(answer.real_servers)
}

impl Found {
    /// Has the daemon change this about it.
    fn change(&self, body: &impl Serialize) -> Result<Edited, CtrlError> {
        let (service, name) = (encoded(&self.service), encoded(&self.name));
        let target = format!("/v1/services/{service}/real-servers/{name}");
        let answer = self.daemon.send(Method::PATCH, &target, &[], Content::json(body))?;
        self.daemon.understand(&answer)
    }

    /// Its connections now, active and inactive; `None` if it is not there any more.
    fn connections(&self) -> Result<Option<u64>, CtrlError> {
        let now = listed(&self.daemon, &self.service, &self.name)?;
        Ok(now.first().map(|one| one.real_server.active + one.real_server.inactive))
    }
}

/// What is said of a change that was made.
fn told(edited: Edited) -> &'static str {
    if edited.running { "" } else { " (the workers are about to take it up)" }
}

#[cfg(test)]
mod tests;
