//! A flow's state in one byte, as its record has room for, and as the packet path reads it.
//!
//! [`FlowState`] takes two bytes, and telling its protocols apart takes instructions for every
//! packet. The byte is the number of the state: those of TCP come first, so that the table of TCP's
//! next states tells by itself whether it is one of TCP.

use super::entry::FlowState;
use super::sctp_state::SctpState;
use super::tcp_state::{TCP_STATE_COUNT, TcpState};

/// [`FlowState`], in one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptState(u8);

#[expect(clippy::cast_possible_truncation, reason = "there are eleven")]
const UDP: u8 = TCP_STATE_COUNT as u8;
const SCTP: u8 = UDP + 1;

/// A bit for each state in which a flow counts as active.
const ACTIVE: u32 = {
    let (mut bits, mut number) = (0, 0);
    while number < TCP_STATE_COUNT {
        bits |= (TcpState::ALL[number].is_active() as u32) << number;
        number += 1;
    }
    bits | 1 << (SCTP + SctpState::Established as u8)
};

impl KeptState {
    /// The state of every UDP flow.
    pub(crate) const UDP: Self = Self(UDP);

    /// A state of TCP.
    #[inline(always)]
    pub(crate) const fn tcp(state: TcpState) -> Self {
        Self(state as u8)
    }

    #[inline(always)]
    pub(crate) const fn of(state: FlowState) -> Self {
        match state {
            FlowState::Tcp(state) => Self::tcp(state),
            FlowState::Udp => Self::UDP,
            FlowState::Sctp(state) => Self(SCTP + state as u8),
        }
    }

    /// The number of the state among those of TCP; beyond the last of them if it is none of these.
    #[inline(always)]
    pub(crate) const fn number(self) -> usize {
        self.0 as usize
    }

    /// [`FlowState::is_active`].
    #[inline(always)]
    pub(crate) const fn is_active(self) -> bool {
        ACTIVE >> self.0 & 1 == 1
    }

    /// The state itself.
    pub(crate) fn state(self) -> FlowState {
        let tcp = TcpState::ALL.get(self.number()).copied().map(FlowState::Tcp);
        let sctp = || self.0.checked_sub(SCTP).map(usize::from);
        let sctp = || SctpState::ALL.get(sctp()?).copied().map(FlowState::Sctp);
        tcp.or_else(sctp).unwrap_or(FlowState::Udp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_comes_back_as_it_was() {
        let tcp = TcpState::ALL.map(FlowState::Tcp);
        let sctp = SctpState::ALL.map(FlowState::Sctp);
        for state in tcp.into_iter().chain(sctp).chain([FlowState::Udp]) {
            assert_eq!(KeptState::of(state).state(), state);
            assert_eq!(KeptState::of(state).is_active(), state.is_active(), "{state:?}");
            let is_tcp = matches!(state, FlowState::Tcp(_));
            assert_eq!(KeptState::of(state).number() < TCP_STATE_COUNT, is_tcp);
        }
    }
}
