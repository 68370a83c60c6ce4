//! A flow's state in one byte, as its record has room for.
//!
//! [`FlowState`] takes two: the compiler does not put the states of two protocols into one byte,
//! unless those of one of them are variants of their own.

use super::entry::FlowState;
use super::sctp_state::SctpState;
use super::tcp_state::TcpState;

/// [`FlowState`], in one byte.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeptState {
    Tcp(TcpState),
    Udp,
    SctpNone,
    SctpInit1,
    SctpInit,
    SctpCookieSent,
    SctpCookieReplied,
    SctpCookieWait,
    SctpCookie,
    SctpCookieEchoed,
    SctpEstablished,
    SctpShutdownSent,
    SctpShutdownReceived,
    SctpShutdownAckSent,
    SctpRejected,
    SctpClosed,
}

const _: () = assert!(size_of::<KeptState>() == 1);

impl KeptState {
    #[inline(always)]
    pub(super) const fn of(state: FlowState) -> Self {
        match state {
            FlowState::Tcp(state) => Self::Tcp(state),
            FlowState::Udp => Self::Udp,
            FlowState::Sctp(SctpState::None) => Self::SctpNone,
            FlowState::Sctp(SctpState::Init1) => Self::SctpInit1,
            FlowState::Sctp(SctpState::Init) => Self::SctpInit,
            FlowState::Sctp(SctpState::CookieSent) => Self::SctpCookieSent,
            FlowState::Sctp(SctpState::CookieReplied) => Self::SctpCookieReplied,
            FlowState::Sctp(SctpState::CookieWait) => Self::SctpCookieWait,
            FlowState::Sctp(SctpState::Cookie) => Self::SctpCookie,
            FlowState::Sctp(SctpState::CookieEchoed) => Self::SctpCookieEchoed,
            FlowState::Sctp(SctpState::Established) => Self::SctpEstablished,
            FlowState::Sctp(SctpState::ShutdownSent) => Self::SctpShutdownSent,
            FlowState::Sctp(SctpState::ShutdownReceived) => Self::SctpShutdownReceived,
            FlowState::Sctp(SctpState::ShutdownAckSent) => Self::SctpShutdownAckSent,
            FlowState::Sctp(SctpState::Rejected) => Self::SctpRejected,
            FlowState::Sctp(SctpState::Closed) => Self::SctpClosed,
        }
    }

    /// [`FlowState::is_active`], without the detour.
    #[inline(always)]
    pub(super) const fn is_active(self) -> bool {
        if let Self::Tcp(state) = self {
            state.is_active()
        } else {
            matches!(self, Self::SctpEstablished)
        }
    }

    #[inline(always)]
    pub(super) const fn state(self) -> FlowState {
        match self {
            Self::Tcp(state) => FlowState::Tcp(state),
            Self::Udp => FlowState::Udp,
            Self::SctpNone => FlowState::Sctp(SctpState::None),
            Self::SctpInit1 => FlowState::Sctp(SctpState::Init1),
            Self::SctpInit => FlowState::Sctp(SctpState::Init),
            Self::SctpCookieSent => FlowState::Sctp(SctpState::CookieSent),
            Self::SctpCookieReplied => FlowState::Sctp(SctpState::CookieReplied),
            Self::SctpCookieWait => FlowState::Sctp(SctpState::CookieWait),
            Self::SctpCookie => FlowState::Sctp(SctpState::Cookie),
            Self::SctpCookieEchoed => FlowState::Sctp(SctpState::CookieEchoed),
            Self::SctpEstablished => FlowState::Sctp(SctpState::Established),
            Self::SctpShutdownSent => FlowState::Sctp(SctpState::ShutdownSent),
            Self::SctpShutdownReceived => FlowState::Sctp(SctpState::ShutdownReceived),
            Self::SctpShutdownAckSent => FlowState::Sctp(SctpState::ShutdownAckSent),
            Self::SctpRejected => FlowState::Sctp(SctpState::Rejected),
            Self::SctpClosed => FlowState::Sctp(SctpState::Closed),
        }
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
            let kept = KeptState::of(state);
            assert_eq!((kept.state(), kept.is_active()), (state, state.is_active()));
        }
    }
}
