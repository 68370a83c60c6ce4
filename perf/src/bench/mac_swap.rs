//! The ceiling: a loop that receives, swaps MAC addresses and sends at the other port, with no more
//! than that.

use dataplane::buf::PacketBuf;
use dataplane::io::{Burst, Ports};
use dataplane::wire::EthernetHeader;
use dpdk::Mbuf;

use crate::generator::{LAN, WAN};

/// One turn of the loop.
#[inline]
pub fn turn(ports: &mut impl Ports<Mbuf>) {
    turn_with(ports, swap);
}

/// One turn of a loop that does something else with the bursts.
#[inline(always)]
pub fn turn_with(ports: &mut impl Ports<Mbuf>, mut work: impl FnMut(&mut Burst<Mbuf>)) {
    for (from, to) in [(WAN, LAN), (LAN, WAN)] {
        let mut burst = Burst::new();
        ports.rx_burst(from, &mut burst);
        if !burst.is_empty() {
            work(&mut burst);
            ports.tx_burst(to, &mut burst);
        }
    }
}

/// Makes source and destination of every frame change places.
#[inline]
pub fn swap(burst: &mut Burst<Mbuf>) {
    for frame in burst {
        if let Some(header) = EthernetHeader::read_mut(frame.bytes_mut()) {
            let (dst, src) = (header.src, header.dst);
            header.set_addresses(dst, src);
        }
    }
}
