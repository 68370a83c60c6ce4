//! Whole TCP connections: SYN, SYN-ACK, ACK, request, response, FIN, FIN-ACK, ACK.
//!
//! Clients and real servers keep the state of every connection that is under way, send what the
//! state machine of TCP says, and count a segment that does not fit the state as wrong. Every
//! connection comes from an end that was not used before. Its number is the upper part of the
//! client's first sequence number, so that both sides know the connection of a segment although
//! FULLNAT hides the client.

use std::collections::VecDeque;

use dataplane::buf::PacketBuf;
use dataplane::io::Burst;
use dataplane::snapshot::PortIdx;
use dataplane::wire::{
    EthernetHeader, IpProto, Ipv4Header, Mac, TcpFields, TcpFlags, TcpHeader, tcp,
};
use dpdk::{Mbuf, PktMempool};

use super::arp::{self, ARP_FRAME_LEN, NEIGHBOR};
use super::check::Fault;
use super::flows::Flows;
use super::frame::{FRAME_LEN_RANGE, Template};
use super::{Counts, Engine, LAN, PORT_COUNT, WAN};
use crate::bench::traffic::End;

/// Sequence numbers that one connection has to itself; it uses eight in each direction.
const SEQ_BITS: u32 = 8;
/// Connections before their numbers come again.
const NUMBER_COUNT: u32 = 1 << (u32::BITS - SEQ_BITS);
/// Payload of a request and of a response: what the shortest frame has room for.
const PAYLOAD_LEN: u16 = 6;
const HEADERS_LEN: u16 = 40;
const _: () = assert!(HEADERS_LEN as usize == Ipv4Header::LEN + TcpHeader::LEN);
/// One segment out of so many has its checksum checked.
const CHECK_INTERVAL: u32 = 64;

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

/// A segment, as far as it matters.
#[derive(Clone, Copy, Debug)]
struct Segment {
    seq: u32,
    ack: u32,
    flags: TcpFlags,
    payload_len: u16,
}

/// The answer to a segment.
type Reply = Option<(TcpFlags, u16)>;

/// The engine.
#[derive(Debug)]
pub struct Connections {
    syn: Template,
    service: End,
    flows: Flows,
    pool: PktMempool,
    window: u64,
    /// By number modulo length; longer than the window, so that places are free again in time.
    under_way: Box<[Connection]>,
    next_number: u32,
    started: u64,
    left: u64,
    waiting: [VecDeque<Mbuf>; PORT_COUNT],
    counts: Counts,
    checking: bool,
    unchecked: u32,
    fault: Option<Fault>,
}

impl Connections {
    /// Connections to `service` at the director's `mac`, at most `window` at the same time. Opens
    /// none until it is granted some. Frames come from `pool`.
    #[must_use]
    pub fn new(mac: Mac, service: End, window: u64, pool: PktMempool) -> Self {
        let places = usize::try_from(window).unwrap_or(0).next_power_of_two() * 4;
        Self {
            syn: Template::tcp((NEIGHBOR, mac), service, TcpFlags::SYN),
            service,
            flows: Flows::fresh(),
            pool,
            window,
            under_way: vec![Connection::default(); places].into_boxed_slice(),
            next_number: 0,
            started: 0,
            left: 0,
            waiting: std::array::from_fn(|_| VecDeque::with_capacity(places)),
            counts: Counts::default(),
            checking: true,
            unchecked: 0,
            fault: None,
        }
    }

    fn wrong(&mut self, fault: Fault) {
        self.counts.wrong += 1;
        self.fault.get_or_insert(fault);
    }

    fn open(&mut self, burst: &mut Burst<Mbuf>) {
        let free = self.window.saturating_sub(self.in_flight()).min(self.left);
        for _ in 0..free.min((burst.capacity() - burst.len()) as u64) {
            let Some(mut frame) = self.pool.alloc() else { return };
            let number = self.next_number;
            let Some(bytes) = frame.append(self.syn.frame_len()) else { return };
            self.syn.stamp(bytes, self.flows.next_client(), number << SEQ_BITS);
            burst.push(frame);
            let place = number as usize & (self.under_way.len() - 1);
            if let Some(connection) = self.under_way.get_mut(place) {
                *connection =
                    Connection { number, client: Client::SynSent, server: Server::Listening };
            }
            self.next_number = (number + 1) % NUMBER_COUNT;
            self.started += 1;
            self.left -= 1;
            self.counts.requests += 1;
        }
    }

    /// Takes one segment at `port` and queues what answers it.
    #[inline]
    fn segment(&mut self, port: PortIdx, mut frame: Mbuf) {
        let Some(segment) = read(frame.bytes()) else {
            return self.wrong("a frame that came back holds no TCP segment");
        };
        self.check_some(port, frame.bytes());
        // Either way it is a sequence number of the client that tells the connection.
        let number = if port == LAN { segment.seq } else { segment.ack } >> SEQ_BITS;
        let place = number as usize & (self.under_way.len() - 1);
        let Some(connection) = self.under_way.get_mut(place) else { return };
        if connection.number != number || connection.client == Client::None {
            return self.wrong("a segment came back to no connection");
        }
        let step = if port == LAN {
            server_step(connection, segment)
        } else {
            client_step(connection, segment)
        };
        let completed = connection.server == Server::Done && connection.client == Client::Done;
        if completed {
            *connection = Connection::default();
            self.counts.completed += 1;
        }
        match step {
            None => self.wrong("a segment came back that does not fit the connection's state"),
            Some(None) => {}
            Some(Some(reply)) => {
                answer(&mut frame, segment, reply);
                let is_handshake = port == WAN && segment.flags == SYN_ACK;
                self.queue(port, frame);
                if is_handshake {
                    self.send_request(segment);
                }
            }
        }
    }

    fn queue(&mut self, port: PortIdx, frame: Mbuf) {
        let sent = if port == WAN { &mut self.counts.requests } else { &mut self.counts.answers };
        *sent += 1;
        self.waiting[port.index()].push_back(frame);
    }

    /// The request follows the ACK of the handshake in a frame of its own, made after it.
    fn send_request(&mut self, syn_ack: Segment) {
        let Some(ack) = self.waiting[WAN.index()].back() else { return };
        let Some(mut frame) = self.pool.alloc_from(ack.bytes()) else { return };
        // As if it answered the ACK, turned round once more.
        turn_round(frame.bytes_mut());
        answer(&mut frame, syn_ack, (PSH_ACK, PAYLOAD_LEN));
        self.queue(WAN, frame);
    }

    fn check_some(&mut self, port: PortIdx, frame: &[u8]) {
        self.unchecked += 1;
        if !self.checking || self.unchecked < CHECK_INTERVAL {
            return;
        }
        self.unchecked = 0;
        self.counts.checked += 1;
        if let Err(fault) = check(port, frame, self.service) {
            self.wrong(fault);
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

#[inline]
fn read(frame: &[u8]) -> Option<Segment> {
    let (_, packet) = EthernetHeader::split(frame)?;
    let (ip, transport) = Ipv4Header::split(packet)?;
    let header = TcpHeader::read(transport).filter(|_| ip.protocol() == IpProto::TCP)?;
    Some(Segment {
        seq: header.seq(),
        ack: header.ack(),
        flags: header.flags(),
        payload_len: ip.total_len().checked_sub(HEADERS_LEN)?,
    })
}

/// Turns a frame round and makes it the answer to `segment`.
#[inline]
fn answer(frame: &mut Mbuf, segment: Segment, (flags, payload_len): (TcpFlags, u16)) {
    // The director may have cut off what only filled the frame up.
    let missing = FRAME_LEN_RANGE.start().saturating_sub(frame.len());
    if missing > 0
        && let Some(padding) = PacketBuf::append(frame, missing)
    {
        padding.fill(0);
    }
    turn_round(frame.bytes_mut());
    let Some((_, packet)) = EthernetHeader::split_mut(frame.bytes_mut()) else { return };
    let Some((ip, transport)) = Ipv4Header::split_mut(packet) else { return };
    ip.set_total_len(HEADERS_LEN + payload_len);
    let (src, dst) = (ip.src(), ip.dst());
    let segment_len = usize::from(payload_len) + TcpHeader::LEN;
    let Some(transport) = transport.get_mut(..segment_len) else { return };
    let Some((header, payload)) = TcpHeader::split_mut(transport) else { return };
    payload.fill(b'.');
    let starts = u32::from(segment.flags.intersects(SYN_FIN));
    *header = TcpHeader::new(&TcpFields {
        src_port: header.src_port(),
        dst_port: header.dst_port(),
        // Real servers number from zero, so that a client's acknowledgement is their next number.
        seq: if segment.flags == TcpFlags::SYN { 0 } else { segment.ack },
        ack: segment.seq.wrapping_add(starts + u32::from(segment.payload_len)),
        flags,
        window: 65_535,
    });
    tcp::fill_checksum(transport, src, dst);
}

const SYN_FIN: TcpFlags = TcpFlags::SYN.union(TcpFlags::FIN);

/// Both ends change places.
#[inline]
fn turn_round(frame: &mut [u8]) {
    let Some((ethernet, packet)) = EthernetHeader::split_mut(frame) else { return };
    let (dst, src) = (ethernet.dst, ethernet.src);
    ethernet.set_addresses(src, dst);
    let Some((ip, transport)) = Ipv4Header::split_mut(packet) else { return };
    let (src, dst) = (ip.src(), ip.dst());
    let _in_checksum = ip.set_addresses(dst, src);
    if let Some(header) = TcpHeader::read_mut(transport) {
        let (src, dst) = (header.src_port(), header.dst_port());
        header.set_src_port(dst);
        header.set_dst_port(src);
    }
}

fn check(port: PortIdx, frame: &[u8], service: End) -> Result<(), Fault> {
    let (ethernet, packet) = EthernetHeader::split(frame).ok_or("a frame is cut short")?;
    let (ip, transport) = Ipv4Header::split(packet).ok_or("an IP header is cut short")?;
    let len = usize::from(ip.total_len()).saturating_sub(Ipv4Header::LEN);
    let segment = transport.get(..len).ok_or("an IP packet is cut short")?;
    let header = TcpHeader::read(segment).ok_or("a TCP header is cut short")?;
    if ethernet.dst != NEIGHBOR {
        return Err("a frame went to another MAC address than the neighbour's");
    }
    if !tcp::checksum_ok(segment, ip.src(), ip.dst()) {
        return Err("a TCP checksum is wrong");
    }
    if port == WAN && (ip.src(), header.src_port()) != service {
        return Err("a reply came from another source than the service");
    }
    Ok(())
}

impl Engine for Connections {
    #[inline]
    fn take(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        for frame in burst.iter() {
            frame.prefetch_data();
        }
        for mut frame in burst.drain(..) {
            if frame.len() == ARP_FRAME_LEN {
                if arp::answer(&mut frame) {
                    self.waiting[port.index()].push_back(frame);
                }
                continue;
            }
            let passed =
                if port == LAN { &mut self.counts.forwarded } else { &mut self.counts.replied };
            *passed += 1;
            self.segment(port, frame);
        }
    }

    #[inline]
    fn fill(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        let waiting = &mut self.waiting[port.index()];
        while !waiting.is_empty() && !burst.is_full() {
            burst.extend(waiting.pop_front());
        }
        if port == WAN && self.left > 0 {
            self.open(burst);
        }
    }

    fn grant(&mut self, count: u64) {
        self.left = count;
    }

    fn check(&mut self, on: bool) {
        self.checking = on;
    }

    fn is_spent(&self) -> bool {
        self.left == 0
    }

    #[inline]
    fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.counts.completed + self.counts.lost)
    }

    fn write_off(&mut self) {
        self.counts.lost += self.in_flight();
        self.under_way.fill(Connection::default());
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }
}
