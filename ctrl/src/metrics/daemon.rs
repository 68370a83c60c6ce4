//! Metrics of the daemon as a whole.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Exporter;
use super::encode::Encoder;
use super::sheet::{Column, Sheet, Table, Value};
use crate::state::{InForce, State};

/// What a scrape finds.
#[derive(Debug)]
struct Row {
    started_at: SystemTime,
    uptime: Duration,
    /// From the start to the configuration in force.
    applied_after: Duration,
    generation: u64,
    services: u64,
    real_servers: u64,
    /// Real servers without series of their own.
    omitted: u64,
    scrapes: u64,
    scrapes_refused: u64,
}

static BUILD: Sheet<()> = Sheet {
    title: "Daemon",
    labels: &["version", "dpdk"],
    columns: &[Column::info("rvs_build", "Releases of RVS and of the DPDK it runs on.")],
};

static DAEMON: Sheet<Row> = Sheet {
    title: "Daemon",
    labels: &[],
    columns: &[
        Column::gauge(
            "rvs_start_time_seconds",
            "When the daemon started, in seconds since 1970; all counters begin then.",
            |row| since_1970(row.started_at),
        ),
        Column::gauge("rvs_uptime_seconds", "Time since the daemon started.", |row| {
            Value::Real(row.uptime.as_secs_f64())
        }),
        Column::gauge(
            "rvs_config_generation",
            "Number of the configuration in force, counted from 1.",
            |row| Value::Int(row.generation),
        ),
        Column::gauge(
            "rvs_config_applied_time_seconds",
            "When the configuration in force was put into force, in seconds since 1970.",
            |row| since_1970(row.started_at + row.applied_after),
        ),
        Column::gauge("rvs_services", "Services configured.", |row| Value::Int(row.services)),
        Column::gauge("rvs_real_servers", "Real servers configured, over all services.", |row| {
            Value::Int(row.real_servers)
        }),
        Column::gauge(
            "rvs_metrics_omitted_real_servers",
            "Real servers without series of their own, by `metrics.real_servers`; the sums of \
             their services have them.",
            |row| Value::Int(row.omitted),
        ),
        Column::counter("rvs_metrics_scrapes", "Scrapes, this one included.", |row| {
            Value::Int(row.scrapes)
        }),
        Column::counter(
            "rvs_metrics_scrapes_refused",
            "Scrapes that were refused because there were too many at a time.",
            |row| Value::Int(row.scrapes_refused),
        ),
    ],
};

fn since_1970(time: SystemTime) -> Value {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Value::Real(since.as_secs_f64())
}

/// Adds what there is to tell of the daemon; `omitted` real servers have no series.
pub(super) fn add(state: &State, in_force: &InForce, omitted: u64, encoder: &mut Encoder) {
    let mut build = Table::new(&BUILD);
    build.push(()).add("version", env!("CARGO_PKG_VERSION")).add("dpdk", &state.dpdk);
    encoder.add(build);
    let Exporter { started_at, begun, refused, .. } = &state.metrics;
    let services = &in_force.config.services;
    let row = Row {
        started_at: *started_at,
        uptime: state.started.elapsed(),
        applied_after: in_force.since.saturating_duration_since(state.started),
        generation: in_force.generation,
        services: services.len() as u64,
        real_servers: services.iter().map(|service| service.real_servers.len() as u64).sum(),
        omitted,
        scrapes: begun.load(Ordering::Relaxed),
        scrapes_refused: refused.load(Ordering::Relaxed),
    };
    encoder.add(Table::single(&DAEMON, row));
}
