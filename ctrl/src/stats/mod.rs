//! `rvs stats` and `rvs zero`: what services and real servers carry, and have carried.

mod amount;
mod watch;
mod zero;

use std::time::Duration;

use clap::Args;

use crate::api::proto::{Rates, Services, Status, Traffic};
use crate::cli;
use crate::client::{Connection, Daemon};
use crate::error::CtrlError;
use crate::select::{self, Seconds, ServiceFilter};
use crate::show::table::Column::{Left, Right};
use crate::show::table::render;
use crate::show::tables::{address, real_address};
use crate::show::{Form, print_json};
use crate::term::Screen;
use amount::{bytes, count};

pub(crate) use zero::Zero;

/// Whose rates and totals.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    filter: ServiceFilter,
    /// Show them again and again, every SECONDS; ends with q or Ctrl-C. Without a terminal each
    /// time is a block of its own.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2")]
    watch: Option<Seconds>,
    /// End after N times.
    #[arg(long, value_name = "N", requires = "watch")]
    times: Option<u64>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    connection: Connection,
}

impl Stats {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let daemon = self.connection.daemon()?;
        let parameters = select::parameters(&self.filter);
        if self.form.json {
            if self.watch.is_some() {
                let text = "--json and --watch do not go together.".to_owned();
                return Err(CtrlError::Usage(text));
            }
            return print_json(&daemon, "/v1/services", &parameters);
        }
        let Some(Seconds(seconds)) = self.watch else {
            let services: Services = daemon.ask("/v1/services", &parameters)?;
            return cli::print(&Screen::of_output(self.form.wide).show(&table(&services)));
        };
        if seconds == 0 {
            return Err(CtrlError::Usage("--watch takes at least 1 second.".to_owned()));
        }
        let interval = Duration::from_secs(seconds.into());
        let look = || look(&daemon, &parameters);
        watch::watch(look, interval, self.times, self.form.wide)
    }
}

/// What is watched.
struct Look {
    /// The daemon's process, to tell a restart.
    pid: u32,
    text: String,
}

fn look(daemon: &Daemon, parameters: &[(String, String)]) -> Result<Look, CtrlError> {
    let status: Status = daemon.ask("/v1/status", &[])?;
    let services: Services = daemon.ask("/v1/services", parameters)?;
    let Status { version, pid, uptime_s, generation, .. } = status;
    let flows: u64 = status.workers.iter().map(|worker| worker.flows).sum();
    let head = format!(
        "rvs {version}, process {pid}, up {uptime_s} s, generation {generation}, {flows} flows\n\n"
    );
    Ok(Look { pid, text: head + &table(&services) })
}

fn table(answer: &Services) -> String {
    let columns = [
        Left("SERVICE"),
        Left("ADDRESS"),
        Right("CONNS/S"),
        Right("IN-PKTS/S"),
        Right("OUT-PKTS/S"),
        Right("IN/S"),
        Right("OUT/S"),
        Right("NOW"),
        Right("CONNS"),
        Right("IN-PKTS"),
        Right("OUT-PKTS"),
        Right("IN"),
        Right("OUT"),
    ];
    let row = |head: [String; 2], rates: &Rates, now: u64, traffic: &Traffic| {
        let mut row = head.to_vec();
        row.extend([rates.connections, rates.in_packets, rates.out_packets].map(count));
        row.extend([rates.in_bytes, rates.out_bytes].map(bytes));
        row.push(now.to_string());
        row.extend([traffic.connections, traffic.in_packets, traffic.out_packets].map(count));
        row.extend([traffic.in_bytes, traffic.out_bytes].map(bytes));
        row
    };
    let rows = answer.services.iter().flat_map(|service| {
        let now = service.real_servers.iter().map(|real| real.active + real.inactive).sum();
        let head = [service.name.clone(), address(service)];
        let head = row(head, &service.rates, now, &service.traffic);
        let reals = service.real_servers.iter().map(move |real| {
            let head = [String::new(), real_address(real)];
            row(head, &real.rates, real.active + real.inactive, &real.traffic)
        });
        std::iter::once(head).chain(reals)
    });
    render(&columns, rows)
}
