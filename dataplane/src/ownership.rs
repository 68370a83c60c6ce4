//! Which worker owns a flow, computed from a packet alone: arithmetic, never a shared table.
//!
//! Requests, and replies of NAT, belong to the worker that the *client's* address and port lead to,
//! so both directions agree. A FULLNAT reply belongs to the worker that its local address and port
//! lead to: a worker only uses local ports of its own. Fragments beyond the first have no ports, so
//! all fragments of a datagram first meet at the worker that their addresses and identification
//! lead to; it learns the owner from the first of them.

use std::net::Ipv4Addr;

use crate::flow::FlowKey;
use crate::forward::LOCAL_PORT_MIN;
use crate::fragment::TrainKey;
use crate::snapshot::{AddressUse, Snapshot};

/// Number of a worker, in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerIdx(pub u16);

impl WorkerIdx {
    /// As an index into arrays by worker.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The workers of this process as one of them sees them.
#[derive(Clone, Copy, Debug)]
pub struct Team {
    me: WorkerIdx,
    count: u16,
    seed: u64,
}

impl Team {
    /// Worker `me` of `count` (at least 1). `seed` is the same for all and should be random, so
    /// that nobody can choose client ports that lead to one worker.
    #[must_use]
    pub fn new(me: WorkerIdx, count: u16, seed: u64) -> Self {
        Self { me, count: count.max(1), seed }
    }

    /// A worker alone.
    #[must_use]
    pub fn alone() -> Self {
        Self::new(WorkerIdx(0), 1, 0)
    }

    /// This worker.
    #[inline]
    #[must_use]
    pub fn me(&self) -> WorkerIdx {
        self.me
    }

    /// Workers in all.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The owner of the flow that a packet with `key` belongs to.
    #[inline]
    #[must_use]
    pub fn owner(&self, snapshot: &Snapshot, key: &FlowKey) -> WorkerIdx {
        match snapshot.address_use(key.dst_ipv4()) {
            Some(AddressUse::Local) => self.by_local_port(key.dst_ipv4(), key.dst_port()),
            Some(AddressUse::Vip | AddressUse::Own) => {
                self.by_client(key.src_ipv4(), key.src_port())
            }
            // From a NAT real server to its client.
            None => self.by_client(key.dst_ipv4(), key.dst_port()),
        }
    }

    /// The owner of flows of a client's address and port.
    #[inline]
    #[must_use]
    pub fn by_client(&self, address: Ipv4Addr, l4_port: u16) -> WorkerIdx {
        self.spread(u64::from(address.to_bits()) << 16 | u64::from(l4_port))
    }

    /// The owner of flows with a local address and port. Neighbouring ports belong to different
    /// workers, and all ports of 1024 to 65535 to one each, whatever the number of workers.
    #[inline]
    #[must_use]
    pub fn by_local_port(&self, address: Ipv4Addr, l4_port: u16) -> WorkerIdx {
        // The address shifts the ports, so that no worker has one more on every address.
        let place = u32::from(l4_port.wrapping_sub(LOCAL_PORT_MIN)) + (address.to_bits() & 0xFFFF);
        #[expect(clippy::cast_possible_truncation, reason = "below the count of workers")]
        let owner = (place % u32::from(self.count)) as u16;
        WorkerIdx(owner)
    }

    /// The worker at which the fragments of a datagram meet.
    #[must_use]
    pub fn by_train(&self, train: &TrainKey) -> WorkerIdx {
        self.spread(train.fingerprint())
    }

    #[inline]
    fn spread(&self, value: u64) -> WorkerIdx {
        let mixed = fold(fold(value ^ self.seed, 0x9E37_79B9_7F4A_7C15), 0xD6E8_FEB8_6659_FD93);
        #[expect(clippy::cast_possible_truncation, reason = "below the count of workers")]
        let owner = (((mixed >> 32) * u64::from(self.count)) >> 32) as u16;
        WorkerIdx(owner)
    }
}

/// Both halves of the product, one over the other.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "one half each")]
fn fold(value: u64, factor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(team: &Team, owners: impl Iterator<Item = WorkerIdx>) -> Vec<usize> {
        let mut counts = vec![0; usize::from(team.count())];
        owners.for_each(|owner| counts[owner.index()] += 1);
        counts
    }

    #[test]
    fn clients_spread_evenly_over_any_number_of_workers() {
        for count in [1, 2, 3, 7, 12, 64, 96] {
            let team = Team::new(WorkerIdx(0), count, 0x5EED_1234);
            let clients = (0..96_000u32).map(|number| {
                let address = Ipv4Addr::from_bits(0xC633_6400 + number / 1000);
                let l4_port = 1024 + u16::try_from(number % 1000).unwrap();
                team.by_client(address, l4_port)
            });
            let counts = counts(&team, clients);
            let fair = 96_000 / usize::from(count);
            assert!(counts.iter().all(|n| n.abs_diff(fair) < fair / 5 + 20), "{count}: {counts:?}");
        }
    }

    #[test]
    fn every_local_port_has_one_owner_and_nobody_is_short() {
        for count in [1, 2, 3, 7, 64, 96] {
            let team = Team::new(WorkerIdx(0), count, 1);
            for last in 1..4 {
                let lip = Ipv4Addr::new(10, 0, 0, last);
                let ports = LOCAL_PORT_MIN..=u16::MAX;
                let counts = counts(&team, ports.map(|l4_port| team.by_local_port(lip, l4_port)));
                let (least, most) = (counts.iter().min(), counts.iter().max());
                assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
            }
        }
    }
}
