//! Which worker owns a flow, computed from a packet alone: arithmetic, never a shared table.
//!
//! Without help from NICs, requests and replies of NAT belong to the worker that the *client's*
//! address and port lead to, so both directions agree. A FULLNAT reply belongs to the worker that
//! its local address and port lead to: a worker only uses local ports of its own. Where NICs hash
//! as they were told ([`crate::rss`]), the owner is whose queue the hash leads to, so that packets
//! arrive there; it is computed nevertheless, since not every port of a machine can be told.
//!
//! Fragments beyond the first have no ports, so all fragments of a datagram first meet at the
//! worker that their addresses and identification lead to; it learns the owner from the first of
//! them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use crate::flow::FlowKey;
use crate::forward::{LocalPortShare, PortClasses};
use crate::fragment::TrainKey;
use crate::persistence::TemplateKey;
use crate::rss::RssSteering;
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
#[derive(Clone, Debug)]
pub struct Team {
    me: WorkerIdx,
    count: u16,
    seed: u64,
    /// The local ports of this worker, and by the same arithmetic those of all others.
    share: LocalPortShare,
    /// How NICs hash clients' packets, if any does as it was told.
    hashing: Option<Arc<RssSteering>>,
}

impl Team {
    /// Worker `me` of `count` (at least 1), without help from NICs. `seed` is the same for all and
    /// should be random, so that nobody can choose client ports that lead to one worker.
    #[must_use]
    pub fn new(me: WorkerIdx, count: u16, seed: u64) -> Self {
        let count = count.max(1);
        // There are more local ports than any number of workers.
        let by_port = PortClasses::by_port(count).map(|all| LocalPortShare::Classes(all, me.0));
        Self { me, count, seed, share: by_port.unwrap_or_default(), hashing: None }
    }

    /// The same worker where NICs steer. The workers' local ports are divided like `share`, which
    /// is the one of this worker; NICs that hash as they were told hash like `hashing`.
    #[must_use]
    pub fn steered(self, share: LocalPortShare, hashing: Option<Arc<RssSteering>>) -> Self {
        Self { share, hashing, ..self }
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

    /// The local ports of this worker.
    #[must_use]
    pub fn share(&self) -> &LocalPortShare {
        &self.share
    }

    /// The owner of the flow that a packet with `key` belongs to.
    #[inline]
    #[must_use]
    pub fn owner(&self, snapshot: &Snapshot, key: &FlowKey) -> WorkerIdx {
        let src = (key.src_ipv4(), key.src_port());
        let dst = (key.dst_ipv4(), key.dst_port());
        match (snapshot.address_use(dst.0), &self.hashing) {
            (Some(AddressUse::Local), _) => {
                // Nobody uses well-known ports, so packets to them stay where they are.
                self.share.owner(src, dst).map_or(self.me, WorkerIdx)
            }
            (Some(AddressUse::Vip | AddressUse::Own), Some(hashing)) => {
                WorkerIdx(hashing.queue_of_request(src, dst))
            }
            (Some(AddressUse::Vip | AddressUse::NatVip | AddressUse::Own), _) => {
                self.by_client(src.0, src.1)
            }
            // To the service of a mark, wherever that is.
            (None, _) if snapshot.marks.covers(dst.0) => self.by_client(src.0, src.1),
            // From a NAT real server to its client.
            (None, _) => self.by_client(dst.0, dst.1),
        }
    }

    /// The owner of a client's flows of NAT, and of all its flows where no NIC hashes as told.
    #[inline]
    #[must_use]
    pub fn by_client(&self, address: Ipv4Addr, l4_port: u16) -> WorkerIdx {
        let hashing = self.hashing.as_ref();
        match hashing.and_then(|hashing| hashing.queue_of_client((address, l4_port))) {
            Some(queue) => WorkerIdx(queue),
            None => self.spread(u64::from(address.to_bits()) << 16 | u64::from(l4_port)),
        }
    }

    /// The worker at which the fragments of a datagram meet.
    #[must_use]
    pub fn by_train(&self, train: &TrainKey) -> WorkerIdx {
        self.spread(train.fingerprint())
    }

    /// The owner of the persistence template with this key.
    #[must_use]
    pub fn by_template(&self, key: &TemplateKey) -> WorkerIdx {
        self.spread(key.fingerprint())
    }

    /// A hash of what names a call, the same at all workers.
    #[must_use]
    pub fn hash_of_call(&self, name: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.seed, self.seed.rotate_left(32)).hash(name)
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
}
