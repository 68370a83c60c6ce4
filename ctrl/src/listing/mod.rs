//! Listings of flows and neighbours, which live in the workers and come through their rings.
//!
//! A worker answers one listing after the other, and an answer that was begun must be read to its
//! end, or the ring stays full of it. So a listing runs in a task of its own, which goes on reading
//! when its client is gone. Memory is bounded: a slow client makes the task wait, the task makes
//! the worker's ring fill up, and the worker leaves the listing alone while it is full.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dataplane::control::{Command, ControlEnd, Report};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::state::{Seat, State};

/// Reports handed on at once.
const BATCH_LEN_MAX: usize = 256;
/// Batches that may wait for the client.
const BATCHES_WAITING: usize = 4;
/// How long the task sleeps when the ring is empty: the worker fills it in about that time.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a worker may leave a request without any answer.
const WORKER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may take to read a batch before it is given up.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a listing waits for earlier ones.
const QUEUE_PATIENCE: Duration = Duration::from_secs(30);

/// Why a listing ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListingError {
    /// The worker does not answer.
    #[error("worker {0} does not answer")]
    Silent(u32),
    /// Other listings take too long.
    #[error("too many listings at the same time; try again")]
    Busy,
    /// The client has left a batch unread for too long.
    #[error("the listing was not read for {} s and was given up", CLIENT_PATIENCE.as_secs())]
    Slow,
}

/// Reports of one worker.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Its lcore.
    pub(crate) lcore: u32,
    /// At least one report, never [`Report::End`].
    pub(crate) reports: Vec<Report>,
}

/// A listing as it arrives. It is complete when it ends without an error.
#[derive(Debug)]
pub(crate) struct Listing {
    batches: mpsc::Receiver<Result<Batch, ListingError>>,
    /// Set by the task when it has left something out.
    is_cut: Arc<AtomicBool>,
}

impl Listing {
    /// The next batch; `None` at the end.
    pub(crate) async fn recv(&mut self) -> Option<Result<Batch, ListingError>> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// The same to be polled.
    pub(crate) fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Batch, ListingError>>> {
        let next = ready!(self.batches.poll_recv(context));
        // A client that reads on after all must not take what it got for everything.
        let is_cut = next.is_none() && self.is_cut.swap(false, Ordering::Relaxed);
        Poll::Ready(if is_cut { Some(Err(ListingError::Slow)) } else { next })
    }
}

/// The control thread's end of a worker's ring.
#[derive(Debug)]
pub(crate) struct Ring {
    end: ControlEnd,
    /// Answers that were given up, whose rest is still to come.
    owed: usize,
    /// The worker has said that it is still looking.
    is_alive: bool,
}

impl Ring {
    /// Wraps a ring that nothing was asked through yet.
    pub(crate) fn new(end: ControlEnd) -> Self {
        Self { end, owed: 0, is_alive: false }
    }

    /// Has the worker announce all VIPs again; `false` if it has too many requests already.
    pub(crate) fn announce_vips(&mut self) -> bool {
        self.end.request(Command::AnnounceVips)
    }

    /// Hands the answer to `command` to `take`, batch by batch, until `take` wants no more, and
    /// reads it to its end in any case.
    async fn list(
        &mut self,
        lcore: u32,
        command: Command,
        client: &mpsc::Sender<Result<Batch, ListingError>>,
    ) -> Result<(), ListingError> {
        if !self.end.request(command) {
            return Err(ListingError::Silent(lcore));
        }
        self.owed += 1;
        let mut client = Some(client);
        let mut last = Instant::now();
        loop {
            let reports = self.next_batch();
            if !reports.is_empty() {
                if let Some(sender) = client {
                    let batch = Ok(Batch { lcore, reports });
                    let sent = timeout(CLIENT_PATIENCE, sender.send(batch)).await;
                    client = matches!(sent, Ok(Ok(()))).then_some(sender);
                }
                last = Instant::now();
            } else if self.owed == 0 {
                return client.map(|_| ()).ok_or(ListingError::Slow);
            } else if std::mem::take(&mut self.is_alive) {
                last = Instant::now();
            } else if last.elapsed() > WORKER_PATIENCE {
                return Err(ListingError::Silent(lcore));
            } else {
                sleep(PAUSE).await;
            }
        }
    }

    /// Asks for a listing that is to be read by hand, with [`Self::next_batch`].
    #[cfg(test)]
    pub(crate) fn begin(&mut self, command: Command) -> bool {
        let is_taken = self.end.request(command);
        self.owed += usize::from(is_taken);
        is_taken
    }

    /// Whether there is more to come.
    #[cfg(test)]
    pub(crate) const fn is_awaiting(&self) -> bool {
        self.owed > 0
    }

    /// What the ring holds of the present answer; what is left of earlier ones is passed over.
    pub(crate) fn next_batch(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        while self.owed > 0 && reports.len() < BATCH_LEN_MAX {
            match self.end.next_report() {
                None => break,
                Some(Report::End) => self.owed -= 1,
                Some(_) if self.owed > 1 => {}
                Some(Report::Underway) => self.is_alive = true,
                Some(report) => reports.push(report),
            }
        }
        reports
    }
}

/// Starts a listing of all workers, one after the other, or of the one on this CPU.
pub(crate) fn start(state: &Arc<State>, command: Command, lcore: Option<u32>) -> Listing {
    let (sender, batches) = mpsc::channel(BATCHES_WAITING);
    let is_cut = Arc::new(AtomicBool::new(false));
    let listing = Listing { batches, is_cut: Arc::clone(&is_cut) };
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let is_meant = |seat: &&Seat| lcore.is_none_or(|lcore| lcore == seat.lcore);
        for seat in state.workers.iter().filter(is_meant) {
            if let Err(error) = list_one(seat, command, &sender).await {
                let told = timeout(CLIENT_PATIENCE, sender.send(Err(error))).await;
                is_cut.store(!matches!(told, Ok(Ok(()))), Ordering::Relaxed);
                return;
            }
            if sender.is_closed() {
                return;
            }
        }
    });
    listing
}

async fn list_one(
    seat: &Seat,
    command: Command,
    client: &mpsc::Sender<Result<Batch, ListingError>>,
) -> Result<(), ListingError> {
    let Ok(mut ring) = timeout(QUEUE_PATIENCE, seat.ring.lock()).await else {
        return Err(ListingError::Busy);
    };
    ring.list(seat.lcore, command, client).await
}

#[cfg(test)]
mod tests;
