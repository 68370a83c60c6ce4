//! `rvs drain`: no new connections, and a wait until those that are there are over.

use std::io::IsTerminal as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Found, Place, told};
use crate::api::proto::RealServerChange;
use crate::check::counted;
use crate::cli;
use crate::error::CtrlError;
use crate::select::Seconds;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Which real server, and how long to wait.
#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    place: Place,
    /// How long to wait for its connections to end, such as 90s or 5m.
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: Seconds,
    /// Do not wait.
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
}

/// Which real server.
#[derive(Debug, Args)]
pub(crate) struct Undrain {
    #[command(flatten)]
    place: Place,
}

impl Drain {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let found = self.place.find()?;
        let edited = found.change(&draining(true))?;
        if self.no_wait {
            let (name, service) = (&found.name, &found.service);
            let text = format!("{name} of {service}: no new connections{}\n", told(edited));
            return cli::print(&text);
        }
        wait(&found, Duration::from_secs(self.timeout.0.into()))
    }
}

impl Undrain {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let found = self.place.find()?;
        let edited = found.change(&draining(false))?;
        let (name, service) = (&found.name, &found.service);
        cli::print(&format!("{name} of {service}: takes connections again{}\n", told(edited)))
    }
}

/// What has a real server drained, or not.
fn draining(drain: bool) -> RealServerChange {
    RealServerChange { drain: Some(drain), ..RealServerChange::default() }
}

/// Waits until a real server has no connections.
fn wait(found: &Found, timeout: Duration) -> Result<(), CtrlError> {
    let begun = Instant::now();
    let mut left = found.connections()?.unwrap_or(0);
    let bar = bar(left);
    while left > 0 {
        let remaining = timeout.saturating_sub(begun.elapsed());
        if remaining.is_zero() {
            bar.abandon();
            let Found { name, service, end, .. } = found;
            return Err(CtrlError::Deadline(format!(
                "{name} of {service} still has {} after {} s. It gets no new ones: wait on with \
                 the same command, or end them with `rvs kill --service {service} --real {end}`.",
                counted(left, "connection"),
                timeout.as_secs()
            )));
        }
        sleep(INTERVAL.min(remaining));
        left = found.connections()?.unwrap_or(0);
        if left > bar.length().unwrap_or(0) {
            bar.set_length(left);
        }
        bar.set_position(bar.length().unwrap_or(0).saturating_sub(left));
        bar.set_message(format!("{left} left"));
    }
    bar.finish_and_clear();
    cli::print(&format!("{} of {}: drained, it has no connections\n", found.name, found.service))
}

/// A bar of the connections that have ended; drawn on a terminal only.
fn bar(connections: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(connections), target);
    let style = ProgressStyle::with_template("draining [{bar:40}] {msg}, {elapsed} waited");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(format!("{connections} left"));
    bar
}
