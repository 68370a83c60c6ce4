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

impl Tunnel {
    /// The word of its type in the file, which is ipvsadm's.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gue { .. } => "gue",
            Self::Gre { .. } => "gre",
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
            Self::Gue { checksum: GueChecksum::None, .. } | Self::Gre { checksum: false } => {
                Some("none")
            }
            Self::Gue { checksum: GueChecksum::Full, .. } | Self::Gre { checksum: true } => {
                Some("csum")
            }
            Self::Gue { checksum: GueChecksum::Remote, .. } => Some("remcsum"),
        }
    }
}

/// The value of the key `tunnel`, with what is not its default.
impl std::fmt::Display for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{type: {}", self.kind())?;
        if let Some(dst_port) = self.dst_port() {
            write!(f, ", port: {dst_port}")?;
        }
        if let Some(checksum) = self.checksum().filter(|checksum| *checksum != "none") {
            write!(f, ", checksum: {checksum}")?;
        }
        write!(f, "}}")
    }
}
