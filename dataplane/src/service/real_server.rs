//! A real server of one service.

use std::net::Ipv4Addr;

use super::ServiceId;
use crate::forward::ForwardingMode;
use crate::snapshot::NextHop;

/// Number of a real server; flows and counters refer to it. The control thread gives the same
/// number to the same real server (service, address, port) in every snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealId(pub u32);

impl RealId {
    /// As an index into arrays by real server.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A real server of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Its number.
    pub id: RealId,
    /// The service it belongs to.
    pub service: ServiceId,
    /// RIP.
    pub address: Ipv4Addr,
    /// rport; in DR and TUN equal to the vport. 0 leaves packets the port that they have.
    pub l4_port: u16,
    /// How packets of new flows reach it.
    pub mode: ForwardingMode,
    /// Weight, 0 to 2147483647; 0 takes no new connections.
    pub weight: u32,
    /// Where packets to it go; `None` if no route leads there.
    pub next_hop: Option<NextHop>,
}
