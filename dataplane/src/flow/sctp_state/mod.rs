//! SCTP states and timeouts, cell by cell as IPVS has them (`ip_vs_proto_sctp`).
//!
//! The first chunk of a packet is one of ten events, see [`SctpEvent`]. Which part of the table
//! applies depends on where the packet came from, see [`Heard`].

use super::tcp_state::Heard;
use crate::time::Ticks;
use crate::wire::ChunkType;

/// State of an SCTP flow, numbered as IPVS' sync messages number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SctpState {
    /// No packet seen yet.
    None = 0,
    /// The client's first INIT was seen.
    Init1 = 1,
    /// The client has sent INIT again.
    Init = 2,
    /// The real server answered an INIT with its cookie.
    CookieSent = 3,
    /// The client sent a cookie in a flow that had no packet before.
    CookieReplied = 4,
    /// The real server opened towards the client, and a cookie is waited for.
    CookieWait = 5,
    /// The client answered the real server's INIT with its cookie.
    Cookie = 6,
    /// The cookie went back to whom it came from.
    CookieEchoed = 7,
    /// The association is there.
    Established = 8,
    /// The real server's SHUTDOWN was seen.
    ShutdownSent = 9,
    /// The client's SHUTDOWN was seen.
    ShutdownReceived = 10,
    /// The real server acknowledged a SHUTDOWN.
    ShutdownAckSent = 11,
    /// Opening it was answered with ABORT.
    Rejected = 12,
    /// Over: aborted or shut down.
    Closed = 13,
}

/// Number of SCTP states.
pub const SCTP_STATE_COUNT: usize = 14;

impl SctpState {
    /// All states by number.
    pub const ALL: [Self; SCTP_STATE_COUNT] = [
        Self::None,
        Self::Init1,
        Self::Init,
        Self::CookieSent,
        Self::CookieReplied,
        Self::CookieWait,
        Self::Cookie,
        Self::CookieEchoed,
        Self::Established,
        Self::ShutdownSent,
        Self::ShutdownReceived,
        Self::ShutdownAckSent,
        Self::Rejected,
        Self::Closed,
    ];

    /// The name in IPVS' connection listing.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Init1 => "INIT1",
            Self::Init => "INIT",
            Self::CookieSent => "C-SENT",
            Self::CookieReplied => "C-REPLIED",
            Self::CookieWait => "C-WAIT",
            Self::Cookie => "COOKIE",
            Self::CookieEchoed => "C-ECHOED",
            Self::Established => "ESTABLISHED",
            Self::ShutdownSent => "S-SENT",
            Self::ShutdownReceived => "S-RECEIVED",
            Self::ShutdownAckSent => "S-ACK-SENT",
            Self::Rejected => "REJECTED",
            Self::Closed => "CLOSED",
        }
    }

    /// Whether a flow in this state counts as an active connection.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Established)
    }

    /// The state after a packet with `event` heard from `heard`.
    #[must_use]
    pub fn next(self, heard: Heard, event: SctpEvent) -> Self {
        NEXT[heard as usize][self as usize][event as usize]
    }
}

/// What a packet means to its association: its first chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SctpEvent {
    /// DATA, SACK, HEARTBEAT and its ACK, ECNE, CWR, and all types IPVS does not know.
    #[default]
    Data = 0,
    /// INIT.
    Init = 1,
    /// INIT ACK.
    InitAck = 2,
    /// COOKIE ECHO.
    CookieEcho = 3,
    /// COOKIE ACK.
    CookieAck = 4,
    /// SHUTDOWN.
    Shutdown = 5,
    /// SHUTDOWN ACK.
    ShutdownAck = 6,
    /// SHUTDOWN COMPLETE.
    ShutdownComplete = 7,
    /// ERROR.
    Error = 8,
    /// ABORT, also right behind a COOKIE ECHO or COOKIE ACK.
    Abort = 9,
}

/// Number of events.
const EVENT_COUNT: usize = 10;

impl SctpEvent {
    /// The event of a packet whose first chunk has type `first`, and the one behind it `second`.
    #[must_use]
    pub fn of(first: u8, second: Option<u8>) -> Self {
        match first {
            ChunkType::COOKIE_ECHO | ChunkType::COOKIE_ACK if second == Some(ChunkType::ABORT) => {
                Self::Abort
            }
            ChunkType::INIT => Self::Init,
            ChunkType::INIT_ACK => Self::InitAck,
            ChunkType::COOKIE_ECHO => Self::CookieEcho,
            ChunkType::COOKIE_ACK => Self::CookieAck,
            ChunkType::SHUTDOWN => Self::Shutdown,
            ChunkType::SHUTDOWN_ACK => Self::ShutdownAck,
            ChunkType::SHUTDOWN_COMPLETE => Self::ShutdownComplete,
            ChunkType::ERROR => Self::Error,
            ChunkType::ABORT => Self::Abort,
            _ => Self::Data,
        }
    }
}

type Row = [SctpState; EVENT_COUNT];

const I1: SctpState = SctpState::Init1;
const IN: SctpState = SctpState::Init;
const CS: SctpState = SctpState::CookieSent;
const CR: SctpState = SctpState::CookieReplied;
const CW: SctpState = SctpState::CookieWait;
const CO: SctpState = SctpState::Cookie;
const CE: SctpState = SctpState::CookieEchoed;
const ES: SctpState = SctpState::Established;
const SS: SctpState = SctpState::ShutdownSent;
const SR: SctpState = SctpState::ShutdownReceived;
const SA: SctpState = SctpState::ShutdownAckSent;
const RJ: SctpState = SctpState::Rejected;
const CL: SctpState = SctpState::Closed;

// Rows by current state; columns DATA, INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, SHUTDOWN,
// SHUTDOWN ACK, SHUTDOWN COMPLETE, ERROR, ABORT.
#[rustfmt::skip]
const NEXT: [[Row; SCTP_STATE_COUNT]; 3] = [
    // Heard::Input
    [
        [ES, I1, CW, CR, ES, SR, CL, CL, CL, CL], // NONE
        [I1, IN, CW, IN, I1, I1, IN, CL, I1, CL], // INIT1
        [IN, IN, CW, IN, IN, IN, IN, CL, IN, CL], // INIT
        [CS, CS, CS, CR, CS, CS, CS, CS, CS, CL], // C-SENT
        [CR, CR, CR, CR, CR, CR, CR, CR, CR, CL], // C-REPLIED
        [CW, CW, CO, CW, CW, CW, CW, CW, CW, RJ], // C-WAIT
        [CO, CO, CO, CO, CO, CO, CO, CO, CO, CL], // COOKIE
        [CE, CE, CE, CE, ES, CE, CE, CE, CL, CL], // C-ECHOED
        [ES, ES, ES, ES, ES, SR, ES, ES, ES, CL], // ESTABLISHED
        [SS, SS, SS, SS, SS, SS, CL, SS, SS, CL], // S-SENT
        [SR, SR, SR, SR, SR, SR, SR, SR, SR, CL], // S-RECEIVED
        [SA, SA, SA, SA, SA, SA, CL, CL, SA, CL], // S-ACK-SENT
        [RJ, IN, RJ, RJ, RJ, RJ, RJ, RJ, RJ, CL], // REJECTED
        [CL, IN, CL, CL, CL, CL, CL, CL, CL, CL], // CLOSED
    ],
    // Heard::Output
    [
        [ES, CW, CS, CE, ES, SS, SA, CL, CL, CL], // NONE
        [I1, CW, CS, CE, ES, SS, SA, I1, CL, RJ], // INIT1
        [IN, CW, CS, CE, ES, SS, SA, IN, CL, CL], // INIT
        [CS, CW, CS, CE, ES, SS, SA, CS, CL, CL], // C-SENT
        [CR, CW, CR, CE, ES, SS, SA, CR, CL, CL], // C-REPLIED
        [CW, CW, CW, CE, ES, SS, CW, CW, CW, CL], // C-WAIT
        [CO, CW, CO, CE, ES, SS, CO, CO, CO, CL], // COOKIE
        [CE, CW, CE, CE, ES, SS, CE, CE, CE, CL], // C-ECHOED
        [ES, ES, ES, ES, ES, SS, ES, ES, ES, CL], // ESTABLISHED
        [SS, CW, SS, SS, SS, SS, SA, SS, SS, CL], // S-SENT
        [SR, CW, SR, SR, SR, SR, SA, SR, SR, CL], // S-RECEIVED
        [SA, CW, SA, SA, SA, SA, SA, SA, SA, CL], // S-ACK-SENT
        [RJ, CW, RJ, RJ, RJ, RJ, RJ, RJ, RJ, CL], // REJECTED
        [CL, CW, CL, CL, CL, CL, CL, CL, CL, CL], // CLOSED
    ],
    // Heard::InputOnly
    [
        [ES, I1, CE, ES, ES, SR, CL, CL, CL, CL], // NONE
        [I1, IN, CE, ES, I1, I1, IN, CL, I1, CL], // INIT1
        [IN, IN, CE, ES, IN, IN, IN, CL, IN, CL], // INIT
        [CS, IN, CE, ES, ES, CS, CS, CL, CS, CL], // C-SENT
        [CR, IN, CE, ES, ES, CR, CR, CL, CR, CL], // C-REPLIED
        [ES, IN, CE, ES, CW, CW, CW, CW, CW, RJ], // C-WAIT
        [CO, CO, CO, CO, ES, CO, CO, CO, CO, CL], // COOKIE
        [CE, CE, CE, CE, ES, CE, CE, CE, CE, CL], // C-ECHOED
        [ES, ES, ES, ES, ES, SR, CL, ES, ES, CL], // ESTABLISHED
        [SS, SS, SS, SS, SS, SS, CL, SS, SS, CL], // S-SENT
        [SR, SR, SR, SR, SR, SR, SR, CL, SR, CL], // S-RECEIVED
        [SA, SA, SA, SA, SA, SA, CL, CL, SA, CL], // S-ACK-SENT
        [RJ, IN, RJ, RJ, RJ, RJ, RJ, RJ, RJ, CL], // REJECTED
        [CL, IN, CL, CL, CL, CL, CL, CL, CL, CL], // CLOSED
    ],
];

/// How long a flow may be idle, by its state, in IPVS, which has no way to set it.
#[must_use]
pub(super) fn default_timeouts() -> [Ticks; SCTP_STATE_COUNT] {
    SctpState::ALL.map(|state| {
        Ticks::from_secs(match state {
            SctpState::None => 2,
            SctpState::Init1 | SctpState::Rejected => 4,
            SctpState::Established => 900,
            SctpState::Init
            | SctpState::CookieSent
            | SctpState::CookieReplied
            | SctpState::CookieWait
            | SctpState::Cookie
            | SctpState::CookieEchoed
            | SctpState::ShutdownSent
            | SctpState::ShutdownReceived
            | SctpState::ShutdownAckSent
            | SctpState::Closed => 61,
        })
    })
}

#[cfg(test)]
mod tests;
