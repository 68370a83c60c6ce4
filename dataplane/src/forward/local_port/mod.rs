//! FULLNAT's source addresses and ports: LIP and lport of a new flow.
//!
//! Towards each real server, addresses are used in turn and the ports of the worker's share
//! ([`LocalPortShare`]) in sequence, so that a port is used again as late as possible. A pair may
//! serve several flows at once as long as their real servers differ, because replies are told apart
//! by their source. That the turn is kept per real server and not per service matters: two
//! addresses in turn beside two real servers in turn would leave each real server with one address.

mod share;
mod usage;

use std::net::Ipv4Addr;

pub use share::{LocalPortShare, PORT_CLASSES_MAX, PortClasses, PortClassesError};
pub use usage::{LocalPortLevel, LocalPortUsage};

use crate::limits::LOCAL_PORT_TRIES;
use crate::service::RealServer;

/// Lowest lport; the well-known ports below it are left alone.
pub const LOCAL_PORT_MIN: u16 = 1024;

/// Local ports of each LIP.
pub const LOCAL_PORT_COUNT: u32 = u16::MAX as u32 - LOCAL_PORT_MIN as u32 + 1;

/// Where the search for each real server goes on.
#[derive(Debug)]
pub struct LocalPorts {
    cursors: Box<[u32]>,
    share: LocalPortShare,
}

impl LocalPorts {
    /// All local ports, with cursors for real servers numbered below `real_server_count`. They
    /// start at a place that depends on `seed`, so that a restarted director does not begin with
    /// the ports it used last time.
    #[must_use]
    pub fn new(real_server_count: usize, seed: u64) -> Self {
        Self::with_share(real_server_count, seed, LocalPortShare::All)
    }

    /// As [`Self::new`], for one worker of several.
    #[must_use]
    pub fn with_share(real_server_count: usize, seed: u64, share: LocalPortShare) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the seed do")]
        let start = |real: u64| (seed.rotate_left(17) ^ real.wrapping_mul(seed | 1)) as u32;
        Self { cursors: (0..real_server_count as u64).map(start).collect(), share }
    }

    /// Gives out these ports from now on.
    pub fn set_share(&mut self, share: LocalPortShare) {
        self.share = share;
    }

    /// The ports that are given out here.
    #[must_use]
    pub fn share(&self) -> &LocalPortShare {
        &self.share
    }

    /// The next LIP and lport towards `real` for which `is_free` holds; `None` when the pool has no
    /// address or a bounded number of tries found none.
    pub fn allocate(
        &mut self,
        real: &RealServer,
        pool: &[Ipv4Addr],
        mut is_free: impl FnMut(Ipv4Addr, u16) -> bool,
    ) -> Option<(Ipv4Addr, u16)> {
        let cursor = self.cursors.get_mut(real.id.index())?;
        for _ in 0..LOCAL_PORT_TRIES {
            *cursor = cursor.wrapping_add(1);
            if let Some((lip, lport)) = end_at(*cursor, &self.share, real, pool)
                && is_free(lip, lport)
            {
                return Some((lip, lport));
            }
        }
        None
    }

    /// The LIP and lport that [`Self::allocate`] will try first.
    #[must_use]
    pub fn upcoming(&self, real: &RealServer, pool: &[Ipv4Addr]) -> Option<(Ipv4Addr, u16)> {
        let cursor = self.cursors.get(real.id.index())?;
        end_at(cursor.wrapping_add(1), &self.share, real, pool)
    }
}

/// The LIP and lport towards `real` that a cursor points to; `None` where the share has none.
fn end_at(
    cursor: u32,
    share: &LocalPortShare,
    real: &RealServer,
    pool: &[Ipv4Addr],
) -> Option<(Ipv4Addr, u16)> {
    let lip_count = u32::try_from(pool.len()).ok()?;
    let lip = *pool.get(cursor.checked_rem(lip_count)? as usize)?;
    let n = (cursor / lip_count).checked_rem(share.len(lip))?;
    Some((lip, share.nth_port(real, lip, n)?))
}

#[cfg(test)]
mod tests;
