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
use crate::generator::arp::{ARP_FRAME_LEN, NEIGHBOR};
use crate::generator::{LAN, WAN};

/// Where a request's payload begins.
const PAYLOAD: usize = EthernetHeader::LEN + Ipv4Header::LEN + UdpHeader::LEN;

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
    /// Whether the replies to the requests that are sent are noted.
    recording: bool,
    pending: VecDeque<(PortIdx, ArpPacket)>,
}

impl LoopPorts {
    /// Ports whose requests are those of the flows in `order`, from clients behind `gateway` to
    /// `vip`, to the director's port `mac`.
    #[must_use]
    pub fn new(pool: PktMempool, order: &[u32], vip: traffic::End, mac: Mac) -> Self {
        // Its place in the order tells a request when it comes out, since FULLNAT hides the client.
        let frame = |(place, flow): (u32, &u32)| {
            let mut frame = traffic::udp_frame((NEIGHBOR, mac), traffic::client(*flow), vip);
            frame[PAYLOAD..PAYLOAD + 4].copy_from_slice(&place.to_be_bytes());
            frame
        };
        let replies = vec![[0; FRAME_LEN]; order.len()];
        Self {
            pool,
            requests: Track { frames: (0..).zip(order).map(frame).collect(), next: 0 },
            replies: Track { frames: replies, next: 0 },
            budget: 0,
            feed: Feed::Nothing,
            recording: false,
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

    /// Starts or ends the recording of replies, which [`Feed::Both`] plays.
    pub fn record(&mut self, on: bool) {
        self.recording = on;
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
        let Some(place) = payload.first_chunk::<4>() else { return };
        let (from, to) = ((ip.src(), udp.src_port()), (ip.dst(), udp.dst_port()));
        // Replies come in the order of the requests, half a round behind them.
        let count = self.replies.frames.len();
        let place = (u32::from_be_bytes(*place) as usize + count / 2) % count;
        self.replies.frames[place] = traffic::udp_frame((NEIGHBOR, ethernet.src), to, from);
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
