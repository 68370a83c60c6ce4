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

    /// The scheduler with this name, which is that of the file and of ipvsadm.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scheduler| scheduler.as_str() == name)
    }

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

/// Flags of a scheduler. As in IPVS every scheduler can have any of the three; only sh and mh do
/// something with the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SchedulerFlags {
    /// `flag-1`; for sh and mh `sh-fallback`, `mh-fallback`: another real server where the one
    /// hashed to takes nothing.
    pub flag_1: bool,
    /// `flag-2`; for sh and mh `sh-port`, `mh-port`: the source port is hashed, too.
    pub flag_2: bool,
    /// `flag-3`.
    pub flag_3: bool,
}

impl SchedulerFlags {
    /// The names of those that are set, as ipvsadm has them for a scheduler.
    #[must_use]
    pub fn names(self, scheduler: Scheduler) -> Vec<&'static str> {
        let [first, second] = if scheduler == Scheduler::Sh {
            ["sh-fallback", "sh-port"]
        } else if scheduler == Scheduler::Mh {
            ["mh-fallback", "mh-port"]
        } else {
            ["flag-1", "flag-2"]
        };
        let flags = [(self.flag_1, first), (self.flag_2, second), (self.flag_3, "flag-3")];
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
    }
}
