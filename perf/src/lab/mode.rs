//! The four forwarding modes, as far as clients and real servers see a difference.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::addresses;

/// How the director hands packets to a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Direct routing: only the Ethernet addresses change; replies bypass the director.
    Dr,
    /// The real server's address replaces the VIP; replies come back through the director.
    Nat,
    /// The packet travels inside IPIP; replies bypass the director.
    Tun,
    /// Both addresses are replaced; replies come back by address, whatever the routes are.
    FullNat,
}

impl Mode {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Dr, Self::Nat, Self::Tun, Self::FullNat];

    /// The name used in the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dr => "dr",
            Self::Nat => "nat",
            Self::Tun => "tun",
            Self::FullNat => "fullnat",
        }
    }

    /// Whether the real server must own the VIP, since packets arrive with it as destination.
    #[must_use]
    pub const fn real_server_owns_vip(self) -> bool {
        matches!(self, Self::Dr | Self::Tun)
    }

    /// The real servers' default gateway: the director where it must see the replies.
    #[must_use]
    pub const fn real_server_gateway(self) -> Ipv4Addr {
        match self {
            Self::Nat => addresses::DIRECTOR_LAN,
            Self::Dr | Self::Tun | Self::FullNat => addresses::ROUTER_LAN,
        }
    }

    /// The port nginx is reached on: DR and TUN cannot translate it.
    #[must_use]
    pub const fn http_rport(self) -> u16 {
        if self.real_server_owns_vip() { addresses::HTTP_VPORT } else { addresses::HTTP_RPORT }
    }

    /// The port the echo server is reached on: DR and TUN cannot translate it.
    #[must_use]
    pub const fn echo_rport(self) -> u16 {
        if self.real_server_owns_vip() { addresses::ECHO_VPORT } else { addresses::ECHO_RPORT }
    }

    /// The port the FTP server is reached on: DR and TUN cannot translate it.
    #[must_use]
    pub const fn ftp_rport(self) -> u16 {
        if self.real_server_owns_vip() { addresses::FTP_VPORT } else { addresses::FTP_RPORT }
    }

    /// Whether a real server may see `address` as the client of a connection in this mode.
    #[must_use]
    pub fn is_logged_client(self, address: Ipv4Addr) -> bool {
        match self {
            Self::Dr | Self::Nat | Self::Tun => address == addresses::CLIENT,
            Self::FullNat => addresses::is_local_address(address),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dr => "DR",
            Self::Nat => "NAT",
            Self::Tun => "TUN",
            Self::FullNat => "FULLNAT",
        })
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text));
        known.ok_or_else(|| format!("`{text}` is no forwarding mode: use dr, nat, tun or fullnat"))
    }
}
