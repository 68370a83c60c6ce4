//! What is kept of one flow: both of its keys, where it goes, its state and its clock.
//!
//! Records hold indices and plain integers, no pointers.

use std::fmt;

use super::control::{CONTROLLING_RETRY, Control};
use super::expire::WheelLink;
use super::kept_state::KeptState;
use super::key::{FlowKey, Ipv6Key, Key};
use super::life::Life;
use super::sctp_state::SctpState;
use super::tally::Tally as _;
use super::tcp_state::TcpState;
use crate::forward::ForwardingMode;
use crate::service::{RealId, ServiceId};
use crate::time::{Tick, Ticks};

/// Place of a flow in its worker's table; meaningful in that table only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowIdx(pub(crate) u32);

/// Which of a flow's two keys a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the VIP.
    Request,
    /// From the real server back.
    Reply,
}

/// State of a flow, for its timeout and for the count of active connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// A TCP connection.
    Tcp(TcpState),
    /// A UDP flow; it has only this state, and counts as inactive.
    Udp,
    /// An SCTP association.
    Sctp(SctpState),
}

impl FlowState {
    /// The name in connection listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp(state) => state.name(),
            Self::Udp => "UDP",
            Self::Sctp(state) => state.name(),
        }
    }

    /// Whether a packet of `direction` that leads to this state shows that the connection got
    /// through, as IPVS judges it for persistence templates.
    #[must_use]
    pub const fn assures(self, direction: Direction) -> bool {
        match self {
            Self::Tcp(state) => matches!(state, TcpState::Established),
            Self::Udp => matches!(direction, Direction::Reply),
            Self::Sctp(state) => matches!(state, SctpState::Established),
        }
    }

    /// Whether IPVS would count the flow in ActiveConn (otherwise in InActConn).
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Tcp(state) => state.is_active(),
            Self::Udp => false,
            Self::Sctp(state) => state.is_active(),
        }
    }
}

/// One flow.
///
/// The keys say how packets are rewritten: in NAT and FULLNAT a request leaves as the reverse of
/// [`Self::reply`] and a reply as the reverse of [`Self::request`]. In DR and TUN, `reply` is not
/// looked up; its source is the real server.
#[derive(Clone, Copy, Debug)]
pub struct Flow<K: Key = FlowKey> {
    /// Key of packets from the client: CIP:cport to VIP:vport.
    pub request: K,
    /// Key of packets from the real server: RIP:rport to CIP:cport, or to LIP:lport in FULLNAT.
    pub reply: K,
    /// Service that the flow belongs to.
    pub service: ServiceId,
    /// Real server that it was scheduled to.
    pub real: RealId,
    /// When the last packet was seen.
    pub last_seen: Tick,
    /// How long after `last_seen` the flow ends, and how many packets its client has sent.
    pub(super) life: Life,
    pub(crate) state: KeptState,
    /// How packets are sent to the real server.
    pub mode: ForwardingMode,
    /// What it hangs on.
    pub control: Control,
    pub(super) wheel: WheelLink,
    /// When it was opened, and what its client sent.
    pub tally: K::Tally,
}

/// What a [`Table`](super::Table) holds: found by its keys, and taken out at its deadline. A flow,
/// or a persistence template.
pub trait Entry: Copy + fmt::Debug {
    /// What it is found by.
    type Key: Key;

    /// How many keys one of them has at most.
    const KEYS_MAX: usize;

    /// One of its keys.
    fn key_of(&self, direction: Direction) -> &Self::Key;

    /// Whether it is found by the key of [`Direction::Reply`], too.
    fn has_reply_key(&self) -> bool;

    /// When it ends if nothing happens.
    fn ends_at(&self) -> Tick;

    /// Its place in the timer wheel.
    fn link(&self) -> WheelLink;

    /// Its place in the timer wheel, to be changed by the wheel.
    fn link_mut(&mut self) -> &mut WheelLink;
}

/// A place in the table: a flow, or a link of the list of free places.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<E> {
    Free { next: u32 },
    Used(E),
}

// One cache line for IPv4. An IPv6 flow, with its share of the buckets, stays below 128 bytes.
const _: () = assert!(size_of::<Record<Flow<FlowKey>>>() == 64);
const _: () = assert!(size_of::<Record<Flow<Ipv6Key>>>() == 104);

impl<E> Record<E> {
    #[inline(always)]
    pub(super) const fn flow(&self) -> Option<&E> {
        match self {
            Self::Used(flow) => Some(flow),
            Self::Free { .. } => None,
        }
    }

    #[inline(always)]
    pub(super) const fn flow_mut(&mut self) -> Option<&mut E> {
        match self {
            Self::Used(flow) => Some(flow),
            Self::Free { .. } => None,
        }
    }
}

impl<K: Key> Flow<K> {
    /// More packets from the client than anybody asks for.
    pub const IN_PACKETS_MANY: u8 = Life::MANY;

    /// A new flow last seen at `now`.
    #[must_use]
    pub fn new(
        request: K,
        reply: K,
        mode: ForwardingMode,
        (service, real): (ServiceId, RealId),
        state: FlowState,
        (now, timeout): (Tick, Ticks),
    ) -> Self {
        let (control, wheel) = (Control::NONE, WheelLink::default());
        let (last_seen, life, state) = (now, Life::new(timeout), KeptState::of(state));
        let tally = K::Tally::opened_at(now);
        Self { request, reply, service, real, last_seen, life, state, mode, control, wheel, tally }
    }

    /// When the flow ends if no further packet comes.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Tick {
        self.last_seen.after(self.life.timeout())
    }

    /// State of the connection.
    #[inline(always)]
    #[must_use]
    pub fn state(&self) -> FlowState {
        self.state.state()
    }

    /// Whether it is among the active ones of its real server.
    #[inline(always)]
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.state.is_active()
    }

    /// Packets from the client, up to [`Self::IN_PACKETS_MANY`].
    #[must_use]
    pub fn in_packets(&self) -> u8 {
        self.life.in_packets()
    }

    /// Notes a packet of `direction` at `now` that leads to `state`, after which the flow may idle
    /// for `timeout`. Returns whether its life became shorter, which the table has to be told
    /// ([`FlowTable::hasten`](super::FlowTable::hasten)).
    #[inline(always)]
    #[must_use]
    pub fn advance(
        &mut self,
        (direction, now): (Direction, Tick),
        state: FlowState,
        timeout: Ticks,
    ) -> bool {
        self.advance_kept((direction, now), KeptState::of(state), timeout)
    }

    /// [`Self::advance`] by a state as it is kept.
    #[inline(always)]
    pub(crate) fn advance_kept(
        &mut self,
        (direction, now): (Direction, Tick),
        state: KeptState,
        timeout: Ticks,
    ) -> bool {
        let life = self.life.with_timeout(timeout);
        let shorter = life.is_shorter(self.life);
        (self.state, self.last_seen, self.life) = (state, now, life);
        if direction == Direction::Request {
            self.tally.count();
            if life.counts() {
                self.count_packet();
            }
        }
        shorter
    }

    /// Lets the flow live on though it is due, because it still controls others.
    pub fn put_off(&mut self, now: Tick) {
        (self.last_seen, self.life) = (now, self.life.with_timeout(CONTROLLING_RETRY));
    }

    /// Counts a packet from the client, one of the first few.
    #[cold]
    fn count_packet(&mut self) {
        self.life = self.life.with_packet();
    }

    /// The key that packets of `direction` carry.
    #[inline]
    #[must_use]
    pub fn key(&self, direction: Direction) -> &K {
        match direction {
            Direction::Request => &self.request,
            Direction::Reply => &self.reply,
        }
    }
}

impl<K: Key> Entry for Flow<K> {
    type Key = K;

    const KEYS_MAX: usize = 2;

    #[inline(always)]
    fn key_of(&self, direction: Direction) -> &K {
        self.key(direction)
    }

    #[inline(always)]
    fn has_reply_key(&self) -> bool {
        self.mode.sees_replies()
    }

    #[inline(always)]
    fn ends_at(&self) -> Tick {
        self.deadline()
    }

    #[inline(always)]
    fn link(&self) -> WheelLink {
        self.wheel
    }

    #[inline(always)]
    fn link_mut(&mut self) -> &mut WheelLink {
        &mut self.wheel
    }
}
