//! New connections of persistent services: the client's template says which real server they get.
//!
//! As in IPVS a template holds whatever the real server's weight or load is, unless
//! `expire_quiescent_template` gives up those with weight 0. One whose real server is not there any
//! more is void: it is not found again, and stays as long as it controls flows. What other workers
//! have to do with it is in `lend.rs`.

use crate::buf::PacketBuf;
use crate::control::FlowReport;
use crate::flow::{Controller, Flow, Hit, KeyHash, TemplateIdx};
use crate::forward::ForwardingMode;
use crate::handover::{Errand, NoteKind};
use crate::parse::Transport;
use crate::persistence::{Engine, Owner, Persistence, Template, TemplateKey, Templates};
use crate::service::{RealId, RealServer, VirtualService};
use crate::sip;
use crate::snapshot::Snapshot;
use crate::stats::{Counter, WorkerStats};
use crate::time::Tick;
use crate::verdict::DropReason;

use super::admit::{Admission, may_go_on, may_open};
use super::local::Refusal;
use super::{Director, one_packet};

/// A real server and the template that says so, if there was room for one.
type Assigned<'a> = (&'a RealServer, Option<TemplateIdx>);

impl<B: PacketBuf> Director<B> {
    /// What becomes of a packet to a persistent service; `None` if it is not one that opens a
    /// connection.
    #[inline(never)]
    pub(super) fn admit_persistent(
        &mut self,
        snapshot: &Snapshot,
        (service, persistence): (&VirtualService, Persistence),
        (packet, hash, frame): (&Transport, KeyHash, &B),
        now: Tick,
    ) -> Option<Admission> {
        let mut key = TemplateKey::of(service, &persistence, packet.key.src_ipv4());
        if !may_open(packet, &snapshot.ipvs) {
            // What is not UDP opens no connection by its call, so none can be under way.
            if persistence.engine.is_some() {
                return None;
            }
            return self.admit_underway(snapshot, (service, &key), (packet, hash), now);
        }
        if let Some(engine) = persistence.engine {
            let Some(call) = self.call_of(engine, frame, packet) else {
                return Some(Admission::Refused(Refusal::Silent(DropReason::NoCallId)));
            };
            key = key.of_call(call);
        }
        let known = self.valid_template(snapshot, &key, now);
        let assigned = match (self.errand, known) {
            (Some(Errand::Answer(real)), known) => {
                self.accept_answer(snapshot, &key, (real, persistence), known, now)
            }
            (_, Some((template, real))) => {
                self.use_template(template, now);
                Ok((real, Some(template)))
            }
            (errand, None) => {
                let owner = self.team.by_template(&key);
                if owner != self.team.me() && errand.is_none() {
                    return Some(Admission::Elsewhere(owner, Errand::Ask(self.team.me())));
                }
                self.schedule(snapshot, service, packet, now).map(|real| {
                    let times = (now, persistence.timeout);
                    (real, self.add_template(Template::new(key, real, Owner::Me, times)))
                })
            }
        };
        let assigned = match assigned {
            Ok(assigned) => assigned,
            Err(refusal) => return Some(Admission::Refused(refusal)),
        };
        if let Some(Errand::Ask(asker)) = self.errand {
            return Some(Admission::Elsewhere(asker, Errand::Answer(assigned.0.id)));
        }
        if one_packet::applies(service, packet) && one_packet::goes_without_flow(assigned.0) {
            return Some(Admission::once(service, assigned.0, packet));
        }
        Some(self.open_controlled(snapshot, service, assigned, (packet, hash), now))
    }

    /// What names the call of a packet, hashed.
    #[cold]
    #[inline(never)]
    pub(super) fn call_of(&self, engine: Engine, frame: &B, packet: &Transport) -> Option<u64> {
        match engine {
            Engine::Sip => Some(self.team.hash_of_call(sip::call_id_of(frame, packet)?)),
        }
    }

    /// A segment of no flow that may be of a connection that was opened when there was no room for
    /// flows.
    fn admit_underway(
        &mut self,
        snapshot: &Snapshot,
        (service, key): (&VirtualService, &TemplateKey),
        (packet, hash): (&Transport, KeyHash),
        now: Tick,
    ) -> Option<Admission> {
        if !may_go_on(packet) {
            return None;
        }
        let computed = self.computed(snapshot, service, packet, now)?;
        let assigned = match self.valid_template(snapshot, key, now) {
            Some((template, real)) => (real, Some(template)),
            None => (computed, None),
        };
        Some(self.open_controlled(snapshot, service, assigned, (packet, hash), now))
    }

    /// Opens a flow that a template controls.
    fn open_controlled(
        &mut self,
        snapshot: &Snapshot,
        service: &VirtualService,
        (real, template): Assigned<'_>,
        (packet, hash): (&Transport, KeyHash),
        now: Tick,
    ) -> Admission {
        // Services of one VIP can share templates: FTP's and the one for all ports.
        let service = snapshot.services.by_id(real.service).unwrap_or(service);
        match self.open(snapshot, (service, real), (packet, hash), now) {
            Ok(hit) => {
                if let Some(template) = template {
                    self.begin_control(hit, template);
                }
                Admission::Flow(hit)
            }
            Err(Refusal::Silent(DropReason::FlowTableFull)) => {
                self.shortage.note(now);
                self.without_flow(snapshot, service, packet, Some(real))
            }
            Err(refusal) => Admission::Refused(refusal),
        }
    }

    /// The template with `key` and its real server, if a new connection may use it.
    pub(super) fn valid_template<'a>(
        &mut self,
        snapshot: &'a Snapshot,
        key: &TemplateKey,
        now: Tick,
    ) -> Option<(TemplateIdx, &'a RealServer)> {
        let idx = self.templates.find(key)?;
        if !self.templates.outlives(idx, now) {
            self.end_template(idx);
            return None;
        }
        let real = usable(snapshot, self.templates.get(idx)?.real(), key);
        if real.is_none() {
            self.templates.void(idx);
        }
        Some((idx, real?))
    }

    /// Notes a new connection that uses a template.
    pub(super) fn use_template(&mut self, idx: TemplateIdx, now: Tick) {
        self.templates.note_use(idx, now);
        if self.templates.has_to_tell(idx, now) {
            self.due_note = Some((idx, NoteKind::Used));
        }
    }

    /// Adds a template, if there is room for it.
    pub(super) fn add_template(&mut self, template: Template) -> Option<TemplateIdx> {
        if let Ok(idx) = self.templates.insert(template) {
            self.count_template(&template, Counter::add);
            return Some(idx);
        }
        self.stats.templates_full.add(1);
        None
    }

    /// The report on the template at `position`; none on copies, which are reported by the owner.
    pub(super) fn template_report(
        &self,
        snapshot: &Snapshot,
        position: usize,
        now: Tick,
    ) -> Option<FlowReport> {
        let template = self.templates.at(position)?;
        if template.owner() == Owner::Other || template.is_over(now) {
            return None;
        }
        Some(report_of(snapshot, template, now))
    }

    /// Takes a template out, and out of the count.
    pub(super) fn end_template(&mut self, idx: TemplateIdx) {
        if let Some(ended) = self.templates.remove(idx) {
            self.count_template(&ended, Counter::subtract);
        }
    }

    /// Counts a template that came or went.
    pub(super) fn count_template(&self, template: &Template, count: fn(&Counter, u64)) {
        count_template(&self.stats, &self.templates, template, count);
    }

    /// Has a template control a flow.
    pub(super) fn begin_control(&mut self, hit: Hit, template: TemplateIdx) {
        let Some(flow) = self.flows.flow_mut(hit.flow()) else { return };
        let controlled = flow.control.by(Controller::Template(template));
        let is_assured = self.templates.get(template).is_some_and(Template::is_assured);
        flow.control = if is_assured { controlled } else { controlled.unassured() };
        self.templates.begin_control(template);
    }
}

/// The report on a template, whose real server may have gone.
pub(super) fn report_of(snapshot: &Snapshot, template: &Template, now: Tick) -> FlowReport {
    let real = snapshot.real_server(template.real());
    let mode = real.map_or(ForwardingMode::Nat, |real| real.mode);
    FlowReport::of_template(template, mode, now)
}

/// The real server that a template with `key` says, if new connections may go there.
pub(super) fn usable<'a>(
    snapshot: &'a Snapshot,
    real: RealId,
    key: &TemplateKey,
) -> Option<&'a RealServer> {
    let real = snapshot.real_server(real)?;
    let service = snapshot.services.by_id(real.service)?;
    let is_quiescent = real.weight == 0 && snapshot.ipvs.expire_quiescent_template;
    (key.is_of(service) && !is_quiescent).then_some(real)
}

pub(super) fn count_template(
    stats: &WorkerStats,
    templates: &Templates,
    template: &Template,
    count: fn(&Counter, u64),
) {
    stats.templates.set(templates.len() as u64);
    if let Some(real) = stats.real_server(template.real()) {
        let gauge = match template.owner() {
            Owner::Me => &real.templates,
            Owner::Other => &real.template_copies,
        };
        count(gauge, 1);
    }
}

/// Has the template of a flow hear that the connection got through.
#[cold]
pub(super) fn assure(flow: &mut Flow, templates: &mut Templates) {
    flow.control = flow.control.assured();
    if let Some(Controller::Template(template)) = flow.control.controller() {
        templates.assure(template);
    }
}
