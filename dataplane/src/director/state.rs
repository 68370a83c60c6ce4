//! How a packet moves its flow's state, and what that is for the counts of its real server.

use crate::flow::tcp_state::Heard;
use crate::flow::{Direction, Flow, FlowState, KeptState, TcpState, Timeouts};
use crate::parse::Transport;
use crate::service::RealId;
use crate::snapshot::Snapshot;
use crate::stats::WorkerStats;
use crate::time::Ticks;

/// The state that a packet leads to, and how long the flow may idle after it.
#[inline(always)]
pub(super) fn next_state(
    timeouts: &Timeouts,
    flow: &Flow,
    direction: Direction,
    packet: &Transport,
) -> (KeptState, Ticks) {
    if flow.state == KeptState::UDP {
        return (KeptState::UDP, timeouts.udp());
    }
    match TcpState::next_of(flow.state.number(), heard(flow, direction), packet.flags) {
        Some(next) => (KeptState::tcp(next), timeouts.tcp(next)),
        None => next_sctp(timeouts, flow, direction, packet),
    }
}

#[cold]
#[inline(never)]
fn next_sctp(
    timeouts: &Timeouts,
    flow: &Flow,
    direction: Direction,
    packet: &Transport,
) -> (KeptState, Ticks) {
    let FlowState::Sctp(state) = flow.state() else { return (flow.state, timeouts.udp()) };
    let next = state.next(heard(flow, direction), packet.event);
    (KeptState::of(FlowState::Sctp(next)), timeouts.sctp(next))
}

/// [`next_state`] where `secure_tcp` may be up, or services may have timeouts of their own.
#[cold]
#[inline(never)]
pub(super) fn next_unusual(
    (snapshot, secure): (&Snapshot, bool),
    flow: &Flow,
    direction: Direction,
    packet: &Transport,
) -> (KeptState, Ticks) {
    let timeouts = snapshot.timeouts_of(flow.service);
    if let FlowState::Tcp(state) = flow.state()
        && secure
    {
        let next = state.next_secure(heard(flow, direction), packet.flags);
        return (KeptState::tcp(next), timeouts.tcp(next));
    }
    next_state(timeouts, flow, direction, packet)
}

/// From where the flow's state machine hears a packet.
#[inline(always)]
fn heard(flow: &Flow, direction: Direction) -> Heard {
    match direction {
        Direction::Request if flow.mode.sees_replies() => Heard::Input,
        Direction::Request => Heard::InputOnly,
        Direction::Reply => Heard::Output,
    }
}

/// Moves a flow between the active and the inactive ones of its real server.
#[inline(never)]
pub(super) fn count_state_change(
    stats: &WorkerStats,
    real: RealId,
    was_active: bool,
    is_active: bool,
) {
    let Some(real) = stats.real_server(real) else { return };
    match (was_active, is_active) {
        (false, true) => {
            real.inactive.subtract(1);
            real.active.add(1);
        }
        (true, false) => {
            real.active.subtract(1);
            real.inactive.add(1);
        }
        _ => {}
    }
}
