//! TCP states and timeouts, cell by cell as IPVS has them (`ip_vs_proto_tcp`, default table).
//!
//! A segment is one of four events, by precedence RST, SYN, FIN, ACK; a segment with none of them
//! leads to CLOSE. Which row applies depends on where the segment came from, see [`Heard`].

use super::sctp_state::{SCTP_STATE_COUNT, SctpState, default_timeouts};
use crate::time::Ticks;
use crate::wire::TcpFlags;

/// State of a TCP flow, numbered as IPVS' sync messages number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TcpState {
    /// No segment seen yet.
    None = 0,
    /// Handshake done.
    Established = 1,
    /// The real server opened towards the client.
    SynSent = 2,
    /// The client's SYN was seen.
    SynRecv = 3,
    /// The real server's FIN was seen first (or, with no replies seen, the client's).
    FinWait = 4,
    /// Both sides have finished.
    TimeWait = 5,
    /// Reset, or a segment that fits nothing.
    Close = 6,
    /// The client's FIN was seen first.
    CloseWait = 7,
    /// Waiting for the last ACK.
    LastAck = 8,
    /// Expected connection (FTP data).
    Listen = 9,
    /// SYN/ACK seen under SYN defence.
    SynAck = 10,
}

/// Number of TCP states.
pub const TCP_STATE_COUNT: usize = 11;

impl TcpState {
    /// All states by number.
    pub const ALL: [Self; TCP_STATE_COUNT] = [
        Self::None,
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::SynAck,
    ];

    /// The name in IPVS' connection listing.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::SynAck => "SYNACK",
        }
    }

    /// Whether a flow in this state counts as an active connection.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Established | Self::SynSent | Self::SynRecv | Self::SynAck)
    }

    /// The state after a segment with `flags` heard from `heard`.
    #[inline]
    #[must_use]
    pub fn next(self, heard: Heard, flags: TcpFlags) -> Self {
        let Some(event) = Event::of(flags) else { return Self::Close };
        NEXT[heard as usize][self as usize][event as usize]
    }

    /// [`Self::next`] for the state with this number; `None` if there is no such state.
    #[inline(always)]
    pub(crate) fn next_of(number: usize, heard: Heard, flags: TcpFlags) -> Option<Self> {
        let row = NEXT[heard as usize].get(number)?;
        Some(Event::of(flags).map_or(Self::Close, |event| row[event as usize]))
    }

    /// [`Self::next`] under `secure_tcp`: a client alone cannot establish a connection whose real
    /// server's segments come past here (IPVS' table "dos", where it differs from the other).
    #[cold]
    #[must_use]
    pub fn next_secure(self, heard: Heard, flags: TcpFlags) -> Self {
        let Some(event) = Event::of(flags) else { return Self::Close };
        match (heard, self, event) {
            (Heard::Input, Self::SynRecv, Event::Ack) => Self::SynRecv,
            (Heard::Input, Self::SynAck, Event::Rst) => Self::Close,
            (Heard::Input, Self::SynAck, _)
            | (Heard::Output, Self::SynRecv | Self::SynAck, Event::Syn) => Self::SynAck,
            (Heard::InputOnly, Self::Established | Self::SynSent | Self::SynRecv, Event::Syn) => {
                self.next(heard, flags)
            }
            (Heard::InputOnly, _, Event::Syn) => Self::SynAck,
            _ => self.next(heard, flags),
        }
    }
}

/// From where a segment was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// From the client.
    Input = 0,
    /// From the real server.
    Output = 1,
    /// From the client of a flow whose replies do not come past here (DR, TUN).
    InputOnly = 2,
}

#[derive(Clone, Copy)]
enum Event {
    Syn = 0,
    Fin = 1,
    Ack = 2,
    Rst = 3,
}

impl Event {
    fn of(flags: TcpFlags) -> Option<Self> {
        if flags.contains(TcpFlags::RST) {
            Some(Self::Rst)
        } else if flags.contains(TcpFlags::SYN) {
            Some(Self::Syn)
        } else if flags.contains(TcpFlags::FIN) {
            Some(Self::Fin)
        } else if flags.contains(TcpFlags::ACK) {
            Some(Self::Ack)
        } else {
            None
        }
    }
}

type Row = [TcpState; 4];

const SR: TcpState = TcpState::SynRecv;
const SS: TcpState = TcpState::SynSent;
const ES: TcpState = TcpState::Established;
const FW: TcpState = TcpState::FinWait;
const TW: TcpState = TcpState::TimeWait;
const CL: TcpState = TcpState::Close;
const CW: TcpState = TcpState::CloseWait;
const LA: TcpState = TcpState::LastAck;
const LI: TcpState = TcpState::Listen;

// Rows by current state, columns SYN, FIN, ACK, RST.
#[rustfmt::skip]
const NEXT: [[Row; TCP_STATE_COUNT]; 3] = [
    // Heard::Input
    [
        [SR, CL, ES, CL], // NONE
        [ES, CW, ES, CL], // ESTABLISHED
        [ES, SS, SS, CL], // SYN_SENT
        [SR, TW, ES, SR], // SYN_RECV
        [SR, TW, FW, CL], // FIN_WAIT
        [SR, TW, TW, CL], // TIME_WAIT
        [SR, CL, CL, CL], // CLOSE
        [SR, CW, CW, CL], // CLOSE_WAIT
        [SR, LA, CL, LA], // LAST_ACK
        [SR, LI, LI, LI], // LISTEN
        [SR, TW, ES, SR], // SYNACK
    ],
    // Heard::Output
    [
        [SS, TW, ES, CL], // NONE
        [ES, FW, ES, CL], // ESTABLISHED
        [SS, SS, SS, SS], // SYN_SENT
        [SR, TW, ES, CL], // SYN_RECV
        [SS, FW, FW, CL], // FIN_WAIT
        [SS, TW, TW, TW], // TIME_WAIT
        [SS, CL, CL, CL], // CLOSE
        [SS, TW, CW, CL], // CLOSE_WAIT
        [SS, LA, LA, CL], // LAST_ACK
        [LI, LI, ES, CL], // LISTEN
        [SR, TW, ES, CL], // SYNACK
    ],
    // Heard::InputOnly
    [
        [SR, CL, ES, CL], // NONE
        [ES, FW, ES, CL], // ESTABLISHED
        [ES, SS, SS, CL], // SYN_SENT
        [SR, TW, ES, SR], // SYN_RECV
        [SR, FW, FW, CL], // FIN_WAIT
        [SR, TW, TW, CL], // TIME_WAIT
        [SR, CL, CL, CL], // CLOSE
        [SR, CW, CW, CL], // CLOSE_WAIT
        [SR, LA, CL, LA], // LAST_ACK
        [SR, LI, LI, LI], // LISTEN
        [SR, TW, ES, CL], // SYNACK
    ],
];

/// How long a flow may be idle, by its state. The defaults are IPVS'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    tcp: [Ticks; TCP_STATE_COUNT],
    udp: Ticks,
    sctp: [Ticks; SCTP_STATE_COUNT],
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];
        let (tcp, udp) = (seconds.map(Ticks::from_secs), Ticks::from_secs(300));
        Self { tcp, udp, sctp: default_timeouts() }
    }
}

impl Timeouts {
    /// The defaults with the three that `ipvsadm --set` changes: TCP established, TCP FIN_WAIT and
    /// UDP, in seconds, each at most [`crate::time::TIMEOUT_S_MAX`].
    #[must_use]
    pub fn with_seconds(tcp: u32, tcp_fin: u32, udp: u32) -> Self {
        let mut timeouts = Self::default();
        timeouts.tcp[TcpState::Established as usize] = Ticks::from_secs(tcp);
        timeouts.tcp[TcpState::FinWait as usize] = Ticks::from_secs(tcp_fin);
        timeouts.udp = Ticks::from_secs(udp);
        timeouts
    }

    /// Timeout of a TCP flow in `state`.
    #[inline]
    #[must_use]
    pub fn tcp(&self, state: TcpState) -> Ticks {
        self.tcp[state as usize]
    }

    /// The longest time that an established flow, or one of UDP, may be idle.
    #[must_use]
    pub fn longest(&self) -> Ticks {
        let sctp = self.sctp(SctpState::Established);
        self.tcp(TcpState::Established).max(self.udp).max(sctp)
    }

    /// Timeout of a UDP flow.
    #[inline]
    #[must_use]
    pub fn udp(&self) -> Ticks {
        self.udp
    }

    /// Timeout of an SCTP flow in `state`.
    #[inline]
    #[must_use]
    pub fn sctp(&self, state: SctpState) -> Ticks {
        self.sctp[state as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(steps: &[(Heard, TcpFlags)]) -> Vec<TcpState> {
        let mut state = TcpState::None;
        steps
            .iter()
            .map(|&(heard, flags)| {
                state = state.next(heard, flags);
                state
            })
            .collect()
    }

    const SYN: TcpFlags = TcpFlags::SYN;
    const ACK: TcpFlags = TcpFlags::ACK;
    const RST: TcpFlags = TcpFlags::RST;

    fn with_ack(flag: TcpFlags) -> TcpFlags {
        TcpFlags(flag.0 | ACK.0)
    }

    #[test]
    fn nat_handshake_and_close_by_the_real_server() {
        let fin = with_ack(TcpFlags::FIN);
        let states = walk(&[
            (Heard::Input, SYN),
            (Heard::Output, with_ack(SYN)),
            (Heard::Input, ACK),
            (Heard::Output, fin),
            (Heard::Input, fin),
            (Heard::Output, ACK),
        ]);
        assert_eq!(states, [SR, SR, ES, FW, TW, TW]);
    }

    #[test]
    fn nat_close_by_the_client_then_reset_by_the_real_server() {
        let fin = with_ack(TcpFlags::FIN);
        let open = [(Heard::Input, SYN), (Heard::Output, with_ack(SYN)), (Heard::Input, ACK)];
        let mut closed = open.to_vec();
        closed.extend([(Heard::Input, fin), (Heard::Output, fin)]);
        assert_eq!(walk(&closed), [SR, SR, ES, CW, TW]);
        let mut reset = open.to_vec();
        reset.push((Heard::Output, with_ack(RST)));
        assert_eq!(walk(&reset).last(), Some(&CL));
    }

    #[test]
    fn direct_routing_sees_the_client_only() {
        let fin = with_ack(TcpFlags::FIN);
        let steps = [SYN, ACK, fin, ACK].map(|flags| (Heard::InputOnly, flags));
        assert_eq!(walk(&steps), [SR, ES, FW, FW]);
    }

    #[test]
    fn a_segment_without_any_flag_closes() {
        assert_eq!(ES.next(Heard::Input, TcpFlags(0)), CL);
        assert_eq!(ES.next(Heard::Output, TcpFlags::PSH), CL);
    }

    #[test]
    fn secure_tcp_differs_where_ipvs_table_does() {
        const SA: TcpState = TcpState::SynAck;
        let flags = [SYN, TcpFlags::FIN, ACK, RST];
        let mut found = Vec::new();
        for heard in [Heard::Input, Heard::Output, Heard::InputOnly] {
            for state in TcpState::ALL {
                for (event, flags) in flags.into_iter().enumerate() {
                    let next = state.next_secure(heard, flags);
                    if next != state.next(heard, flags) {
                        found.push((heard as usize, state, event, next));
                    }
                }
            }
        }
        // By direction, state and event (SYN, FIN, ACK, RST).
        let expected = [
            (0, SR, 2, SR),
            (0, SA, 0, SA),
            (0, SA, 1, SA),
            (0, SA, 2, SA),
            (0, SA, 3, CL),
            (1, SR, 0, SA),
            (1, SA, 0, SA),
            (2, TcpState::None, 0, SA),
            (2, FW, 0, SA),
            (2, TW, 0, SA),
            (2, CL, 0, SA),
            (2, CW, 0, SA),
            (2, LA, 0, SA),
            (2, LI, 0, SA),
            (2, SA, 0, SA),
        ];
        assert_eq!(found, expected);
        assert_eq!(ES.next_secure(Heard::Input, TcpFlags(0)), CL);
    }

    #[test]
    fn set_changes_three_timeouts_only() {
        let timeouts = Timeouts::with_seconds(60, 7, 30);
        let default = Timeouts::default();
        for state in TcpState::ALL {
            let expected = if state == TcpState::Established {
                Ticks::from_secs(60)
            } else if state == TcpState::FinWait {
                Ticks::from_secs(7)
            } else {
                default.tcp(state)
            };
            assert_eq!(timeouts.tcp(state), expected, "{}", state.name());
        }
        assert_eq!(timeouts.udp(), Ticks::from_secs(30));
        assert_eq!(default.tcp(TcpState::TimeWait), Ticks::from_secs(120));
    }
}
