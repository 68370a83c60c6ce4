//! ICMP errors about packets of a flow, passed on to the flow's other end as IPVS does.
//!
//! The quoted packet tells the flow: an error about a reply comes from the client's side, one
//! about a request from the real server's side, and one about a tunnel packet from in between.

use std::net::SocketAddrV4;

use crate::buf::PacketBuf;
use crate::flow::{Direction, Flow, FlowKey};
use crate::forward::ForwardingMode;
use crate::parse::{Ipv4Meta, L3_OFFSET};
use crate::wire::{IcmpHeader, IcmpType, IpProto, Ipv4Header, icmpv4};

/// What an ICMP error quotes.
#[derive(Clone, Copy, Debug)]
pub struct QuotedError {
    /// Type and code, and for 3/4 the MTU.
    pub header: IcmpHeader,
    /// Key of the quoted packet, as it was sent.
    pub quoted: FlowKey,
    /// Set if the quoted packet is a tunnel packet: key of the packet inside.
    pub tunnelled: Option<Tunnelled>,
}

/// The packet inside a quoted tunnel packet.
#[derive(Clone, Copy, Debug)]
pub struct Tunnelled {
    /// Its key.
    pub key: FlowKey,
    /// Where it begins in the frame.
    pub offset: usize,
    /// Whether it may not be fragmented.
    pub dont_fragment: bool,
}

/// Whether IPVS passes errors of this type on: unreachable, source quench, time exceeded.
#[must_use]
pub fn is_passed_on(icmp_type: u8) -> bool {
    matches!(
        icmp_type,
        IcmpType::DEST_UNREACHABLE | IcmpType::SOURCE_QUENCH | IcmpType::TIME_EXCEEDED
    )
}

/// Reads an ICMP error; `None` if it quotes too little to tell a flow.
#[must_use]
pub fn read_error(frame: &[u8], ip: &Ipv4Meta) -> Option<QuotedError> {
    let (header, quote) = IcmpHeader::split(frame.get(ip.l4_offset()..)?)?;
    let embedded = icmpv4::embedded(quote)?;
    let key = |embedded: &icmpv4::EmbeddedIpv4| {
        let icmpv4::EmbeddedIpv4 { protocol, src, dst, src_port, dst_port, .. } = *embedded;
        FlowKey::ipv4(protocol, src, src_port, dst, dst_port)
    };
    let tunnelled = if embedded.protocol == IpProto::IPIP {
        let inner_quote = quote.get(embedded.header_len..)?;
        let inner = icmpv4::embedded(inner_quote)?;
        Some(Tunnelled {
            key: key(&inner),
            offset: ip.l4_offset() + IcmpHeader::LEN + embedded.header_len,
            dont_fragment: Ipv4Header::read(inner_quote)?.dont_fragment(),
        })
    } else {
        None
    };
    Some(QuotedError { header: *header, quoted: key(&embedded), tunnelled })
}

/// Rewrites an error about a packet of a NAT or FULLNAT `flow` for the flow's other end.
///
/// `side` is the key the quoted packet is the reverse of: [`Direction::Request`] for an error
/// about a reply, which goes to the real server; [`Direction::Reply`] for one about a request,
/// which goes to the client as if the VIP had sent it, whoever did.
pub fn translate_error<B: PacketBuf>(
    frame: &mut B,
    ip: &Ipv4Meta,
    flow: &Flow,
    side: Direction,
) -> bool {
    let (quoted, outer_src) = match side {
        // The client cannot be routed to from a FULLNAT real server, a local address can.
        Direction::Request if flow.mode == ForwardingMode::FullNat => {
            (&flow.reply, flow.reply.dst_ipv4())
        }
        Direction::Request => (&flow.reply, ip.src()),
        Direction::Reply => (&flow.request, flow.request.dst_ipv4()),
    };
    let packet = &mut frame.bytes_mut()[L3_OFFSET..];
    let Some(header) = Ipv4Header::read_mut(packet) else { return false };
    let _ = header.set_addresses(outer_src, quoted.src_ipv4());
    icmpv4::rewrite_embedded(
        &mut packet[usize::from(ip.header_len)..],
        SocketAddrV4::new(quoted.src_ipv4(), quoted.src_port()),
        SocketAddrV4::new(quoted.dst_ipv4(), quoted.dst_port()),
    )
}
