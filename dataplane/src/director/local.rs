//! Packets to the director itself, and what senders of refused packets are told. ICMP has a file
//! of its own.

use std::net::Ipv4Addr;

use crate::arp;
use crate::buf::PacketBuf;
use crate::io::{Origin, Ports};
use crate::parse::{Ipv4Meta, L3_OFFSET};
use crate::reject;
use crate::snapshot::{NextHop, PortIdx};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{ArpOperation, ArpPacket, IcmpCode, IcmpHeader};

use super::{Director, Turn};

/// Why a packet is not let through, and with that what its sender is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// Nothing.
    Silent(DropReason),
    /// A TCP reset.
    Reset(DropReason),
    /// ICMP 3/3.
    PortUnreachable(DropReason),
    /// ICMP 3/2.
    ProtocolUnreachable(DropReason),
    /// ICMP 11/0.
    TtlExceeded,
    /// ICMP 3/4 with the MTU of the way out.
    FragmentationNeeded { mtu: u16 },
}

impl Refusal {
    /// The reason it is counted under.
    pub(super) fn reason(self) -> DropReason {
        match self {
            Self::Silent(reason)
            | Self::Reset(reason)
            | Self::PortUnreachable(reason)
            | Self::ProtocolUnreachable(reason) => reason,
            Self::TtlExceeded => DropReason::TtlExceeded,
            Self::FragmentationNeeded { .. } => DropReason::FragmentationNeeded,
        }
    }

    fn icmp_error(self) -> Option<IcmpHeader> {
        match self {
            Self::Silent(_) | Self::Reset(_) => None,
            Self::PortUnreachable(_) => {
                Some(IcmpHeader::dest_unreachable(IcmpCode::PORT_UNREACHABLE))
            }
            Self::ProtocolUnreachable(_) => {
                Some(IcmpHeader::dest_unreachable(IcmpCode::PROTOCOL_UNREACHABLE))
            }
            Self::TtlExceeded => Some(IcmpHeader::ttl_exceeded()),
            Self::FragmentationNeeded { mtu } => Some(IcmpHeader::fragmentation_needed(mtu)),
        }
    }
}

impl<B: PacketBuf> Director<B> {
    /// Drops a packet and tells its sender what the refusal says.
    #[cold]
    pub(super) fn refuse<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        ip: &Ipv4Meta,
        refusal: Refusal,
    ) -> Verdict {
        let verdict = Verdict::Dropped(refusal.reason());
        let Some(hop) = turn.snapshot.route(ip.src()) else { return verdict };
        if let Refusal::Reset(_) = refusal {
            if reject::make_reset(&mut frame, ip) {
                self.stats.generated.resets.add(1);
                self.egress.deliver(turn, hop, frame, Origin::Generated);
            }
        } else if let Some(error) = refusal.icmp_error()
            && reject::may_cause_error(&frame.bytes()[L3_OFFSET..], ip)
            && let Some(src) = error_source(turn, ip, hop)
            && self.may_send_error(turn)
            && reject::make_icmp_error(&mut frame, ip, src, error)
        {
            self.send_error(turn, hop, frame);
        }
        verdict
    }

    /// Whether the rate limit leaves room for another ICMP error.
    pub(super) fn may_send_error<P>(&mut self, turn: &Turn<'_, B, P>) -> bool {
        let allowed = self.icmp_budget.take(turn.now);
        if !allowed {
            self.stats.generated.icmp_errors_limited.add(1);
        }
        allowed
    }

    /// Sends an ICMP error of ours.
    pub(super) fn send_error<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        hop: NextHop,
        frame: B,
    ) {
        self.stats.generated.icmp_errors.add(1);
        self.egress.deliver(turn, hop, frame, Origin::Generated);
    }

    /// An ARP packet: learnt from if we asked, answered if it asks for an address of ours.
    #[cold]
    pub(super) fn arp<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        mut frame: B,
    ) -> Verdict {
        // The parser has checked it.
        let Some(packet) = frame.bytes().get(L3_OFFSET..).and_then(ArpPacket::checked).copied()
        else {
            return Verdict::Dropped(DropReason::BadArp);
        };
        let (sender_mac, sender_ip) = (packet.sender_mac(), packet.sender_ip());
        if !sender_mac.is_unicast() {
            return Verdict::Dropped(DropReason::BadArp);
        }
        if turn.snapshot.address_use(sender_ip).is_none() {
            let hop = NextHop { port, address: sender_ip };
            self.egress.learn(turn, hop, sender_mac);
            turn.io.tell_neighbor(hop, sender_mac);
        }
        if packet.operation() == ArpOperation::Reply {
            return Verdict::Consumed;
        }
        if !arp::answers_for(turn.snapshot, packet.target_ip(), port) {
            return Verdict::Dropped(DropReason::ArpNotForUs);
        }
        if let Some(info) = turn.snapshot.ports.get(port.index())
            && arp::make_reply(&mut frame, &packet, info.mac)
        {
            turn.io.send(port, frame, Origin::Generated);
        }
        Verdict::Consumed
    }

    /// A packet of a protocol that no service speaks.
    #[cold]
    pub(super) fn other_protocol<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        ip: &Ipv4Meta,
    ) -> Verdict {
        if turn.snapshot.address_use(ip.dst()).is_some() {
            let refusal = Refusal::ProtocolUnreachable(DropReason::UnknownProtocol);
            return self.refuse(turn, frame, ip, refusal);
        }
        self.route_if_ours(turn, frame, ip)
    }

    /// Routes a packet from or to a NAT real server, drops any other.
    pub(super) fn route_if_ours<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        ip: &Ipv4Meta,
    ) -> Verdict {
        if Self::is_routed(turn.snapshot, ip.src(), ip.dst()) {
            return self.route(turn, frame, ip);
        }
        Verdict::Dropped(DropReason::NotForUs)
    }
}

/// Where an ICMP error of ours comes from: the address that the packet was sent to if it is ours
/// (the VIP), else our address towards its sender.
fn error_source<B, P>(turn: &Turn<'_, B, P>, ip: &Ipv4Meta, hop: NextHop) -> Option<Ipv4Addr> {
    match turn.snapshot.address_use(ip.dst()) {
        Some(_) => Some(ip.dst()),
        None => turn.snapshot.source_address(hop),
    }
}
