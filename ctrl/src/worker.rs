//! Worker threads: one per lcore of the configuration, pinned, each with its own ports' queues.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use core_affinity::CoreId;
use crossbeam::utils::CachePadded;
use dataplane::control::WorkerEnd;
use dataplane::director::{Director, Sizes};
use dataplane::dpdk_io::{self, DpdkPorts};
use dataplane::handover::Peers;
use dataplane::io::Io;
use dataplane::ownership::Team;
use dataplane::publish::Reader;
use dataplane::sched::Counted;
use dataplane::worker::Worker;
use dpdk::{Eal, Mbuf, PktMempool, ThreadRegistration};
use tokio::sync::mpsc::UnboundedSender;

use crate::error::CtrlError;
use crate::port::Queues;

/// Everything a worker thread takes with it.
pub(crate) struct Parts {
    pub(crate) lcore: u32,
    pub(crate) eal: Arc<Eal>,
    pub(crate) team: Team,
    /// The rings to the other workers, if there are any.
    pub(crate) peers: Option<Peers<Mbuf>>,
    pub(crate) queues: Queues,
    pub(crate) pool: PktMempool,
    pub(crate) sizes: Sizes,
    pub(crate) snapshots: Reader,
    pub(crate) control: WorkerEnd,
    /// Its counters, and those of the others.
    pub(crate) counted: Counted,
}

/// The running threads. Dropping them stops them and waits for their end.
#[derive(Debug)]
pub(crate) struct Workers {
    /// Read in every turn, so it has a cache line of its own.
    stop: Arc<CachePadded<AtomicBool>>,
    threads: Vec<JoinHandle<()>>,
}

/// Tells the control thread that a worker's thread ended, however it ended.
struct Farewell {
    lcore: u32,
    ended: UnboundedSender<u32>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // Nobody listens any more when the daemon itself stops.
        let _ = self.ended.send(self.lcore);
    }
}

impl Workers {
    /// Starts a thread for each of `parts` and waits until all of them forward. If one cannot, the
    /// others are stopped. The end of a thread is told through `ended`.
    pub(crate) fn launch(
        parts: Vec<Parts>,
        ended: &UnboundedSender<u32>,
    ) -> Result<Self, CtrlError> {
        let mut workers = Self { stop: Arc::default(), threads: Vec::with_capacity(parts.len()) };
        let (ready_in, ready_out) = mpsc::channel();
        for parts in parts {
            let lcore = parts.lcore;
            let ready = ready_in.clone();
            let stop = Arc::clone(&workers.stop);
            let farewell = Farewell { lcore, ended: ended.clone() };
            let thread = thread::Builder::new()
                .name(format!("rvs-worker-{lcore}"))
                .spawn(move || {
                    let _farewell = farewell;
                    forward(parts, &stop, &ready);
                })
                .map_err(|error| cannot_start(lcore, error.to_string(), RESOURCES))?;
            workers.threads.push(thread);
        }
        drop(ready_in);
        for _ in 0..workers.threads.len() {
            match ready_out.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error),
                Err(mpsc::RecvError) => {
                    return Err(cannot_start(0, "its thread ended".to_owned(), RESOURCES));
                }
            }
        }
        Ok(workers)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker ended with a panic");
            }
        }
    }
}

const RESOURCES: &str = "The machine is probably out of memory or threads.";

fn cannot_start(lcore: u32, cause: String, advice: &'static str) -> CtrlError {
    CtrlError::Worker { lcore, cause, advice }
}

/// The life of a worker's thread.
fn forward(parts: Parts, stop: &AtomicBool, ready: &mpsc::Sender<Result<(), CtrlError>>) {
    let lcore = parts.lcore;
    let eal = Arc::clone(&parts.eal);
    let registration = match settle(lcore, &eal) {
        Ok(registration) => registration,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let mut worker = build(parts);
    // The control thread waits for this unless another worker has failed already.
    let _ = ready.send(Ok(()));
    worker.run(stop, dpdk_io::now);
    // Held packets go back to their pool through the cache that the registration owns.
    drop(worker);
    drop(registration);
}

/// Pins the calling thread to its CPU and makes it known to DPDK.
fn settle(lcore: u32, eal: &Eal) -> Result<ThreadRegistration, CtrlError> {
    let id = usize::try_from(lcore).unwrap_or(usize::MAX);
    if !core_affinity::set_for_current(CoreId { id }) {
        let cause = format!("the kernel does not let this process run on CPU {lcore}");
        let advice = "Name another CPU in `workers`, or widen the CPU set that the process was \
                      started with (taskset, cgroup, container).";
        return Err(cannot_start(lcore, cause, advice));
    }
    ThreadRegistration::register(eal)
        .map_err(|error| cannot_start(lcore, error.to_string(), RESOURCES))
}

/// Allocates the worker's tables, on its own CPU so that they are in its own node's memory.
fn build(parts: Parts) -> Worker<Mbuf, DpdkPorts> {
    let Parts { lcore, team, peers, queues, pool, sizes, snapshots, control, counted, .. } = parts;
    let Counted { own: stats, others } = counted;
    let director = Director::new(sizes, random(), dpdk_io::clock(), Arc::clone(&stats));
    let director = director.in_team(team).counting(others);
    announce(lcore, &director);
    let mut io = Io::new(DpdkPorts::new(queues.pairs, pool), Arc::clone(&stats));
    if let Some(peers) = peers {
        io = io.with_peers(peers, queues.senders);
    }
    Worker::new(director, io, snapshots, control, stats)
}

/// Says where the flow table is, which the kernel decided.
fn announce(lcore: u32, director: &Director<Mbuf>) {
    let (bytes, pages) = director.flow_memory();
    let nodes: Vec<_> = director.flow_nodes().iter().map(ToString::to_string).collect();
    let place = if nodes.is_empty() {
        String::new()
    } else {
        format!(" on NUMA node {}", nodes.join(" and "))
    };
    tracing::info!(
        "worker on CPU {lcore}: room for {} flows, {} MiB in {}{place}",
        director.flow_capacity(),
        bytes.div_ceil(1 << 20),
        pages.name(),
    );
}

/// A number nobody can guess: std keys its hash maps from the system's random source.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ() {
        assert_ne!(random(), random());
    }
}
