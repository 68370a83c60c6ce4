//! The section `ipvs`: IPVS' sysctls (`net.ipv4.vs.*`) that make sense here, by their names.

/// What IPVS' sysctls of the same names say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are sysctls, each independent of the others"
)]
pub struct Ipvs {
    /// Which finished connections a SYN of the same client port replaces, 0 to 3: none for 0, else
    /// those in TIME_WAIT and CLOSE, and for 2 and 3 those in FIN_WAIT whose replies are not seen.
    pub conn_reuse_mode: u32,
    /// Whether the flows of a removed real server end, and those of one with weight 0 with the
    /// next SYN.
    pub expire_nodest_conn: bool,
    /// Whether persistence does not hold clients at a real server with weight 0.
    pub expire_quiescent_template: bool,
    /// Whether a TCP segment without SYN may open a flow.
    pub sloppy_tcp: bool,
    /// Whether an SCTP packet without INIT may open a flow.
    pub sloppy_sctp: bool,
    /// When half-open and long idle flows are dropped.
    pub drop_entry: Defence,
    /// When some new connections are not let in.
    pub drop_packet: Defence,
    /// When a TCP connection must be confirmed by its real server to become established.
    pub secure_tcp: Defence,
    /// Which share of new connections `drop_packet: 3` refuses: every n-th; 1 to 1,000,000.
    pub am_droprate: u32,
    /// Share of `limits.flows`, in percent, that is free at least, unless the table is nearly
    /// full; 1 to 50.
    pub amemthresh_percent: u32,
}

/// When one of IPVS' defences against overload is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Defence {
    /// Never; 0 in the file.
    Off,
    /// While the flow table is nearly full; 1 (or 2, which is how IPVS shows that it is up).
    Auto,
    /// Always; 3.
    Always,
}

impl Defence {
    /// The number that the file uses.
    #[must_use]
    pub const fn as_number(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Auto => 1,
            Self::Always => 3,
        }
    }

    /// What a number from 0 to 3 means.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Off,
            1 | 2 => Self::Auto,
            _ => Self::Always,
        }
    }
}

impl Default for Ipvs {
    /// IPVS' own, but for `drop_entry`: see `docs/IPVS-COMPATIBILITY.md`.
    fn default() -> Self {
        Self {
            conn_reuse_mode: 1,
            expire_nodest_conn: false,
            expire_quiescent_template: false,
            sloppy_tcp: false,
            sloppy_sctp: false,
            drop_entry: Defence::Auto,
            drop_packet: Defence::Off,
            secure_tcp: Defence::Off,
            am_droprate: 10,
            amemthresh_percent: 10,
        }
    }
}
