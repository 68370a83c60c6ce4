//! How a worker reaches its ports: rx bursts in, tx buffers out, and the count of what was sent.
//!
//! [`Ports`] is what a driver must offer: DPDK in production, memory in tests. [`Io`] buffers
//! frames per port, so that a port is given bursts, and gives every received packet that was sent
//! its final verdict: forwarded, or dropped because the port refused it. Where there are several
//! workers it is the way to the others, too ([`crate::handover`]).

use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::buf::{PacketAlloc, PacketBuf};
use crate::handover::{Errand, Handed, Peers, Stage};
use crate::limits::BURST_LEN_MAX;
use crate::ownership::WorkerIdx;
use crate::snapshot::{NextHop, PortIdx};
use crate::stats::WorkerStats;
use crate::verdict::DropReason;
use crate::wire::Mac;

/// Packets taken from or given to a port at once; what is left in it is freed on drop.
pub type Burst<B> = ArrayVec<B, BURST_LEN_MAX>;

/// The ports of one worker.
pub trait Ports<B: PacketBuf>: PacketAlloc<B> {
    /// Number of ports.
    fn port_count(&self) -> usize;

    /// Fills `burst` up with packets that `port` received for this worker.
    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<B>);

    /// Sends from the front of `burst`, in order, and takes what was sent out of it. What the port
    /// refuses stays.
    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<B>);
}

/// Whose packet is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A received one, whose verdict is still open.
    Received,
    /// One of our own: ARP, ICMP, RST.
    Generated,
}

/// Frames that wait to be sent from one port; bit `i` of `received` tells their origin.
#[derive(Debug)]
struct TxBuffer<B> {
    frames: Burst<B>,
    received: u32,
}

const _: () = assert!(BURST_LEN_MAX == u32::BITS as usize);

/// A worker's ports with their tx buffers.
#[derive(Debug)]
pub struct Io<B, P> {
    ports: P,
    tx: Vec<TxBuffer<B>>,
    peers: Option<Peers<B>>,
    /// By port: the worker that sends for this one, which has no tx queue there.
    senders: Vec<Option<WorkerIdx>>,
    stats: Arc<WorkerStats>,
}

impl<B: PacketBuf, P: Ports<B>> Io<B, P> {
    /// Wraps `ports`, counting into `stats`.
    pub fn new(ports: P, stats: Arc<WorkerStats>) -> Self {
        let buffer = || TxBuffer { frames: Burst::new(), received: 0 };
        let tx = (0..ports.port_count()).map(|_| buffer()).collect();
        let senders = vec![None; ports.port_count()];
        Self { ports, tx, peers: None, senders, stats }
    }

    /// Joins other workers. `senders` names, by port, the worker that sends for this one where it
    /// has no tx queue of its own.
    #[must_use]
    pub fn with_peers(mut self, peers: Peers<B>, senders: Vec<Option<WorkerIdx>>) -> Self {
        self.peers = Some(peers);
        self.senders = senders;
        self
    }

    /// Whether there are other workers.
    #[inline(always)]
    #[must_use]
    pub fn has_peers(&self) -> bool {
        self.peers.is_some()
    }

    /// Gives a packet that came in at `port` to worker `to`.
    pub fn hand_over(&mut self, to: WorkerIdx, port: PortIdx, stage: Stage, frame: B) {
        self.hand_packet(to, port, Handed::Packet { port, stage, frame });
    }

    /// Gives a packet of a new connection, which came in at `port`, to worker `to`.
    pub fn run_errand(&mut self, to: WorkerIdx, port: PortIdx, errand: Errand, frame: B) {
        let handed = match errand {
            Errand::Ask(asker) => Handed::ForTemplate { port, asker, frame },
            Errand::Answer(real) => Handed::WithReal { port, real, frame },
        };
        self.hand_packet(to, port, handed);
    }

    #[inline(always)]
    fn hand_packet(&mut self, to: WorkerIdx, port: PortIdx, handed: Handed<B>) {
        let Some(peers) = &mut self.peers else { return };
        // Counted before it is lost, if it is: a lost one is taken back.
        self.stats.handed_over.add(1);
        if let Some(stats) = self.stats.ports.get(port.index()) {
            stats.handed_over.add(1);
        }
        let stats = &self.stats;
        peers.give(to, handed, |lost| count_lost(stats, &lost));
    }

    /// Tells all other workers a neighbour's MAC address.
    pub fn tell_neighbor(&mut self, hop: NextHop, mac: Mac) {
        if let Some(peers) = &mut self.peers {
            peers.tell_all(|| Handed::Neighbor { hop, mac });
        }
    }

    /// Gives worker `to` a note. One that finds no room is lost, and counted where it matters.
    pub fn tell(&mut self, to: WorkerIdx, note: Handed<B>) {
        let stats = &self.stats;
        if let Some(peers) = &mut self.peers {
            peers.give(to, note, |lost| count_lost(stats, &lost));
        }
    }

    /// Gives all other workers a note; those that are lost are counted.
    pub fn tell_all(&mut self, note: impl FnMut() -> Handed<B>) {
        let stats = &self.stats;
        if let Some(peers) = &mut self.peers {
            peers.give_all(note, |lost| count_lost(stats, &lost));
        }
    }

    /// The next thing that another worker handed over; `budget` counts down inboxes.
    #[inline]
    pub fn take_over(&mut self, budget: &mut usize) -> Option<Handed<B>> {
        self.peers.as_mut()?.take(budget)
    }

    /// The ports themselves.
    pub fn ports_mut(&mut self) -> &mut P {
        &mut self.ports
    }

    /// Number of ports.
    #[must_use]
    pub fn port_count(&self) -> usize {
        self.tx.len()
    }

    /// Receives a burst from `port` and counts it.
    #[inline]
    pub fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<B>) {
        self.ports.rx_burst(port, burst);
        if burst.is_empty() {
            return;
        }
        let count = burst.len() as u64;
        self.stats.received.add(count);
        self.stats.rx_bursts.count(burst.len());
        if let Some(stats) = self.stats.ports.get(port.index()) {
            stats.rx_packets.add(count);
            stats.rx_bytes.add(burst.iter().map(|frame| frame.len() as u64).sum());
        }
    }

    /// An empty buffer for a packet of our own.
    #[inline]
    pub fn alloc(&mut self) -> Option<B> {
        self.ports.alloc()
    }

    /// Buffers a frame for `port`, sending the buffer when it is full.
    #[inline]
    pub fn send(&mut self, port: PortIdx, frame: B, origin: Origin) {
        let Some(buffer) = self.tx.get_mut(port.index()) else {
            // Next hops only name ports of the snapshot, which are these.
            debug_assert!(false, "no port {port:?}");
            return;
        };
        if origin == Origin::Received {
            buffer.received |= 1 << buffer.frames.len();
        }
        // Cannot be full: a full buffer was flushed when its last frame came.
        let _ = buffer.frames.try_push(frame);
        if buffer.frames.is_full() {
            self.flush_port(port);
        }
    }

    /// Sends what is buffered for all ports.
    #[inline]
    pub fn flush(&mut self) {
        for index in 0..self.tx.len() {
            if !self.tx[index].frames.is_empty() {
                #[expect(clippy::cast_possible_truncation, reason = "at most 16 ports")]
                self.flush_port(PortIdx(index as u8));
            }
        }
        if let Some(peers) = &mut self.peers {
            let stats = &self.stats;
            peers.flush(|lost| count_lost(stats, &lost));
        }
    }

    /// Has another worker send what is buffered for `port`.
    #[cold]
    fn send_through(&mut self, sender: WorkerIdx, port: PortIdx) {
        let Some(peers) = &mut self.peers else { return };
        let TxBuffer { frames, received } = &mut self.tx[port.index()];
        let stats = &self.stats;
        for (place, frame) in frames.drain(..).enumerate() {
            let is_received = *received >> place & 1 == 1;
            let origin = if is_received { Origin::Received } else { Origin::Generated };
            stats.handed_over.add(u64::from(is_received));
            let handed = Handed::ToSend { port, origin, frame };
            peers.give(sender, handed, |lost| count_lost(stats, &lost));
        }
        *received = 0;
    }

    fn flush_port(&mut self, port: PortIdx) {
        if let Some(Some(sender)) = self.senders.get(port.index()).copied() {
            return self.send_through(sender, port);
        }
        let TxBuffer { frames, received } = &mut self.tx[port.index()];
        let bytes = |frames: &Burst<B>| frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
        let (total_count, total_bytes) = (frames.len(), bytes(frames));
        self.ports.tx_burst(port, frames);
        let (refused_count, refused_bytes) = (frames.len(), bytes(frames));
        frames.clear();

        let sent_count = total_count - refused_count;
        // A buffer holds 32 frames, so 64 bits take every shift.
        let sent_mask = (1u64 << sent_count) - 1;
        let forwarded = (u64::from(*received) & sent_mask).count_ones();
        let refused = (u64::from(*received) & !sent_mask).count_ones();
        *received = 0;

        self.stats.forwarded.add(u64::from(forwarded));
        self.stats.dropped(DropReason::TxRefused).add(u64::from(refused));
        if let Some(stats) = self.stats.ports.get(port.index()) {
            stats.tx_packets.add(sent_count as u64);
            stats.tx_bytes.add(total_bytes - refused_bytes);
            stats.tx_refused.add(refused_count as u64);
        }
    }
}

/// Counts a packet that found no room on its way to another worker. It was counted as handed over.
#[cold]
fn count_lost<B>(stats: &WorkerStats, lost: &Handed<B>) {
    match lost {
        Handed::Packet { .. }
        | Handed::ForTemplate { .. }
        | Handed::WithReal { .. }
        | Handed::ToSend { origin: Origin::Received, .. } => {
            stats.handed_over.subtract(1);
            stats.dropped(DropReason::HandoverRingFull).add(1);
        }
        Handed::PassiveData { .. } | Handed::ActiveData { .. } => stats.ftp.notes_lost.add(1),
        Handed::ToSend { origin: Origin::Generated, .. }
        | Handed::Neighbor { .. }
        | Handed::Template(_) => {}
    }
}
