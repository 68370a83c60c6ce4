//! IPVS' defences against overload: `drop_entry`, `drop_packet` and `secure_tcp`.
//!
//! IPVS looks every second whether memory is low. A worker's flow table has a fixed size, so here
//! it is looked at, in every tick of the clock: it is nearly full when less than `amemthresh` is
//! free, until a quarter more than this is, so that defences do not come and go with each flow.
//!
//! `drop_entry` sheds flows: those that are half open, and those that have been idle for a minute
//! or more after a few packets. As in IPVS the table is gone through once in 32 seconds, and not in
//! order of age, so that a flood pushes out mostly itself. When less and less is free it is gone
//! through faster. A half-open flow is spared for a second, since a client far away may need
//! that to answer, and idle ones are spared until only half of `amemthresh` is free, unless
//! `drop_entry` is 3: an established flow is worth more than a new one.

use crate::flow::{Flow, FlowKey, FlowState, SctpState, TcpState};
use crate::options::{Defence, IpvsOptions};
use crate::time::{TICKS_PER_SECOND, Tick, Ticks};

/// How long a half-open flow is spared.
const HALF_OPEN_SPARED: Ticks = Ticks::from_secs(1);
/// How long an established flow is idle at least that is dropped.
const IDLE_SPARED: Ticks = Ticks::from_secs(60);
/// Packets from the client at which an idle flow is dropped at most.
const FEW_PACKETS: usize = 8;
const _: () = assert!(FEW_PACKETS < Flow::<FlowKey>::IN_PACKETS_MANY as usize);

/// Ticks for one round through the table: IPVS' 32 seconds, and less under pressure.
const ROUND: u32 = 32 * TICKS_PER_SECOND;
const ROUND_UNDER_PRESSURE: u32 = 4 * TICKS_PER_SECOND;
const ROUND_NEARLY_OVER: u32 = TICKS_PER_SECOND;

/// Which defences are up.
#[derive(Debug, Default)]
pub(super) struct Defences {
    nearly_full: bool,
    /// Whether TCP goes by the states of `secure_tcp`.
    pub(super) secure_tcp: bool,
    /// Every so many new connections one is dropped; 0 for none.
    drop_rate: u32,
    /// New connections until one is dropped, with that one. As in IPVS it is set when one is, by
    /// the rate of that moment; so with `drop_packet: 3` the first of all is dropped.
    until_drop: u32,
    /// Whether flows are shed.
    sheds: bool,
    /// Part of a flow that is still to be looked at, in parts of [`ROUND`].
    fraction: usize,
    /// Whether idle flows are shed, too.
    sheds_idle: bool,
    /// By packets of a flow: such flows met since one of them was dropped.
    met: [u8; FEW_PACKETS + 1],
}

/// Why a flow is shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shed {
    HalfOpen,
    Idle,
}

impl Defences {
    /// Looks at how full the table is and decides what to do until the next tick. Returns how many
    /// flows to look at in this one, to shed some.
    pub(super) fn look(&mut self, options: &IpvsOptions, used: usize, capacity: usize) -> usize {
        let free = capacity.saturating_sub(used);
        let low = (capacity * options.amemthresh_percent as usize / 100).max(1);
        let bound = if self.nearly_full { low + low / 4 } else { low };
        self.nearly_full = free < bound;
        self.secure_tcp = options.secure_tcp.is_up(self.nearly_full);
        let rate_before = self.drop_rate;
        self.drop_rate = match options.drop_packet {
            Defence::Always => options.am_droprate,
            Defence::Auto if self.nearly_full && free < low => as_rate(low / (low - free)),
            Defence::Auto | Defence::Off => 0,
        };
        if options.drop_packet == Defence::Auto {
            // IPVS counts from the moment at which it finds that memory is low.
            let most = if rate_before == 0 { u32::MAX } else { self.until_drop };
            self.until_drop = self.drop_rate.min(most);
        }
        self.sheds = options.drop_entry.is_up(self.nearly_full);
        if !self.sheds {
            self.fraction = 0;
            return 0;
        }
        let round = match low {
            _ if free.saturating_mul(8) < low => ROUND_NEARLY_OVER,
            _ if free.saturating_mul(2) < low => ROUND_UNDER_PRESSURE,
            _ => ROUND,
        };
        self.sheds_idle = options.drop_entry == Defence::Always || round != ROUND;
        self.fraction += capacity * (ROUND / round) as usize;
        let due = self.fraction / ROUND as usize;
        self.fraction %= ROUND as usize;
        due
    }

    /// Whether `drop_packet` refuses the new connection that is at hand. To be asked once for each.
    #[inline]
    pub(super) fn refuses(&mut self) -> bool {
        self.drop_rate != 0 && self.refuses_this()
    }

    #[cold]
    fn refuses_this(&mut self) -> bool {
        self.until_drop = self.until_drop.saturating_sub(1);
        let refused = self.until_drop == 0;
        if refused {
            self.until_drop = self.drop_rate;
        }
        refused
    }

    /// Whether flows are shed.
    pub(super) fn sheds(&self) -> bool {
        self.sheds
    }

    /// Whether and why this flow is shed.
    pub(super) fn sheds_flow(&mut self, flow: &Flow, now: Tick) -> Option<Shed> {
        // What reads its payload may know of flows that hang on it.
        if flow.control.has_helper() {
            return None;
        }
        let idle = now.since(flow.last_seen);
        match flow.state() {
            FlowState::Tcp(TcpState::SynRecv | TcpState::SynAck)
            | FlowState::Sctp(SctpState::Init1 | SctpState::Init) => {
                (idle >= HALF_OPEN_SPARED).then_some(Shed::HalfOpen)
            }
            FlowState::Tcp(TcpState::Established)
            | FlowState::Sctp(SctpState::Established)
            | FlowState::Udp => {
                let is_idle = self.sheds_idle && idle >= IDLE_SPARED;
                (is_idle && self.is_nth(flow.in_packets())).then_some(Shed::Idle)
            }
            FlowState::Tcp(_) | FlowState::Sctp(_) => None,
        }
    }

    /// Of flows with n packets every n-th is shed, and none with more than a few.
    fn is_nth(&mut self, in_packets: u8) -> bool {
        let Some(met) = self.met.get_mut(usize::from(in_packets)).filter(|_| in_packets > 0) else {
            return false;
        };
        *met += 1;
        let is_nth = *met >= in_packets;
        if is_nth {
            *met = 0;
        }
        is_nth
    }
}

fn as_rate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
