//! Ports on memory: frames are played in, and what comes out is counted or turned into replies.

use dataplane::buf::{PacketAlloc, PacketBuf};
use dataplane::io::{Burst, Ports};
use dataplane::snapshot::PortIdx;
use dataplane::wire::{
    ArpPacket, EtherType, EthernetHeader, IpProto, Ipv4Header, L4Ports, Mac, TcpFlags,
};

use crate::buf::Frame;
use crate::frames::{self, Bytes};
use crate::site::{LAN, WAN};

/// The MAC of every neighbour.
pub(crate) const NEIGHBOR: Mac = Mac([2, 0, 0, 0, 0, 9]);
const ARP_FRAME_LEN: usize = EthernetHeader::LEN + ArpPacket::LEN;

/// Both ports.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    spare: Vec<Frame>,
    /// Frames to come in at each port, from the end.
    pub(crate) arriving: [Vec<Bytes>; 2],
    /// Whether replies to what is sent on the lan are collected.
    pub(crate) recording: bool,
    /// Replies to frames sent on the lan.
    pub(crate) replies: Vec<Bytes>,
}

impl Wires {
    fn note_sent(&mut self, port: PortIdx, frame: &[u8]) {
        let Some((ethernet, packet)) = EthernetHeader::split(frame) else { return };
        if frame.len() == ARP_FRAME_LEN && ethernet.ether_type() == EtherType::ARP {
            self.answer(port, packet);
        } else if self.recording && port == LAN {
            self.replies.extend(reply_to(ethernet.src, packet));
        }
    }

    fn answer(&mut self, port: PortIdx, packet: &[u8]) {
        let Some(asked) = ArpPacket::checked(packet).filter(|asked| !asked.is_gratuitous()) else {
            return;
        };
        let (mac, address) = (asked.sender_mac(), asked.sender_ip());
        let reply = ArpPacket::reply(NEIGHBOR, asked.target_ip(), mac, address);
        let mut frame = [0; frames::FRAME_LEN];
        let rest = EthernetHeader::new(mac, NEIGHBOR, EtherType::ARP).emit(&mut frame);
        if rest.and_then(|rest| reply.emit(rest)).is_some() {
            self.arriving[port.index()].push(frame);
        }
    }
}

/// What a real server answers to a packet that left the director's port `mac`.
fn reply_to(mac: Mac, packet: &[u8]) -> Option<Bytes> {
    let (ip, transport) = Ipv4Header::split(packet)?;
    let ports = L4Ports::read(transport)?;
    let (from, to) = ((ip.dst(), ports.dst_port()), (ip.src(), ports.src_port()));
    matches!(ip.protocol(), IpProto::UDP | IpProto::TCP)
        .then(|| frames::frame((mac, NEIGHBOR), ip.protocol(), from, to, TcpFlags::ACK))
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
