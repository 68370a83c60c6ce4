//! Ports of the configuration -> running DPDK ports and their queues.

use std::fmt;

use conf::{Config, Port};
use dataplane::dpdk_io::QueuePair;
use dataplane::ownership::WorkerIdx;
use dpdk::{Eal, Link, PktMempool, PortConfig, PortInfo, PortStats, StartedPort};

use crate::device;
use crate::error::CtrlError;
use crate::snapshot::PortFacts;

/// What a port can be asked while it runs.
pub(crate) trait LivePort: fmt::Debug + Send + Sync {
    /// The state of its link, if it can tell.
    fn link(&self) -> Option<Link>;
    /// Its own counters, if it has any.
    fn stats(&self) -> Option<PortStats>;
}

impl LivePort for StartedPort {
    fn link(&self) -> Option<Link> {
        Self::link(self).ok()
    }

    fn stats(&self) -> Option<PortStats> {
        Self::stats(self).ok()
    }
}

/// A running port as listings know it.
#[derive(Debug)]
pub(crate) struct RunningPort {
    /// The key under `ports`.
    pub(crate) name: String,
    /// The device, as the configuration has it.
    pub(crate) device: String,
    /// The driver that serves it.
    pub(crate) driver: String,
    /// What the packet path needs to know.
    pub(crate) facts: PortFacts,
    /// Receive queues; there are as many transmit queues.
    pub(crate) queues: u16,
    /// How packets get to the workers that own their flows.
    pub(crate) steering: Steering,
    /// Hardware help that is switched on, by name.
    pub(crate) offloads: Vec<&'static str>,
    /// The port itself.
    pub(crate) live: Box<dyn LivePort>,
}

/// How packets of a port get to the workers that own their flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steering {
    /// There is one worker.
    OneWorker,
    /// Whoever receives a packet hands it over.
    HandOver,
}

impl Steering {
    /// In one word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OneWorker => "one-worker",
            Self::HandOver => "hand-over",
        }
    }
}

/// One worker's queues on every port, in the order of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) pairs: Vec<QueuePair>,
    /// By port: who sends for this worker where it has no queue.
    pub(crate) senders: Vec<Option<WorkerIdx>>,
}

/// Starts all ports. Returns them in the order of the configuration, and the queues of each worker.
/// Ports that had started are closed when a later one does not.
pub(crate) fn start_all(
    eal: &Eal,
    config: &Config,
    pool: &PktMempool,
) -> Result<(Vec<RunningPort>, Vec<Queues>), CtrlError> {
    let mut ports = Vec::with_capacity(config.ports.len());
    let mut queues: Vec<Queues> = config.workers.iter().map(|_| Queues::default()).collect();
    for (index, port) in config.ports.iter().enumerate() {
        let (running, pairs) = start(eal, port, config.workers.len(), pool)?;
        ports.push(running);
        deal(pairs, index, &mut queues);
    }
    Ok((ports, queues))
}

/// Gives each worker its queue pair of a port. Where there are fewer pairs than workers, each port
/// begins with another worker, and those without a pair send through those with one, in turn.
fn deal(pairs: Vec<(dpdk::RxQueue, dpdk::TxQueue)>, port: usize, workers: &mut [Queues]) {
    let (pair_count, worker_count) = (pairs.len().max(1), workers.len());
    let owner = |pair: usize| (pair + port) % worker_count;
    let sender = |pair: usize| u16::try_from(owner(pair)).ok().map(WorkerIdx);
    let mut pairs = pairs.into_iter();
    for turn in 0..worker_count {
        let Some(worker) = workers.get_mut(owner(turn)) else { continue };
        let pair = pairs.next();
        worker.senders.push(if pair.is_some() { None } else { sender(turn % pair_count) });
        worker.pairs.push(pair);
    }
}

fn start(
    eal: &Eal,
    port: &Port,
    workers: usize,
    pool: &PktMempool,
) -> Result<(RunningPort, Vec<(dpdk::RxQueue, dpdk::TxQueue)>), CtrlError> {
    let id = eal
        .probe(device::text(&port.device))
        .map_err(|error| device::probe_failed(port, &error))?;
    let info = PortInfo::of(eal, id).map_err(|error| device::start_failed(port, &error))?;
    let wanted_queues = u16::try_from(workers).unwrap_or(u16::MAX);
    let queues = wanted_queues.min(info.max_rx_queues).min(info.max_tx_queues).max(1);
    let wanted = PortConfig {
        rx_queues: queues,
        tx_queues: queues,
        rx_descriptors: port.rx_descriptors,
        tx_descriptors: port.tx_descriptors,
        mtu: port.mtu,
        ..PortConfig::default()
    };
    let (started, rx, tx) = StartedPort::start(eal, id, &wanted, pool)
        .map_err(|error| device::start_failed(port, &error))?;
    let offloads = started.offloads();
    let running = RunningPort {
        name: port.name.clone(),
        device: device::text(&port.device).to_owned(),
        driver: started.driver().to_owned(),
        facts: PortFacts {
            mac: started.mac(),
            mtu: started.mtu(),
            tx_ipv4_checksum: offloads.tx_ipv4_checksum,
            tx_udp_checksum: offloads.tx_udp_checksum,
        },
        queues,
        steering: if workers > 1 { Steering::HandOver } else { Steering::OneWorker },
        offloads: names(&offloads),
        live: Box::new(started),
    };
    Ok((running, rx.into_iter().zip(tx).collect()))
}

fn names(offloads: &dpdk::Offloads) -> Vec<&'static str> {
    let all = [
        (offloads.rx_ipv4_checksum, "rx-ipv4-checksum"),
        (offloads.rx_tcp_checksum, "rx-tcp-checksum"),
        (offloads.rx_udp_checksum, "rx-udp-checksum"),
        (offloads.tx_ipv4_checksum, "tx-ipv4-checksum"),
        (offloads.tx_tcp_checksum, "tx-tcp-checksum"),
        (offloads.tx_udp_checksum, "tx-udp-checksum"),
        (offloads.rss, "rss"),
        (offloads.rss_hash, "rss-hash"),
    ];
    all.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect()
}
