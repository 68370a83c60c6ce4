//! Fragments without transport header: they go where the first fragment of their train went.

use crate::buf::PacketBuf;
use crate::fragment::{Decision, TrainKey};
use crate::handover::Stage;
use crate::io::Ports;
use crate::parse::Ipv4Meta;
use crate::snapshot::PortIdx;
use crate::verdict::{DropReason, Verdict};
use crate::wire::IpProto;

use super::egress::end_of_wait;
use super::{Director, Turn};

impl<B: PacketBuf> Director<B> {
    /// A fragment other than the first.
    #[cold]
    pub(super) fn later_fragment<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        frame: B,
        ip: &Ipv4Meta,
    ) -> Verdict {
        if !IpProto::has_ports(ip.protocol) {
            let ours = turn.snapshot.address_use(ip.dst()).is_some();
            return if ours {
                Verdict::Dropped(DropReason::FragmentForUs)
            } else {
                self.route_if_ours(turn, frame, ip)
            };
        }
        if let Some(decision) = self.trains.decision(TrainKey::of(ip), turn.now) {
            return self.follow(turn, port, frame, ip, decision);
        }
        let concerns_us = turn.snapshot.address_use(ip.dst()).is_some()
            || turn.snapshot.marks.covers(ip.dst())
            || Self::is_routed(turn.snapshot, ip.src(), ip.dst());
        if !concerns_us {
            return Verdict::Dropped(DropReason::NotForUs);
        }
        match self.trains.hold(frame, port, *ip, turn.now) {
            Ok(()) => Verdict::Held,
            Err(_) => Verdict::Dropped(DropReason::FragmentQueueFull),
        }
    }

    /// Notes what became of a first fragment, and lets those that waited for it follow.
    #[cold]
    pub(super) fn decide_train<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        key: TrainKey,
        decision: Decision,
    ) {
        self.trains.decide(key, decision, turn.now);
        while let Some(held) = self.trains.release_next(key) {
            let verdict = self.follow(turn, held.port, held.frame, &held.ip, decision);
            end_of_wait(&self.stats, verdict);
        }
    }

    fn follow<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        frame: B,
        ip: &Ipv4Meta,
        decision: Decision,
    ) -> Verdict {
        match decision {
            Decision::Follow(hit, key) if self.flows.matches(hit, &key) => {
                self.relay_fragment(turn, frame, ip, hit)
            }
            Decision::Follow(..) => Verdict::Dropped(DropReason::FragmentOrphaned),
            Decision::Once(real) => self.relay_fragment_once(turn, frame, ip, real),
            Decision::From(ids, vip) => self.call_out_fragment(turn, frame, ip, (ids, vip)),
            Decision::HandOver(owner) => {
                turn.io.hand_over(owner, port, Stage::Owner, frame);
                Verdict::HandedOver
            }
            Decision::Drop(reason) => Verdict::Dropped(reason),
            Decision::Route => self.route(turn, frame, ip),
        }
    }
}
