//! ICMP: echo is answered, errors about packets of a flow go to the flow's other end.

use crate::buf::PacketBuf;
use crate::flow::{Direction, Flow, Hit};
use crate::forward::{self, ForwardingMode, TunnelEnds};
use crate::icmp_error::{self, QuotedError, Tunnelled};
use crate::io::{Origin, Ports};
use crate::limits::ICMP_ERROR_LEN_MAX;
use crate::parse::{Ipv4Meta, L3_OFFSET};
use crate::reject;
use crate::snapshot::{NextHop, Snapshot};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{IcmpCode, IcmpHeader, IcmpType, Ipv4Header, icmpv4};

use super::relay::take_hop;
use super::{Director, Turn};

impl<B: PacketBuf> Director<B> {
    /// An ICMP message, whole or the first fragment.
    #[cold]
    pub(super) fn icmp<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        ip: &Ipv4Meta,
    ) -> Verdict {
        let ours = turn.snapshot.address_use(ip.dst()).is_some();
        if ours && ip.more_fragments() {
            return Verdict::Dropped(DropReason::FragmentForUs);
        }
        let message = &frame.bytes()[ip.l4_offset()..];
        let Some(header) = IcmpHeader::read(message).copied() else {
            return Verdict::Dropped(DropReason::BadIcmp);
        };
        if !ip.more_fragments() && !icmpv4::checksum_ok(message) {
            return Verdict::Dropped(DropReason::BadIcmp);
        }
        if icmp_error::is_passed_on(header.icmp_type())
            && let Some(error) = icmp_error::read_error(frame.bytes(), ip)
            && let Some(hit) = self.flow_of_error(&error)
        {
            return self.pass_on_error(turn, frame, ip, &error, hit);
        }
        if !ours {
            return self.route_if_ours(turn, frame, ip);
        }
        if header.icmp_type() == IcmpType::ECHO_REQUEST {
            return self.echo(turn, frame, ip);
        }
        Verdict::Dropped(DropReason::IcmpNoFlow)
    }

    fn echo<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        ip: &Ipv4Meta,
    ) -> Verdict {
        let Some(hop) = turn.snapshot.route(ip.src()) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        if reject::make_echo_reply(&mut frame, ip) {
            self.egress.deliver(turn, hop, frame, Origin::Generated);
        }
        Verdict::Consumed
    }

    /// The flow whose packet an error quotes, and the side it comes from.
    fn flow_of_error(&self, error: &QuotedError) -> Option<Hit> {
        let key = match &error.tunnelled {
            Some(tunnelled) => tunnelled.key,
            None => error.quoted.reversed(),
        };
        let hit = self.flows.lookup(self.flows.hash(&key), &key)?;
        let Some(tunnelled) = &error.tunnelled else { return Some(hit) };
        // The quoted tunnel packet was ours only if it went to that flow's real server.
        let flow = self.flows.flow(hit.flow())?;
        let ours = flow.mode == ForwardingMode::Tunnel
            && flow.request == tunnelled.key
            && flow.reply.src_ipv4() == error.quoted.dst_ipv4();
        ours.then_some(hit)
    }

    fn pass_on_error<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        ip: &Ipv4Meta,
        error: &QuotedError,
        hit: Hit,
    ) -> Verdict {
        if let Some(tunnelled) = &error.tunnelled {
            return self.tell_client_of_tunnel(turn, frame, error, tunnelled, hit);
        }
        let Some(flow) = self.flows.flow(hit.flow()) else {
            return Verdict::Dropped(DropReason::IcmpNoFlow);
        };
        let hop = match error_hop(turn.snapshot, flow, hit.direction()) {
            Ok(hop) => hop,
            Err(reason) => return Verdict::Dropped(reason),
        };
        // Errors are never answered with errors (RFC 1122 section 3.2.2).
        if let Err(refusal) = take_hop(&mut frame, ip) {
            return Verdict::Dropped(refusal.reason());
        }
        let changed = match flow.mode {
            ForwardingMode::Dr => true,
            ForwardingMode::Nat | ForwardingMode::FullNat => {
                icmp_error::translate_error(&mut frame, ip, flow, hit.direction())
            }
            ForwardingMode::Tunnel => turn.snapshot.source_address(hop).is_some_and(|src| {
                let ends = TunnelEnds { src, dst: flow.reply.src_ipv4() };
                forward::encapsulate(&mut frame, ends, ip.id, false)
            }),
        };
        if !changed {
            return Verdict::Dropped(DropReason::BadIcmp);
        }
        // IPVS counts a passed-on error as a packet of its direction.
        self.stats.count_packet((flow.service, flow.real), hit.direction(), ip.total_len);
        self.egress.deliver(turn, hop, frame, Origin::Received)
    }

    /// Makes an error about a tunnel packet one about the packet inside, for the client.
    fn tell_client_of_tunnel<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        error: &QuotedError,
        tunnelled: &Tunnelled,
        hit: Hit,
    ) -> Verdict {
        let real = self.flows.flow(hit.flow()).map(|flow| (flow.real, flow.reply.src_ipv4()));
        let Some(real) = real else {
            return Verdict::Dropped(DropReason::IcmpNoFlow);
        };
        let mut header = error.header;
        if header.icmp_type() == IcmpType::DEST_UNREACHABLE
            && header.code() == IcmpCode::FRAGMENTATION_NEEDED
        {
            let mtu = self.note_path_mtu(real, header.next_hop_mtu(), turn.now);
            if !tunnelled.dont_fragment {
                return Verdict::Consumed;
            }
            header = IcmpHeader::fragmentation_needed(mtu);
        }
        let (client, vip) = (tunnelled.key.src_ipv4(), tunnelled.key.dst_ipv4());
        let Some(hop) = turn.snapshot.route(client) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        if !self.may_send_error(turn) {
            return Verdict::Consumed;
        }
        let headers = L3_OFFSET + Ipv4Header::LEN + IcmpHeader::LEN;
        let longest = L3_OFFSET + ICMP_ERROR_LEN_MAX;
        let cut = frame.trim_front(tunnelled.offset.saturating_sub(headers))
            && (frame.len() <= longest || frame.truncate(longest));
        if cut && reject::emit_icmp_error(&mut frame, (vip, client), header) {
            self.send_error(turn, hop, frame);
        }
        Verdict::Consumed
    }
}

/// Where an error goes: to the real server if it came from the client's side, else to the client.
fn error_hop(snapshot: &Snapshot, flow: &Flow, side: Direction) -> Result<NextHop, DropReason> {
    let hop = match side {
        Direction::Request => {
            snapshot.real_server(flow.real).ok_or(DropReason::RealServerRemoved)?.next_hop
        }
        Direction::Reply => snapshot.route(flow.request.src_ipv4()),
    };
    hop.ok_or(DropReason::NoRoute)
}
