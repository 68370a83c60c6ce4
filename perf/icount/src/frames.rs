//! 60-byte frames of the flows that are counted.

use std::net::Ipv4Addr;

use dataplane::wire::{
    EtherType, EthernetHeader, IpProto, Ipv4Fields, Ipv4Header, Mac, TcpFields, TcpFlags,
    TcpHeader, UdpHeader, tcp, udp,
};

/// Bytes of a frame, without check sequence.
pub const FRAME_LEN: usize = 60;
/// The bytes of a frame.
pub type Bytes = [u8; FRAME_LEN];
/// An address and a transport port.
pub type End = (Ipv4Addr, u16);

/// The client of flow `number`, another for each number below 65536.
#[must_use]
pub fn client(number: u32) -> End {
    let address = Ipv4Addr::from_bits(0xC612_0000 | number.wrapping_mul(40_503) & 0xFFFF);
    let l4_port = 1024 + u16::try_from(number % 60_000).unwrap_or(0);
    (address, l4_port)
}

/// A UDP or TCP frame to one MAC from another.
#[must_use]
pub fn frame((to, from): (Mac, Mac), protocol: u8, src: End, dst: End, flags: TcpFlags) -> Bytes {
    let mut frame = [0; FRAME_LEN];
    let ip = Ipv4Header::new(&Ipv4Fields {
        src: src.0,
        dst: dst.0,
        protocol,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        total_len: 46,
    });
    let emitted = EthernetHeader::new(to, from, EtherType::IPV4).emit(&mut frame);
    let Some(transport) = emitted.and_then(|rest| ip.emit(rest)) else { return frame };
    if protocol == IpProto::UDP {
        let _ = UdpHeader::new(src.1, dst.1, 26).emit(transport);
        udp::fill_checksum(transport, src.0, dst.0);
    } else {
        let (src_port, dst_port) = (src.1, dst.1);
        let fields = TcpFields { src_port, dst_port, seq: 1, ack: 1, flags, window: 1000 };
        let _ = TcpHeader::new(&fields).emit(transport);
        tcp::fill_checksum(transport, src.0, dst.0);
    }
    frame
}
