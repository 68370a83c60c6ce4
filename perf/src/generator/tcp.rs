//! Whole TCP connections: SYN, SYN-ACK, ACK, request, response, FIN, FIN-ACK, ACK.
//!
//! Clients and real servers keep the state of every connection that is under way, send what the
//! state machine of TCP says, and count a segment that does not fit the state as wrong. Every
//! connection comes from an end that was not used before. Its number is the upper part of the
//! client's first sequence number, so that both sides know the connection of a segment although
//! FULLNAT hides the client.

use dataplane::snapshot::PortIdx;
use dataplane::wire::{Mac, TcpFlags};
use dpdk::{Burst, Mbuf, PktMempool};

use super::arp::{self, ARP_FRAME_LEN, NEIGHBOR};
use super::book::Book;
use super::flows::Flows;
use super::frame::FRAME_LEN_MIN;
use super::segment::{self, Blank, Frame, PAYLOAD_LEN, Segment};
use super::{Engine, LAN, WAN};
use crate::bench::traffic::End;

/// Sequence numbers that one connection has to itself; it uses eight in each direction.
const SEQ_BITS: u32 = 8;
/// Connections before their numbers come again.
const NUMBER_COUNT: u32 = 1 << (u32::BITS - SEQ_BITS);
/// One segment out of so many has its checksum checked.
const CHECK_INTERVAL: usize = 64;
/// Buffers that are taken from the pool at once.
const SPARE_COUNT: usize = 32;

const SYN_ACK: TcpFlags = TcpFlags::SYN.union(TcpFlags::ACK);
const FIN_ACK: TcpFlags = TcpFlags::FIN.union(TcpFlags::ACK);
const PSH_ACK: TcpFlags = TcpFlags::PSH.union(TcpFlags::ACK);

/// How far a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    /// There is no connection in this place.
    #[default]
    None,
    SynSent,
    RequestSent,
    FinSent,
    Done,
}

/// How far a real server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Server {
    #[default]
    Listening,
    SynReceived,
    Established,
    ResponseSent,
    FinSent,
    Done,
}

/// A connection under way.
#[derive(Clone, Copy, Debug, Default)]
struct Connection {
    number: u32,
    client: Client,
    server: Server,
}

/// The answer to a segment.
type Reply = Option<(TcpFlags, u16)>;

/// The engine.
#[derive(Debug)]
pub struct Connections {
    blank: Blank,
    mac: Mac,
    service: End,
    flows: Flows,
    pool: PktMempool,
    /// For frames that answer none.
    spare: Burst<SPARE_COUNT>,
    window: u64,
    /// By number modulo length; longer than the window, so that places are free again in time.
    under_way: Box<[Connection]>,
    next_number: u32,
    started: u64,
    book: Book,
}

impl Connections {
    /// Connections to `service` at the director's `mac`, at most `window` at the same time. Opens
    /// none until it is granted some. Frames come from `pool`.
    #[must_use]
    pub fn new(mac: Mac, service: End, window: u64, pool: PktMempool) -> Self {
        let places = usize::try_from(window).unwrap_or(0).next_power_of_two() * 4;
        Self {
            blank: Blank::default(),
            mac,
            service,
            flows: Flows::fresh(),
            pool,
            spare: Burst::new(),
            window,
            under_way: vec![Connection::default(); places].into_boxed_slice(),
            next_number: 0,
            started: 0,
            book: Book::new(places),
        }
    }

    /// A new frame with this segment; none if there are no buffers.
    #[inline]
    fn frame(&mut self, segment: &Segment) -> Option<Mbuf> {
        if self.spare.is_empty() {
            self.pool.alloc_burst(&mut self.spare);
        }
        let mut frame = self.spare.pop()?;
        self.blank.write(whole(&mut frame)?, segment);
        Some(frame)
    }

    /// Takes one segment at `port` and queues what answers it.
    #[inline]
    fn segment(&mut self, port: PortIdx, mut frame: Mbuf) {
        let Some(segment) = Segment::read(frame.data()) else {
            return self.book.wrong("a frame that came back holds no TCP segment");
        };
        self.check_some(port, frame.data());
        // Either way it is a sequence number of the client that tells the connection.
        let number = if port == LAN { segment.seq } else { segment.ack } >> SEQ_BITS;
        let place = number as usize & (self.under_way.len() - 1);
        let Some(connection) = self.under_way.get_mut(place) else { return };
        if connection.number != number || connection.client == Client::None {
            return self.book.wrong("a segment came back to no connection");
        }
        let step = if port == LAN {
            server_step(connection, segment)
        } else {
            client_step(connection, segment)
        };
        let completed = connection.server == Server::Done && connection.client == Client::Done;
        if completed {
            *connection = Connection::default();
            self.book.counts.completed += 1;
        }
        match step {
            None => self.book.wrong("a segment came back that does not fit the connection's state"),
            Some(None) => {}
            Some(Some((flags, payload_len))) => {
                let Some(bytes) = whole(&mut frame) else { return };
                self.blank.write(bytes, &segment.answer(flags, payload_len));
                self.queue(port, frame);
                if port == WAN && segment.flags == SYN_ACK {
                    // The request follows the ACK of the handshake in a frame of its own.
                    let request = self.frame(&segment.answer(PSH_ACK, PAYLOAD_LEN));
                    request.into_iter().for_each(|frame| self.queue(port, frame));
                }
            }
        }
    }

    #[inline]
    fn queue(&mut self, port: PortIdx, frame: Mbuf) {
        let sent = if port == WAN {
            &mut self.book.counts.requests
        } else {
            &mut self.book.counts.answers
        };
        *sent += 1;
        self.book.waiting(port).push_back(frame);
    }

    #[inline]
    fn check_some(&mut self, port: PortIdx, frame: &[u8]) {
        if !self.book.is_due(port, 1, CHECK_INTERVAL) {
            return;
        }
        if let Err(fault) = segment::check(frame, (port == WAN).then_some(self.service)) {
            self.book.wrong(fault);
        }
    }
}

/// What a real server does: nothing that fits (`None`), nothing (`Some(None)`), or an answer.
fn server_step(connection: &mut Connection, segment: Segment) -> Option<Reply> {
    let (state, reply) = match (connection.server, segment.flags, segment.payload_len) {
        (Server::Listening, TcpFlags::SYN, 0) => (Server::SynReceived, Some((SYN_ACK, 0))),
        (Server::SynReceived, TcpFlags::ACK, 0) => (Server::Established, None),
        (Server::Established, PSH_ACK, PAYLOAD_LEN) => {
            (Server::ResponseSent, Some((PSH_ACK, PAYLOAD_LEN)))
        }
        (Server::ResponseSent, FIN_ACK, 0) => (Server::FinSent, Some((FIN_ACK, 0))),
        (Server::FinSent, TcpFlags::ACK, 0) => (Server::Done, None),
        _ => return None,
    };
    connection.server = state;
    Some(reply)
}

/// What a client does, likewise.
fn client_step(connection: &mut Connection, segment: Segment) -> Option<Reply> {
    let (state, reply) = match (connection.client, segment.flags, segment.payload_len) {
        (Client::SynSent, SYN_ACK, 0) => (Client::RequestSent, Some((TcpFlags::ACK, 0))),
        (Client::RequestSent, PSH_ACK, PAYLOAD_LEN) => (Client::FinSent, Some((FIN_ACK, 0))),
        (Client::FinSent, FIN_ACK, 0) => (Client::Done, Some((TcpFlags::ACK, 0))),
        _ => return None,
    };
    connection.client = state;
    Some(reply)
}

/// All bytes of a frame with one segment. The director may have cut off what only filled it up.
#[inline]
fn whole(frame: &mut Mbuf) -> Option<&mut Frame> {
    let missing = FRAME_LEN_MIN.saturating_sub(frame.len());
    if missing > 0 {
        frame.append(missing)?;
    }
    frame.data_mut().first_chunk_mut()
}

impl Engine for Connections {
    #[inline]
    fn take<const N: usize>(&mut self, port: PortIdx, burst: &mut Burst<N>) {
        // They are written as soon as they are read.
        for frame in burst.iter_mut() {
            frame.prefetch_data_write();
        }
        for mut frame in burst.drain(..) {
            if frame.len() == ARP_FRAME_LEN {
                if arp::answer(&mut frame) {
                    self.book.waiting(port).push_back(frame);
                }
                continue;
            }
            let passed = if port == LAN {
                &mut self.book.counts.forwarded
            } else {
                &mut self.book.counts.replied
            };
            *passed += 1;
            self.segment(port, frame);
        }
    }

    fn begin<const N: usize>(&mut self, burst: &mut Burst<N>) {
        let free = self.window.saturating_sub(self.in_flight()).min(self.book.left);
        for _ in 0..free.min(burst.remaining_capacity() as u64) {
            let number = self.next_number;
            let syn = Segment {
                macs: (self.mac, NEIGHBOR),
                src: self.flows.next_client(),
                dst: self.service,
                seq: number << SEQ_BITS,
                ack: 0,
                flags: TcpFlags::SYN,
                payload_len: 0,
            };
            let Some(frame) = self.frame(&syn) else { return };
            burst.push(frame);
            let place = number as usize & (self.under_way.len() - 1);
            if let Some(connection) = self.under_way.get_mut(place) {
                *connection =
                    Connection { number, client: Client::SynSent, server: Server::Listening };
            }
            self.next_number = (number + 1) % NUMBER_COUNT;
            self.started += 1;
            self.book.left -= 1;
            self.book.counts.requests += 1;
        }
    }

    #[inline]
    fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.book.counts.completed + self.book.counts.lost)
    }

    fn write_off(&mut self) {
        self.book.counts.lost += self.in_flight();
        self.under_way.fill(Connection::default());
    }

    fn book(&self) -> &Book {
        &self.book
    }

    fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }
}
