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
    for (from, to) in [(WAN, LAN), (LAN, WAN)] {
        let mut burst = Burst::new();
        ports.rx_burst(from, &mut burst);
        for frame in &mut burst {
            if let Some(header) = EthernetHeader::read_mut(frame.bytes_mut()) {
                let (dst, src) = (header.src, header.dst);
                header.set_addresses(dst, src);
            }
        }
        if !burst.is_empty() {
            ports.tx_burst(to, &mut burst);
        }
    }
}
