//! Rounds of packets through the worker and through the MAC-swap loop, in turn, and what they cost.

use dataplane::buf::PacketBuf;
use dataplane::dpdk_io;
use dataplane::forward::ForwardingMode;
use dataplane::io::{Burst, Ports};
use dataplane::wire::EthernetHeader;
use dpdk::{Mbuf, PktMempool};

use super::loop_ports::{Feed, LAN, LoopPorts, WAN};
use super::site::{Site, VIP, WAN_MAC};
use super::traffic;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Forwarding mode.
    pub mode: ForwardingMode,
    /// Established flows.
    pub flows: u32,
    /// Requests only, or replies as well.
    pub feed: Feed,
}

/// How long it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Packets in each round.
    pub packets: u64,
}

/// Cycles per packet over some rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycles {
    /// Median.
    pub median: f64,
    /// Least and most.
    pub range: (f64, f64),
}

/// A scenario's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The MAC-swap loop.
    pub ceiling: Cycles,
    /// The worker.
    pub worker: Cycles,
    /// The first packet of each flow: scheduling and making the flow.
    pub setup: f64,
}

/// Why there are no figures.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Invalid {
    /// Packets were lost, so the figures would flatter.
    #[error("{forwarded} of {sent} packets were forwarded: {why}")]
    Lost {
        /// Packets that came in.
        sent: u64,
        /// Packets that went out.
        forwarded: u64,
        /// Where in the run, and what the worker counted.
        why: String,
    },
}

/// Runs a scenario with buffers from `pool`. The calling thread should be pinned, and known to
/// DPDK, as the one that started the EAL is.
///
/// # Errors
/// [`Invalid`] if not every packet was forwarded.
pub fn run(scenario: Scenario, effort: Effort, pool: &PktMempool) -> Result<Figures, Invalid> {
    let order = traffic::random_order(scenario.flows, 0x0dde);
    let ports = LoopPorts::new(pool.clone(), &order, VIP, WAN_MAC);
    let mut site = Site::new(scenario.mode, scenario.flows + scenario.flows / 8 + 1024, ports);

    settle(&mut site);
    site.worker.ports_mut().record(true);
    let flows = u64::from(scenario.flows);
    let setup = worker_round(&mut site, Feed::Requests, flows)?;
    site.worker.ports_mut().record(false);
    worker_round(&mut site, scenario.feed, effort.packets)?;

    let (mut ceiling, mut worker) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ceiling.push(mac_swap_round(site.worker.ports_mut(), scenario.feed, effort.packets));
        worker.push(worker_round(&mut site, scenario.feed, effort.packets)?);
    }
    Ok(Figures { ceiling: Cycles::of(ceiling), worker: Cycles::of(worker), setup })
}

/// Lets the worker resolve its neighbours: requests of ARP are answered in the next turn.
fn settle(site: &mut Site) {
    let start = dpdk_io::clock();
    while dpdk_io::clock().since(start).0 < 10 {
        site.worker.turn(dpdk_io::clock());
    }
}

fn worker_round(site: &mut Site, feed: Feed, packets: u64) -> Result<f64, Invalid> {
    let before = site.stats.forwarded.value();
    site.worker.ports_mut().play(feed, packets);
    let start = dpdk::tsc::now();
    while !site.worker.ports_mut().is_done() {
        site.worker.turn(dpdk_io::clock());
    }
    let cycles = per_packet(dpdk::tsc::now() - start, packets);
    let forwarded = site.stats.forwarded.value() - before;
    if forwarded == packets {
        return Ok(cycles);
    }
    let drops = dataplane::verdict::DropReason::ALL
        .iter()
        .map(|reason| (reason.name(), site.stats.dropped(*reason).value()))
        .filter(|(_, count)| *count > 0);
    let why = format!("{feed:?}, drops {:?}", drops.collect::<Vec<_>>());
    Err(Invalid::Lost { sent: packets, forwarded, why })
}

/// The ceiling: a loop that receives, swaps MAC addresses and sends, with no more than that.
fn mac_swap_round(ports: &mut LoopPorts, feed: Feed, packets: u64) -> f64 {
    ports.play(feed, packets);
    let mut burst: Burst<Mbuf> = Burst::new();
    let start = dpdk::tsc::now();
    while !ports.is_done() {
        for (from, to) in [(WAN, LAN), (LAN, WAN)] {
            ports.rx_burst(from, &mut burst);
            for frame in &mut burst {
                if let Some(header) = EthernetHeader::read_mut(frame.bytes_mut()) {
                    let (dst, src) = (header.src, header.dst);
                    header.set_addresses(dst, src);
                }
            }
            ports.tx_burst(to, &mut burst);
        }
    }
    per_packet(dpdk::tsc::now() - start, packets)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn per_packet(cycles: u64, packets: u64) -> f64 {
    cycles as f64 / packets.max(1) as f64
}

impl Cycles {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        let at = |place: usize| rounds.get(place).copied().unwrap_or(f64::NAN);
        let last = rounds.len().saturating_sub(1);
        Self { median: at(last / 2), range: (at(0), at(last)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_sorted_rounds() {
        let cycles = Cycles::of(vec![3.0, 1.0, 9.0]);
        assert_eq!(cycles, Cycles { median: 3.0, range: (1.0, 9.0) });
    }
}
