//! Answers to the director's ARP requests: every address asked for is the one neighbour's.

use dataplane::buf::PacketBuf;
use dataplane::wire::{ArpPacket, EtherType, EthernetHeader, Mac};

/// The MAC of every neighbour of the director.
pub const NEIGHBOR: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// Bytes of a frame with ARP; no other frame of a benchmark is that short.
pub const ARP_FRAME_LEN: usize = EthernetHeader::LEN + ArpPacket::LEN;

/// Turns an ARP request into its answer. False if there is nothing to answer.
#[must_use]
pub fn answer(frame: &mut impl PacketBuf) -> bool {
    let Some((ethernet, packet)) = EthernetHeader::split_mut(frame.bytes_mut()) else {
        return false;
    };
    if ethernet.ether_type() != EtherType::ARP {
        return false;
    }
    let Some(asked) = ArpPacket::checked(packet).filter(|asked| !asked.is_gratuitous()) else {
        return false;
    };
    let (mac, ip) = (asked.sender_mac(), asked.sender_ip());
    let reply = ArpPacket::reply(NEIGHBOR, asked.target_ip(), mac, ip);
    ethernet.set_addresses(mac, NEIGHBOR);
    reply.emit(packet).is_some()
}
