//! FULLNAT's source addresses and ports: LIP and lport of a new flow.
//!
//! Towards each real server, addresses are used in turn and ports in sequence, so that a port is
//! used again as late as possible. A pair may serve several flows at once as long as their real
//! servers differ, because replies are told apart by their source. That the turn is kept per real
//! server and not per service matters: two addresses in turn beside two real servers in turn would
//! leave each real server with one address.

use std::net::Ipv4Addr;

use crate::limits::LOCAL_PORT_TRIES;
use crate::service::RealId;

/// Lowest lport; the well-known ports below it are left alone.
pub const LOCAL_PORT_MIN: u16 = 1024;

const PORT_COUNT: u64 = u16::MAX as u64 - LOCAL_PORT_MIN as u64 + 1;

/// Where the search for each real server goes on.
#[derive(Debug)]
pub struct LocalPorts {
    cursors: Box<[u32]>,
}

impl LocalPorts {
    /// Cursors for real servers numbered below `real_server_count`. They start at a place that
    /// depends on
    /// `seed`, so that a restarted director does not begin with the ports it used last time.
    #[must_use]
    pub fn new(real_server_count: usize, seed: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the seed do")]
        let start = |real: u64| (seed.rotate_left(17) ^ real.wrapping_mul(seed | 1)) as u32;
        Self { cursors: (0..real_server_count as u64).map(start).collect() }
    }

    /// The next LIP and lport towards `real` for which `is_free` holds; `None` when the pool has no
    /// address or a bounded number of tries found none.
    pub fn allocate(
        &mut self,
        real: RealId,
        pool: &[Ipv4Addr],
        mut is_free: impl FnMut(Ipv4Addr, u16) -> bool,
    ) -> Option<(Ipv4Addr, u16)> {
        let cursor = self.cursors.get_mut(real.index())?;
        let address_count = u64::try_from(pool.len()).ok().filter(|count| *count > 0)?;
        for _ in 0..LOCAL_PORT_TRIES {
            *cursor = cursor.wrapping_add(1);
            let place = u64::from(*cursor);
            #[expect(clippy::cast_possible_truncation, reason = "below the length of the pool")]
            let address = pool[(place % address_count) as usize];
            #[expect(clippy::cast_possible_truncation, reason = "at most 65535")]
            let l4_port = (u64::from(LOCAL_PORT_MIN) + place / address_count % PORT_COUNT) as u16;
            if is_free(address, l4_port) {
                return Some((address, l4_port));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const POOL: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 100), Ipv4Addr::new(10, 0, 0, 101)];

    #[test]
    fn every_pair_is_used_before_one_comes_again() {
        let mut ports = LocalPorts::new(1, 7);
        let mut used = HashSet::new();
        let count = 2 * (65_536 - usize::from(LOCAL_PORT_MIN));
        for _ in 0..count {
            let pair = ports.allocate(RealId(0), &POOL, |_, _| true).expect("a free pair");
            assert!(pair.1 >= LOCAL_PORT_MIN);
            assert!(used.insert(pair), "{pair:?} came twice");
        }
        assert_eq!(used.len(), count);
    }

    #[test]
    fn taken_pairs_are_passed_over_and_exhaustion_is_told() {
        let mut ports = LocalPorts::new(1, 7);
        let mut tries = 0;
        let pair = ports.allocate(RealId(0), &POOL, |_, _| {
            tries += 1;
            tries == 5
        });
        assert!(pair.is_some());
        assert_eq!(ports.allocate(RealId(0), &POOL, |_, _| false), None);
        assert_eq!(ports.allocate(RealId(0), &[], |_, _| true), None);
        assert_eq!(ports.allocate(RealId(9), &POOL, |_, _| true), None);
    }
}
