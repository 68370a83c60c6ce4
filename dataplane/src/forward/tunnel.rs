//! TUN: the packet travels to the real server inside another IPv4 packet (RFC 2003).

use std::net::Ipv4Addr;

use crate::buf::{PacketBuf, TxChecksum};
use crate::parse::L3_OFFSET;
use crate::wire::{IpProto, Ipv4Fields, Ipv4Header, ipv4};

/// Bytes that the outer header adds.
pub const TUNNEL_OVERHEAD: u16 = 20;

/// Both ends of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelEnds {
    /// The director's address towards the real server.
    pub src: Ipv4Addr,
    /// RIP.
    pub dst: Ipv4Addr,
}

/// Puts an outer header in front of the packet, whose own TTL has been decremented already. TTL,
/// TOS (with ECN) and DF are those of the inner header; `id` is used where DF is not set. With
/// `nic_fills` the port computes the outer header's checksum. False, and nothing changed, if there
/// is no headroom.
#[inline]
#[must_use]
pub fn encapsulate<B: PacketBuf>(
    frame: &mut B,
    ends: TunnelEnds,
    id: u16,
    nic_fills: bool,
) -> bool {
    let Some(inner) = Ipv4Header::read(&frame.bytes()[L3_OFFSET..]) else { return false };
    let dont_fragment = inner.dont_fragment();
    let mut outer = Ipv4Header::new(&Ipv4Fields {
        src: ends.src,
        dst: ends.dst,
        protocol: IpProto::IPIP,
        ttl: inner.ttl(),
        tos: inner.tos(),
        id: if dont_fragment { 0 } else { id },
        dont_fragment,
        total_len: inner.total_len().saturating_add(TUNNEL_OVERHEAD),
    });
    if nic_fills {
        outer.set_checksum(0);
    }
    // The outer header takes the place of the old Ethernet header, a new one goes before it.
    let Some(bytes) = frame.prepend(usize::from(TUNNEL_OVERHEAD)) else { return false };
    if outer.emit(&mut bytes[L3_OFFSET..]).is_none() {
        return false;
    }
    if nic_fills {
        #[expect(clippy::cast_possible_truncation, reason = "an Ethernet header has 14 bytes")]
        let l2_len = L3_OFFSET as u8;
        frame.request_tx_checksum(TxChecksum::Ipv4 { l2_len, l3_len: TUNNEL_OVERHEAD });
    } else {
        debug_assert!(ipv4::checksum_ok(&frame.bytes()[L3_OFFSET..]));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbuf::TestBuf;
    use crate::testing::PacketSpec;

    #[test]
    fn without_headroom_nothing_changes() {
        let frame = PacketSpec::udp("198.51.100.7:4000", "192.0.2.10:53").frame();
        let ends = TunnelEnds { src: Ipv4Addr::new(10, 0, 0, 2), dst: Ipv4Addr::new(10, 0, 0, 11) };
        let mut buf = TestBuf::with_room(&frame, 19, 0);
        assert!(!encapsulate(&mut buf, ends, 1, false));
        assert_eq!(buf.to_vec(), frame);
        let mut buf = TestBuf::with_room(&frame, 20, 0);
        assert!(encapsulate(&mut buf, ends, 1, false));
        assert_eq!(buf.to_vec()[34..], frame[14..]);
    }
}
