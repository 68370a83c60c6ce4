//! Packets without a flow: those that may open one are scheduled, others are refused or routed.

use crate::buf::PacketBuf;
use crate::flow::{Control, Direction, Flow, FlowKey, Hit, KeyHash};
use crate::fragment::{Decision, TrainKey};
use crate::handover::Errand;
use crate::io::Ports;
use crate::options::IpvsOptions;
use crate::ownership::WorkerIdx;
use crate::parse::Transport;
use crate::sched::{self, Asked, Asker};
use crate::service::{RealId, RealServer, ServiceId, ServiceKey, VirtualService};
use crate::snapshot::Snapshot;
use crate::time::Tick;
use crate::verdict::{DropReason, Verdict};
use crate::wire::{IpProto, TcpFlags};

use super::local::Refusal;
use super::relay::Way;
use super::reuse::may_be_over;
use super::{Director, Turn, one_packet, stateless};

/// FTP's data port: packets from it belong to connections that a control connection announced,
/// so IPVS never schedules them.
const FTP_DATA: u16 = 20;

/// What becomes of a packet with ports.
pub(super) enum Admission {
    /// It opened this flow.
    Flow(Hit),
    /// It opens none and goes to this real server by itself.
    Once(RealServer),
    /// It opened none, for want of room, and goes this way nevertheless.
    Stateless(Way),
    /// It is a real server's, opens none, and leaves as if it were this.
    Out((ServiceId, RealId), FlowKey),
    /// Another worker has to see it.
    Elsewhere(WorkerIdx, Errand),
    /// It is none of ours and is routed unchanged.
    Route,
    /// It is not let in.
    Refused(Refusal),
}

impl Admission {
    /// By itself to `real`.
    pub(super) fn once(service: &VirtualService, real: &RealServer, packet: &Transport) -> Self {
        Self::Once(service.with_rport(real, packet.key.dst_port()))
    }
}

impl<B: PacketBuf> Director<B> {
    /// A TCP, UDP or SCTP packet, whole or the first fragment.
    #[inline(always)]
    pub(super) fn transport<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        packet: &Transport,
        hit: Option<Hit>,
    ) -> Verdict {
        let hit = match self.still_valid(turn.snapshot, packet, hit, turn.now) {
            Ok(hit) => hit,
            Err(hash) => return self.newcomer(turn, frame, packet, hash),
        };
        let verdict = self.relay(turn, frame, packet, hit);
        // Where the flow has been given up, it is decided already.
        if packet.ip.more_fragments() && self.flows.matches(hit, &packet.key) {
            let decision = Decision::of(verdict, hit, packet.key);
            self.decide_train(turn, TrainKey::of(&packet.ip), decision);
        }
        verdict
    }

    /// A packet without a flow.
    #[inline(never)]
    pub(super) fn newcomer<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        packet: &Transport,
        hash: KeyHash,
    ) -> Verdict {
        let admission = self.admit(turn.snapshot, (packet, hash, &frame), turn.now);
        if self.due_note.is_some() {
            self.tell_owner(turn);
        }
        let (verdict, decision) = match admission {
            Admission::Flow(hit) => {
                let verdict = self.relay(turn, frame, packet, hit);
                (verdict, Decision::of(verdict, hit, packet.key))
            }
            Admission::Once(real) => {
                let verdict = self.relay_once(turn, frame, packet, &real);
                (verdict, Decision::Once(real.id))
            }
            Admission::Out(ids, key) => {
                let verdict = self.send_call_out(turn, frame, packet, (ids, &key));
                (verdict, Decision::From(ids, key.src_ipv4()))
            }
            Admission::Stateless(way) => {
                return self.relay_stateless(turn, frame, &packet.ip, &way);
            }
            Admission::Elsewhere(worker, errand) => {
                self.run_errand(turn, frame, (worker, errand));
                return Verdict::HandedOver;
            }
            Admission::Route => (self.route(turn, frame, &packet.ip), Decision::Route),
            Admission::Refused(refusal) => {
                let decision = Decision::Drop(refusal.reason());
                (self.refuse(turn, frame, &packet.ip, refusal), decision)
            }
        };
        if packet.ip.more_fragments() {
            self.decide_train(turn, TrainKey::of(&packet.ip), decision);
        }
        verdict
    }

    /// The flow of a packet, unless it has ended or the packet begins a new connection: then the
    /// hash of the packet's key.
    ///
    /// The look-up for the whole burst went by the tag alone, and a packet of the same burst may
    /// have made or ended the flow since.
    #[inline(always)]
    fn still_valid(
        &mut self,
        snapshot: &Snapshot,
        packet: &Transport,
        hit: Option<Hit>,
        now: Tick,
    ) -> Result<Hit, KeyHash> {
        if let Some(hit) = hit
            && let Some(flow) = self.flows.flow(hit.flow())
            && *flow.key(hit.direction()) == packet.key
            && !may_be_over(flow, packet, hit.direction(), now)
        {
            return Ok(hit);
        }
        let hash = self.flows.hash(&packet.key);
        self.find_valid(snapshot, (packet, hash), now).ok_or(hash)
    }

    /// Takes a flow out of the table and of its real server's count.
    #[cold]
    pub(super) fn end_flow(&mut self, snapshot: &Snapshot, hit: Hit) {
        if let Some(flow) = self.flows.remove(hit.flow()) {
            self.stats.flows.set(self.flows.len() as u64);
            self.count_end(snapshot, &flow);
        }
    }

    /// Takes a flow that has left the table out of its real server's count.
    pub(super) fn count_end(&mut self, snapshot: &Snapshot, flow: &Flow) {
        if flow.control != Control::NONE {
            self.let_go(flow);
        }
        if let Some(real) = self.stats.real_server(flow.real) {
            let gauge = if flow.is_active() { &real.active } else { &real.inactive };
            gauge.subtract(1);
        }
        self.stats.count_closed((flow.service, flow.real));
        self.load_changed(snapshot, flow.service, flow.real);
    }

    /// Tells the service's scheduler, if it looks at connections, that those of a real server have
    /// changed.
    #[inline]
    pub(super) fn load_changed(&self, snapshot: &Snapshot, service: ServiceId, real: RealId) {
        if snapshot.services.any_counts() {
            self.tell_scheduler(snapshot, service, real);
        }
    }

    #[inline(never)]
    fn tell_scheduler(&self, snapshot: &Snapshot, service: ServiceId, real: RealId) {
        let (services, me) = (&snapshot.services, self.team.me().0);
        let Some((service, place)) = services.by_id(service).zip(services.place_of(real)) else {
            return;
        };
        let Some(loads) = service.schedule.loads_of(me) else { return };
        // Not one that has been removed and may still have flows.
        if service.dests.get(place).is_some_and(|dest| dest.real == real) {
            loads.changed(&service.dests, place, &self.counted);
        }
    }

    fn admit(
        &mut self,
        snapshot: &Snapshot,
        (packet, hash, frame): (&Transport, KeyHash, &B),
        now: Tick,
    ) -> Admission {
        let ip = &packet.ip;
        if snapshot.address_use(ip.src()).is_some() {
            return Admission::Refused(Refusal::Silent(DropReason::BadSourceAddress));
        }
        if !self.ftp.expected.is_empty()
            && let Some(opened) = self.open_expected(snapshot, (packet, hash), now)
        {
            return opened.map_or_else(Admission::Refused, Admission::Flow);
        }
        if let Some(service) = self.service_of(snapshot, packet)
            && let Some(admission) = self.admit_to(snapshot, service, (packet, hash, frame), now)
        {
            return admission;
        }
        if snapshot.address_use(ip.dst()).is_some() {
            return Admission::Refused(refuse_locally(packet));
        }
        if Self::is_routed(snapshot, ip.src(), ip.dst()) {
            let called = self.call_out(snapshot, (packet, frame), now);
            return called.unwrap_or(Admission::Route);
        }
        Admission::Refused(Refusal::Silent(DropReason::NotForUs))
    }

    /// The service of a packet: by its mark, if a service has that; else by where it goes.
    fn service_of<'a>(
        &self,
        snapshot: &'a Snapshot,
        packet: &Transport,
    ) -> Option<&'a VirtualService> {
        let mark = snapshot.marks.mark_of(packet, self.rx_port);
        let marked = mark.and_then(|mark| snapshot.services.find(&ServiceKey::Mark(mark)));
        marked.or_else(|| {
            let (protocol, key) = (packet.ip.protocol, &packet.key);
            let key = ServiceKey::endpoint(protocol, key.dst_ipv4(), key.dst_port());
            snapshot.services.find_for(&key)
        })
    }

    /// What becomes of a packet to a service; `None` if it is not one that opens a connection.
    fn admit_to(
        &mut self,
        snapshot: &Snapshot,
        service: &VirtualService,
        (packet, hash, frame): (&Transport, KeyHash, &B),
        now: Tick,
    ) -> Option<Admission> {
        let opens = may_open(packet, &snapshot.ipvs);
        // What was handed over about a template has passed the defences before.
        if opens && self.errand.is_none() && self.defences.refuses() {
            return Some(Admission::Refused(Refusal::Silent(DropReason::DropPacket)));
        }
        if let Some(persistence) = service.persistence {
            let packet = (packet, hash, frame);
            return self.admit_persistent(snapshot, (service, persistence), packet, now);
        }
        if let Some(Errand::Ask(asker)) = self.errand {
            return self.answer_unasked(snapshot, service, packet, asker, now);
        }
        let by_itself = opens && one_packet::applies(service, packet);
        let computed = if by_itself { None } else { self.computed(snapshot, service, packet, now) };
        let real = match computed {
            Some(real) if may_go_on(packet) || opens => Ok(real),
            _ if opens => self.schedule(snapshot, service, packet, now),
            _ => return None,
        };
        if by_itself
            && let Ok(real) = real
            && one_packet::goes_without_flow(real)
        {
            return Some(Admission::once(service, real, packet));
        }
        let opened =
            real.and_then(|real| self.open(snapshot, (service, real), (packet, hash), now));
        Some(match opened {
            Ok(hit) => Admission::Flow(hit),
            Err(Refusal::Silent(DropReason::FlowTableFull)) => {
                self.shortage.note(now);
                self.without_flow(snapshot, service, packet, None)
            }
            Err(refusal) => Admission::Refused(refusal),
        })
    }

    /// The real server of a new connection.
    pub(super) fn schedule<'a>(
        &mut self,
        snapshot: &'a Snapshot,
        service: &VirtualService,
        packet: &Transport,
        now: Tick,
    ) -> Result<&'a RealServer, Refusal> {
        let unavailable = Refusal::PortUnreachable(DropReason::NoRealServer);
        let state = self.sched.get_mut(service.id.index()).ok_or(unavailable)?;
        let client = (packet.key.src_ipv4(), packet.key.src_port());
        let asked = Asked { client, dst: packet.key.dst_ipv4() };
        let (worker, counted) = (self.team.me().0, &self.counted);
        let mut asker = Asker { worker, counted, now, random: &mut self.random };
        let real = sched::schedule(service, state, &asked, &mut asker).ok_or(unavailable)?;
        snapshot.real_server(real).ok_or(unavailable)
    }

    /// What becomes of a packet that there is no room for a flow for. If it has a template, that
    /// says the real server.
    pub(super) fn without_flow(
        &self,
        snapshot: &Snapshot,
        service: &VirtualService,
        packet: &Transport,
        told: Option<&RealServer>,
    ) -> Admission {
        let full = Refusal::Silent(DropReason::FlowTableFull);
        // The other fragments of a datagram would not find their way.
        let computed = stateless::compute(snapshot, service, packet);
        let real = match computed.map(|real| told.unwrap_or(real)) {
            Some(real) if !packet.ip.more_fragments() && !real.mode.sees_replies() => real,
            _ => return Admission::Refused(full),
        };
        match Way::to(real) {
            Ok(way) => {
                let ids = (service.id, real.id);
                self.stats.count_packet(ids, Direction::Request, packet.ip.total_len);
                self.stats.stateless.add(1);
                Admission::Stateless(way)
            }
            Err(reason) => Admission::Refused(Refusal::Silent(reason)),
        }
    }
}

/// Whether a packet may open a connection: any UDP packet, a TCP segment with SYN and without RST,
/// an SCTP packet with INIT. `sloppy_tcp` and `sloppy_sctp` do without SYN and INIT.
pub(super) fn may_open(packet: &Transport, options: &IpvsOptions) -> bool {
    let has = |flag| packet.flags.contains(flag);
    let opens = match packet.ip.protocol {
        IpProto::UDP => true,
        IpProto::SCTP => (has(TcpFlags::SYN) || options.sloppy_sctp) && !has(TcpFlags::RST),
        _ => (has(TcpFlags::SYN) || options.sloppy_tcp) && !has(TcpFlags::RST),
    };
    opens && packet.key.src_port() != FTP_DATA
}

/// Whether a packet may be of a connection that is under way: a TCP segment without SYN, an SCTP
/// packet without INIT.
pub(super) fn may_go_on(packet: &Transport) -> bool {
    packet.ip.protocol != IpProto::UDP
        && !packet.flags.contains(TcpFlags::SYN)
        && packet.key.src_port() != FTP_DATA
}

/// What a host's stack would do with a packet to an address of its own that nobody listens to.
fn refuse_locally(packet: &Transport) -> Refusal {
    if packet.ip.protocol == IpProto::UDP {
        return Refusal::PortUnreachable(DropReason::NoService);
    }
    let has = |flag| packet.flags.contains(flag);
    let opens = has(TcpFlags::SYN) && !has(TcpFlags::ACK) && !has(TcpFlags::RST);
    let reason = if opens { DropReason::NoService } else { DropReason::NoFlow };
    // As a Linux host without a stack for SCTP, which a director of LVS need not have (RFC 1122
    // section 3.2.2.1). It ends the association as an ABORT would (RFC 9260 section 10, ICMP6).
    if packet.ip.protocol == IpProto::SCTP {
        return Refusal::ProtocolUnreachable(reason);
    }
    Refusal::Reset(reason)
}
