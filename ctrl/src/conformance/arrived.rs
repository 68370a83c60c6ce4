//! [`Arrived`]: what a script needs to know of a frame that came out.

use std::net::{Ipv4Addr, SocketAddrV4};

use dataplane::wire::TcpFlags;

pub(super) const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
// Numbers of protocols in the IP header.
const ICMP: u8 = 1;
const IPIP: u8 = 4;
const TCP: u8 = 6;

/// A packet, without the tunnel that it may be in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) src: SocketAddrV4,
    pub(super) dst: SocketAddrV4,
    pub(super) is_icmp: bool,
    pub(super) is_reset: bool,
    /// The end of its tunnel.
    pub(super) tunnel: Option<Ipv4Addr>,
}

impl Arrived {
    pub(super) fn of(frame: &[u8]) -> Self {
        let outer = &frame[ETHERNET_LEN..];
        let tunnel = (outer[9] == IPIP).then(|| address(&outer[16..20]));
        let packet = if tunnel.is_some() { &outer[IPV4_LEN..] } else { outer };
        let end = |at: usize, port_at: usize| {
            let l4_port = u16::from_be_bytes(packet[port_at..port_at + 2].try_into().unwrap());
            SocketAddrV4::new(address(&packet[at..at + 4]), l4_port)
        };
        Self {
            src: end(12, 20),
            dst: end(16, 22),
            is_icmp: packet[9] == ICMP,
            is_reset: packet[9] == TCP && packet[33] & TcpFlags::RST.0 != 0,
            tunnel,
        }
    }
}

/// Whether the IPv4 headers of a frame, in a tunnel both of them, have this TOS, TTL and
/// don't-fragment.
pub(super) fn has_header(frame: &[u8], expected: (u8, u8, bool)) -> bool {
    let has = |packet: &[u8]| (packet[1], packet[8], packet[6] & 0x40 != 0) == expected;
    let outer = &frame[ETHERNET_LEN..];
    has(outer) && (outer[9] != IPIP || has(&outer[IPV4_LEN..]))
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    let octets: [u8; 4] = bytes.try_into().unwrap();
    octets.into()
}
