//! Ports of the configuration -> running DPDK ports and their queues.

use conf::{Config, Port};
use dataplane::ownership::WorkerIdx;
use dpdk::{
    DpdkError, Eal, Link, PortConfig, PortId, PortInfo, PortStats, QueueMemory, Rss, RssConfig,
    RxQueue, StartedPort, TxQueue,
};

use crate::device;
use crate::error::CtrlError;
use crate::snapshot::PortFacts;
use crate::steering::{self, Ability, Plan, PortPlan, Side, Steerable};

/// What a port can be asked while it runs.
pub(crate) trait LivePort: Steerable {
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
    pub(crate) steering: PortPlan,
    /// Hardware help that is switched on, by name.
    pub(crate) offloads: Vec<&'static str>,
    /// The port itself.
    pub(crate) live: Box<dyn LivePort>,
}

/// One worker's queues on every port, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Queues<P = (RxQueue, TxQueue)> {
    /// By port: its queue pair, if it has one there.
    pub(crate) pairs: Vec<Option<P>>,
    /// By port: who sends for this worker where it has no queue.
    pub(crate) senders: Vec<Option<WorkerIdx>>,
}

impl<P> Default for Queues<P> {
    fn default() -> Self {
        Self { pairs: Vec::new(), senders: Vec::new() }
    }
}

/// All ports, running.
#[derive(Debug)]
pub(crate) struct Started {
    /// In the order of the configuration.
    pub(crate) ports: Vec<RunningPort>,
    /// By worker.
    pub(crate) queues: Vec<Queues>,
    /// How packets reach their workers.
    pub(crate) plan: Plan,
}

/// A device that is known to DPDK and does not run yet.
struct Probed<'a> {
    /// Its place in the configuration.
    index: usize,
    port: &'a Port,
    id: PortId,
    ability: Ability,
}

type Pairs = Vec<(RxQueue, TxQueue)>;

/// Starts all ports and agrees with them how packets reach their workers. A queue has its memory
/// where `memory` says for the worker that polls it. Ports that had started are closed when a later
/// one does not.
pub(crate) fn start_all(
    eal: &Eal,
    config: &Config,
    memory: &[QueueMemory<'_>],
) -> Result<Started, CtrlError> {
    let workers = u16::try_from(config.workers.len()).unwrap_or(u16::MAX);
    let probed = config.ports.iter().enumerate();
    let probed = probed.map(|(index, port)| Probed::of(eal, index, port));
    let probed = probed.collect::<Result<Vec<_>, _>>()?;
    let roles = steering::roles(config);
    let known = probed.iter().map(|port| port.ability.clone()).zip(roles.iter().copied());
    let wish = steering::choose(&known.collect::<Vec<_>>(), workers)?;

    let mut started = Vec::with_capacity(probed.len());
    let mut queues: Vec<Queues> = config.workers.iter().map(|_| Queues::default()).collect();
    for (index, port) in probed.into_iter().enumerate() {
        let rss = wish.rss_of(index, &port.ability);
        let (port, pairs) = port.start_with(eal, rss, workers, memory)?;
        started.push(port);
        deal(pairs, index, &mut queues);
    }
    let sides = started.iter().zip(roles).map(|(port, role)| Side {
        ability: port.ability.clone(),
        role,
        port: &port.live,
    });
    let plan = steering::agree(sides.collect(), workers)?;
    let ports = started.into_iter().zip(&config.ports).zip(&plan.ports);
    let ports = ports.map(|((port, conf), plan)| port.running(conf, plan.clone())).collect();
    Ok(Started { ports, queues, plan })
}

/// The worker that polls a queue pair of a port: worker k has pair k, on which steering rests.
/// Where there are fewer pairs than workers, each port begins with another worker.
fn owner(pair: usize, pair_count: usize, port: usize, worker_count: usize) -> usize {
    let first = if pair_count < worker_count { port } else { 0 };
    (pair + first) % worker_count
}

/// Gives each worker its queue pair of a port; those without send through those with one, in turn.
fn deal<P>(pairs: Vec<P>, port: usize, workers: &mut [Queues<P>]) {
    let (pair_count, worker_count) = (pairs.len().max(1), workers.len());
    let owner = |pair| owner(pair, pair_count, port, worker_count);
    let sender = |pair: usize| u16::try_from(owner(pair)).ok().map(WorkerIdx);
    let mut pairs = pairs.into_iter();
    for turn in 0..worker_count {
        let Some(worker) = workers.get_mut(owner(turn)) else { continue };
        let pair = pairs.next();
        worker.senders.push(if pair.is_some() { None } else { sender(turn % pair_count) });
        worker.pairs.push(pair);
    }
}

impl<'a> Probed<'a> {
    fn of(eal: &Eal, index: usize, port: &'a Port) -> Result<Self, CtrlError> {
        let id = eal
            .probe(device::text(&port.device))
            .map_err(|error| device::probe_failed(port, &error))?;
        let info = PortInfo::of(eal, id).map_err(|error| device::start_failed(port, &error))?;
        Ok(Self { index, port, id, ability: Ability::of(&info) })
    }

    /// Starts it with this RSS, or with the driver's own if it refuses that.
    fn start_with(
        self,
        eal: &Eal,
        rss: Option<RssConfig>,
        workers: u16,
        memory: &[QueueMemory<'_>],
    ) -> Result<(Up, Pairs), CtrlError> {
        let ends = rss.as_ref().map(|rss| rss.ends);
        match (self.start(eal, rss.map_or(Rss::Driver, Rss::Set), workers, memory), ends) {
            (Err(refused), Some(ends)) => {
                // A port that does not start is gone, and has to be looked for again.
                let again = Probed::of(eal, self.index, self.port)?;
                let (mut up, pairs) = again
                    .start(eal, Rss::Driver, workers, memory)
                    .map_err(|error| device::start_failed(self.port, &error))?;
                up.ability.refused_rss.push((ends, refused.to_string()));
                Ok((up, pairs))
            }
            (started, _) => started.map_err(|error| device::start_failed(self.port, &error)),
        }
    }

    fn start(
        &self,
        eal: &Eal,
        rss: Rss,
        workers: u16,
        memory: &[QueueMemory<'_>],
    ) -> Result<(Up, Pairs), DpdkError> {
        let info = PortInfo::of(eal, self.id)?;
        let queues = workers.min(info.max_rx_queues).min(info.max_tx_queues).max(1);
        let wanted = PortConfig {
            rx_queues: queues,
            tx_queues: queues,
            rx_descriptors: self.port.rx_descriptors,
            tx_descriptors: self.port.tx_descriptors,
            mtu: self.port.mtu,
            rss,
            ..PortConfig::default()
        };
        let (pairs, workers) = (usize::from(queues), usize::from(workers));
        let poller = |pair| memory.get(owner(pair, pairs, self.index, workers)).copied();
        let memory: Vec<_> = (0..pairs).filter_map(poller).collect();
        let (live, rx, tx) = StartedPort::start_on(eal, self.id, &wanted, &memory)?;
        let ability = Ability::of(live.info());
        Ok((Up { live, queues, ability }, rx.into_iter().zip(tx).collect()))
    }
}

/// A device that runs, and of which it is not settled yet how packets reach their workers.
struct Up {
    live: StartedPort,
    queues: u16,
    ability: Ability,
}

impl Up {
    fn running(self, port: &Port, steering: PortPlan) -> RunningPort {
        let Self { live, queues, .. } = self;
        let offloads = live.offloads();
        RunningPort {
            name: port.name.clone(),
            device: device::text(&port.device).to_owned(),
            driver: live.driver().to_owned(),
            facts: PortFacts {
                mac: live.mac(),
                mtu: live.mtu(),
                tx_ipv4_checksum: offloads.tx_ipv4_checksum,
                tx_udp_checksum: offloads.tx_udp_checksum,
            },
            queues,
            steering,
            offloads: names(&offloads),
            live: Box::new(live),
        }
    }
}

/// Hardware help that is switched on, by name.
pub(crate) fn names(offloads: &dpdk::Offloads) -> Vec<&'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// For each worker: its queue of a port, or the worker it sends through.
    fn dealt(pairs: u16, port: usize, workers: usize) -> Vec<Result<u16, u16>> {
        let mut queues: Vec<Queues<u16>> = (0..workers).map(|_| Queues::default()).collect();
        deal((0..pairs).collect(), port, &mut queues);
        let of = |queues: &Queues<u16>| match (queues.pairs[0], queues.senders[0]) {
            (Some(pair), None) => Ok(pair),
            (None, Some(WorkerIdx(sender))) => Err(sender),
            other => panic!("{other:?}"),
        };
        queues.iter().map(of).collect()
    }

    #[test]
    fn worker_k_has_queue_k_on_every_port() {
        for port in 0..3 {
            assert_eq!(dealt(3, port, 3), [Ok(0), Ok(1), Ok(2)]);
        }
    }

    #[test]
    fn where_queues_are_few_each_port_begins_with_another_worker() {
        assert_eq!(dealt(1, 0, 3), [Ok(0), Err(0), Err(0)]);
        assert_eq!(dealt(1, 1, 3), [Err(1), Ok(0), Err(1)]);
        assert_eq!(dealt(2, 2, 3), [Ok(1), Err(2), Ok(0)]);
    }
}
