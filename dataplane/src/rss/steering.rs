//! [`RssSteering`]: the queues that NICs put packets in, and the local ports whose replies come to
//! the worker's own.
//!
//! FULLNAT chooses where a real server's packets go: to `LIP:lport`. Their hash is that of the real
//! server's end and the LIP, which is one number, exclusive-or what the lport contributes, because
//! the hash is linear. Of the hash only the redirection table's index matters, a few bits. So the
//! 16 bits of an lport are mapped to those few by a linear map that depends on the key alone, and
//! for each index the ports that lead to it are one of them, exclusive-or any member of the map's
//! kernel (the ports that contribute nothing). One port per index and the kernel are kept: a few
//! KiB, from which the n-th port that replies come back by is read without a search.
//!
//! Every port leads to exactly one index and each index to one queue, so no port belongs to two
//! workers and none to nobody. That is true for each real server and LIP separately: the same port
//! belongs to another worker towards another real server.

use std::net::Ipv4Addr;

use super::toeplitz::{DST_AT, DST_PORT_AT, SRC_AT, SRC_PORT_AT};
use super::{RedirectionTable, RssError, RssKey, Toeplitz, symmetry};

/// An address and an L4 port.
type End = (Ipv4Addr, u16);

/// What of a packet the NICs hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashedEnds {
    /// Both addresses and both L4 ports, which is the usual.
    Both,
    /// One end: the source where clients are, the destination where real servers are. Both
    /// directions of NAT then come to one queue (`symmetry.rs`).
    One,
}

/// Computes queues and local ports for one worker.
#[derive(Debug)]
pub struct RssSteering {
    hash: Toeplitz,
    ends: HashedEnds,
    table: RedirectionTable,
    queue: u16,
    /// The table's indices that lead to the queue.
    own_indices: Box<[u16]>,
    ports: PortsByIndex,
}

/// Which ports contribute which index.
#[derive(Debug)]
struct PortsByIndex {
    /// For each index, a port that contributes it.
    port_of_index: Box<[u16]>,
    /// The ports that contribute nothing; their number is a power of two.
    kernel: Box<[u16]>,
}

impl RssSteering {
    /// For the worker that polls `queue` of ports with this key and table.
    pub fn new(
        key: &RssKey,
        ends: HashedEnds,
        table: RedirectionTable,
        queue: u16,
    ) -> Result<Self, RssError> {
        let hash = Toeplitz::new(key);
        if ends == HashedEnds::One && !symmetry::is_symmetric(&hash) {
            return Err(RssError::AsymmetricKey);
        }
        let own_indices: Box<[u16]> =
            (0_u16..).zip(table.queues()).filter(|(_, q)| **q == queue).map(|(i, _)| i).collect();
        if own_indices.is_empty() {
            return Err(RssError::NoSuchQueue(queue));
        }
        let ports = PortsByIndex::new(&hash, table.index_bits())?;
        Ok(Self { hash, ends, table, queue, own_indices, ports })
    }

    /// The worker's queue.
    #[must_use]
    pub fn queue(&self) -> u16 {
        self.queue
    }

    /// Ports whose replies come to the worker, for each real server and LIP; those below 1024 are
    /// among them.
    #[inline]
    #[must_use]
    pub fn port_count(&self) -> u32 {
        // At most 65536, as the two are parts of all ports.
        #[expect(clippy::cast_possible_truncation, reason = "at most 65536")]
        let count = (self.own_indices.len() * self.ports.kernel.len()) as u32;
        count
    }

    /// What the replies of `real` to `lip` have in common, for [`Self::nth_port`].
    #[inline]
    #[must_use]
    pub fn base(&self, real: End, lip: Ipv4Addr) -> u32 {
        let lip = self.hash.part(DST_AT, lip.octets());
        match self.ends {
            HashedEnds::Both => {
                lip ^ self.hash.part(SRC_AT, real.0.octets())
                    ^ self.hash.part(SRC_PORT_AT, real.1.to_be_bytes())
            }
            HashedEnds::One => lip,
        }
    }

    /// The `n`-th port, of [`Self::port_count`], whose replies come to the worker; larger `n` begin
    /// anew. For any two `n` below the count the ports differ.
    #[inline]
    #[must_use]
    pub fn nth_port(&self, base: u32, n: u32) -> u16 {
        let PortsByIndex { port_of_index, kernel } = &self.ports;
        let n = n as usize;
        let own = self.own_indices[n / kernel.len() % self.own_indices.len()];
        let index = (base as usize ^ usize::from(own)) & (port_of_index.len() - 1);
        port_of_index[index] ^ kernel[n & (kernel.len() - 1)]
    }

    /// The queue that the replies of `real` to a local end come to, whichever worker's it is.
    #[inline]
    #[must_use]
    pub fn queue_of_reply(&self, real: End, (lip, lport): End) -> u16 {
        let hash = self.base(real, lip) ^ self.hash.part(DST_PORT_AT, lport.to_be_bytes());
        self.table.queue_of(hash)
    }

    /// The queue that a client's packets to `to` come to.
    #[inline]
    #[must_use]
    pub fn queue_of_request(&self, client: End, to: End) -> u16 {
        match self.queue_of_client(client) {
            Some(queue) => queue,
            None => self.table.queue_of(self.hash.ipv4_ports(client, to)),
        }
    }

    /// The queue of all packets from and to a client's end; `None` where the other end matters,
    /// too.
    #[inline]
    #[must_use]
    pub fn queue_of_client(&self, (address, cport): End) -> Option<u16> {
        let hash = || {
            self.hash.part(SRC_AT, address.octets())
                ^ self.hash.part(SRC_PORT_AT, cport.to_be_bytes())
        };
        (self.ends == HashedEnds::One).then(|| self.table.queue_of(hash()))
    }
}

impl PortsByIndex {
    /// Inverts the map from ports to the hash's lowest `index_bits`.
    fn new(hash: &Toeplitz, index_bits: u32) -> Result<Self, RssError> {
        let mask = (1_u32 << index_bits) - 1;
        // Pairs of an index and a port that leads to it; each index has a highest bit of its own,
        // and the higher stand first.
        let mut basis: Vec<(u32, u16)> = Vec::new();
        let mut kernel = vec![0_u16];
        for bit in 0..16 {
            let port = 1_u16 << bit;
            let index = hash.part(DST_PORT_AT, port.to_be_bytes()) & mask;
            let (index, port) = reduce(&basis, (index, port));
            if index == 0 {
                let with: Vec<u16> = kernel.iter().map(|member| member ^ port).collect();
                kernel.extend(with);
            } else {
                basis.push((index, port));
                basis.sort_unstable_by_key(|&(index, _)| std::cmp::Reverse(index));
            }
        }
        let rank = basis.len().try_into().unwrap_or(u32::MAX);
        if rank < index_bits {
            return Err(RssError::WeakKey { rank, wanted: index_bits });
        }
        let port_of_index = (0..=mask).map(|index| reduce(&basis, (index, 0)).1).collect();
        Ok(Self { port_of_index, kernel: kernel.into() })
    }
}

/// Takes away from `index` what the basis can make, and notes by which port.
fn reduce(basis: &[(u32, u16)], start: (u32, u16)) -> (u32, u16) {
    basis.iter().fold(start, |(index, port), &(other_index, other_port)| {
        if index ^ other_index < index {
            (index ^ other_index, port ^ other_port)
        } else {
            (index, port)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 1, 2, 3), 8080);
    const LIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

    #[test]
    fn our_keys_serve_every_table() {
        for bits in 0..=11 {
            let table = RedirectionTable::even(1 << bits, 1).unwrap();
            for key in [RssKey::BOTH_ENDS, RssKey::ONE_END] {
                for ends in [HashedEnds::Both, HashedEnds::One] {
                    let made = RssSteering::new(&key, ends, table.clone(), 0);
                    if key == RssKey::BOTH_ENDS && ends == HashedEnds::One {
                        assert_eq!(made.unwrap_err(), RssError::AsymmetricKey);
                    } else {
                        assert_eq!(made.unwrap().port_count(), 65_536);
                    }
                }
            }
        }
    }

    #[test]
    fn the_nth_ports_are_those_that_come_to_the_queue() {
        let table = RedirectionTable::even(128, 3).unwrap();
        let steering =
            RssSteering::new(&RssKey::BOTH_ENDS, HashedEnds::Both, table.clone(), 2).unwrap();
        let hash = Toeplitz::new(&RssKey::BOTH_ENDS);
        let mut wanted: Vec<u16> = (0..=u16::MAX)
            .filter(|&lport| table.queue_of(hash.ipv4_ports(REAL, (LIP, lport))) == 2)
            .collect();
        let base = steering.base(REAL, LIP);
        let mut found: Vec<u16> =
            (0..steering.port_count()).map(|n| steering.nth_port(base, n)).collect();
        assert!(found.iter().all(|&lport| steering.queue_of_reply(REAL, (LIP, lport)) == 2));
        assert_eq!(steering.nth_port(base, steering.port_count()), found[0]);
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_cannot_be_steered_is_refused() {
        let table = RedirectionTable::even(128, 3).unwrap();
        let new = |key, queue| RssSteering::new(key, HashedEnds::Both, table.clone(), queue);
        assert_eq!(new(&RssKey::BOTH_ENDS, 3).unwrap_err(), RssError::NoSuchQueue(3));
        // Every bit of a port contributes the same under a key of ones: rank 1.
        let ones = RssKey::new(&[0xff; 40]).unwrap();
        assert_eq!(new(&ones, 0).unwrap_err(), RssError::WeakKey { rank: 1, wanted: 7 });
    }
}
