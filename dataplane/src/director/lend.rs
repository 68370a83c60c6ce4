//! Templates of other workers: asked for, copied, and kept alive by notes.
//!
//! A flow belongs to a worker by its ports too, so the flows of one client are spread over workers,
//! while its template belongs to one ([`Team::by_template`](crate::ownership::Team::by_template)).
//! A worker with a new connection and no template for it hands the packet to the template's owner;
//! the owner finds the real server, or chooses it, and hands the packet back with it. The worker
//! keeps a copy of the template, so further connections of the client need not ask; it tells the
//! owner about them by notes, from which the template lives on.
//!
//! A copy ends a little before the template would, if nobody else used it; then the owner is asked
//! again, so that nothing depends on the copy. If it controls flows when it should end, it goes on
//! for a minute at a time like a template, and tells the owner, whose template goes on as well.
//!
//! Notes may be lost when a ring is full. If the template has ended for want of notes, the next
//! note makes it anew. If it meanwhile says another real server, the owner answers that the copy is
//! stale, and the next connection asks.

use crate::buf::PacketBuf;
use crate::flow::CONTROLLING_RETRY;
use crate::flow::TemplateIdx;
use crate::handover::{Errand, Handed, NoteKind, TemplateNote};
use crate::io::Ports;
use crate::ownership::WorkerIdx;
use crate::parse::Transport;
use crate::persistence::{Owner, Persistence, Template, TemplateKey, Templates};
use crate::service::{RealId, RealServer, VirtualService};
use crate::snapshot::Snapshot;
use crate::stats::Counter;
use crate::time::Tick;
use crate::verdict::DropReason;

use super::admit::Admission;
use super::local::Refusal;
use super::persist::usable;
use super::{Director, Turn};

impl<B: PacketBuf> Director<B> {
    /// Hands a packet of a new connection to another worker.
    #[cold]
    pub(super) fn run_errand<P: Ports<B>>(
        &self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        (to, errand): (WorkerIdx, Errand),
    ) {
        turn.io.run_errand(to, self.rx_port, errand, frame);
    }

    /// What becomes of a packet that another worker asks about, which runs another configuration
    /// for a moment, where the service is persistent: it goes back with a real server.
    #[cold]
    pub(super) fn answer_unasked(
        &mut self,
        snapshot: &Snapshot,
        service: &VirtualService,
        packet: &Transport,
        asker: WorkerIdx,
        now: Tick,
    ) -> Option<Admission> {
        Some(match self.schedule(snapshot, service, packet, now) {
            Ok(real) => Admission::Elsewhere(asker, Errand::Answer(real.id)),
            Err(refusal) => Admission::Refused(refusal),
        })
    }

    /// Takes the real server that the template's owner has told, and keeps a copy of the template.
    pub(super) fn accept_answer<'a>(
        &mut self,
        snapshot: &'a Snapshot,
        key: &TemplateKey,
        (real, persistence): (RealId, Persistence),
        known: Option<(TemplateIdx, &RealServer)>,
        now: Tick,
    ) -> Result<(&'a RealServer, Option<TemplateIdx>), Refusal> {
        // The owner may run another configuration for a moment.
        let removed = Refusal::Silent(DropReason::RealServerRemoved);
        let real = usable(snapshot, real, key).ok_or(removed)?;
        if let Some((template, same)) = known {
            if same.id == real.id {
                self.templates.note_use(template, now);
                return Ok((real, Some(template)));
            }
            self.templates.void(template);
        }
        let times = (now, Templates::copy_timeout(persistence.timeout));
        Ok((real, self.add_template(Template::new(*key, real, Owner::Other, times))))
    }

    /// Tells the owner of a template that a copy of it was used, or that a call claimed it.
    #[cold]
    pub(super) fn tell_owner<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) {
        let Some((idx, kind)) = self.due_note.take() else { return };
        if let Some(template) = self.templates.get(idx) {
            let note = TemplateNote::on(template, kind, self.team.me());
            turn.io.tell(self.team.by_template(template.key()), Handed::Template(note));
        }
    }

    /// Takes in what another worker tells about a template.
    #[cold]
    pub(super) fn take_note<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        note: &TemplateNote,
    ) {
        let snapshot = turn.snapshot;
        let Some(real) = snapshot.real_server(note.real) else { return };
        let Some(service) = snapshot.services.by_id(real.service) else { return };
        let Some(persistence) = service.persistence else { return };
        let call = u64::from_ne_bytes(note.call);
        let key = TemplateKey::of_network(service, note.network).of_call(call);
        if note.kind == NoteKind::Stale {
            return self.give_up_copy(&key, note.real);
        }
        let Some((idx, real)) = self.valid_template(snapshot, &key, turn.now) else {
            return self.make_anew(snapshot, (note, &key), persistence, turn.now);
        };
        if real.id != note.real && note.kind == NoteKind::Claimed {
            self.templates.void(idx);
            return self.make_anew(snapshot, (note, &key), persistence, turn.now);
        }
        if real.id != note.real {
            let stale = TemplateNote { kind: NoteKind::Stale, from: self.team.me(), ..*note };
            return turn.io.tell(note.from, Handed::Template(stale));
        }
        match note.kind {
            NoteKind::Used | NoteKind::Claimed => self.templates.note_use(idx, turn.now),
            NoteKind::Held => self.templates.note_held(idx, turn.now),
            NoteKind::Stale => {}
        }
        if note.is_assured {
            self.templates.assure(idx);
        }
    }

    /// Makes a template again that is still in use elsewhere.
    fn make_anew(
        &mut self,
        snapshot: &Snapshot,
        (note, key): (&TemplateNote, &TemplateKey),
        persistence: Persistence,
        now: Tick,
    ) {
        let Some(real) = usable(snapshot, note.real, key) else { return };
        let timeout =
            if note.kind == NoteKind::Held { CONTROLLING_RETRY } else { persistence.timeout };
        let template = Template::new(*key, real, Owner::Me, (now, timeout));
        if let Some(idx) = self.add_template(template)
            && note.is_assured
        {
            self.templates.assure(idx);
        }
    }

    /// Does not use a copy any more that says this real server.
    fn give_up_copy(&mut self, key: &TemplateKey, real: RealId) {
        if let Some(idx) = self.templates.find(key)
            && let Some(template) = self.templates.get(idx)
            && (template.owner(), template.real()) == (Owner::Other, real)
        {
            self.templates.void(idx);
        }
    }

    /// Ends templates that are due, a bounded number of them, and tells the owners of copies that
    /// go on.
    pub(super) fn expire_templates<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) {
        let mut budget = crate::limits::TEMPLATES_PER_TURN;
        let (team, io) = (&self.team, &mut *turn.io);
        while let Some(ended) = self.templates.expire_next(turn.now, &mut budget, |template| {
            if template.owner() == Owner::Other && !template.is_void() {
                let note = TemplateNote::on(template, NoteKind::Held, team.me());
                io.tell(team.by_template(template.key()), Handed::Template(note));
            }
        }) {
            super::persist::count_template(&self.stats, &self.templates, &ended, Counter::subtract);
        }
    }
}
