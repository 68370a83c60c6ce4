//! Calls that real servers begin: what a NAT real server of a service by calls sends from its rport
//! without a flow leaves as from VIP and vport, as IPVS has it with `--pe sip`. The client's
//! template for the call says that real server from then on, whatever it said before.
//!
//! A message that names no call is routed as it is, like all else that NAT real servers send. The
//! flow's owner is who its client leads to, so it sees the packet first; the template may be
//! another worker's, who is told.

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::flow::{Direction, FlowKey, Hit, TemplateIdx};
use crate::forward;
use crate::handover::NoteKind;
use crate::io::Ports;
use crate::parse::{Ipv4Meta, Transport};
use crate::persistence::{Owner, Persistence, Template, TemplateKey, Templates};
use crate::service::{RealId, RealServer, ServiceId, ServiceKey, VirtualService};
use crate::snapshot::Snapshot;
use crate::time::Tick;
use crate::verdict::{DropReason, Verdict};
use crate::wire::IpProto;

use super::admit::Admission;
use super::local::Refusal;
use super::{Director, Turn};

impl<B: PacketBuf> Director<B> {
    /// What becomes of a packet of no flow from a NAT real server, if it is of a call.
    #[inline(never)]
    pub(super) fn call_out(
        &mut self,
        snapshot: &Snapshot,
        (packet, frame): (&Transport, &B),
        now: Tick,
    ) -> Option<Admission> {
        let (reply, protocol) = (&packet.key, packet.ip.protocol);
        let real = snapshot.caller(reply.src_ipv4(), reply.src_port());
        let real = real.filter(|_| protocol == IpProto::UDP)?;
        let service = snapshot.services.by_id(real.service)?;
        let persistence = service.persistence?;
        let ServiceKey::Endpoint { vip, vport, .. } = service.key else { return None };
        let call = self.call_of(persistence.engine?, frame, packet)?;
        let (client, cport) = (reply.dst_ipv4(), reply.dst_port());
        let key = TemplateKey::of(service, &persistence, client).of_call(call);
        let request = FlowKey::ipv4(protocol, client, cport, vip, vport);
        if service.ops {
            self.claim(snapshot, &key, (real, persistence), now);
            return Some(Admission::Out((service.id, real.id), request.reversed()));
        }
        let hit = match self.open_out(snapshot, (service, real), (packet, request), now) {
            Ok(hit) => hit,
            Err(refusal) => return Some(Admission::Refused(refusal)),
        };
        if let Some(template) = self.claim(snapshot, &key, (real, persistence), now) {
            self.begin_control(hit, template);
        }
        Some(Admission::Flow(Hit::new(hit.flow(), Direction::Reply)))
    }

    /// Makes the flow as if the client had begun it.
    fn open_out(
        &mut self,
        snapshot: &Snapshot,
        (service, real): (&VirtualService, &RealServer),
        (packet, request): (&Transport, FlowKey),
        now: Tick,
    ) -> Result<Hit, Refusal> {
        // Replies of flows of this burst are found when it has been gone through.
        self.complete_half_open(snapshot, now);
        let hash = self.flows.hash(&request);
        if let Some(old) = self.flows.lookup(hash, &request) {
            // With another real server; the newer one counts.
            self.end_flow(snapshot, old);
        }
        let packet = Transport { key: request, ..*packet };
        let opened = self.open(snapshot, (service, real), (&packet, hash), now);
        if let Err(Refusal::Silent(DropReason::FlowTableFull)) = opened {
            self.shortage.note(now);
        }
        self.complete_half_open(snapshot, now);
        opened
    }

    /// Has the template of a call say this real server.
    fn claim(
        &mut self,
        snapshot: &Snapshot,
        key: &TemplateKey,
        (real, persistence): (&RealServer, Persistence),
        now: Tick,
    ) -> Option<TemplateIdx> {
        if let Some((template, said)) = self.valid_template(snapshot, key, now) {
            if said.id == real.id {
                self.use_template(template, now);
                return Some(template);
            }
            self.templates.void(template);
        }
        if self.team.by_template(key) == self.team.me() {
            let times = (now, persistence.timeout);
            return self.add_template(Template::new(*key, real, Owner::Me, times));
        }
        let times = (now, Templates::copy_timeout(persistence.timeout));
        let copy = self.add_template(Template::new(*key, real, Owner::Other, times));
        self.due_note = copy.map(|copy| (copy, NoteKind::Claimed));
        copy
    }

    /// Sends a datagram of a call, whole or its first fragment, as `key` says, without a flow.
    #[cold]
    pub(super) fn send_call_out<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        packet: &Transport,
        (ids, key): ((ServiceId, RealId), &FlowKey),
    ) -> Verdict {
        self.stats.count_connection(ids);
        self.stats.count_closed(ids);
        self.send_out(turn, frame, (&packet.ip, ids), |frame, nic_fills_udp| {
            forward::translate(frame, &packet.ip, key, nic_fills_udp)
        })
    }

    /// Sends a fragment without transport header as from `vip`, like the first of its datagram.
    #[cold]
    pub(super) fn call_out_fragment<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        ip: &Ipv4Meta,
        (ids, vip): ((ServiceId, RealId), Ipv4Addr),
    ) -> Verdict {
        let target = FlowKey::ipv4(ip.protocol, vip, 0, ip.dst(), 0);
        self.send_out(turn, frame, (ip, ids), |frame, _| {
            forward::translate_fragment(frame, &target);
            Ok(())
        })
    }

    fn send_out<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        (ip, ids): (&Ipv4Meta, (ServiceId, RealId)),
        translate: impl FnOnce(&mut B, bool) -> Result<(), DropReason>,
    ) -> Verdict {
        self.stats.count_packet(ids, Direction::Reply, ip.total_len);
        let Some(hop) = turn.snapshot.route(ip.dst()) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        self.send_translated(turn, hop, frame, ip, translate)
    }
}
