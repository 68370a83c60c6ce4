//! TCP segments as connections of the benchmark need them: read from a frame, and written into one.
//!
//! A segment is always written whole, from values: to change the one that came in would mean
//! reading what was just written, which costs more than all the writing.

use std::net::Ipv4Addr;

use dataplane::wire::checksum::{Sum, pseudo_header_v4};
use dataplane::wire::{
    EtherType, EthernetHeader, IpProto, Ipv4Fields, Ipv4Header, Mac, TcpFields, TcpFlags,
    TcpHeader, ipv4, tcp,
};

use super::arp::NEIGHBOR;
use super::check::Fault;
use super::frame::{FRAME_LEN_MIN, put};
use crate::bench::traffic::End;

/// A frame with a segment in it.
pub type Frame = [u8; FRAME_LEN_MIN];

/// Payload of a request and of a response: what the shortest frame has room for.
pub const PAYLOAD_LEN: u16 = 6;

const IP: usize = EthernetHeader::LEN;
const TCP: usize = IP + Ipv4Header::LEN;
const HEADERS: usize = TCP + TcpHeader::LEN;
const IP_CHECKSUM: usize = IP + 10;
const _: () = assert!(HEADERS + PAYLOAD_LEN as usize == FRAME_LEN_MIN);
/// Lengths as IP has them: of its header and TCP's, and of TCP's.
const IP_LEN: u16 = 40;
const TCP_LEN: u16 = 20;
const _: () = assert!(IP_LEN as usize == HEADERS - IP && TCP_LEN as usize == TcpHeader::LEN);

/// A segment and between whom it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// MAC addresses of the receiver and the sender.
    pub macs: (Mac, Mac),
    /// Who sends it.
    pub src: End,
    /// Who gets it.
    pub dst: End,
    /// Sequence number.
    pub seq: u32,
    /// The next sequence number of the other side.
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Bytes behind the header: none, or [`PAYLOAD_LEN`] when it is to be written.
    pub payload_len: u16,
}

impl Segment {
    /// The segment in a frame; none if there is none, or it has options.
    #[inline]
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        // One check of the length for all that follows.
        let headers: &[u8; HEADERS] = frame.first_chunk()?;
        let (ethernet, packet) = EthernetHeader::split(headers)?;
        let (ip, transport) = Ipv4Header::split(packet)?;
        let tcp = TcpHeader::read(transport)?;
        let is_plain = ethernet.ether_type() == EtherType::IPV4
            && (ip.version(), ip.header_len()) == (4, Ipv4Header::LEN)
            && (ip.protocol(), tcp.header_len()) == (IpProto::TCP, TcpHeader::LEN);
        is_plain.then_some(())?;
        Some(Self {
            macs: (ethernet.dst, ethernet.src),
            src: (ip.src(), tcp.src_port()),
            dst: (ip.dst(), tcp.dst_port()),
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags(),
            payload_len: ip.total_len().checked_sub(IP_LEN)?,
        })
    }

    /// The answer of the one who got it, with these flags and so many bytes.
    #[inline]
    #[must_use]
    pub fn answer(&self, flags: TcpFlags, payload_len: u16) -> Self {
        let starts = u32::from(self.flags.intersects(SYN_FIN));
        Self {
            macs: (self.macs.1, self.macs.0),
            src: self.dst,
            dst: self.src,
            // Real servers number from zero, so that a client's acknowledgement is their next one.
            seq: if self.flags == TcpFlags::SYN { 0 } else { self.ack },
            ack: self.seq.wrapping_add(starts + u32::from(self.payload_len)),
            flags,
            payload_len,
        }
    }
}

const SYN_FIN: TcpFlags = TcpFlags::SYN.union(TcpFlags::FIN);

/// What all segments have in common.
#[derive(Clone, Debug)]
pub struct Blank {
    frame: Frame,
    /// Of the IP header, without what differs.
    ip_sum: Sum,
    /// Of TCP likewise: without and with payload.
    tcp_sums: [Sum; 2],
}

impl Default for Blank {
    fn default() -> Self {
        let mut frame = [0; FRAME_LEN_MIN];
        let ip = Ipv4Header::new(&Ipv4Fields {
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
            protocol: IpProto::TCP,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: true,
            total_len: 0,
        });
        let tcp = TcpHeader::new(&TcpFields { window: 65_535, ..TcpFields::default() });
        EthernetHeader::new(NEIGHBOR, NEIGHBOR, EtherType::IPV4)
            .emit(&mut frame)
            .and_then(|rest| ip.emit(rest))
            .and_then(|rest| tcp.emit(rest));
        frame[HEADERS..].fill(b'.');
        let pseudo = pseudo_header_v4(ip.src(), ip.dst(), IpProto::TCP, 0);
        let tcp_sums = [&frame[TCP..HEADERS], &frame[TCP..]].map(|bytes| pseudo.bytes(bytes));
        Self { frame, ip_sum: Sum::of(&frame[IP..IP_CHECKSUM]), tcp_sums }
    }
}

impl Blank {
    /// Writes a segment into `frame`.
    #[inline]
    pub fn write(&self, frame: &mut Frame, segment: &Segment) {
        let Segment { macs, src, dst, seq, ack, flags, payload_len } = *segment;
        let (ip_len, tcp_len) = (IP_LEN + payload_len, TCP_LEN + payload_len);
        let ip_sum = self.ip_sum.u16(ip_len).addr(src.0).addr(dst.0);
        let tcp_sum = self.tcp_sums[usize::from(payload_len > 0)].u16(tcp_len).u16(flags.0.into());
        let tcp_sum = tcp_sum.addr(src.0).addr(dst.0).u16(src.1).u16(dst.1).u32(seq).u32(ack);
        *frame = self.frame;
        put(frame, 0, macs.0.0);
        put(frame, 6, macs.1.0);
        put(frame, IP + 2, ip_len.to_be_bytes());
        put(frame, IP_CHECKSUM, ip_sum.finish().to_be_bytes());
        put(frame, IP + 12, src.0.octets());
        put(frame, IP + 16, dst.0.octets());
        put(frame, TCP, src.1.to_be_bytes());
        put(frame, TCP + 2, dst.1.to_be_bytes());
        put(frame, TCP + 4, seq.to_be_bytes());
        put(frame, TCP + 8, ack.to_be_bytes());
        put(frame, TCP + 13, [flags.0]);
        put(frame, TCP + 16, tcp_sum.finish().to_be_bytes());
    }
}

/// Checks a segment that came back, all of it.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(frame: &[u8], src: Option<End>) -> Result<(), Fault> {
    let segment = Segment::read(frame).ok_or("a frame that came back holds no TCP segment")?;
    let ip_end = IP + usize::from(IP_LEN + segment.payload_len);
    let packet = frame.get(IP..ip_end).ok_or("an IP packet is cut short")?;
    if segment.macs.0 != NEIGHBOR {
        return Err("a frame went to another MAC address than the neighbour's");
    }
    if !ipv4::checksum_ok(packet) {
        return Err("the checksum of an IP header is wrong");
    }
    if !tcp::checksum_ok(&packet[Ipv4Header::LEN..], segment.src.0, segment.dst.0) {
        return Err("a TCP checksum is wrong");
    }
    if src.is_some_and(|src| segment.src != src) {
        return Err("a reply came from another source than the service");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: Segment = Segment {
        macs: (Mac([2, 0, 0, 0, 0, 1]), NEIGHBOR),
        src: (Ipv4Addr::new(100, 64, 0, 1), 1024),
        dst: (Ipv4Addr::new(192, 0, 2, 10), 80),
        seq: 0xffff_ff00,
        ack: 0,
        flags: TcpFlags::SYN,
        payload_len: 0,
    };

    #[test]
    fn what_is_written_is_read_and_its_checksums_are_right() {
        let (blank, mut frame) = (Blank::default(), [0xaa; FRAME_LEN_MIN]);
        let answered = SYN.answer(TcpFlags::ACK, 0);
        for segment in [SYN, answered, answered.answer(TcpFlags::PSH, PAYLOAD_LEN)] {
            blank.write(&mut frame, &segment);
            assert_eq!(Segment::read(&frame), Some(segment));
            let to_neighbor = segment.macs.0 == NEIGHBOR;
            let verdict = check(&frame, Some(segment.src));
            assert_eq!(verdict.is_ok(), to_neighbor, "{verdict:?}");
            // As it comes out of the director, which sends no padding.
            put(&mut frame, 0, NEIGHBOR.0);
            let len = HEADERS + usize::from(segment.payload_len);
            assert_eq!(check(&frame[..len], None), Ok(()));
            assert!(check(&frame[..len], Some((segment.src.0, 1))).is_err());
        }
    }

    #[test]
    fn an_answer_continues_both_sides_sequence_numbers() {
        let syn_ack = SYN.answer(TcpFlags::SYN | TcpFlags::ACK, 0);
        assert_eq!((syn_ack.seq, syn_ack.ack), (0, SYN.seq + 1));
        assert_eq!((syn_ack.src, syn_ack.dst, syn_ack.macs.1), (SYN.dst, SYN.src, SYN.macs.0));
        let request = syn_ack.answer(TcpFlags::PSH | TcpFlags::ACK, PAYLOAD_LEN);
        assert_eq!((request.seq, request.ack, request.src), (SYN.seq + 1, 1, SYN.src));
        let fin = request.answer(TcpFlags::FIN | TcpFlags::ACK, 0);
        assert_eq!((fin.seq, fin.ack), (1, SYN.seq + 1 + u32::from(PAYLOAD_LEN)));
        assert_eq!(fin.answer(TcpFlags::ACK, 0).ack, 2);
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let mut whole = [0; FRAME_LEN_MIN];
        let segment = Segment { payload_len: PAYLOAD_LEN, ..SYN.answer(TcpFlags::ACK, 0) };
        Blank::default().write(&mut whole, &segment);
        assert_eq!(check(&whole, Some(SYN.dst)), Ok(()));
        // Whom a frame comes from does not matter.
        for place in (0..6).chain(12..FRAME_LEN_MIN) {
            let mut frame = whole;
            frame[place] ^= 1;
            assert!(check(&frame, Some(SYN.dst)).is_err(), "byte {place}");
        }
        assert!(check(&whole[..HEADERS - 1], None).is_err());
    }
}
