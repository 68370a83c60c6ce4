//! Hand-over: packets and notes that go from one worker to another.
//!
//! Every ordered pair of workers has a ring with one writer and one reader. What is to be handed
//! over gathers in an outbox and is written to the ring once per turn, so the two share a cache
//! line once per batch and not once per packet. A ring that is full loses what does not fit: the
//! packets are counted as dropped, and flows go on.

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;
use crossbeam::utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::io::Origin;
use crate::limits::{BURST_LEN_MAX, HANDOVER_RING_LEN};
use crate::ownership::WorkerIdx;
use crate::persistence::Template;
use crate::service::RealId;
use crate::snapshot::{NextHop, PortIdx};
use crate::wire::Mac;

/// What the sender of a packet already knows of whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing: it was received just now.
    Received,
    /// It is a fragment, and the fragments of its datagram meet at the receiver.
    Train,
    /// The receiver owns its flow.
    Owner,
}

/// What a packet of a new connection of a persistent service goes to another worker for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// The receiver owns the client's template and shall say the real server to this worker.
    Ask(WorkerIdx),
    /// This is the real server.
    Answer(RealId),
}

/// A word about a persistence template from one worker to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateNote {
    /// What it says.
    pub kind: NoteKind,
    /// Whether a connection that used it got through.
    pub is_assured: bool,
    /// The worker it is from.
    pub from: WorkerIdx,
    /// The real server that the sender's template, or the receiver's, says. The template is one of
    /// its service.
    pub real: RealId,
    /// The address of the client's network.
    pub network: Ipv4Addr,
    /// [`TemplateKey::call`](crate::persistence::TemplateKey::call), in bytes so that this stays
    /// small.
    pub call: [u8; 8],
}

/// What a [`TemplateNote`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// To the owner: the sender's copy was used for a new connection.
    Used,
    /// To the owner: the sender's copy still controls flows.
    Held,
    /// To the owner: the real server has begun the call itself, whatever the template says.
    Claimed,
    /// From the owner: the copy does not hold any more.
    Stale,
}

impl TemplateNote {
    /// A note on a template of worker `from`.
    #[must_use]
    pub fn on(template: &Template, kind: NoteKind, from: WorkerIdx) -> Self {
        Self {
            kind,
            is_assured: template.is_assured(),
            from,
            real: template.real(),
            network: template.key().network(),
            call: template.key().call().to_ne_bytes(),
        }
    }
}

/// One thing that is handed over.
#[derive(Debug)]
pub enum Handed<B> {
    /// A received packet, to be processed.
    Packet {
        /// The port it was received at.
        port: PortIdx,
        /// What is known of it.
        stage: Stage,
        /// The packet.
        frame: B,
    },
    /// A finished packet, to be sent by the worker that has a tx queue of the port.
    ToSend {
        /// The port to send from.
        port: PortIdx,
        /// Whose packet it is.
        origin: Origin,
        /// The packet.
        frame: B,
    },
    /// A neighbour has told its MAC address.
    Neighbor {
        /// The neighbour.
        hop: NextHop,
        /// Its MAC.
        mac: Mac,
    },
    /// A packet of a new connection, whose client's template is the receiver's.
    ForTemplate {
        /// The port it was received at.
        port: PortIdx,
        /// Who wants to know its real server.
        asker: WorkerIdx,
        /// The packet.
        frame: B,
    },
    /// Such a packet back with its real server.
    WithReal {
        /// The port it was received at.
        port: PortIdx,
        /// The real server.
        real: RealId,
        /// The packet.
        frame: B,
    },
    /// A word about a template.
    Template(TemplateNote),
    /// A client is about to open an FTP data connection to a port of the VIP.
    PassiveData {
        /// The client; its port is not known.
        client: Ipv4Addr,
        /// The port, of the VIP and of the real server.
        l4_port: u16,
        /// The real server that waits for it.
        real: RealId,
        /// Place of the control connection's LIP in the service's list, in FULLNAT.
        lip: u16,
    },
    /// A real server is about to open an FTP data connection, which the receiver will own.
    ActiveData {
        /// The client that waits for it.
        client: Ipv4Addr,
        /// The client's port.
        cport: u16,
        /// The real server.
        real: RealId,
        /// Place of the LIP in the service's list, in FULLNAT.
        lip: u16,
        /// lport, in FULLNAT.
        lport: u16,
    },
}

// What is handed over most, packets, need not move more memory for what is seldom.
const _: () = assert!(size_of::<Handed<&u8>>() <= 24);

/// The way to one other worker.
#[derive(Debug)]
struct Outbox<B> {
    waiting: ArrayVec<Handed<B>, BURST_LEN_MAX>,
    ring: Producer<Handed<B>>,
}

impl<B> Outbox<B> {
    /// Writes what waits to the ring as far as it fits; `lose` gets the rest.
    fn flush(&mut self, lose: impl FnMut(Handed<B>)) {
        let room = self.ring.slots().min(self.waiting.len());
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            chunk.fill_from_iter(self.waiting.drain(..room));
        }
        self.waiting.drain(..).for_each(lose);
    }
}

/// One worker's rings to and from all others.
///
/// The control thread makes those of all workers, one after the other, and each worker writes its
/// own in every turn (both ends of a ring remember positions); so they are padded, lest two workers
/// write to one cache line.
#[derive(Debug)]
pub struct Peers<B> {
    /// By worker; `None` at the worker's own place.
    out: Vec<Option<CachePadded<Outbox<B>>>>,
    inboxes: Vec<CachePadded<Consumer<Handed<B>>>>,
    /// The inbox to look into first next time.
    next: usize,
}

impl<B> Peers<B> {
    /// The rings of `count` workers, one element for each.
    #[must_use]
    pub fn mesh(count: u16) -> Vec<Self> {
        let count = usize::from(count);
        let empty = || Self { out: Vec::new(), inboxes: Vec::new(), next: 0 };
        let mut peers: Vec<Self> = (0..count).map(|_| empty()).collect();
        for from in 0..count {
            for to in 0..count {
                if from == to {
                    peers[from].out.push(None);
                    continue;
                }
                let (ring, inbox) = RingBuffer::new(HANDOVER_RING_LEN);
                let outbox = Outbox { waiting: ArrayVec::new(), ring };
                peers[from].out.push(Some(CachePadded::new(outbox)));
                peers[to].inboxes.push(CachePadded::new(inbox));
            }
        }
        peers
    }

    /// Hands something to worker `to` at the end of the turn, or sooner if much waits; `lose` gets
    /// what finds no room.
    #[inline]
    pub fn give(&mut self, to: WorkerIdx, handed: Handed<B>, mut lose: impl FnMut(Handed<B>)) {
        let Some(Some(outbox)) = self.out.get_mut(to.index()) else { return lose(handed) };
        if outbox.waiting.is_full() {
            outbox.flush(&mut lose);
        }
        outbox.waiting.push(handed);
    }

    /// Hands something to every other worker.
    pub fn tell_all(&mut self, mut note: impl FnMut() -> Handed<B>) {
        for outbox in self.out.iter_mut().flatten() {
            // A note that is lost will be told again: its subject is asked about until it is known.
            if outbox.waiting.is_full() {
                continue;
            }
            outbox.waiting.push(note());
        }
    }

    /// Gives something to every other worker; `lose` gets what finds no room.
    pub fn give_all(
        &mut self,
        mut note: impl FnMut() -> Handed<B>,
        mut lose: impl FnMut(Handed<B>),
    ) {
        for outbox in self.out.iter_mut().flatten() {
            if outbox.waiting.is_full() {
                outbox.flush(&mut lose);
            }
            outbox.waiting.push(note());
        }
    }

    /// Writes everything that waits to the rings; `lose` gets what finds no room.
    #[inline]
    pub fn flush(&mut self, mut lose: impl FnMut(Handed<B>)) {
        for outbox in self.out.iter_mut().flatten() {
            if !outbox.waiting.is_empty() {
                outbox.flush(&mut lose);
            }
        }
    }

    /// The next thing that another worker handed over. Workers take turns; `budget` counts down
    /// the inboxes that are looked into.
    #[inline]
    pub fn take(&mut self, budget: &mut usize) -> Option<Handed<B>> {
        while *budget > 0 {
            let inbox = self.inboxes.get_mut(self.next)?;
            if let Ok(handed) = inbox.pop() {
                return Some(handed);
            }
            *budget -= 1;
            self.next = if self.next + 1 == self.inboxes.len() { 0 } else { self.next + 1 };
        }
        None
    }

    /// Inboxes, one per other worker.
    #[must_use]
    pub fn inbox_count(&self) -> usize {
        self.inboxes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_disjoint, cache_lines};

    fn packet(number: u32) -> Handed<u32> {
        Handed::Packet { port: PortIdx(0), stage: Stage::Owner, frame: number }
    }

    fn number(handed: Handed<u32>) -> u32 {
        let Handed::Packet { frame, .. } = handed else { panic!("{handed:?}") };
        frame
    }

    #[test]
    fn what_is_given_arrives_in_order_after_a_flush() {
        let mut peers = Peers::mesh(3);
        let lost = |handed| panic!("{handed:?} was lost");
        for value in 0..100 {
            peers[0].give(WorkerIdx(2), packet(value), lost);
        }
        peers[1].give(WorkerIdx(2), packet(1000), lost);
        peers[0].flush(lost);
        peers[1].flush(lost);
        let mut got = Vec::new();
        let mut budget = 2;
        while let Some(handed) = peers[2].take(&mut budget) {
            got.push(number(handed));
        }
        assert_eq!(got, (0..100).chain([1000]).collect::<Vec<_>>());
        assert!(peers[1].take(&mut 2).is_none());
    }

    #[test]
    fn a_full_ring_loses_the_rest_and_says_so() {
        let mut peers = Peers::mesh(2);
        let mut lost = Vec::new();
        let count = u32::try_from(HANDOVER_RING_LEN).unwrap() + 10;
        for value in 0..count {
            peers[0].give(WorkerIdx(1), packet(value), |handed| lost.push(number(handed)));
        }
        peers[0].flush(|handed| lost.push(number(handed)));
        assert_eq!(lost, (count - 10..count).collect::<Vec<_>>());
        let mut budget = 1;
        assert_eq!(number(peers[1].take(&mut budget).unwrap()), 0);
    }

    #[test]
    fn no_two_workers_write_to_a_cache_line() {
        let peers: Vec<Peers<u32>> = Peers::mesh(4);
        let lines = peers.iter().map(|peers| {
            let out = peers.out.iter().flat_map(cache_lines);
            out.chain(peers.inboxes.iter().flat_map(cache_lines)).collect()
        });
        assert_disjoint(lines);
    }

    #[test]
    fn nobody_hands_over_to_itself_or_to_strangers() {
        let mut peers = Peers::mesh(2);
        for to in [0, 2] {
            let mut lost = 0;
            peers[0].give(WorkerIdx(to), packet(1), |_| lost += 1);
            assert_eq!(lost, 1);
        }
    }
}
