//! Packets of a flow: state and counters, then the rewrite of the flow's forwarding mode.

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::flow::{Direction, Flow, FlowKey, Hit};
use crate::forward::{self, ForwardingMode, TUNNEL_OVERHEAD, TunnelEnds};
use crate::io::{Origin, Ports};
use crate::parse::{Ipv4Meta, L3_OFFSET, Transport};
use crate::service::{RealId, RealServer};
use crate::snapshot::{NextHop, Snapshot};
use crate::time::{Tick, Ticks};
use crate::verdict::{DropReason, Verdict};

use super::local::Refusal;
use super::persist::assure;
use super::state::{count_state_change, next_state, next_unusual};
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

/// Where a packet of a flow goes, and how it is rewritten on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    mode: ForwardingMode,
    real: RealId,
    /// RIP, where the way leads to a real server.
    rip: Ipv4Addr,
    hop: NextHop,
}

impl Way {
    #[inline(always)]
    fn of(snapshot: &Snapshot, flow: &Flow, direction: Direction) -> Result<Self, DropReason> {
        let (hop, rip) = match direction {
            Direction::Request => {
                let real = snapshot.real_server(flow.real).ok_or(DropReason::RealServerRemoved)?;
                (real.next_hop, real.address)
            }
            // Replies of a removed real server still find back to their client, as in IPVS.
            Direction::Reply => (snapshot.route(flow.request.src_ipv4()), Ipv4Addr::UNSPECIFIED),
        };
        let hop = hop.ok_or(DropReason::NoRoute)?;
        Ok(Self { mode: flow.mode, real: flow.real, rip, hop })
    }

    /// Where its packets go next.
    pub(super) fn hop(&self) -> NextHop {
        self.hop
    }

    /// To a real server, without a flow.
    pub(super) fn to(real: &RealServer) -> Result<Self, DropReason> {
        let hop = real.next_hop.ok_or(DropReason::NoRoute)?;
        Ok(Self { mode: real.mode, real: real.id, rip: real.address, hop })
    }
}

/// What a packet of a flow becomes: the reverse of what comes back the other way.
#[inline(always)]
fn target(flow: &Flow, direction: Direction) -> FlowKey {
    match direction {
        Direction::Request => flow.reply.reversed(),
        Direction::Reply => flow.request.reversed(),
    }
}

impl<B: PacketBuf> Director<B> {
    /// Sends a packet of a known flow on its way.
    #[inline(always)]
    pub(super) fn relay<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        packet: &Transport,
        hit: Hit,
    ) -> Verdict {
        let (direction, snapshot) = (hit.direction(), turn.snapshot);
        let Some(flow) = self.flows.flow_mut(hit.flow()) else {
            return Verdict::Dropped(DropReason::NoFlow);
        };
        let way = match Way::of(snapshot, flow, direction) {
            Ok(way) => way,
            Err(reason) => return self.no_way(turn, frame, (packet, hit), reason),
        };
        self.stats.count_packet((flow.service, flow.real), direction, packet.ip.total_len);
        let (before, control) = (flow.state, flow.control);
        let (mut state, mut timeout) = next_state(&snapshot.timeouts, flow, direction, packet);
        if self.unusual {
            let secure = self.defences.secure_tcp;
            (state, timeout) = next_unusual((snapshot, secure), flow, direction, packet);
        }
        let service = flow.service;
        let shorter = flow.advance_kept((direction, turn.now), state, timeout);
        if control.is_unassured() && state.state().assures(direction) {
            assure(flow, &mut self.templates);
        }
        if shorter {
            self.flows.hasten(hit.flow());
        }
        if state != before {
            count_state_change(&self.stats, way.real, before.is_active(), state.is_active());
            self.load_changed(snapshot, service, way.real);
        }
        if control.has_helper() {
            return self.relay_helped(turn, frame, packet, hit, &way);
        }
        let rewritten = self.rewrite(turn, &mut frame, packet, hit, &way);
        self.send_on(turn, way.hop, frame, &packet.ip, rewritten)
    }

    /// Sends a packet that was rewritten on, or tells its sender why it was not.
    #[inline(always)]
    pub(super) fn send_on<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        hop: NextHop,
        frame: B,
        ip: &Ipv4Meta,
        rewritten: Result<(), Refusal>,
    ) -> Verdict {
        match rewritten {
            Ok(()) => self.egress.deliver(turn, hop, frame, Origin::Received),
            Err(refusal) => self.refuse(turn, frame, ip, refusal),
        }
    }

    /// Sends a packet of no flow to `hop`, with addresses and ports as `translate` gives them to
    /// it; that is told whether the NIC fills in UDP checksums.
    pub(super) fn send_translated<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        hop: NextHop,
        mut frame: B,
        ip: &Ipv4Meta,
        translate: impl FnOnce(&mut B, bool) -> Result<(), DropReason>,
    ) -> Verdict {
        let Some(port) = turn.snapshot.ports.get(hop.port.index()) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        let translated = hop_on(&mut frame, ip, port.mtu).and_then(|()| {
            translate(&mut frame, port.fills_udp_checksum(ip.total_len)).map_err(Refusal::Silent)
        });
        self.send_on(turn, hop, frame, ip, translated)
    }

    #[inline(always)]
    pub(super) fn rewrite<P>(
        &mut self,
        turn: &Turn<'_, B, P>,
        frame: &mut B,
        packet: &Transport,
        hit: Hit,
        way: &Way,
    ) -> Result<(), Refusal> {
        let ip = &packet.ip;
        let port = turn.snapshot.ports.get(way.hop.port.index());
        let port = port.ok_or(Refusal::Silent(DropReason::NoRoute))?;
        match way.mode {
            ForwardingMode::Dr => hop_on(frame, ip, port.mtu),
            ForwardingMode::Tunnel => self.tunnel(turn, frame, ip, way),
            ForwardingMode::Nat | ForwardingMode::FullNat => {
                hop_on(frame, ip, port.mtu)?;
                let nic_fills_udp = port.fills_udp_checksum(ip.total_len);
                if let Some(flow) = self.flows.flow(hit.flow()) {
                    forward::translate(frame, ip, &target(flow, hit.direction()), nic_fills_udp)
                        .map_err(Refusal::Silent)?;
                }
                Ok(())
            }
        }
    }

    /// Sends a packet of no flow on its way, in DR or TUN.
    pub(super) fn relay_stateless<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        ip: &Ipv4Meta,
        way: &Way,
    ) -> Verdict {
        let rewritten = if way.mode == ForwardingMode::Tunnel {
            self.tunnel(turn, &mut frame, ip, way)
        } else {
            let port = turn.snapshot.ports.get(way.hop.port.index());
            port.ok_or(Refusal::Silent(DropReason::NoRoute))
                .and_then(|port| hop_on(&mut frame, ip, port.mtu))
        };
        self.send_on(turn, way.hop, frame, ip, rewritten)
    }

    #[inline(always)]
    fn tunnel<P>(
        &mut self,
        turn: &Turn<'_, B, P>,
        frame: &mut B,
        ip: &Ipv4Meta,
        way: &Way,
    ) -> Result<(), Refusal> {
        let port = turn.snapshot.ports.get(way.hop.port.index());
        let src = turn.snapshot.source_address(way.hop);
        let (Some(port), Some(src)) = (port, src) else {
            return Err(Refusal::Silent(DropReason::NoRoute));
        };
        let ends = TunnelEnds { src, dst: way.rip };
        hop_on(frame, ip, self.tunnel_mtu((way.real, ends.dst), port.mtu, turn.now))?;
        self.next_ip_id = self.next_ip_id.wrapping_add(1);
        // A packet about to be fragmented needs its checksum now, not from the NIC.
        let fits = frame.len() + usize::from(TUNNEL_OVERHEAD) <= usize::from(port.mtu) + L3_OFFSET;
        let nic_fills = port.tx_ipv4_checksum && fits;
        if forward::encapsulate(frame, ends, self.next_ip_id, nic_fills) {
            Ok(())
        } else {
            Err(Refusal::Silent(DropReason::NoHeadroom))
        }
    }

    /// Sends a fragment without transport header on its flow's way.
    #[cold]
    pub(super) fn relay_fragment<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        ip: &Ipv4Meta,
        hit: Hit,
    ) -> Verdict {
        let Some(flow) = self.flows.flow(hit.flow()) else {
            return Verdict::Dropped(DropReason::NoFlow);
        };
        let way = match Way::of(turn.snapshot, flow, hit.direction()) {
            Ok(way) => way,
            Err(reason) => return Verdict::Dropped(reason),
        };
        self.stats.count_packet((flow.service, flow.real), hit.direction(), ip.total_len);
        let rewritten = self.rewrite_fragment(turn, &mut frame, ip, hit, &way);
        self.send_on(turn, way.hop, frame, ip, rewritten)
    }

    fn rewrite_fragment<P>(
        &mut self,
        turn: &Turn<'_, B, P>,
        frame: &mut B,
        ip: &Ipv4Meta,
        hit: Hit,
        way: &Way,
    ) -> Result<(), Refusal> {
        if way.mode == ForwardingMode::Tunnel {
            return self.tunnel(turn, frame, ip, way);
        }
        let port = turn.snapshot.ports.get(way.hop.port.index());
        hop_on(frame, ip, port.ok_or(Refusal::Silent(DropReason::NoRoute))?.mtu)?;
        if way.mode.sees_replies()
            && let Some(flow) = self.flows.flow(hit.flow())
        {
            forward::translate_fragment(frame, &target(flow, hit.direction()));
        }
        Ok(())
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
        let passed = hop_on(&mut frame, ip, mtu);
        self.send_on(turn, hop, frame, ip, passed)
    }

    /// Whether packets between these two are routed: one of them is a NAT real server.
    pub(super) fn is_routed(snapshot: &Snapshot, src: Ipv4Addr, dst: Ipv4Addr) -> bool {
        snapshot.is_routed(src) || snapshot.is_routed(dst)
    }
}

/// One hop: the TTL, then the MTU of the way out, in IPVS' order.
#[inline(always)]
pub(super) fn hop_on<B: PacketBuf>(frame: &mut B, ip: &Ipv4Meta, mtu: u16) -> Result<(), Refusal> {
    take_hop(frame, ip)?;
    if ip.total_len > mtu && ip.dont_fragment() {
        return Err(Refusal::FragmentationNeeded { mtu });
    }
    Ok(())
}

/// Takes one hop off the TTL, if there is one left.
#[inline(always)]
pub(super) fn take_hop<B: PacketBuf>(frame: &mut B, ip: &Ipv4Meta) -> Result<(), Refusal> {
    if ip.ttl <= 1 {
        return Err(Refusal::TtlExceeded);
    }
    forward::decrement_ttl(frame);
    Ok(())
}
