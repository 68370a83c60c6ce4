//! ARP packets as frames (RFC 826): requests of ours, gratuitous announcements, and replies made
//! in place of the request.

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::snapshot::{PortIdx, Snapshot};
use crate::wire::{ArpPacket, EtherType, EthernetHeader, Mac};

const FRAME_LEN: usize = EthernetHeader::LEN + ArpPacket::LEN;

/// Whether the director answers ARP for `address` on `port`: addresses of ours, on the port whose
/// subnet holds them, or on every port if none does (a VIP that is routed to the director).
#[must_use]
pub fn answers_for(snapshot: &Snapshot, address: Ipv4Addr, port: PortIdx) -> bool {
    snapshot.address_use(address).is_some()
        && snapshot.connected_port(address).is_none_or(|connected| connected == port)
}

/// Makes an empty frame an ARP request for `target`, asked at `at` or by broadcast.
pub fn emit_request<B: PacketBuf>(
    frame: &mut B,
    (mac, src): (Mac, Ipv4Addr),
    target: Ipv4Addr,
    at: Option<Mac>,
) -> bool {
    let packet = ArpPacket::request(mac, src, target);
    emit(frame, at.unwrap_or(Mac::BROADCAST), mac, &packet)
}

/// Makes an empty frame a gratuitous announcement that `address` is at `mac`, in the form of a
/// request as keepalived sends it (RFC 5227 section 3 explains why requests are preferred).
pub fn emit_gratuitous<B: PacketBuf>(frame: &mut B, mac: Mac, address: Ipv4Addr) -> bool {
    emit(frame, Mac::BROADCAST, mac, &ArpPacket::gratuitous(mac, address))
}

/// Turns a received request for an address of ours into the reply that it is at `mac`.
pub fn make_reply<B: PacketBuf>(frame: &mut B, request: &ArpPacket, mac: Mac) -> bool {
    let asker = request.sender_mac();
    let reply = ArpPacket::reply(mac, request.target_ip(), asker, request.sender_ip());
    frame.truncate(FRAME_LEN) && write(frame, asker, mac, &reply)
}

fn emit<B: PacketBuf>(frame: &mut B, dst: Mac, src: Mac, packet: &ArpPacket) -> bool {
    frame.append(FRAME_LEN).is_some() && write(frame, dst, src, packet)
}

fn write<B: PacketBuf>(frame: &mut B, dst: Mac, src: Mac, packet: &ArpPacket) -> bool {
    let ethernet = EthernetHeader::new(dst, src, EtherType::ARP);
    ethernet.emit(frame.bytes_mut()).and_then(|rest| packet.emit(rest)).is_some()
}
