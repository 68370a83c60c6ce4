//! What time brings about: flows end, neighbours age, a new snapshot is taken up.
//!
//! Every call does a bounded piece of work, so that packets never wait for it.

use std::net::Ipv4Addr;

use crate::arp;
use crate::buf::PacketBuf;
use crate::io::Ports;
use crate::limits::{EXPIRE_PER_TICK, NEIGHBOR_PER_TICK, PORT_COUNT_MAX};
use crate::neighbor::Probe;
use crate::snapshot::{NextHop, PortIdx};
use crate::time::{Tick, Ticks};
use crate::verdict::{DropReason, Verdict};

use super::egress::end_of_wait;
use super::{Director, Turn};

/// Times a VIP is announced after start, and the time between; switches and routers that miss the
/// first because their link came up late hear a later one.
const ANNOUNCEMENTS: u8 = 3;
const ANNOUNCEMENT_INTERVAL: Ticks = Ticks::from_secs(1);

/// How far the snapshot in force has been taken up.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    generation: u64,
    /// Real servers whose next hop is known to the neighbour table.
    pinned: usize,
    /// VIPs announced in this round.
    announced: usize,
    rounds_left: u8,
    next_round: Tick,
}

impl<B: PacketBuf> Director<B> {
    /// Does what is due at `turn.now`. To be called once a turn.
    ///
    /// Flows may end a million a second, so some are looked at in every turn; all else is looked at
    /// once per tick of the clock.
    pub fn tick<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) {
        self.expire_flows(turn.now);
        let same_snapshot = self.adoption.generation == turn.snapshot.generation;
        if same_snapshot && self.last_tick == turn.now {
            return;
        }
        self.last_tick = turn.now;
        self.egress.tick(turn, NEIGHBOR_PER_TICK);
        let stats = &self.stats;
        self.trains.tick(turn.now, |_| {
            end_of_wait(stats, Verdict::Dropped(DropReason::FragmentOrphaned));
        });
        self.adopt(turn);
    }

    fn expire_flows(&mut self, now: Tick) {
        let mut budget = EXPIRE_PER_TICK;
        while let Some(flow) = self.flows.expire_next(now, &mut budget) {
            self.count_end(&flow);
        }
        if budget < EXPIRE_PER_TICK {
            self.stats.flows.set(self.flows.len() as u64);
        }
    }

    /// Takes up a new snapshot piece by piece: next hops are resolved before packets need them,
    /// VIPs are announced.
    fn adopt<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) {
        let generation = turn.snapshot.generation;
        if self.adoption.generation != generation {
            self.stats.generation.set(generation);
            self.adoption = Adoption {
                generation,
                rounds_left: ANNOUNCEMENTS,
                next_round: turn.now,
                ..Adoption::default()
            };
            self.egress.neighbors.unpin_all();
            for gateway in turn.snapshot.gateways() {
                self.pin(turn, gateway);
            }
        }
        self.pin_real_servers(turn);
        self.announce_vips(turn);
    }

    fn pin_real_servers<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) {
        let start = self.adoption.pinned.min(turn.snapshot.real_servers.len());
        let rest = &turn.snapshot.real_servers[start..];
        for real in rest.iter().take(NEIGHBOR_PER_TICK) {
            self.adoption.pinned += 1;
            if let Some(hop) = real.as_ref().and_then(|real| real.next_hop) {
                self.pin(turn, hop);
            }
        }
    }

    fn pin<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>, hop: NextHop) {
        if self.egress.neighbors.pin(hop, turn.now) {
            self.egress.ask(turn, Probe { hop, at: None });
        }
    }

    fn announce_vips<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) {
        if self.adoption.rounds_left == 0 || !self.adoption.next_round.is_due(turn.now) {
            return;
        }
        let vips = turn.snapshot.vips();
        let rest = &vips[self.adoption.announced.min(vips.len())..];
        for vip in rest.iter().take(NEIGHBOR_PER_TICK / PORT_COUNT_MAX) {
            self.adoption.announced += 1;
            self.announce_on_ports(turn, *vip);
        }
        if self.adoption.announced >= vips.len() {
            self.adoption.announced = 0;
            self.adoption.rounds_left -= 1;
            self.adoption.next_round = turn.now.after(ANNOUNCEMENT_INTERVAL);
        }
    }

    fn announce_on_ports<P: Ports<B>>(&self, turn: &mut Turn<'_, B, P>, vip: Ipv4Addr) {
        for index in 0..turn.io.port_count().min(PORT_COUNT_MAX) {
            #[expect(clippy::cast_possible_truncation, reason = "at most PORT_COUNT_MAX")]
            let port = PortIdx(index as u8);
            if arp::answers_for(turn.snapshot, vip, port) {
                self.egress.announce(turn, port, vip);
            }
        }
    }
}
