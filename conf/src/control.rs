//! [`Control`]: who reaches the running daemon, and how.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::real_server::ForwardingMode;

/// How tools reach the running daemon, and what they mean. All of it but the socket's path can be
/// changed while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Absolute path of the unix socket the daemon listens on.
    pub socket: PathBuf,
    /// What masquerading real servers of ipvsadm and keepalived (`-m`, `lb_kind NAT`) become.
    pub masquerading: Masquerading,
    /// The socket's mode: 6 for those who may connect and 0 for the others, in octal; its owner
    /// always may.
    pub mode: u32,
    /// The socket's group; the daemon's own if `None`.
    pub group: Option<Account>,
    /// Who may change things, besides root and the daemon's own user.
    pub admins: Vec<Admin>,
    /// The API over TCP; off if `None`.
    pub tcp: Option<Tcp>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/rvs/rvs.sock"),
            masquerading: Masquerading::default(),
            mode: 0o600,
            group: None,
            admins: Vec::new(),
            tcp: None,
        }
    }
}

/// What masquerading real servers of ipvsadm and keepalived become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Masquerading {
    /// Real servers in mode nat, as in IPVS.
    #[default]
    Nat,
    /// Real servers in mode fullnat.
    FullNat,
}

impl Masquerading {
    /// The mode of such a real server, whose word the file uses.
    #[must_use]
    pub const fn mode(self) -> ForwardingMode {
        match self {
            Self::Nat => ForwardingMode::Nat,
            Self::FullNat => ForwardingMode::FullNat,
        }
    }
}

/// A user or a group of the machine; whether there is one is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// By its number.
    Id(u32),
    /// By its name.
    Name(String),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Who may change things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admin {
    /// A user.
    User(Account),
    /// Everybody in a group; with `@` before it in the file.
    Group(Account),
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Group(group) => write!(f, "@{group}"),
        }
    }
}

/// The API over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Absolute path of the file with the tokens of clients.
    pub tokens: PathBuf,
}
