//! A worker on ports in memory, and the one function that callgrind counts.

use std::sync::Arc;

use dataplane::control::{self, ControlEnd};
use dataplane::director::{Director, Sizes};
use dataplane::forward::ForwardingMode;
use dataplane::io::{Burst, Io, Ports};
use dataplane::parse::Slip;
use dataplane::publish::Publisher;
use dataplane::snapshot::PortIdx;
use dataplane::stats::WorkerStats;
use dataplane::time::{Tick, Ticks};
use dataplane::worker::Worker;

use crate::buf::Frame;
use crate::frames::Bytes;
use crate::site::{self, LAN, MACS, WAN};
use crate::wires::{Reply, Wires};

const SEED: u64 = 0x5EED;
const TABLE: u32 = 65_536;

/// Does `work`, and callgrind counts it: it is told this function's name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// A worker that knows its neighbours.
#[derive(Debug)]
pub struct Bench {
    worker: Worker<Frame, Wires>,
    stats: Arc<WorkerStats>,
    now: Tick,
    /// Whether what comes next is counted.
    counting: bool,
    _publisher: Publisher,
    _control: ControlEnd,
}

impl Bench {
    /// Forwards in `mode`.
    #[must_use]
    pub fn new(mode: ForwardingMode) -> Self {
        let now = Tick(0);
        let stats = Arc::new(WorkerStats::new(site::SERVICES, site::REAL_SERVERS));
        let publisher = Publisher::new(site::snapshot(mode));
        let sizes = Sizes {
            flows: TABLE,
            templates: 1,
            services: site::SERVICES,
            real_servers: site::REAL_SERVERS,
        };
        let director = Director::new(sizes, SEED, now, Arc::clone(&stats));
        let io = Io::new(Wires::default(), Arc::clone(&stats));
        let (control, end) = control::rings();
        let worker = Worker::new(director, io, publisher.reader(), end, Arc::clone(&stats));
        let mut bench =
            Self { worker, stats, now, counting: false, _publisher: publisher, _control: control };
        // ARP asks and is answered meanwhile.
        for _ in 0..100 {
            bench.now = bench.now.after(Ticks(10));
            bench.worker.turn(bench.now);
        }
        bench
    }

    /// The worker's counters.
    #[must_use]
    pub fn stats(&self) -> &WorkerStats {
        &self.stats
    }

    /// From now on everything is counted.
    pub(crate) fn count(&mut self) {
        self.counting = true;
    }

    /// Whether what real servers would answer is noted.
    pub fn record(&mut self, on: bool) {
        self.worker.ports_mut().recording = on;
    }

    /// What was noted, in the order of the packets that it answers.
    #[must_use]
    pub fn replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.worker.ports_mut().replies)
    }

    /// Lets frames come in at `port`; returns how many packets were forwarded, and how many came.
    pub fn forward(&mut self, port: PortIdx, frames: impl Iterator<Item = Bytes>) -> (u64, u32) {
        let before = self.stats.forwarded.value();
        let count = self.arrive(port, frames);
        (self.stats.forwarded.value() - before, count)
    }

    /// Turns until all frames have come in at `port`; returns how many there were.
    pub(crate) fn arrive(&mut self, port: PortIdx, frames: impl Iterator<Item = Bytes>) -> u32 {
        let count = self.await_frames(port, frames);
        if self.counting {
            counted(&mut || self.turn_until_empty(port));
        } else {
            self.turn_until_empty(port);
        }
        count
    }

    /// Lets frames come in at `port` in the turns that follow, a burst in each; returns how many
    /// there are.
    pub fn await_frames(&mut self, port: PortIdx, frames: impl Iterator<Item = Bytes>) -> u32 {
        self.worker.ports_mut().await_frames(port, frames)
    }

    /// Turns until all frames have come in at `port`.
    #[inline]
    pub fn turn_until_empty(&mut self, port: PortIdx) {
        while !self.worker.ports_mut().is_empty(port) {
            self.worker.turn(self.now);
        }
    }

    /// Turns at a time so much later until no more flows end; returns how many are left.
    pub(crate) fn wait(&mut self, time: Ticks) -> u64 {
        self.now = self.now.after(time);
        let (worker, stats, now) = (&mut self.worker, &self.stats, self.now);
        counted(&mut || {
            let mut before = u64::MAX;
            while stats.flows.value() < before {
                before = stats.flows.value();
                worker.turn(now);
            }
        });
        self.stats.flows.value()
    }
}

/// Counts what the ports themselves do with frames; returns how many came out at the other.
pub(crate) fn count_wires(frames: impl Iterator<Item = Bytes>) -> u64 {
    let mut wires = Wires::default();
    // As in a run of a worker, buffers are there already.
    wires.provide();
    wires.await_frames(WAN, frames);
    let mut sent = 0;
    counted(&mut || {
        while !wires.is_empty(WAN) {
            let mut burst = Burst::new();
            wires.rx_burst(WAN, &mut burst);
            sent += burst.len() as u64;
            wires.tx_burst(LAN, &mut burst);
        }
    });
    sent
}

/// Counts the parsing of frames; returns how many are packets of a transport protocol.
pub(crate) fn count_parsing(frames: impl Iterator<Item = Bytes>) -> u64 {
    let mut wires = Wires::default();
    wires.await_frames(WAN, frames);
    let mut bursts = Vec::new();
    while !wires.is_empty(WAN) {
        let mut burst = Burst::new();
        wires.rx_burst(WAN, &mut burst);
        bursts.push(burst);
    }
    let mut slips: [Slip; dataplane::limits::BURST_LEN_MAX] =
        std::array::from_fn(|_| Slip::default());
    let mut parsed = 0;
    counted(&mut || {
        for burst in &mut bursts {
            for (frame, slip) in burst.iter_mut().zip(&mut slips) {
                slip.fill(frame, MACS[0]);
                parsed += u64::from(slip.transport().is_some());
            }
        }
    });
    parsed
}
