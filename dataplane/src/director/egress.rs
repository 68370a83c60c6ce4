//! The way out: next hop's MAC, fragments where a packet is too long, and the port's tx buffer.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::arp;
use crate::buf::PacketBuf;
use crate::fragment;
use crate::io::{Origin, Ports};
use crate::neighbor::{NeighborTable, Probe, Resolution, Waiting};
use crate::parse::L3_OFFSET;
use crate::snapshot::{NextHop, PortIdx};
use crate::stats::WorkerStats;
use crate::verdict::{DropReason, Verdict};
use crate::wire::{EtherType, EthernetHeader, Mac};

use super::Turn;

/// Neighbours, and what is needed to send to them.
#[derive(Debug)]
pub(super) struct Egress<B> {
    pub(super) neighbors: NeighborTable<B>,
    /// Whether this worker announces addresses; one of them does.
    pub(super) announces: bool,
    stats: Arc<WorkerStats>,
}

impl<B: PacketBuf> Egress<B> {
    pub(super) fn new(stats: Arc<WorkerStats>) -> Self {
        Self { neighbors: NeighborTable::new(), announces: true, stats }
    }

    /// Sends an IPv4 packet to `hop`, or lets it wait until its MAC address is known.
    #[inline(always)]
    pub(super) fn deliver<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        hop: NextHop,
        frame: B,
        origin: Origin,
    ) -> Verdict {
        match self.neighbors.known(hop, turn.now) {
            Some(mac) => send_ipv4(&self.stats, turn, hop.port, mac, Waiting { frame, origin }),
            None => self.deliver_later(turn, hop, frame, origin),
        }
    }

    #[cold]
    fn deliver_later<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        hop: NextHop,
        frame: B,
        origin: Origin,
    ) -> Verdict {
        match self.neighbors.resolve(hop, frame, origin, turn.now) {
            Resolution::Send(mac, frame) => {
                send_ipv4(&self.stats, turn, hop.port, mac, Waiting { frame, origin })
            }
            Resolution::Queued { ask } => {
                if ask {
                    self.ask(turn, Probe { hop, at: None });
                }
                Verdict::Held
            }
            Resolution::Unresolved(_) => Verdict::Dropped(DropReason::NeighborUnresolved),
            Resolution::QueueFull(_) => Verdict::Dropped(DropReason::NeighborQueueFull),
        }
    }

    /// Sends an ARP request.
    pub(super) fn ask<P: Ports<B>>(&self, turn: &mut Turn<'_, B, P>, probe: Probe) {
        let NextHop { port, address } = probe.hop;
        let Some(own) = turn.snapshot.source_address(probe.hop) else { return };
        self.send_arp(turn, port, |frame, mac| {
            arp::emit_request(frame, (mac, own), address, probe.at)
        });
    }

    /// Announces an address of ours on `port`.
    pub(super) fn announce<P: Ports<B>>(
        &self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        address: Ipv4Addr,
    ) {
        if self.announces {
            self.send_arp(turn, port, |frame, mac| arp::emit_gratuitous(frame, mac, address));
        }
    }

    fn send_arp<P: Ports<B>>(
        &self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        emit: impl FnOnce(&mut B, Mac) -> bool,
    ) {
        let Some(mac) = turn.snapshot.ports.get(port.index()).map(|port| port.mac) else { return };
        // Without a free buffer the request is left out; it will be repeated.
        let Some(mut frame) = turn.io.alloc() else { return };
        if emit(&mut frame, mac) {
            self.stats.generated.arp_requests.add(1);
            turn.io.send(port, frame, Origin::Generated);
        }
    }

    /// Notes a neighbour's MAC and sends what waited for it.
    pub(super) fn learn<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>, hop: NextHop, mac: Mac) {
        let stats = &self.stats;
        self.neighbors.learn(hop, mac, turn.now, |waiting| {
            let received = waiting.origin == Origin::Received;
            let verdict = send_ipv4(stats, turn, hop.port, mac, waiting);
            if received {
                end_of_wait(stats, verdict);
            }
        });
    }

    /// Lets neighbours age: asks those that are due, drops what waited in vain.
    pub(super) fn tick<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>, budget: usize) {
        let mut probes = arrayvec::ArrayVec::<Probe, { crate::limits::NEIGHBOR_PER_TICK }>::new();
        let stats = &self.stats;
        self.neighbors.tick(
            (turn.now, budget.min(probes.capacity())),
            &stats.neighbors,
            |probe| probes.push(probe),
            |waiting| {
                if waiting.origin == Origin::Received {
                    end_of_wait(stats, Verdict::Dropped(DropReason::NeighborUnresolved));
                }
            },
        );
        for probe in probes {
            self.ask(turn, probe);
        }
    }
}

/// Counts what became of a packet that was held.
pub(super) fn end_of_wait(stats: &WorkerStats, verdict: Verdict) {
    stats.held.subtract(1);
    match verdict {
        Verdict::Dropped(reason) => stats.dropped(reason).add(1),
        Verdict::Consumed => stats.consumed.add(1),
        Verdict::Held => stats.held.add(1),
        // Counted when a port or a ring has taken it.
        Verdict::Forwarded | Verdict::HandedOver => {}
    }
}

/// Sends an IPv4 packet to `mac`, in fragments if it is longer than the port's MTU. Packets that
/// may not be fragmented have been refused before.
#[inline(always)]
fn send_ipv4<B: PacketBuf, P: Ports<B>>(
    stats: &WorkerStats,
    turn: &mut Turn<'_, B, P>,
    port: PortIdx,
    mac: Mac,
    packet: Waiting<B>,
) -> Verdict {
    let Some(info) = turn.snapshot.ports.get(port.index()) else {
        return Verdict::Dropped(DropReason::NoRoute);
    };
    let Waiting { frame, origin } = packet;
    if frame.len() <= L3_OFFSET + usize::from(info.mtu) {
        return send_frame(turn, port, (mac, info.mac), frame, origin);
    }
    send_fragments(stats, turn, port, (mac, info.mac), Waiting { frame, origin })
}

#[inline(always)]
fn send_frame<B: PacketBuf, P: Ports<B>>(
    turn: &mut Turn<'_, B, P>,
    port: PortIdx,
    (dst, src): (Mac, Mac),
    mut frame: B,
    origin: Origin,
) -> Verdict {
    match EthernetHeader::read_mut(frame.bytes_mut()) {
        Some(header) => *header = EthernetHeader::new(dst, src, EtherType::IPV4),
        None => return Verdict::Dropped(DropReason::Truncated),
    }
    turn.io.send(port, frame, origin);
    Verdict::Forwarded
}

#[cold]
fn send_fragments<B: PacketBuf, P: Ports<B>>(
    stats: &WorkerStats,
    turn: &mut Turn<'_, B, P>,
    port: PortIdx,
    macs: (Mac, Mac),
    packet: Waiting<B>,
) -> Verdict {
    let Waiting { mut frame, mut origin } = packet;
    let mtu = turn.snapshot.ports.get(port.index()).map_or(0, |info| info.mtu);
    // The first fragment stands for the received packet, which has its verdict once that is sent;
    // the others are extra.
    let mut failure: fn(DropReason) -> Verdict = Verdict::Dropped;
    while frame.len() > L3_OFFSET + usize::from(mtu) {
        let Some(mut rest) = turn.io.alloc() else {
            return failure(DropReason::NoBuffer);
        };
        if !fragment::split_off(&mut frame, &mut rest, mtu) {
            return failure(DropReason::FragmentationNeeded);
        }
        let _ = send_frame(turn, port, macs, std::mem::replace(&mut frame, rest), origin);
        origin = Origin::Generated;
        failure = |_| Verdict::Forwarded;
        stats.generated.fragments.add(1);
    }
    send_frame(turn, port, macs, frame, origin)
}
