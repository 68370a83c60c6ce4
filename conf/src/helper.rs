//! [`Helper`]: who reads the payload of a service's connections.

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
}
