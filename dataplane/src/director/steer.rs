//! Packets of other workers' flows: found out, handed over, taken over.
//!
//! See [`crate::ownership`] for whose a packet is. Who has the flow of a packet need not ask: it is
//! the owner, or was when the flow began.

use crate::buf::PacketBuf;
use crate::flow::{Controller, Flow, Hit};
use crate::fragment::{Decision, TrainKey};
use crate::handover::{Errand, Handed, Stage};
use crate::icmp_error;
use crate::io::{Burst, Origin, Ports};
use crate::limits::{HANDOVER_INBOXES_PER_TURN, HANDOVER_PER_TURN};
use crate::ownership::WorkerIdx;
use crate::parse::{Ipv4Meta, Parsed, Slip};
use crate::snapshot::{PortIdx, Snapshot};
use crate::wire::{IcmpHeader, IpProto};

use super::ftp::ActiveData;
use super::{Director, Turn};

/// Where a packet is to be processed.
enum Place {
    Here,
    At(WorkerIdx, Stage),
    /// It is the first fragment of a datagram that met here; the others follow it.
    WithItsTrain(WorkerIdx, TrainKey),
}

impl<B: PacketBuf> Director<B> {
    /// Takes in what other workers handed over, a bounded part of it; whether there was a packet.
    #[inline]
    pub fn take_over<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) -> bool {
        turn.io.has_peers() && self.take_over_some(turn)
    }

    fn take_over_some<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) -> bool {
        let before = self.stats.taken_over.value();
        let mut burst = Burst::new();
        let mut kind = (PortIdx(0), Stage::Owner, None);
        let mut inboxes = HANDOVER_INBOXES_PER_TURN;
        for _ in 0..HANDOVER_PER_TURN {
            let Some(handed) = turn.io.take_over(&mut inboxes) else { break };
            let (next, frame) = match handed {
                Handed::Packet { port, stage, frame } => ((port, stage, None), frame),
                Handed::ForTemplate { port, asker, frame } => {
                    ((port, Stage::Owner, Some(Errand::Ask(asker))), frame)
                }
                Handed::WithReal { port, real, frame } => {
                    ((port, Stage::Owner, Some(Errand::Answer(real))), frame)
                }
                Handed::ToSend { port, origin, frame } => {
                    self.stats.taken_over.add(u64::from(origin == Origin::Received));
                    turn.io.send(port, frame, origin);
                    continue;
                }
                Handed::Neighbor { hop, mac } => {
                    self.egress.learn(turn, hop, mac);
                    continue;
                }
                Handed::Template(note) => {
                    self.take_note(turn, &note);
                    continue;
                }
                Handed::PassiveData { client, l4_port, real, lip } => {
                    let place = (real, lip, Controller::ELSEWHERE);
                    self.expect(turn.snapshot, (client, l4_port), place, turn.now);
                    continue;
                }
                Handed::ActiveData { client, cport, real, lip, lport } => {
                    let data = ActiveData { client: (client, cport), real, local: (lip, lport) };
                    self.open_active(turn.snapshot, &data, Controller::ELSEWHERE, turn.now);
                    continue;
                }
            };
            if burst.is_full() || kind != next {
                self.process_taken(turn, kind, &mut burst);
                kind = next;
            }
            self.stats.taken_over.add(1);
            burst.push(frame);
        }
        self.process_taken(turn, kind, &mut burst);
        self.stats.taken_over.value() != before
    }

    /// Apart from the path of received packets, so that this stays small.
    #[inline(never)]
    fn process_taken<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        (port, stage, errand): (PortIdx, Stage, Option<Errand>),
        burst: &mut Burst<B>,
    ) {
        self.errand = errand;
        self.process_stage(turn, port, burst, stage);
        self.errand = None;
    }

    /// Whether a packet's flow is here, so that nobody else need be asked for. Fragments have to
    /// meet first.
    #[inline(always)]
    pub(super) fn has_flow_of(&self, slip: &Slip, hit: Option<Hit>) -> bool {
        let (Some(packet), Some(hit)) = (slip.transport(), hit) else { return false };
        let key = |flow: &Flow| *flow.key(hit.direction());
        !packet.ip.more_fragments()
            && self.flows.flow(hit.flow()).is_some_and(|flow| key(flow) == packet.key)
    }

    /// Hands a packet over if it is another worker's; gives it back if it is to be processed here.
    #[inline(never)]
    pub(super) fn hand_over<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        (port, stage): (PortIdx, Stage),
        frame: B,
        parsed: Parsed<'_>,
    ) -> Option<B> {
        match self.place_of(turn.snapshot, stage, &frame, parsed) {
            Place::Here => return Some(frame),
            Place::At(owner, stage) => turn.io.hand_over(owner, port, stage, frame),
            Place::WithItsTrain(owner, train) => {
                turn.io.hand_over(owner, port, Stage::Owner, frame);
                self.decide_train(turn, train, Decision::HandOver(owner));
            }
        }
        None
    }

    fn place_of(&self, snapshot: &Snapshot, stage: Stage, frame: &B, parsed: Parsed<'_>) -> Place {
        let at = |owner, stage| {
            if owner == self.team.me() { Place::Here } else { Place::At(owner, stage) }
        };
        match parsed {
            Parsed::Transport(packet) if packet.ip.more_fragments() => {
                let train = TrainKey::of(&packet.ip);
                let meeting = self.team.by_train(&train);
                if stage == Stage::Received && meeting != self.team.me() {
                    return Place::At(meeting, Stage::Train);
                }
                match self.team.owner(snapshot, &packet.key) {
                    owner if owner == self.team.me() => Place::Here,
                    owner => Place::WithItsTrain(owner, train),
                }
            }
            Parsed::Transport(packet) => at(self.team.owner(snapshot, &packet.key), Stage::Owner),
            Parsed::LaterFragment(ip) if stage == Stage::Received && has_ports(ip) => {
                at(self.team.by_train(&TrainKey::of(ip)), Stage::Train)
            }
            Parsed::Icmp(ip) => match self.owner_of_error(snapshot, frame, ip) {
                Some(owner) => at(owner, Stage::Owner),
                None => Place::Here,
            },
            Parsed::LaterFragment(_) | Parsed::Other(_) | Parsed::Arp | Parsed::Bad(_) => {
                Place::Here
            }
        }
    }

    /// The owner of the flow whose packet an ICMP error quotes.
    fn owner_of_error(&self, snapshot: &Snapshot, frame: &B, ip: &Ipv4Meta) -> Option<WorkerIdx> {
        let message = frame.bytes().get(ip.l4_offset()..)?;
        if !icmp_error::is_passed_on(IcmpHeader::read(message)?.icmp_type()) {
            return None;
        }
        let error = icmp_error::read_error(frame.bytes(), ip)?;
        let key = match &error.tunnelled {
            Some(tunnelled) => tunnelled.key,
            None => error.quoted.reversed(),
        };
        Some(self.team.owner(snapshot, &key))
    }
}

fn has_ports(ip: &Ipv4Meta) -> bool {
    IpProto::has_ports(ip.protocol)
}
