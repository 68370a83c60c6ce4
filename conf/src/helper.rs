//! [`Helper`]: who reads the payload of a service's connections.

use crate::config::{Protocol, ServiceKey};

/// What reads the payload of a service's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Helper {
    /// FTP: data connections find their way.
    Ftp,
}

/// The port of FTP's control connections, where IPVS reads them, too.
const FTP_PORT: u16 = 21;

impl Helper {
    /// The word in the file for none.
    pub const NONE: &'static str = "none";

    /// Whoever reads the connections of a service that does not say it: as in IPVS FTP's for TCP
    /// port 21.
    #[must_use]
    pub fn of_port(key: ServiceKey) -> Option<Self> {
        let is_ftp = key.protocol() == Some(Protocol::Tcp)
            && key.vip().is_some_and(|vip| vip.port() == FTP_PORT);
        is_ftp.then_some(Self::Ftp)
    }

    /// The word the file uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
        }
    }
}
