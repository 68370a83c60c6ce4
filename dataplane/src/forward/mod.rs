//! The forwarding modes: how a packet is rewritten on its way to or from a real server.
//!
//! These functions only change bytes. Whether a packet may go, and where, is decided by the
//! [director](crate::director); state and counters are its business too.

mod local_port;
mod translate;
mod tunnel;

pub use local_port::{
    LOCAL_PORT_COUNT, LOCAL_PORT_MIN, LocalPortLevel, LocalPortShare, LocalPortUsage, LocalPorts,
    PORT_CLASSES_MAX, PortClasses, PortClassesError,
};
pub use translate::{decrement_ttl, translate, translate_fragment};
pub use tunnel::{TUNNEL_OVERHEAD, TunnelEnds, encapsulate};

/// How packets reach the real servers of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ForwardingMode {
    /// Direct routing: only MAC addresses change; the real server answers the client itself.
    Dr = 0,
    /// IP-in-IP tunnel (RFC 2003); the real server answers the client itself.
    Tunnel = 1,
    /// Destination translated on requests, source on replies, which must come back this way.
    Nat = 2,
    /// Both ends translated; replies come back to a local address of the director.
    FullNat = 3,
}

impl ForwardingMode {
    /// The name used in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dr => "dr",
            Self::Tunnel => "tun",
            Self::Nat => "nat",
            Self::FullNat => "fullnat",
        }
    }

    /// Whether replies come past the director.
    #[inline]
    #[must_use]
    pub const fn sees_replies(self) -> bool {
        matches!(self, Self::Nat | Self::FullNat)
    }
}
