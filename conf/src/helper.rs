//! [`Helper`]: who reads the payload of a service's connections.

use crate::config::Protocol;

/// The port of FTP's control connections.
const FTP_PORT: u16 = 21;

/// What reads the payload of a service's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Helper {
    /// FTP: data connections find their way.
    Ftp,
}

impl Helper {
    /// The word the file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
        }
    }

    /// The helper of services that name none: as in IPVS FTP's for TCP port 21.
    #[must_use]
    pub fn of_port(protocol: Protocol, vport: u16) -> Option<Self> {
        (protocol == Protocol::Tcp && vport == FTP_PORT).then_some(Self::Ftp)
    }
}
