//! Frames from a template: all that differs from flow to flow is stamped into a copy.
//!
//! Checksums are right, so that what comes back can be checked. UDP frames carry the client's
//! address and port inverted behind the UDP header: that tells the flow of a packet wherever it
//! comes out, and keeps the UDP checksum the same for all flows, since a word and its inverse sum
//! up to nothing.

use std::net::Ipv4Addr;

use dataplane::wire::checksum::{Sum, pseudo_header_v4};
use dataplane::wire::{
    EtherType, EthernetHeader, IpProto, Ipv4Fields, Ipv4Header, Mac, TcpFields, TcpFlags,
    TcpHeader, UdpHeader, udp,
};

use crate::bench::traffic::End;

/// Length of the shortest frame, without the check sequence. All headers are within.
pub const FRAME_LEN_MIN: usize = 60;

/// Shortest and longest frame that can be asked for, likewise.
pub const FRAME_LEN_RANGE: std::ops::RangeInclusive<usize> = FRAME_LEN_MIN..=1514;

const IP: usize = EthernetHeader::LEN;
const L4: usize = IP + Ipv4Header::LEN;
const IP_CHECKSUM: usize = IP + 10;
const IP_SRC: usize = IP + 12;
const UDP_TAG: usize = L4 + UdpHeader::LEN;
const TAG_LEN: usize = 6;
const TCP_SEQ: usize = L4 + 4;
const TCP_CHECKSUM: usize = L4 + 16;

/// What all requests of a run have in common.
#[derive(Clone, Debug)]
pub struct Template {
    head: [u8; FRAME_LEN_MIN],
    /// What follows in longer frames.
    rest: Box<[u8]>,
    ip_sum: Sum,
    /// Of TCP frames: the sum without the client and the sequence number.
    tcp_sum: Option<Sum>,
}

impl Template {
    /// UDP datagrams to `service` in frames of `frame_len` bytes.
    #[must_use]
    pub fn udp(macs: (Mac, Mac), service: End, frame_len: usize) -> Self {
        let mut bytes = vec![0; frame_len.max(FRAME_LEN_MIN)];
        let ip_len = bytes.len() - IP;
        emit_ip(&mut bytes, macs, IpProto::UDP, service.0, ip_len);
        let udp_len = ip_len - Ipv4Header::LEN;
        let header = UdpHeader::new(0, service.1, u16::try_from(udp_len).unwrap_or(0));
        let _payload = header.emit(&mut bytes[L4..]);
        // Stands for a client and its tag, whatever they are.
        bytes[UDP_TAG..UDP_TAG + TAG_LEN].fill(0xff);
        udp::fill_checksum(&mut bytes[L4..], Ipv4Addr::UNSPECIFIED, service.0);
        Self::new(&bytes, None)
    }

    /// TCP segments with `flags` to `service`, as short as a frame can be.
    #[must_use]
    pub fn tcp(macs: (Mac, Mac), service: End, flags: TcpFlags) -> Self {
        let mut bytes = [0; FRAME_LEN_MIN];
        let ip_len = Ipv4Header::LEN + TcpHeader::LEN;
        emit_ip(&mut bytes, macs, IpProto::TCP, service.0, ip_len);
        let fields =
            TcpFields { dst_port: service.1, flags, window: 65_535, ..TcpFields::default() };
        let _padding = TcpHeader::new(&fields).emit(&mut bytes[L4..]);
        let segment = &bytes[L4..IP + ip_len];
        let len = u16::try_from(segment.len()).unwrap_or(0);
        let pseudo = pseudo_header_v4(Ipv4Addr::UNSPECIFIED, service.0, IpProto::TCP, len);
        Self::new(&bytes, Some(pseudo.bytes(segment)))
    }

    fn new(bytes: &[u8], tcp_sum: Option<Sum>) -> Self {
        let mut head = [0; FRAME_LEN_MIN];
        let (first, rest) = bytes.split_at(FRAME_LEN_MIN);
        head.copy_from_slice(first);
        // The IP header without source address and checksum.
        let ip_sum = Sum::of(&bytes[IP..IP_CHECKSUM]).bytes(&bytes[IP_SRC..L4]);
        Self { head, rest: rest.into(), ip_sum, tcp_sum }
    }

    /// The bytes of a frame.
    #[inline]
    #[must_use]
    pub fn frame_len(&self) -> usize {
        FRAME_LEN_MIN + self.rest.len()
    }

    /// Writes `client`'s frame into `frame`, which is as long as the template. `seq` is the
    /// sequence number of TCP.
    #[inline]
    pub fn stamp(&self, frame: &mut [u8], (address, port): End, seq: u32) {
        debug_assert_eq!(frame.len(), self.frame_len());
        // Lengths that are known are copied without a call.
        let Some((head, rest)) = frame.split_first_chunk_mut() else { return };
        *head = self.head;
        if !rest.is_empty() {
            rest.copy_from_slice(&self.rest);
        }
        let ip_checksum = self.ip_sum.addr(address).finish();
        put(head, IP_CHECKSUM, ip_checksum.to_be_bytes());
        put(head, IP_SRC, address.octets());
        put(head, L4, port.to_be_bytes());
        if let Some(sum) = self.tcp_sum {
            put(head, TCP_SEQ, seq.to_be_bytes());
            let tcp_checksum = sum.addr(address).u16(port).u32(seq).finish();
            put(head, TCP_CHECKSUM, tcp_checksum.to_be_bytes());
        } else {
            put(head, UDP_TAG, (!address.to_bits()).to_be_bytes());
            put(head, UDP_TAG + 4, (!port).to_be_bytes());
        }
    }
}

/// Writes a field of a frame; all of them are at constant places in its shortest part.
#[inline(always)]
#[allow(clippy::inline_always, reason = "no check is left where the place is a constant")]
pub(super) fn put<const N: usize>(head: &mut [u8; FRAME_LEN_MIN], place: usize, field: [u8; N]) {
    head[place..place + N].copy_from_slice(&field);
}

/// The client that the tag in a UDP payload names.
#[inline]
#[must_use]
pub fn tagged_client(payload: &[u8]) -> Option<End> {
    let [a, b, c, d, high, low] = payload.first_chunk::<TAG_LEN>()?.map(|byte| !byte);
    Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
}

fn emit_ip(bytes: &mut [u8], macs: (Mac, Mac), protocol: u8, dst: Ipv4Addr, ip_len: usize) {
    let ip = Ipv4Header::new(&Ipv4Fields {
        src: Ipv4Addr::UNSPECIFIED,
        dst,
        protocol,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        total_len: u16::try_from(ip_len).unwrap_or(0),
    });
    EthernetHeader::new(macs.1, macs.0, EtherType::IPV4).emit(bytes).and_then(|rest| ip.emit(rest));
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::wire::{ipv4, tcp};

    const MACS: (Mac, Mac) = (Mac([2, 0, 0, 0, 0, 9]), Mac([2, 0, 0, 0, 0, 1]));
    const SERVICE: End = (Ipv4Addr::new(192, 0, 2, 10), 53);
    const CLIENTS: [End; 3] = [
        (Ipv4Addr::new(100, 64, 0, 1), 1024),
        (Ipv4Addr::new(100, 127, 255, 254), 65_535),
        (Ipv4Addr::new(255, 255, 255, 255), 1),
    ];

    #[test]
    fn udp_frames_carry_right_checksums_and_their_client() {
        for len in [60, 61, 590, 1514] {
            let template = Template::udp(MACS, SERVICE, len);
            let mut frame = vec![0xaa; len];
            for client in CLIENTS {
                template.stamp(&mut frame, client, 0);
                let ip = ipv4::check(&frame[IP..]).unwrap();
                assert!(ipv4::checksum_ok(&frame[IP..]), "{client:?}");
                assert_eq!((ip.header.src(), ip.header.dst()), (client.0, SERVICE.0));
                assert_eq!(usize::from(ip.header.total_len()), len - IP);
                assert!(udp::checksum_ok(&frame[L4..], client.0, SERVICE.0), "{client:?}, {len}");
                let (header, payload) = UdpHeader::split(&frame[L4..]).unwrap();
                assert_eq!((header.src_port(), header.dst_port()), (client.1, SERVICE.1));
                assert_eq!(tagged_client(payload), Some(client));
            }
        }
    }

    #[test]
    fn tcp_frames_carry_right_checksums_and_their_sequence_number() {
        let template = Template::tcp(MACS, SERVICE, TcpFlags::SYN);
        let mut frame = vec![0xaa; template.frame_len()];
        for (client, seq) in CLIENTS.into_iter().zip([0, 77, u32::MAX]) {
            template.stamp(&mut frame, client, seq);
            assert!(ipv4::checksum_ok(&frame[IP..]));
            let segment = &frame[L4..L4 + TcpHeader::LEN];
            assert!(tcp::checksum_ok(segment, client.0, SERVICE.0), "{client:?}");
            let header = TcpHeader::read(segment).unwrap();
            assert_eq!((header.seq(), header.src_port()), (seq, client.1));
            assert_eq!(header.flags(), TcpFlags::SYN);
        }
    }

    #[test]
    fn a_payload_without_room_names_nobody() {
        assert_eq!(tagged_client(&[0; 5]), None);
    }
}
