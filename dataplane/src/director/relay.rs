//! Packets of a flow: state and counters, then the rewrite of the flow's forwarding mode.

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::flow::tcp_state::Heard;
use crate::flow::{Direction, Flow, FlowKey, FlowState, Hit};
use crate::forward::{self, ForwardingMode, TUNNEL_OVERHEAD, TunnelEnds};
use crate::io::{Origin, Ports};
use crate::parse::{Ipv4Meta, Transport};
use crate::service::{RealId, ServiceId};
use crate::snapshot::{NextHop, Snapshot};
use crate::stats::WorkerStats;
use crate::time::{Tick, Ticks};
use crate::verdict::{DropReason, Verdict};

use super::local::Refusal;
use super::{Director, Turn};

/// How long a path MTU that a router told is believed (RFC 1191 section 6.3).
const PATH_MTU_LIFETIME: Ticks = Ticks::from_secs(600);
/// Smallest path MTU that is believed, as Linux' min_pmtu.
const PATH_MTU_MIN: u16 = 552;

/// The path MTU to a tunnel real server, as routers told it. The address is kept with it, because
/// another real server may have the same number later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathMtu {
    rip: u32,
    mtu: u16,
    since: Tick,
}

/// A packet of a flow: all of it, or a fragment that has only addresses.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'a> {
    Whole(&'a Transport),
    LaterFragment(&'a Ipv4Meta),
}

impl Piece<'_> {
    fn ip(&self) -> &Ipv4Meta {
        match self {
            Self::Whole(packet) => &packet.ip,
            Self::LaterFragment(ip) => ip,
        }
    }
}

/// What is to be done with one packet of a flow.
#[derive(Clone, Copy, Debug)]
struct Plan {
    mode: ForwardingMode,
    direction: Direction,
    real: RealId,
    service: ServiceId,
    hop: NextHop,
    /// Addresses and ports after translation.
    target: FlowKey,
}

impl Plan {
    #[inline(always)]
    fn of(snapshot: &Snapshot, flow: &Flow, direction: Direction) -> Result<Self, DropReason> {
        let (hop, target) = match direction {
            Direction::Request => {
                let real = snapshot.real_server(flow.real).ok_or(DropReason::RealServerRemoved)?;
                (real.next_hop, flow.reply.reversed())
            }
            // Replies of a removed real server still find back to their client, as in IPVS.
            Direction::Reply => (snapshot.route(flow.request.src_ipv4()), flow.request.reversed()),
        };
        let hop = hop.ok_or(DropReason::NoRoute)?;
        let Flow { mode, real, service, .. } = *flow;
        Ok(Self { mode, direction, real, service, hop, target })
    }
}

impl<B: PacketBuf> Director<B> {
    /// Sends a packet of a known flow on its way.
    #[inline(always)]
    pub(super) fn relay<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        piece: Piece<'_>,
        hit: Hit,
    ) -> Verdict {
        let Some(flow) = self.flows.flow(hit.flow) else {
            return Verdict::Dropped(DropReason::NoFlow);
        };
        let plan = match Plan::of(turn.snapshot, flow, hit.direction) {
            Ok(plan) => plan,
            Err(reason) => return Verdict::Dropped(reason),
        };
        let owners = (plan.service, plan.real);
        self.stats.count_packet(owners, plan.direction, piece.ip().total_len);
        if let Piece::Whole(packet) = piece {
            self.advance(turn, packet, hit);
        }
        match self.rewrite(turn, frame, piece, &plan) {
            Ok(frame) => self.egress.deliver(turn, plan.hop, frame, Origin::Received),
            Err((frame, refusal)) => self.refuse(turn, frame, piece.ip(), refusal),
        }
    }

    /// Moves the flow's state and clock on.
    #[inline(always)]
    fn advance<P>(&mut self, turn: &Turn<'_, B, P>, packet: &Transport, hit: Hit) {
        let timeouts = &turn.snapshot.timeouts;
        let advanced = self.flows.advance(hit.flow, turn.now, |flow| match flow.state {
            FlowState::Udp => (FlowState::Udp, timeouts.udp()),
            FlowState::Tcp(state) => {
                let next = state.next(heard(hit.direction, flow.mode), packet.flags);
                (FlowState::Tcp(next), timeouts.tcp(next))
            }
        });
        if let Some((flow, before)) = advanced
            && flow.state != before
        {
            count_state_change(&self.stats, flow.real, before, flow.state);
        }
    }

    #[inline(always)]
    fn rewrite<P>(
        &mut self,
        turn: &Turn<'_, B, P>,
        mut frame: B,
        piece: Piece<'_>,
        plan: &Plan,
    ) -> Result<B, (B, Refusal)> {
        let ip = piece.ip();
        let Some(port) = turn.snapshot.ports.get(plan.hop.port.index()) else {
            return Err((frame, Refusal::Silent(DropReason::NoRoute)));
        };
        let mtu = match plan.mode {
            ForwardingMode::Tunnel => {
                let to = (plan.real, plan.target.dst_ipv4());
                self.tunnel_mtu(to, port.mtu, turn.now)
            }
            ForwardingMode::Dr | ForwardingMode::Nat | ForwardingMode::FullNat => port.mtu,
        };
        if let Err(refusal) = hop_on(&mut frame, ip, mtu) {
            return Err((frame, refusal));
        }
        match (plan.mode, piece) {
            (ForwardingMode::Dr, _) => {}
            (ForwardingMode::Tunnel, _) => {
                let Some(src) = turn.snapshot.source_address(plan.hop) else {
                    return Err((frame, Refusal::Silent(DropReason::NoRoute)));
                };
                let ends = TunnelEnds { src, dst: plan.target.dst_ipv4() };
                self.next_ip_id = self.next_ip_id.wrapping_add(1);
                // A packet about to be fragmented needs its checksum now, not from the NIC.
                let fits = frame.len() + usize::from(TUNNEL_OVERHEAD)
                    <= usize::from(port.mtu) + crate::parse::L3_OFFSET;
                let nic_fills = port.tx_ipv4_checksum && fits;
                if !forward::encapsulate(&mut frame, ends, self.next_ip_id, nic_fills) {
                    return Err((frame, Refusal::Silent(DropReason::NoHeadroom)));
                }
            }
            (ForwardingMode::Nat | ForwardingMode::FullNat, Piece::Whole(_)) => {
                let fits = ip.total_len <= port.mtu;
                let nic_fills_udp = port.tx_udp_checksum && fits;
                forward::translate(&mut frame, ip, &plan.target, nic_fills_udp);
            }
            (ForwardingMode::Nat | ForwardingMode::FullNat, Piece::LaterFragment(_)) => {
                forward::translate_fragment(&mut frame, &plan.target);
            }
        }
        Ok(frame)
    }

    /// Longest packet that fits through the tunnel to a real server.
    fn tunnel_mtu(&self, (real, rip): (RealId, Ipv4Addr), port_mtu: u16, now: Tick) -> u16 {
        let told = self.path_mtu.get(real.index()).copied().unwrap_or_default();
        let believed =
            told.rip == rip.to_bits() && told.mtu != 0 && now.since(told.since) < PATH_MTU_LIFETIME;
        let mtu = if believed { told.mtu.min(port_mtu) } else { port_mtu };
        mtu.saturating_sub(TUNNEL_OVERHEAD)
    }

    /// Notes that a router told a smaller path MTU to a tunnel real server; returns the longest
    /// packet that fits through the tunnel now.
    pub(super) fn note_path_mtu(
        &mut self,
        (real, rip): (RealId, Ipv4Addr),
        mtu: u16,
        now: Tick,
    ) -> u16 {
        let mtu = mtu.max(PATH_MTU_MIN);
        if let Some(known) = self.path_mtu.get_mut(real.index()) {
            *known = PathMtu { rip: rip.to_bits(), mtu, since: now };
        }
        mtu.saturating_sub(TUNNEL_OVERHEAD)
    }

    /// Routes a packet that is neither for us nor of a flow, unchanged but for its TTL.
    pub(super) fn route<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        ip: &Ipv4Meta,
    ) -> Verdict {
        let Some(hop) = turn.snapshot.route(ip.dst()) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        let mtu = turn.snapshot.ports.get(hop.port.index()).map_or(0, |port| port.mtu);
        match hop_on(&mut frame, ip, mtu) {
            Ok(()) => self.egress.deliver(turn, hop, frame, Origin::Received),
            Err(refusal) => self.refuse(turn, frame, ip, refusal),
        }
    }

    /// Whether packets between these two are routed: one of them is a NAT real server.
    pub(super) fn is_routed(snapshot: &Snapshot, src: Ipv4Addr, dst: Ipv4Addr) -> bool {
        snapshot.is_routed(src) || snapshot.is_routed(dst)
    }
}

fn heard(direction: Direction, mode: ForwardingMode) -> Heard {
    match direction {
        Direction::Request if mode.sees_replies() => Heard::Input,
        Direction::Request => Heard::InputOnly,
        Direction::Reply => Heard::Output,
    }
}

/// One hop: the TTL, then the MTU of the way out, in IPVS' order.
#[inline]
fn hop_on<B: PacketBuf>(frame: &mut B, ip: &Ipv4Meta, mtu: u16) -> Result<(), Refusal> {
    take_hop(frame, ip)?;
    if ip.total_len > mtu && ip.dont_fragment() {
        return Err(Refusal::FragmentationNeeded { mtu });
    }
    Ok(())
}

/// Takes one hop off the TTL, if there is one left.
pub(super) fn take_hop<B: PacketBuf>(frame: &mut B, ip: &Ipv4Meta) -> Result<(), Refusal> {
    if ip.ttl <= 1 {
        return Err(Refusal::TtlExceeded);
    }
    forward::decrement_ttl(frame);
    Ok(())
}

/// Moves a flow between the active and the inactive ones of its real server.
fn count_state_change(stats: &WorkerStats, real: RealId, before: FlowState, after: FlowState) {
    let Some(real) = stats.real_server(real) else { return };
    match (before.is_active(), after.is_active()) {
        (false, true) => {
            real.inactive.subtract(1);
            real.active.add(1);
        }
        (true, false) => {
            real.active.subtract(1);
            real.inactive.add(1);
        }
        _ => {}
    }
}
