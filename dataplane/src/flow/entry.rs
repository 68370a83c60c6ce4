//! What is kept of one flow: both of its keys, where it goes, its state and its clock.
//!
//! Records hold indices and plain integers, no pointers.

use super::control::{CONTROLLING_RETRY, Control};
use super::expire::WheelLink;
use super::key::{FlowKey, Ipv6Key};
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
}

impl FlowState {
    /// The name in connection listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp(state) => state.name(),
            Self::Udp => "UDP",
        }
    }

    /// Whether IPVS would count the flow in ActiveConn (otherwise in InActConn).
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Tcp(state) => state.is_active(),
            Self::Udp => false,
        }
    }
}

/// One flow.
///
/// The keys say how packets are rewritten: in NAT and FULLNAT a request leaves as the reverse of
/// [`Self::reply`] and a reply as the reverse of [`Self::request`]. In DR and TUN, `reply` is not
/// looked up; its source is the real server.
#[derive(Clone, Copy, Debug)]
pub struct Flow<K = FlowKey> {
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
    /// How long after `last_seen` the flow ends.
    pub timeout: Ticks,
    /// State of the connection.
    pub state: FlowState,
    /// How packets are sent to the real server.
    pub mode: ForwardingMode,
    /// What it hangs on.
    pub control: Control,
    pub(super) wheel: WheelLink,
}

/// A place in the table: a flow, or a link of the list of free places.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record<K> {
    Free { next: u32 },
    Used(Flow<K>),
}

// One cache line for IPv4. An IPv6 flow, with its share of the buckets, stays below 128 bytes.
const _: () = assert!(size_of::<Record<FlowKey>>() == 64);
const _: () = assert!(size_of::<Record<Ipv6Key>>() == 104);

impl<K> Record<K> {
    #[inline(always)]
    pub(super) const fn flow(&self) -> Option<&Flow<K>> {
        match self {
            Self::Used(flow) => Some(flow),
            Self::Free { .. } => None,
        }
    }

    #[inline(always)]
    pub(super) const fn flow_mut(&mut self) -> Option<&mut Flow<K>> {
        match self {
            Self::Used(flow) => Some(flow),
            Self::Free { .. } => None,
        }
    }
}

impl<K> Flow<K> {
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
        let last_seen = now;
        Self { request, reply, service, real, last_seen, timeout, state, mode, control, wheel }
    }

    /// When the flow ends if no further packet comes.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Tick {
        self.last_seen.after(self.timeout)
    }

    /// Notes a packet at `now` that leads to `state`, after which the flow may idle for `timeout`.
    /// Returns whether its life became shorter, which the table has to be told
    /// ([`FlowTable::hasten`](super::FlowTable::hasten)).
    #[inline(always)]
    #[must_use]
    pub fn advance(&mut self, now: Tick, state: FlowState, timeout: Ticks) -> bool {
        let shorter = timeout < self.timeout;
        (self.state, self.last_seen, self.timeout) = (state, now, timeout);
        shorter
    }

    /// Lets the flow live on though it is due, because it still controls others.
    pub fn put_off(&mut self, now: Tick) {
        (self.last_seen, self.timeout) = (now, CONTROLLING_RETRY);
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
