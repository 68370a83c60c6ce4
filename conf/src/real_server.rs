//! Real servers: where packets of a service go, and how they are sent there.

use std::net::SocketAddrV4;

use crate::tunnel::Tunnel;

/// The greatest weight, as in IPVS.
pub const WEIGHT_MAX: u32 = 2_147_483_647;

/// A real server of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealServer {
    /// Address and port; port 0 for the one that a packet has. In modes DR and TUN of a service
    /// with an address it is the port of the service.
    pub address: SocketAddrV4,
    /// How packets reach it: its own mode, or that of its service.
    pub mode: ForwardingMode,
    /// How packets to it are wrapped; [`Tunnel::Ipip`] in other modes than
    /// [`ForwardingMode::Tunnel`], where it means nothing.
    pub tunnel: Tunnel,
    /// Share of new flows, at most [`WEIGHT_MAX`]; 0 takes no new flows.
    pub weight: u32,
    /// Whether it takes no new flows whatever its weight.
    pub drain: bool,
    /// Flows at which it takes no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// Flows below which it takes new ones again, at most the upper threshold; 0 for three
    /// quarters of that.
    pub lower_threshold: u32,
}

impl RealServer {
    /// The weight that counts: 0 while it drains.
    #[must_use]
    pub const fn effective_weight(&self) -> u32 {
        if self.drain { 0 } else { self.weight }
    }
}

/// How packets reach a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardingMode {
    /// Direct routing: only MAC addresses are rewritten; replies bypass the director.
    Dr,
    /// Destination address and port are rewritten; replies come back through the director.
    Nat,
    /// Encapsulation; replies bypass the director.
    Tunnel,
    /// Source and destination are rewritten; replies come back to a local address.
    FullNat,
}

impl ForwardingMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dr, Self::Nat, Self::Tunnel, Self::FullNat];

    /// The word the file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dr => "dr",
            Self::Nat => "nat",
            Self::Tunnel => "tun",
            Self::FullNat => "fullnat",
        }
    }

    /// Whether addresses and ports are rewritten, so that a real server may have another port than
    /// its service.
    #[must_use]
    pub const fn rewrites(self) -> bool {
        matches!(self, Self::Nat | Self::FullNat)
    }
}
