//! Schedulers and their flags.

/// How a real server is chosen for a new flow, by IPVS' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheduler {
    /// Round robin; weights only tell zero from non-zero.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections; weights only tell zero from non-zero.
    Lc,
    /// Least connections for the weight.
    Wlc,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Weighted failover.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// Locality-based least connections.
    Lblc,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Power of two choices.
    Twos,
    /// Destination hashing.
    Dh,
    /// Source hashing.
    Sh,
    /// Maglev hashing of the source.
    Mh,
}

impl Scheduler {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Rr,
        Self::Wrr,
        Self::Lc,
        Self::Wlc,
        Self::Sed,
        Self::Nq,
        Self::Fo,
        Self::Ovf,
        Self::Lblc,
        Self::Lblcr,
        Self::Twos,
        Self::Dh,
        Self::Sh,
        Self::Mh,
    ];

    /// The word the file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Sed => "sed",
            Self::Nq => "nq",
            Self::Fo => "fo",
            Self::Ovf => "ovf",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Twos => "twos",
            Self::Dh => "dh",
            Self::Sh => "sh",
            Self::Mh => "mh",
        }
    }
}

/// Flags of sh and mh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SchedulerFlags {
    /// `sh-fallback`, `mh-fallback`: another real server where the one hashed to takes nothing.
    pub fallback: bool,
    /// `sh-port`, `mh-port`: the source port is hashed, too.
    pub port: bool,
}

impl SchedulerFlags {
    /// The names of those that are set, as ipvsadm has them for a scheduler.
    #[must_use]
    pub fn names(self, scheduler: Scheduler) -> Vec<String> {
        let flags = [(self.fallback, "fallback"), (self.port, "port")];
        let set = flags.into_iter().filter(|(is_set, _)| *is_set);
        set.map(|(_, flag)| format!("{}-{flag}", scheduler.as_str())).collect()
    }
}
