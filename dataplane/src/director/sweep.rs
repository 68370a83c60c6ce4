//! Going through the flow table in the background, some records per turn: flows of removed real
//! servers end (`expire_nodest_conn`), and flows are shed when there are too many (`drop_entry`).
//!
//! Whether a real server was removed while it had flows is found out by its gauges, which are gone
//! through first, once for every new snapshot. So a configuration that removes none, or none
//! that has flows, costs next to nothing, and several removals are one round. A round goes once
//! around the table from wherever it stands; flows that come meanwhile have real servers that are
//! there.

use crate::buf::PacketBuf;
use crate::flow::{Direction, Flow, FlowIdx, Hit};
use crate::limits::{REAL_SERVERS_SEARCHED_PER_TURN, SWEEP_ENDS_PER_TURN, SWEEP_PER_TURN};
use crate::service::RealId;
use crate::snapshot::Snapshot;
use crate::stats::WorkerStats;
use crate::time::Tick;

use super::Director;
use super::defence::Shed;

/// How far the table has been gone through.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The snapshot in which removed real servers have been looked for.
    generation: u64,
    /// The number of the real server to look at next; `None` when all have been.
    search: Option<u32>,
    /// The record to look at next.
    position: u32,
    /// Records of this round that are to be looked at for flows of removed real servers.
    orphans: usize,
    /// Records that are to be looked at for flows to shed.
    sheds: usize,
}

/// Why a flow ends.
enum End {
    RealServerRemoved,
    Shed(Shed),
}

impl Sweep {
    fn is_under_way(&self) -> bool {
        self.orphans > 0 || self.sheds > 0 || self.search.is_some()
    }

    /// Begins to look for removed real servers, as there is a new snapshot.
    fn take_up(&mut self, snapshot: &Snapshot) {
        self.generation = snapshot.generation;
        self.search = snapshot.ipvs.expire_nodest_conn.then_some(0);
        if !snapshot.ipvs.expire_nodest_conn {
            self.orphans = 0;
        }
    }

    /// Looks at some real servers: with the first that is gone and has flows, a round begins.
    fn search(&mut self, snapshot: &Snapshot, stats: &WorkerStats, capacity: usize) {
        let Some(from) = self.search.take() else { return };
        for id in (from..).take(REAL_SERVERS_SEARCHED_PER_TURN).map(RealId) {
            let Some(real) = stats.real_server(id) else { return };
            let is_gone = snapshot.real_server(id).is_none();
            if is_gone && real.active.value() + real.inactive.value() > 0 {
                self.orphans = capacity;
                return;
            }
            self.search = Some(id.0 + 1);
        }
    }

    fn advance(&mut self, capacity: usize) -> FlowIdx {
        let at = self.position;
        self.position = if at as usize + 1 < capacity { at + 1 } else { 0 };
        self.orphans = self.orphans.saturating_sub(1);
        self.sheds = self.sheds.saturating_sub(1);
        FlowIdx(at)
    }
}

/// Whether a flow's real server was removed. Flows on which others hang end by themselves.
fn is_orphan(snapshot: &Snapshot, flow: &Flow) -> bool {
    snapshot.real_server(flow.real).is_none() && !flow.control.has_helper()
}

impl<B: PacketBuf> Director<B> {
    /// Does this turn's piece.
    #[inline]
    pub(super) fn sweep(&mut self, snapshot: &Snapshot, now: Tick) {
        if self.sweep.is_under_way() || self.sweep.generation != snapshot.generation {
            self.sweep_some(snapshot, now);
        }
    }

    /// Lets `drop_entry` and the other defences look at the table. To be called once a tick, and
    /// when options may have changed.
    pub(super) fn look_at_fullness(&mut self, snapshot: &Snapshot) {
        let (used, capacity) = (self.flows.len(), self.flows.capacity());
        let due = self.defences.look(&snapshot.ipvs, used, capacity);
        let left = if self.defences.sheds() { self.sweep.sheds } else { 0 };
        self.sweep.sheds = (left + due).min(capacity);
        self.unusual = self.defences.secure_tcp || !snapshot.own_timeouts.is_empty();
    }

    #[cold]
    fn sweep_some(&mut self, snapshot: &Snapshot, now: Tick) {
        let capacity = self.flows.capacity();
        if self.sweep.generation != snapshot.generation {
            self.sweep.take_up(snapshot);
            self.look_at_fullness(snapshot);
        }
        self.sweep.search(snapshot, &self.stats, capacity);
        if self.sweep.orphans == 0 && self.sweep.sheds == 0 {
            return;
        }
        self.flows.prefetch_from(self.sweep.position as usize, SWEEP_PER_TURN);
        let mut ends = SWEEP_ENDS_PER_TURN;
        for _ in 0..SWEEP_PER_TURN {
            if ends == 0 || self.sweep.orphans == 0 && self.sweep.sheds == 0 {
                break;
            }
            let (seeks_orphans, sheds) = (self.sweep.orphans > 0, self.sweep.sheds > 0);
            let idx = self.sweep.advance(capacity);
            let end = match self.flows.flow(idx) {
                Some(flow) if seeks_orphans && is_orphan(snapshot, flow) => End::RealServerRemoved,
                Some(flow) if sheds => match self.defences.sheds_flow(flow, now) {
                    Some(shed) => End::Shed(shed),
                    None => continue,
                },
                Some(_) | None => continue,
            };
            ends -= 1;
            self.end_early(snapshot, idx, &end);
        }
    }

    fn end_early(&mut self, snapshot: &Snapshot, idx: FlowIdx, end: &End) {
        self.end_flow(snapshot, Hit::new(idx, Direction::Request));
        let ended = &self.stats.ended;
        let counter = match end {
            End::RealServerRemoved => &ended.real_server_removed,
            End::Shed(Shed::HalfOpen) => &ended.half_open,
            End::Shed(Shed::Idle) => &ended.idle,
        };
        counter.add(1);
    }
}
