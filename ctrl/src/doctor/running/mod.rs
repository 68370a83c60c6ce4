//! Checks of a running daemon: what its answers say, and what changes between two of them.

mod drops;
mod file;
mod neighbors;
mod ports;
mod sample;
mod services;
mod tables;
mod workers;

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::Asked;
use super::finding::{Finding, Group};
use super::report::Report;
use crate::api::proto::Status;
use crate::client::Daemon;
use crate::error::CtrlError;
use sample::{Change, Sample};

/// A check of two samples.
type Check = fn(&Change) -> Vec<Finding>;

/// Every check, by its name in the JSON report.
const CHECKS: &[(&str, Check)] = &[
    ("running-workers", workers::check),
    ("running-tables", tables::check),
    ("running-ports", ports::check),
    ("running-drops", drops::check),
    ("running-neighbors", neighbors::check),
    ("running-services", services::check),
];

/// Asks the daemon what it is.
pub(super) fn status(socket: &Path) -> Asked {
    Daemon::at(socket.to_path_buf()).ask("/v1/status", &[])
}

/// Makes all checks, on two samples `interval` apart.
pub(super) fn examine(socket: &Path, asked: Asked, interval: Duration, report: &mut Report) {
    let status = match asked {
        Ok(status) => status,
        Err(error) => return report.add(Group::Daemon, "running", absent(socket, &error)),
    };
    report.add(Group::Daemon, "running", about(&status));
    report.add(Group::Daemon, "running-file", file::check(socket));
    match samples(socket, interval) {
        Ok(change) => {
            for (name, check) in CHECKS {
                report.add_all(Group::Daemon, name, check(&change));
            }
        }
        Err(error) => report.add(Group::Daemon, "running", silent(&error)),
    }
}

fn samples(socket: &Path, interval: Duration) -> Result<Change, CtrlError> {
    let before = Sample::take(socket)?;
    thread::sleep(interval);
    Ok(Change { before, after: Sample::take(socket)? })
}

fn about(status: &Status) -> Finding {
    let Status { version, dpdk, pid, uptime_s, applied, generation, .. } = status;
    let found = format!(
        "rvs {version} on {dpdk}, process {pid}, for {uptime_s} s, runs {applied} (generation \
         {generation})"
    );
    let own = env!("CARGO_PKG_VERSION");
    if version == own {
        return Finding::ok(found);
    }
    Finding::note(found).why(format!("this is rvs {own}, which may know less or more than it."))
}

fn absent(socket: &Path, error: &CtrlError) -> Finding {
    let socket = socket.display();
    if matches!(error, CtrlError::NoDaemon { .. }) {
        Finding::note(format!("no daemon answers at {socket}"))
            .why("what only a running one shows was not looked at.")
    } else if matches!(error, CtrlError::Denied { .. }) {
        Finding::unknown(format!("whether a daemon runs: {socket} may not be opened"))
            .advice("Run `rvs doctor` as the user of the daemon.")
    } else {
        silent(error)
    }
}

fn silent(error: &CtrlError) -> Finding {
    Finding::warning(error.to_string())
        .why("a daemon that cannot tell how it does may be stuck, or of another release.")
        .now("rvs --version && rvs show status")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Unknown, Warning};
    use crate::doctor::fixture::only;

    #[test]
    fn a_daemon_that_does_not_answer_is_told_from_none() {
        let socket = Path::new("/run/rvs/rvs.sock");
        let (daemon, advice) = (socket.display().to_string(), String::new());
        let none = CtrlError::NoDaemon { daemon: daemon.clone(), advice: advice.clone() };
        let none = absent(socket, &none);
        only(&[none], Note, &["no daemon answers at /run/rvs/rvs.sock"]);
        let denied = CtrlError::Denied { daemon: daemon.clone(), advice };
        let denied = absent(socket, &denied);
        only(&[denied], Unknown, &["may not be opened", "as the user of the daemon"]);
        let odd = CtrlError::Answer { daemon, why: "nothing came for 40 s".to_owned() };
        only(&[absent(socket, &odd)], Warning, &["nothing came for 40 s"]);
    }
}
