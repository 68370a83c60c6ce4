//! Many clients of the UDP service, for tests of several workers.

use std::net::{Ipv4Addr, SocketAddrV4};

use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::wire::{Ipv4Header, UdpHeader};

use super::VIP;

/// A client of its own for each number.
pub(crate) fn client(number: u16) -> SocketAddrV4 {
    let [high, low] = number.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(198, 51, high, low), 20_000 + number)
}

/// Its datagram to [`VIP`], which differs from those of others.
pub(crate) fn request(number: u16) -> PacketSpec {
    let from = client(number);
    PacketSpec::udp((*from.ip(), from.port()), VIP).payload(number.to_be_bytes())
}

/// Source and destination of a UDP frame without IP options.
pub(crate) fn ends(frame: &[u8]) -> (SocketAddrV4, SocketAddrV4) {
    let (ip, rest) = Ipv4Header::split(&frame[14..]).expect("an IPv4 packet");
    let udp = UdpHeader::read(rest).expect("a UDP packet");
    (SocketAddrV4::new(ip.src(), udp.src_port()), SocketAddrV4::new(ip.dst(), udp.dst_port()))
}
