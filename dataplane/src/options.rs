//! Options of the whole director, by the names of IPVS' sysctls (`net.ipv4.vs.*`).
//!
//! They are a part of the [`Snapshot`](crate::snapshot::Snapshot) and read for packets that begin
//! something; packets of established flows do not look at them.

/// IPVS' sysctls that make sense here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are sysctls, each independent of the others"
)]
pub struct IpvsOptions {
    /// `conn_reuse_mode`: which connections the client's SYN replaces by a new one.
    pub conn_reuse: ConnReuse,
    /// Whether the flows of a removed real server end, and those of one with weight 0 with the
    /// next SYN.
    pub expire_nodest_conn: bool,
    /// Whether a persistence template whose real server has weight 0 is given up when a new
    /// connection comes.
    pub expire_quiescent_template: bool,
    /// Whether a TCP segment without SYN (and without RST) may open a flow.
    pub sloppy_tcp: bool,
    /// Whether an SCTP packet without INIT (and without ABORT) may open a flow.
    pub sloppy_sctp: bool,
    /// When half-open and long idle flows are dropped.
    pub drop_entry: Defence,
    /// When some new connections are not let in.
    pub drop_packet: Defence,
    /// When TCP goes by the table of states that IPVS calls dos.
    pub secure_tcp: Defence,
    /// With [`Defence::Always`], `drop_packet` drops every n-th new connection; not 0.
    pub am_droprate: u32,
    /// Share of the flow table in percent that is free at least, unless it is nearly full.
    pub amemthresh_percent: u32,
}

impl Default for IpvsOptions {
    /// IPVS' defaults, all defences off.
    fn default() -> Self {
        Self {
            conn_reuse: ConnReuse::Finished,
            expire_nodest_conn: false,
            expire_quiescent_template: false,
            sloppy_tcp: false,
            sloppy_sctp: false,
            drop_entry: Defence::Off,
            drop_packet: Defence::Off,
            secure_tcp: Defence::Off,
            am_droprate: 10,
            amemthresh_percent: 10,
        }
    }
}

/// Which connections, unless they are controlled, the client's SYN replaces by a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnReuse {
    /// `conn_reuse_mode` 0: none; the SYN goes where the connection went.
    Never,
    /// 1: those in TIME_WAIT or CLOSE (SCTP: CLOSED).
    Finished,
    /// 2 and 3: also those in FIN_WAIT whose replies do not come past here.
    FinishedOrHalfClosed,
}

impl ConnReuse {
    /// What `conn_reuse_mode` means: a mask of bits, of which the second implies the first.
    #[must_use]
    pub const fn from_mode(mode: u32) -> Self {
        match mode {
            0 => Self::Never,
            _ if mode & 2 != 0 => Self::FinishedOrHalfClosed,
            _ => Self::Finished,
        }
    }
}

/// When a defence against overload is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defence {
    /// Never (0).
    Off,
    /// While the flow table is nearly full (1, 2).
    Auto,
    /// Always (3).
    Always,
}

impl Defence {
    /// Whether it is up, by whether the flow table is nearly full.
    #[inline]
    #[must_use]
    pub const fn is_up(self, nearly_full: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Auto => nearly_full,
            Self::Always => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_bit_of_conn_reuse_mode_implies_the_first() {
        use ConnReuse::{Finished, FinishedOrHalfClosed, Never};
        let modes = [Never, Finished, FinishedOrHalfClosed, FinishedOrHalfClosed];
        assert_eq!([0, 1, 2, 3].map(ConnReuse::from_mode), modes);
    }

    #[test]
    fn automatic_defences_are_up_while_the_table_is_nearly_full() {
        let up = [Defence::Off, Defence::Auto, Defence::Always]
            .map(|defence| (defence.is_up(false), defence.is_up(true)));
        assert_eq!(up, [(false, false), (false, true), (true, true)]);
    }
}
