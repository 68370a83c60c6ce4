//! Flows that a packet finds and does not go on with: replaced by a new one, or given up because
//! their real server is gone.
//!
//! As in IPVS, such a flow still counts for its real server while the new one is scheduled, and
//! ends a moment later.

use crate::buf::PacketBuf;
use crate::flow::{Direction, Flow, FlowState, Hit, KeyHash, SctpState, TcpState};
use crate::io::Ports;
use crate::options::ConnReuse;
use crate::parse::Transport;
use crate::snapshot::Snapshot;
use crate::time::Tick;
use crate::verdict::{DropReason, Verdict};
use crate::wire::TcpFlags;

use super::{Director, Turn};

/// Whether a packet finds its flow ended, or may begin a new connection in its place, which
/// [`Director::find_valid`] knows for certain.
#[inline(always)]
pub(super) fn may_be_over(
    flow: &Flow,
    packet: &Transport,
    direction: Direction,
    now: Tick,
) -> bool {
    flow.deadline().is_due(now) || begins_anew(packet, direction)
}

/// Whether a packet is the first one of a connection, as its client sends it.
#[inline(always)]
fn begins_anew(packet: &Transport, direction: Direction) -> bool {
    packet.flags.contains(TcpFlags::SYN) && direction == Direction::Request
}

/// Whether a packet that begins a connection and finds this flow gets a new one.
fn is_replaced(snapshot: &Snapshot, flow: &Flow) -> bool {
    let options = &snapshot.ipvs;
    let takes_nothing = |flow: &Flow| {
        snapshot.real_server(flow.real).is_some_and(|real_server| real_server.weight == 0)
    };
    if options.expire_nodest_conn && takes_nothing(flow) {
        return true;
    }
    if flow.control.is_controlled() {
        return false;
    }
    let state = flow.state();
    let is_finished = matches!(
        state,
        FlowState::Tcp(TcpState::TimeWait | TcpState::Close) | FlowState::Sctp(SctpState::Closed)
    );
    let is_half_closed = state == FlowState::Tcp(TcpState::FinWait) && !flow.mode.sees_replies();
    match options.conn_reuse {
        ConnReuse::Never => false,
        ConnReuse::Finished => is_finished,
        ConnReuse::FinishedOrHalfClosed => is_finished || is_half_closed,
    }
}

impl<B: PacketBuf> Director<B> {
    /// The flow of a packet whose candidate was not its flow, or may be over; `None` if the packet
    /// is one without a flow, now at least.
    #[inline(never)]
    pub(super) fn find_valid(
        &mut self,
        snapshot: &Snapshot,
        (packet, hash): (&Transport, KeyHash),
        now: Tick,
    ) -> Option<Hit> {
        let hit = self.flows.lookup(hash, &packet.key)?;
        let flow = self.flows.flow(hit.flow())?;
        if flow.deadline().is_due(now) {
            if self.holds(hit, now) {
                return Some(hit);
            }
            self.end_flow(snapshot, hit);
            return None;
        }
        if begins_anew(packet, hit.direction()) && is_replaced(snapshot, flow) {
            self.replace(snapshot, hit);
            return None;
        }
        Some(hit)
    }

    /// Takes a flow out of the table in whose place a new one may come.
    fn replace(&mut self, snapshot: &Snapshot, hit: Hit) {
        self.count_reopened(snapshot);
        self.reopened = self.flows.remove(hit.flow());
    }

    /// Takes the flow in whose place a new one has come out of its real server's count.
    #[cold]
    pub(super) fn count_reopened(&mut self, snapshot: &Snapshot) {
        if let Some(flow) = self.reopened.take() {
            self.stats.flows.set(self.flows.len() as u64);
            self.count_end(snapshot, &flow);
        }
    }

    /// A packet whose flow leads nowhere, for this reason. With `expire_nodest_conn` it ends the
    /// flow of a removed real server and is handled as one without a flow.
    #[cold]
    #[inline(never)]
    pub(super) fn no_way<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        (packet, hit): (&Transport, Hit),
        reason: DropReason,
    ) -> Verdict {
        if reason != DropReason::RealServerRemoved || !turn.snapshot.ipvs.expire_nodest_conn {
            return Verdict::Dropped(reason);
        }
        self.replace(turn.snapshot, hit);
        self.stats.ended.real_server_removed.add(1);
        let hash = self.flows.hash(&packet.key);
        // The new flow, if there is one, leads to a real server of this snapshot: this is not
        // come by a second time.
        self.newcomer(turn, frame, packet, hash)
    }
}
