//! One neighbour: what is known of it, and when it has to be asked.

use crate::snapshot::NextHop;
use crate::time::{Tick, Ticks};
use crate::wire::Mac;

/// A confirmed neighbour is asked again after this time, as Linux' base_reachable_time.
const REFRESH_AFTER: Ticks = Ticks::from_secs(30);
/// Time between two requests.
const PROBE_INTERVAL: Ticks = Ticks::from_secs(1);
/// Unanswered requests after which a neighbour counts as gone.
const PROBES_MAX: u8 = 3;
/// A neighbour that nobody used for this time is forgotten, as Linux' gc_stale_time.
const FORGET_AFTER: Ticks = Ticks::from_secs(60);
/// An ARP request to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whom to ask for.
    pub hop: NextHop,
    /// The MAC to ask at; `None` asks everybody.
    pub at: Option<Mac>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Asked by broadcast, never answered.
    Incomplete,
    /// Answered.
    Known(Mac),
    /// Did not answer; asked again from time to time.
    Failed,
}

/// What operators are told of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has answered.
    Reachable,
    /// It has answered and is asked again.
    Probing,
    /// It is asked and has not answered.
    Incomplete,
    /// It does not answer.
    Failed,
}

/// Number of phases.
pub(super) const PHASE_COUNT: usize = Phase::Failed as usize + 1;

// A power of two in size, to be found by a shift.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Neighbor {
    pub(super) hop: NextHop,
    pub(super) state: State,
    pub(super) confirmed: Tick,
    pub(super) used: Tick,
    pub(super) probed: Tick,
    /// Requests sent since the last answer.
    pub(super) probes: u8,
    /// The last pass over the snapshot's next hops that came by here; 0 is none.
    pub(super) pinned_in: u32,
    /// Place in the pool of wait queues.
    pub(super) queue: Option<u8>,
}

impl Neighbor {
    /// What operators are told of it.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Known(_) if self.probes > 0 => Phase::Probing,
            State::Known(_) => Phase::Reachable,
            State::Incomplete => Phase::Incomplete,
            State::Failed => Phase::Failed,
        }
    }

    /// Whether it is a next hop of the snapshot, by a pass from `floor` on.
    pub(super) fn is_pinned(&self, floor: u32) -> bool {
        self.pinned_in >= floor
    }

    /// Whether it may be forgotten.
    pub(super) fn is_idle(&self, floor: u32, now: Tick) -> bool {
        !self.is_pinned(floor) && self.queue.is_none() && now.since(self.used) >= FORGET_AFTER
    }

    /// Whether it has to be asked (again).
    pub(super) fn is_due(&self, floor: u32, now: Tick) -> bool {
        let wanted = self.is_pinned(floor) || now.since(self.used) < REFRESH_AFTER;
        let stale = match self.state {
            State::Known(_) => now.since(self.confirmed) >= REFRESH_AFTER,
            State::Incomplete => true,
            State::Failed => wanted,
        };
        stale && (wanted || self.queue.is_some()) && now.since(self.probed) >= PROBE_INTERVAL
    }

    /// Moves to the next request: three by unicast to a known MAC, then three by broadcast, then
    /// it counts as failed and is asked on by broadcast while anybody wants it.
    pub(super) fn next_probe(&mut self, now: Tick) -> Probe {
        self.probed = now;
        if self.probes >= PROBES_MAX {
            self.state = match self.state {
                State::Known(_) => State::Incomplete,
                State::Incomplete | State::Failed => State::Failed,
            };
            self.probes = 0;
        }
        self.probes += 1;
        let at = match self.state {
            State::Known(mac) => Some(mac),
            State::Incomplete | State::Failed => None,
        };
        Probe { hop: self.hop, at }
    }
}
