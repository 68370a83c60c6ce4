//! Two ports on memory: frames come from [`traffic`], sent frames are freed.
//!
//! Frames are written into mbufs of a real pool, so buffers cost what they cost on a NIC. ARP
//! requests of the director are answered, so that it finds its neighbours.

use std::collections::VecDeque;

use dataplane::buf::{PacketAlloc, PacketBuf};
use dataplane::io::{Burst, Ports};
use dataplane::snapshot::PortIdx;
use dataplane::wire::{ArpPacket, EtherType, EthernetHeader, Ipv4Header, Mac, UdpHeader};
use dpdk::{Mbuf, PktMempool};

use super::traffic::{self, FRAME_LEN};

/// The port that requests come in at.
pub const WAN: PortIdx = PortIdx(0);
/// The port that real servers are at.
pub const LAN: PortIdx = PortIdx(1);

const ARP_FRAME_LEN: usize = EthernetHeader::LEN + ArpPacket::LEN;
/// The MAC of every neighbour.
const NEIGHBOR: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// Which packets come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// None, but for ARP replies.
    Nothing,
    /// Requests of the flows in turn.
    Requests,
    /// Requests and, at the other port, replies.
    Both,
}

/// Frames of flows in random order, played round and round.
#[derive(Debug)]
struct Track {
    frames: Vec<[u8; FRAME_LEN]>,
    next: usize,
}

impl Track {
    #[inline]
    fn next(&mut self) -> Option<&[u8; FRAME_LEN]> {
        let frame = self.frames.get(self.next)?;
        self.next += 1;
        if self.next == self.frames.len() {
            self.next = 0;
        }
        Some(frame)
    }
}

/// The two ports.
#[derive(Debug)]
pub struct LoopPorts {
    pool: PktMempool,
    requests: Track,
    replies: Track,
    /// Frames still to come in; counts down.
    budget: u64,
    feed: Feed,
    /// While recording, the reply to every request that is sent, by flow.
    recording: bool,
    order_of: Vec<u32>,
    pending: VecDeque<(PortIdx, ArpPacket)>,
}

impl LoopPorts {
    /// Ports whose requests are those of the flows in `order`, from clients behind `gateway` to
    /// `vip`, to the director's port `mac`.
    #[must_use]
    pub fn new(pool: PktMempool, order: &[u32], vip: traffic::End, mac: Mac) -> Self {
        let frame = |flow: &u32| traffic::udp_frame((NEIGHBOR, mac), traffic::client(*flow), vip);
        let mut order_of = vec![0; order.len()];
        for (place, flow) in (0..).zip(order) {
            if let Some(known) = order_of.get_mut(*flow as usize) {
                *known = place;
            }
        }
        let replies = vec![[0; FRAME_LEN]; order.len()];
        Self {
            pool,
            requests: Track { frames: order.iter().map(frame).collect(), next: 0 },
            replies: Track { frames: replies, next: 0 },
            budget: 0,
            feed: Feed::Nothing,
            recording: false,
            order_of,
            pending: VecDeque::new(),
        }
    }

    /// Lets `count` more packets come in.
    pub fn play(&mut self, feed: Feed, count: u64) {
        self.feed = feed;
        self.budget = count;
    }

    /// Whether all packets of [`Self::play`] have come in.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.budget == 0
    }

    /// Starts or ends the recording of replies. The flow of a request is told by the number that
    /// its payload carries, since FULLNAT hides the client.
    pub fn record(&mut self, on: bool) {
        self.recording = on;
    }

    /// Buffers that are neither in the pool nor accounted for; 0 when nothing leaked.
    #[must_use]
    pub fn buffers_in_use(&self) -> u32 {
        self.pool.in_use()
    }

    fn note_sent(&mut self, port: PortIdx, frame: &Mbuf) {
        if frame.len() == ARP_FRAME_LEN {
            self.answer_arp(port, frame.bytes());
        } else if self.recording && port == LAN {
            self.record_reply(frame.bytes());
        }
    }

    fn answer_arp(&mut self, port: PortIdx, frame: &[u8]) {
        let Some((ethernet, packet)) = EthernetHeader::split(frame) else { return };
        if ethernet.ether_type() != EtherType::ARP {
            return;
        }
        if let Some(asked) = ArpPacket::checked(packet).filter(|asked| !asked.is_gratuitous()) {
            let (mac, ip) = (asked.sender_mac(), asked.sender_ip());
            self.pending.push_back((port, ArpPacket::reply(NEIGHBOR, asked.target_ip(), mac, ip)));
        }
    }

    fn record_reply(&mut self, frame: &[u8]) {
        let Some((ethernet, packet)) = EthernetHeader::split(frame) else { return };
        let Some((ip, transport)) = Ipv4Header::split(packet) else { return };
        let Some((udp, payload)) = UdpHeader::split(transport) else { return };
        let Some(number) = payload.first_chunk::<4>() else { return };
        let flow = u32::from_be_bytes(*number) as usize;
        let (from, to) = ((ip.src(), udp.src_port()), (ip.dst(), udp.dst_port()));
        let reply = traffic::udp_frame((NEIGHBOR, ethernet.src), to, from);
        // Replies come in the order of the requests, half a round behind them.
        if let Some(place) = self.order_of.get(flow) {
            let half = self.replies.frames.len() / 2;
            let place = (*place as usize + half) % self.replies.frames.len();
            self.replies.frames[place] = reply;
        }
    }

    fn rx_pending(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        while self.pending.front().is_some_and(|(place, _)| *place == port) && !burst.is_full() {
            let Some((_, reply)) = self.pending.pop_front() else { return };
            let mut frame = [0; FRAME_LEN];
            let ethernet = EthernetHeader::new(reply.target_mac(), NEIGHBOR, EtherType::ARP);
            ethernet.emit(&mut frame).and_then(|rest| reply.emit(rest));
            burst.extend(self.pool.alloc_from(&frame));
        }
    }
}

/// Puts the flow's number into every request's payload, for [`LoopPorts::record`].
pub fn number_payloads(ports: &mut LoopPorts, order: &[u32]) {
    const PAYLOAD: usize = EthernetHeader::LEN + Ipv4Header::LEN + UdpHeader::LEN;
    for (frame, flow) in ports.requests.frames.iter_mut().zip(order) {
        frame[PAYLOAD..PAYLOAD + 4].copy_from_slice(&flow.to_be_bytes());
    }
}

impl PacketAlloc<Mbuf> for LoopPorts {
    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }
}

impl Ports<Mbuf> for LoopPorts {
    fn port_count(&self) -> usize {
        2
    }

    #[inline]
    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        if !self.pending.is_empty() {
            self.rx_pending(port, burst);
        }
        let track = match (self.feed, port) {
            (Feed::Requests | Feed::Both, WAN) => &mut self.requests,
            (Feed::Both, LAN) => &mut self.replies,
            _ => return,
        };
        while !burst.is_full() && self.budget > 0 {
            let Some(mbuf) = track.next().and_then(|frame| self.pool.alloc_from(frame)) else {
                return;
            };
            burst.push(mbuf);
            self.budget -= 1;
        }
    }

    #[inline]
    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        for frame in burst.drain(..) {
            self.note_sent(port, &frame);
        }
    }
}
