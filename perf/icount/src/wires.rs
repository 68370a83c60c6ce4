//! Ports on memory: frames are played in, and what comes out is counted or turned into replies.

use dataplane::buf::{PacketAlloc, PacketBuf};
use dataplane::io::{Burst, Ports};
use dataplane::limits::BURST_LEN_MAX;
use dataplane::snapshot::PortIdx;
use dataplane::wire::{
    ArpOperation, ArpPacket, EtherType, EthernetHeader, IpProto, Ipv4Header, L4Ports, Mac, TcpFlags,
};

use crate::buf::Frame;
use crate::frames::{self, Bytes, End};
use crate::site::{LAN, WAN};

/// The MAC of every neighbour.
pub const NEIGHBOR: Mac = Mac([2, 0, 0, 0, 0, 9]);
const ARP_FRAME_LEN: usize = EthernetHeader::LEN + ArpPacket::LEN;

/// Both ports.
#[derive(Debug, Default)]
pub struct Wires {
    spare: Vec<Frame>,
    /// Frames to come in at each port, from the end.
    arriving: [Vec<Bytes>; 2],
    /// Whether replies to what is sent on the lan are collected.
    pub(crate) recording: bool,
    /// Replies to frames sent on the lan.
    pub(crate) replies: Vec<Reply>,
}

/// What a real server can answer to a packet.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    mac: Mac,
    protocol: u8,
    from: End,
    to: End,
}

impl Reply {
    /// To a packet that left the director's port `mac`.
    fn to(mac: Mac, packet: &[u8]) -> Option<Self> {
        let (ip, transport) = Ipv4Header::split(packet)?;
        let ports = L4Ports::read(transport)?;
        let (from, to) = ((ip.dst(), ports.dst_port()), (ip.src(), ports.src_port()));
        let protocol = ip.protocol();
        matches!(protocol, IpProto::UDP | IpProto::TCP).then_some(Self { mac, protocol, from, to })
    }

    /// Its frame, with these flags if it is a segment of TCP.
    #[must_use]
    pub fn frame(&self, flags: TcpFlags) -> Bytes {
        frames::frame((self.mac, NEIGHBOR), self.protocol, self.from, self.to, flags)
    }
}

impl Wires {
    /// Makes buffers for a burst.
    pub fn provide(&mut self) {
        self.spare.resize_with(BURST_LEN_MAX, Frame::empty);
    }

    /// Lets frames come in at `port`, one burst a turn; returns how many there are.
    pub fn await_frames(&mut self, port: PortIdx, frames: impl Iterator<Item = Bytes>) -> u32 {
        let mut frames: Vec<_> = frames.collect();
        frames.reverse();
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        self.arriving[port.index() & 1] = frames;
        count
    }

    /// Whether all frames have come in at `port`.
    #[must_use]
    pub fn is_empty(&self, port: PortIdx) -> bool {
        self.arriving[port.index() & 1].is_empty()
    }

    fn note_sent(&mut self, port: PortIdx, frame: &[u8]) {
        let Some((ethernet, packet)) = EthernetHeader::split(frame) else { return };
        if frame.len() == ARP_FRAME_LEN && ethernet.ether_type() == EtherType::ARP {
            self.answer(port, packet);
        } else if self.recording && port == LAN {
            self.replies.extend(Reply::to(ethernet.src, packet));
        }
    }

    fn answer(&mut self, port: PortIdx, packet: &[u8]) {
        let is_question = |packet: &&ArpPacket| {
            packet.operation() == ArpOperation::Request && !packet.is_gratuitous()
        };
        let Some(asked) = ArpPacket::checked(packet).filter(is_question) else { return };
        let (mac, address) = (asked.sender_mac(), asked.sender_ip());
        let reply = ArpPacket::reply(NEIGHBOR, asked.target_ip(), mac, address);
        let mut frame = [0; frames::FRAME_LEN];
        let rest = EthernetHeader::new(mac, NEIGHBOR, EtherType::ARP).emit(&mut frame);
        if rest.and_then(|rest| reply.emit(rest)).is_some() {
            self.arriving[port.index() & 1].push(frame);
        }
    }
}

impl PacketAlloc<Frame> for Wires {
    fn alloc(&mut self) -> Option<Frame> {
        let mut frame = self.spare.pop().unwrap_or_else(Frame::empty);
        frame.refill(&[]);
        Some(frame)
    }
}

impl Ports<Frame> for Wires {
    fn port_count(&self) -> usize {
        2
    }

    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<Frame>) {
        while !burst.is_full() {
            let Some(bytes) = self.arriving[port.index() & 1].pop() else { return };
            let mut frame = self.spare.pop().unwrap_or_else(Frame::empty);
            frame.refill(&bytes);
            burst.push(frame);
        }
    }

    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<Frame>) {
        for frame in burst.drain(..) {
            if self.recording || port == WAN || frame.len() == ARP_FRAME_LEN {
                self.note_sent(port, frame.bytes());
            }
            self.spare.push(frame);
        }
    }
}
