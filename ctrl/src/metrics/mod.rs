//! `/metrics`: everything that is counted, in OpenMetrics 1.0, for Prometheus and its like.
//!
//! * `sheet.rs`: what a metric is, and tables of them; `encode.rs`: tables as text, in pieces;
//! * `daemon.rs`, `workers.rs`, `ports.rs`, `services.rs`: the metrics, and where they are read;
//! * `scrape.rs`: one answer, sent as fast as its client reads; `listener.rs`: a port of its own.
//!
//! A scrape asks no worker anything. It reads counters, those of services and real servers once
//! each, some at a time, so that others on the control thread have their turn in between; then it
//! makes the text, a piece at a time, when the client has taken the one before. The client cannot
//! make it hold more than that.
//!
//! The text is our own work and not that of prometheus-client, which needs 190 ns a series, 200 ms
//! for the million of 10,000 services with 100,000 real servers, in one go; with labels made once
//! it is a fraction of that. The tests hold every byte against that crate's.
//!
//! `docs/METRICS.md` has the list of all metrics, which a test writes.

pub mod bench;
mod daemon;
mod encode;
mod listener;
mod ports;
mod scrape;
mod services;
mod sheet;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::serve::Door;
use crate::state::State;
use encode::Encoder;
pub(crate) use listener::{ListenError, open, serve};
pub(crate) use scrape::{MEDIA_TYPE, metrics};

/// Scrapes at a time.
const SCRAPES_MAX: usize = 4;

/// What the daemon keeps for its metrics.
#[derive(Debug)]
pub(crate) struct Exporter {
    /// When the daemon started.
    started_at: SystemTime,
    /// Cycles in a second, of the counter that workers count their busy turns by.
    cycles_per_s: u64,
    places: Arc<Semaphore>,
    /// Scrapes that were begun.
    begun: AtomicU64,
    /// Scrapes that were refused, because there were too many.
    refused: AtomicU64,
    /// Where metrics are served besides the API.
    pub(crate) door: Door,
}

impl Exporter {
    /// For a daemon that starts now, on CPUs with so many cycles in a second.
    pub(crate) fn new(cycles_per_s: u64) -> Self {
        Self {
            started_at: SystemTime::now(),
            cycles_per_s,
            places: Arc::new(Semaphore::new(SCRAPES_MAX)),
            begun: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            door: Door::default(),
        }
    }

    /// Begins a scrape, unless there are too many.
    fn begin(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let counter = if place.is_some() { &self.begun } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        place
    }
}

/// Reads everything, some of it at a time.
async fn collect(state: &State) -> Encoder {
    let in_force = state.in_force.load_full();
    let services = services::tables(&in_force, &state.workers).await;
    let mut encoder = Encoder::default();
    daemon::add(state, &in_force, services.omitted, &mut encoder);
    workers::add(&state.workers, state.metrics.cycles_per_s, &mut encoder);
    ports::add(state, &mut encoder);
    services.add(&mut encoder);
    encoder
}

#[cfg(test)]
mod tests;
