//! Flows in random order and the frames they send.
//!
//! A flow is a number; its client's address and port follow from it by arithmetic. The order in
//! which flows send is a random permutation that repeats, so that neighbouring packets never are
//! neighbouring flows and no cache line is warm by accident.

use std::net::Ipv4Addr;

use dataplane::wire::{EtherType, EthernetHeader, IpProto, Ipv4Fields, Ipv4Header, Mac, UdpHeader};

/// Flows that one client address has.
const PORTS_PER_CLIENT: u32 = 32_000;
const FIRST_CLIENT: u32 = u32::from_be_bytes([100, 64, 0, 1]);
const FIRST_PORT: u16 = 1024;

/// Bytes of a frame: 64 on the wire, less the check sequence.
pub const FRAME_LEN: usize = 60;

/// Address and port of one end.
pub type End = (Ipv4Addr, u16);

/// The client of flow `number`.
#[must_use]
pub fn client(number: u32) -> End {
    let address = Ipv4Addr::from_bits(FIRST_CLIENT + number / PORTS_PER_CLIENT);
    let offset = u16::try_from(number % PORTS_PER_CLIENT).unwrap_or(0);
    (address, FIRST_PORT + offset)
}

/// A random order of all flows, the same for the same seed.
#[must_use]
pub fn random_order(count: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut state = seed;
    for end in (1..order.len()).rev() {
        let other = splitmix(&mut state) % (end as u64 + 1);
        order.swap(end, usize::try_from(other).unwrap_or(0));
    }
    order
}

/// The next number of the splitmix64 sequence.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A UDP frame of [`FRAME_LEN`] bytes. Its UDP checksum is a constant other than zero: the packet
/// path updates it and never looks whether it is right.
#[must_use]
pub fn udp_frame(macs: (Mac, Mac), src: End, dst: End) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    let udp_len = FRAME_LEN - EthernetHeader::LEN - Ipv4Header::LEN;
    let ip = Ipv4Header::new(&Ipv4Fields {
        src: src.0,
        dst: dst.0,
        protocol: IpProto::UDP,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        total_len: u16::try_from(Ipv4Header::LEN + udp_len).unwrap_or(0),
    });
    let mut udp = UdpHeader::new(src.1, dst.1, u16::try_from(udp_len).unwrap_or(0));
    udp.set_checksum(0x5555);
    EthernetHeader::new(macs.1, macs.0, EtherType::IPV4)
        .emit(&mut frame)
        .and_then(|rest| ip.emit(rest))
        .and_then(|rest| udp.emit(rest));
    frame
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_flows_have_the_same_client() {
        let clients: HashSet<End> = (0..100_000).map(client).collect();
        assert_eq!(clients.len(), 100_000);
    }

    #[test]
    fn the_order_is_a_permutation_without_runs() {
        let order = random_order(10_000, 7);
        let neighbours = order.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count();
        assert!(neighbours < 20, "{neighbours} neighbours stayed together");
        let mut sorted = order;
        sorted.sort_unstable();
        assert!((0..10_000).eq(sorted));
    }
}
