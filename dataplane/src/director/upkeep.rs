//! What time brings about: flows end, neighbours age, a new snapshot is taken up.
//!
//! Every call does a bounded piece of work, so that packets never wait for it.

use crate::buf::PacketBuf;
use crate::flow::Flow;
use crate::io::Ports;
use crate::limits::{EXPIRE_PER_TICK, FTP_EXPECTATIONS_PER_TICK, NEIGHBOR_PER_TICK};
use crate::snapshot::Snapshot;
use crate::time::Tick;
use crate::verdict::{DropReason, Verdict};

use super::egress::end_of_wait;
use super::{Director, Turn};

impl<B: PacketBuf> Director<B> {
    /// Does what is due at `turn.now`. To be called once a turn.
    ///
    /// Flows may end a million a second, and a new snapshot may be large, so a piece of both is
    /// done in every turn; all else is looked at once per tick of the clock.
    pub fn tick<P: Ports<B>>(&mut self, turn: &mut Turn<'_, B, P>) {
        self.now = turn.now;
        self.expire_flows(turn.snapshot, turn.now);
        if !self.templates.is_empty() {
            self.expire_templates(turn);
        }
        if self.reopened.is_some() {
            self.count_reopened(turn.snapshot);
        }
        let new_tick = self.last_tick != turn.now;
        if new_tick {
            self.last_tick = turn.now;
            self.shortage.age(turn.snapshot.longest_timeout(), turn.now);
            self.look_at_fullness(turn.snapshot);
            self.ftp.give_up(turn.now, FTP_EXPECTATIONS_PER_TICK);
            self.egress.tick(turn, NEIGHBOR_PER_TICK);
            let stats = &self.stats;
            self.trains.tick(turn.now, |_| {
                end_of_wait(stats, Verdict::Dropped(DropReason::FragmentOrphaned));
            });
        }
        self.sweep(turn.snapshot, turn.now);
        self.adoption.go_on(&mut self.egress, turn, new_tick);
    }

    /// Announces all VIPs again: a link came up, and who is behind it has not heard of them.
    pub fn announce_all(&mut self, now: Tick) {
        self.adoption.announce_all(now);
    }

    fn expire_flows(&mut self, snapshot: &Snapshot, now: Tick) {
        let mut budget = EXPIRE_PER_TICK;
        loop {
            let ftp = &self.ftp;
            let goes_on = |flow: &mut Flow| {
                let holds = ftp.holds(flow);
                if holds {
                    flow.put_off(now);
                }
                holds
            };
            let ended = self.flows.expire_next_unless(now, &mut budget, goes_on);
            let Some(flow) = ended else { break };
            self.count_end(snapshot, &flow);
        }
        if budget < EXPIRE_PER_TICK {
            self.stats.flows.set(self.flows.len() as u64);
        }
    }
}
