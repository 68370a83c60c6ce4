//! Ports of the configuration -> running DPDK ports and their queues.

use std::fmt;

use conf::{Config, Port};
use dpdk::{Eal, Link, PktMempool, PortConfig, PortStats, RxQueue, StartedPort, TxQueue};

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
    /// Hardware help that is switched on, by name.
    pub(crate) offloads: Vec<&'static str>,
    /// The port itself.
    pub(crate) live: Box<dyn LivePort>,
}

/// One worker's queues on every port, in the order of the configuration.
pub(crate) type Queues = Vec<(RxQueue, TxQueue)>;

/// Starts all ports. Returns them in the order of the configuration, and the queues of each worker.
/// Ports that had started are closed when a later one does not.
pub(crate) fn start_all(
    eal: &Eal,
    config: &Config,
    pool: &PktMempool,
) -> Result<(Vec<RunningPort>, Vec<Queues>), CtrlError> {
    let mut ports = Vec::with_capacity(config.ports.len());
    let mut queues: Vec<Queues> = config.workers.iter().map(|_| Vec::new()).collect();
    for port in &config.ports {
        let (running, rx, tx) = start(eal, port, config.workers.len(), pool)?;
        ports.push(running);
        for (queues, pair) in queues.iter_mut().zip(rx.into_iter().zip(tx)) {
            queues.push(pair);
        }
    }
    Ok((ports, queues))
}

fn start(
    eal: &Eal,
    port: &Port,
    workers: usize,
    pool: &PktMempool,
) -> Result<(RunningPort, Vec<RxQueue>, Vec<TxQueue>), CtrlError> {
    let id = eal
        .probe(device::text(&port.device))
        .map_err(|error| device::probe_failed(port, &error))?;
    let queues = u16::try_from(workers).unwrap_or(u16::MAX);
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
        offloads: names(&offloads),
        live: Box::new(started),
    };
    Ok((running, rx, tx))
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
