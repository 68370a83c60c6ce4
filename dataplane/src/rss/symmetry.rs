//! Both directions of a NAT connection to one queue, by the client's end alone.
//!
//! NAT rewrites one end of a packet: the client sends from `CIP:cport` to the VIP, and the real
//! server sends from itself to `CIP:cport`. What both have in common is the client's end, as source
//! on one side and as destination on the other. So the port that clients are behind hashes by
//! source alone (DPDK's `RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L4_SRC_ONLY`) and the port that real
//! servers are behind by destination alone (`..._DST_ONLY`).
//!
//! That an end hashes alike in both places asks something of the key. Some NICs pack the fields
//! that are left to the front of the hash's input, where they are at the same place anyway. Others
//! leave them where they are and take zero for the rest; there the source address lies 32 bits
//! before the destination address and the source port 16 bits before the destination port, so the
//! key must repeat every 32 bits under the addresses and every 16 under the ports. The two overlap,
//! and [`RssKey::ONE_END`] simply repeats every 16 bits. It serves both kinds of NIC.
//!
//! It does not serve a port with clients and real servers behind it, which cannot hash some packets
//! by source and others by destination; there packets are handed over.

use super::Toeplitz;
use super::toeplitz::{DST_AT, DST_PORT_AT, SRC_AT, SRC_PORT_AT};

/// Whether an end hashes alike as source and as destination, and alike if it is packed to the
/// front. The hash is linear, so it is enough to look at single bits.
pub(super) fn is_symmetric(hash: &Toeplitz) -> bool {
    let addresses = (0..32).map(|bit| (1_u32 << bit).to_be_bytes());
    let mut ports = (0..16).map(|bit| (1_u16 << bit).to_be_bytes());
    let packed_port_at = DST_AT;
    addresses.into_iter().all(|bit| hash.part(SRC_AT, bit) == hash.part(DST_AT, bit))
        && ports.all(|bit| {
            let as_source = hash.part(SRC_PORT_AT, bit);
            as_source == hash.part(DST_PORT_AT, bit) && as_source == hash.part(packed_port_at, bit)
        })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{HashedEnds, RedirectionTable, RssError, RssKey, RssSteering};

    fn new(key: &RssKey, ends: HashedEnds) -> Result<RssSteering, RssError> {
        RssSteering::new(key, ends, RedirectionTable::even(128, 7).unwrap(), 0)
    }

    #[test]
    fn only_a_key_that_repeats_is_taken_for_one_end() {
        assert!(new(&RssKey::ONE_END, HashedEnds::One).is_ok());
        let error = new(&RssKey::BOTH_ENDS, HashedEnds::One).unwrap_err();
        assert_eq!(error, RssError::AsymmetricKey);
        // Repeating every 32 bits serves the addresses, but not the ports.
        let every_32 = RssKey::new(&[0x6d, 0x5a, 0x56, 0xda].repeat(10)).unwrap();
        assert_eq!(new(&every_32, HashedEnds::One).unwrap_err(), RssError::AsymmetricKey);
    }

    #[test]
    fn clients_are_spread_over_the_queues() {
        let steering = new(&RssKey::ONE_END, HashedEnds::One).unwrap();
        let mut counts = [0_u32; 7];
        for host in 1..=200 {
            for cport in 32_768..32_968 {
                let client = (Ipv4Addr::new(192, 0, 2, host), cport);
                counts[usize::from(steering.queue_of_client(client).unwrap())] += 1;
            }
        }
        let even = 40_000 / 7;
        assert!(counts.iter().all(|count| count.abs_diff(even) < even / 5), "{counts:?}");
        // Where both ends are hashed, one does not tell the queue.
        let both = new(&RssKey::BOTH_ENDS, HashedEnds::Both).unwrap();
        assert_eq!(both.queue_of_client((Ipv4Addr::new(192, 0, 2, 1), 1)), None);
    }
}
