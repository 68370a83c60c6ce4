//! How packets to a real server in mode tun are wrapped.

use std::num::NonZeroU16;

/// The wrapping of packets to a real server in mode tun (`ipvsadm --tun-type` and its friends).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation; not forwarded yet.
    Gue {
        /// UDP port of the real server.
        dst_port: NonZeroU16,
        /// What is done about the outer checksum.
        checksum: GueChecksum,
    },
    /// Generic routing encapsulation; not forwarded yet.
    Gre {
        /// Whether it has a checksum.
        checksum: bool,
    },
}

/// The checksum of a GUE tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum GueChecksum {
    /// None (`--tun-nocsum`).
    #[default]
    None,
    /// The UDP checksum (`--tun-csum`).
    Full,
    /// The UDP checksum, and the inner one left to the receiver (`--tun-remcsum`).
    Remote,
}

impl GueChecksum {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Full, Self::Remote];

    /// The word the file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Full => "csum",
            Self::Remote => "remcsum",
        }
    }
}

impl Tunnel {
    /// The type of [`Self::Ipip`].
    pub const IPIP: &'static str = "ipip";
    /// The type of [`Self::Gue`].
    pub const GUE: &'static str = "gue";
    /// The type of [`Self::Gre`].
    pub const GRE: &'static str = "gre";

    /// The word of its type in the file, which is ipvsadm's.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Ipip => Self::IPIP,
            Self::Gue { .. } => Self::GUE,
            Self::Gre { .. } => Self::GRE,
        }
    }

    /// The UDP port, of a type that has one.
    #[must_use]
    pub const fn dst_port(self) -> Option<NonZeroU16> {
        match self {
            Self::Gue { dst_port, .. } => Some(dst_port),
            Self::Ipip | Self::Gre { .. } => None,
        }
    }

    /// The word for its checksum in the file; `None` where there is no choice.
    #[must_use]
    pub const fn checksum(self) -> Option<&'static str> {
        match self {
            Self::Ipip => None,
            Self::Gue { checksum, .. } => Some(checksum.as_str()),
            Self::Gre { checksum: false } => Some(GueChecksum::None.as_str()),
            Self::Gre { checksum: true } => Some(GueChecksum::Full.as_str()),
        }
    }
}
