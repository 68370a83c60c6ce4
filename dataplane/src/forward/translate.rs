//! NAT and FULLNAT: addresses and ports of a packet become those of the flow's other key.
//!
//! Checksums are updated for what changed (RFC 1624), so that a packet damaged before it came
//! here stays recognisably damaged. A UDP datagram without checksum gets one, as in IPVS.

use crate::buf::{PacketBuf, TxChecksum};
use crate::flow::FlowKey;
use crate::parse::{Ipv4Meta, L3_OFFSET};
use crate::verdict::DropReason;
use crate::wire::{IpProto, Ipv4Header, SctpHeader, TcpHeader, UdpHeader, checksum, udp};

/// Takes one hop off the TTL; the caller has made sure that it is above 1.
#[inline(always)]
pub fn decrement_ttl<B: PacketBuf>(frame: &mut B) {
    if let Some(header) = frame.bytes_mut().get_mut(L3_OFFSET..).and_then(Ipv4Header::read_mut) {
        let _ = header.decrement_ttl();
    }
}

/// Gives a TCP, UDP or SCTP packet the addresses and ports of `target`. `ip` is its header as
/// received; `nic_fills_udp` says whether the port it leaves from computes checksums.
///
/// # Errors
///
/// The reason to drop it, of which nothing has changed.
#[inline(always)]
pub fn translate<B: PacketBuf>(
    frame: &mut B,
    ip: &Ipv4Meta,
    target: &FlowKey,
    nic_fills_udp: bool,
) -> Result<(), DropReason> {
    if ip.protocol == IpProto::SCTP {
        return translate_sctp(frame, ip, target);
    }
    let (l4_offset, bytes) = (ip.l4_offset(), frame.bytes_mut());
    let Some((head, transport)) = bytes.split_at_mut_checked(l4_offset) else { return Ok(()) };
    let Some(header) = head.get_mut(L3_OFFSET..).and_then(Ipv4Header::read_mut) else {
        return Ok(());
    };
    let addresses = header.set_wire_addresses(target.wire_addresses());
    if ip.protocol == IpProto::TCP {
        if let Some(header) = TcpHeader::read_mut(transport) {
            header.rewrite_wire(target.wire_ports(), addresses);
        }
        return Ok(());
    }
    let Some(header) = UdpHeader::read_mut(transport) else { return Ok(()) };
    let had_checksum = header.has_checksum();
    header.rewrite_wire(target.wire_ports(), addresses);
    // The first fragment does not hold all that the checksum would cover.
    if !had_checksum && !ip.more_fragments() {
        fill_udp_checksum(frame, ip, target, nic_fills_udp);
    }
    Ok(())
}

/// [`translate`] for SCTP, whose checksum covers no addresses. How a change of ports changes it
/// depends on the length of the whole packet, which a fragment does not tell.
#[cold]
fn translate_sctp<B: PacketBuf>(
    frame: &mut B,
    ip: &Ipv4Meta,
    target: &FlowKey,
) -> Result<(), DropReason> {
    let malformed = DropReason::BadTransportHeader;
    let (head, packet) = frame.bytes_mut().split_at_mut_checked(ip.l4_offset()).ok_or(malformed)?;
    let len = u16::try_from(packet.len()).map_err(|_| malformed)?;
    let header = SctpHeader::read_mut(packet).ok_or(malformed)?;
    if header.wire_ports() != target.wire_ports() {
        if ip.more_fragments() {
            return Err(DropReason::SctpFragmented);
        }
        header.rewrite_wire(target.wire_ports(), len);
    }
    if let Some(header) = head.get_mut(L3_OFFSET..).and_then(Ipv4Header::read_mut) {
        let _ = header.set_wire_addresses(target.wire_addresses());
    }
    Ok(())
}

/// Gives a fragment without transport header the addresses of `target`.
pub fn translate_fragment<B: PacketBuf>(frame: &mut B, target: &FlowKey) {
    if let Some(header) = Ipv4Header::read_mut(&mut frame.bytes_mut()[L3_OFFSET..]) {
        let _ = header.set_addresses(target.src_ipv4(), target.dst_ipv4());
    }
}

#[cold]
fn fill_udp_checksum<B: PacketBuf>(
    frame: &mut B,
    ip: &Ipv4Meta,
    target: &FlowKey,
    nic_fills_udp: bool,
) {
    let (src, dst) = (target.src_ipv4(), target.dst_ipv4());
    let payload = &mut frame.bytes_mut()[ip.l4_offset()..];
    let payload_len = payload.len();
    let Some(header) = UdpHeader::read_mut(payload) else { return };
    // What lies behind the datagram in its packet is not covered by its checksum, but a NIC would
    // sum it up.
    let len = usize::from(header.len());
    if !nic_fills_udp || len != payload_len {
        if let Some(datagram) = payload.get_mut(..len) {
            udp::fill_checksum(datagram, src, dst);
        }
        return;
    }
    let pseudo = checksum::pseudo_header_v4(src, dst, IpProto::UDP, header.len());
    header.set_checksum(pseudo.fold());
    if let Some(header) = Ipv4Header::read_mut(&mut frame.bytes_mut()[L3_OFFSET..]) {
        header.set_checksum(0);
    }
    #[expect(clippy::cast_possible_truncation, reason = "an Ethernet header has 14 bytes")]
    let l2_len = L3_OFFSET as u8;
    frame.request_tx_checksum(TxChecksum::Ipv4Udp { l2_len, l3_len: u16::from(ip.header_len) });
}
