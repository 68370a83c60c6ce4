//! [`PacketSpec`]: a builder of IPv4 frames with sensible defaults.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{
    IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, TcpHeader, TcpOptionElement, UdpHeader,
};

use super::sctp::{sctp_chunk, sctp_packet};
use crate::testbuf::TestBuf;
use crate::wire::{ArpPacket, IcmpType, IpProto, Mac, TcpFlags};

/// Source MAC address of a frame unless another is asked for.
pub const PEER_MAC: Mac = Mac([0x02, 0, 0, 0, 0, 0x0A]);

/// Destination MAC address of a frame unless another is asked for.
pub const DIRECTOR_MAC: Mac = Mac([0x02, 0, 0, 0, 0, 0xD1]);

/// Whatever a test may name an address and port by. Text without a port means port 0.
pub trait Endpoint {
    /// The address and port.
    fn endpoint(self) -> SocketAddrV4;
}

impl Endpoint for &str {
    fn endpoint(self) -> SocketAddrV4 {
        if self.contains(':') {
            self.parse().expect("an address and port such as 192.0.2.1:80")
        } else {
            SocketAddrV4::new(self.parse().expect("an address such as 192.0.2.1"), 0)
        }
    }
}

impl Endpoint for SocketAddrV4 {
    fn endpoint(self) -> SocketAddrV4 {
        self
    }
}

impl Endpoint for (Ipv4Addr, u16) {
    fn endpoint(self) -> SocketAddrV4 {
        SocketAddrV4::new(self.0, self.1)
    }
}

impl Endpoint for Ipv4Addr {
    fn endpoint(self) -> SocketAddrV4 {
        SocketAddrV4::new(self, 0)
    }
}

/// What follows the IPv4 header.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Transport {
    Tcp { seq: u32, ack: u32, flags: TcpFlags, window: u16, options: Vec<u8> },
    Udp { with_checksum: bool },
    Icmp { icmp_type: u8, code: u8, rest: [u8; 4] },
    Sctp { tag: u32 },
    Raw { protocol: u8 },
}

/// An IPv4 frame to build: start with [`tcp`](Self::tcp), [`udp`](Self::udp), [`sctp`](Self::sctp),
/// [`icmp`](Self::icmp), [`raw`](Self::raw) or [`ipip`](Self::ipip), change what the test is about,
/// and finish with [`frame`](Self::frame), [`buf`](Self::buf) or [`packet`](Self::packet).
///
/// ```
/// use rvs_dataplane::testing::PacketSpec;
/// use rvs_dataplane::wire::TcpFlags;
///
/// let syn = PacketSpec::tcp("198.51.100.7:40000", "192.0.2.10:80").flags(TcpFlags::SYN);
/// let forwarded = syn.clone().dst("10.0.0.11:8080").ttl(63);
/// assert_eq!(syn.frame().len(), forwarded.frame().len());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct PacketSpec {
    src_mac: Mac,
    dst_mac: Mac,
    src: SocketAddrV4,
    dst: SocketAddrV4,
    ttl: u8,
    tos: u8,
    id: u16,
    dont_fragment: bool,
    ip_options: Vec<u8>,
    transport: Transport,
    payload: Vec<u8>,
    frame_len_min: usize,
    bad_ip_checksum: bool,
    bad_l4_checksum: bool,
}

impl PacketSpec {
    fn new(src: impl Endpoint, dst: impl Endpoint, transport: Transport) -> Self {
        Self {
            src_mac: PEER_MAC,
            dst_mac: DIRECTOR_MAC,
            src: src.endpoint(),
            dst: dst.endpoint(),
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: true,
            ip_options: Vec::new(),
            transport,
            payload: Vec::new(),
            frame_len_min: 0,
            bad_ip_checksum: false,
            bad_l4_checksum: false,
        }
    }

    /// A TCP segment: ACK, sequence 1, acknowledgement 1, window 64240, no payload.
    pub fn tcp(src: impl Endpoint, dst: impl Endpoint) -> Self {
        let flags = TcpFlags::ACK;
        let tcp = Transport::Tcp { seq: 1, ack: 1, flags, window: 64240, options: Vec::new() };
        Self::new(src, dst, tcp)
    }

    /// A UDP datagram with checksum and no payload.
    pub fn udp(src: impl Endpoint, dst: impl Endpoint) -> Self {
        Self::new(src, dst, Transport::Udp { with_checksum: true })
    }

    /// An ICMP message.
    pub fn icmp(
        src: impl Endpoint,
        dst: impl Endpoint,
        icmp_type: u8,
        code: u8,
        rest: [u8; 4],
    ) -> Self {
        Self::new(src, dst, Transport::Icmp { icmp_type, code, rest })
    }

    /// An ICMP echo request.
    pub fn echo_request(src: impl Endpoint, dst: impl Endpoint, id: u16, seq: u16) -> Self {
        let (id, seq) = (id.to_be_bytes(), seq.to_be_bytes());
        Self::icmp(src, dst, IcmpType::ECHO_REQUEST, 0, [id[0], id[1], seq[0], seq[1]])
    }

    /// An SCTP packet without chunks; they are its payload, see [`chunk`](Self::chunk).
    pub fn sctp(src: impl Endpoint, dst: impl Endpoint) -> Self {
        Self::new(src, dst, Transport::Sctp { tag: 1 })
    }

    /// An IPv4 packet of any protocol, nothing but payload behind its header.
    pub fn raw(src: impl Endpoint, dst: impl Endpoint, protocol: u8) -> Self {
        Self::new(src, dst, Transport::Raw { protocol })
    }

    /// An IPv4 packet that carries the packet of `inner`.
    pub fn ipip(src: impl Endpoint, dst: impl Endpoint, inner: &Self) -> Self {
        Self::raw(src, dst, IpProto::IPIP).payload(inner.packet())
    }

    /// Sets both MAC addresses, destination first as on the wire.
    pub fn macs(mut self, dst: Mac, src: Mac) -> Self {
        (self.dst_mac, self.src_mac) = (dst, src);
        self
    }

    /// Sets the source address and, given one, port.
    pub fn src(mut self, src: impl Endpoint) -> Self {
        self.src = src.endpoint();
        self
    }

    /// Sets the destination address and, given one, port.
    pub fn dst(mut self, dst: impl Endpoint) -> Self {
        self.dst = dst.endpoint();
        self
    }

    /// Sets the TTL; 64 unless set.
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets the TOS byte; 0 unless set.
    pub fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// Sets the identification; 0 unless set.
    pub fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// Allows or forbids fragmentation; forbidden unless set.
    pub fn dont_fragment(mut self, dont_fragment: bool) -> Self {
        self.dont_fragment = dont_fragment;
        self
    }

    /// Adds IPv4 options; their length must be a multiple of four, at most 40.
    pub fn ip_options(mut self, options: &[u8]) -> Self {
        self.ip_options = options.to_vec();
        self
    }

    /// Sets the payload behind the transport header.
    pub fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// Adds an SCTP chunk of this type.
    pub fn chunk(mut self, chunk_type: u8, body: impl AsRef<[u8]>) -> Self {
        self.payload.extend(sctp_chunk(chunk_type, body.as_ref()));
        self
    }

    /// Sets the TCP control bits. No effect on other protocols, as with every TCP setter.
    pub fn flags(mut self, new: TcpFlags) -> Self {
        if let Transport::Tcp { flags, ack, .. } = &mut self.transport {
            *flags = new;
            if !new.contains(TcpFlags::ACK) {
                *ack = 0;
            }
        }
        self
    }

    /// Sets the TCP sequence number.
    pub fn seq(mut self, new: u32) -> Self {
        if let Transport::Tcp { seq, .. } = &mut self.transport {
            *seq = new;
        }
        self
    }

    /// Sets the TCP acknowledgement number.
    pub fn ack(mut self, new: u32) -> Self {
        if let Transport::Tcp { ack, .. } = &mut self.transport {
            *ack = new;
        }
        self
    }

    /// Sets the TCP window.
    pub fn window(mut self, new: u16) -> Self {
        if let Transport::Tcp { window, .. } = &mut self.transport {
            *window = new;
        }
        self
    }

    /// Adds a TCP maximum segment size option.
    pub fn mss(self, mss: u16) -> Self {
        let mut header = TcpHeader::default();
        header.set_options(&[TcpOptionElement::MaximumSegmentSize(mss)]).expect("it fits");
        self.tcp_options(header.options.as_slice())
    }

    /// Sets the TCP options; their length must be a multiple of four, at most 40.
    pub fn tcp_options(mut self, new: &[u8]) -> Self {
        if let Transport::Tcp { options, .. } = &mut self.transport {
            *options = new.to_vec();
        }
        self
    }

    /// Sends a UDP datagram without checksum.
    pub fn no_udp_checksum(mut self) -> Self {
        if let Transport::Udp { with_checksum } = &mut self.transport {
            *with_checksum = false;
        }
        self
    }

    /// Damages the IPv4 header checksum.
    pub fn bad_ip_checksum(mut self) -> Self {
        self.bad_ip_checksum = true;
        self
    }

    /// Damages the TCP, UDP, SCTP or ICMP checksum.
    pub fn bad_l4_checksum(mut self) -> Self {
        self.bad_l4_checksum = true;
        self
    }

    /// Pads the frame with zeroes to this length, as a NIC pads to 60.
    pub fn padded_to(mut self, frame_len_min: usize) -> Self {
        self.frame_len_min = frame_len_min;
        self
    }

    /// The IPv4 packet, without Ethernet header and padding.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let l4 = self.l4();
        self.with_ip_header(&l4, 0, false)
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        self.with_ethernet_header(&self.packet())
    }

    /// The frame in a [`TestBuf`] of default room.
    #[must_use]
    pub fn buf(&self) -> TestBuf {
        TestBuf::new(&self.frame())
    }

    /// The packet cut into fragments with at most `chunk` bytes of IPv4 payload each, one frame per
    /// fragment, in order. `chunk` must be a multiple of eight.
    #[must_use]
    pub fn fragments(&self, chunk: usize) -> Vec<Vec<u8>> {
        assert!(chunk > 0 && chunk.is_multiple_of(8), "fragments are multiples of eight bytes");
        let l4 = self.l4();
        let fragment = |(index, piece): (usize, &[u8])| {
            let offset = index * chunk;
            let packet = self.with_ip_header(piece, offset, offset + piece.len() < l4.len());
            self.with_ethernet_header(&packet)
        };
        l4.chunks(chunk).enumerate().map(fragment).collect()
    }

    fn with_ethernet_header(&self, packet: &[u8]) -> Vec<u8> {
        let mut frame = [&self.dst_mac.0, &self.src_mac.0, &[0x08, 0x00][..], packet].concat();
        frame.resize(frame.len().max(self.frame_len_min), 0);
        frame
    }

    fn with_ip_header(&self, payload: &[u8], offset: usize, more_fragments: bool) -> Vec<u8> {
        let units = u16::try_from(offset / 8).expect("an offset within an IPv4 packet");
        let header_len = Ipv4Header::MIN_LEN + self.ip_options.len();
        let mut header = Ipv4Header {
            dscp: IpDscp::try_new(self.tos >> 2).unwrap(),
            ecn: IpEcn::try_new(self.tos & 3).unwrap(),
            total_len: u16::try_from(header_len + payload.len()).expect("at most 65535 bytes"),
            identification: self.id,
            dont_fragment: self.dont_fragment,
            more_fragments,
            fragment_offset: IpFragOffset::try_new(units).expect("an offset of 13 bits"),
            time_to_live: self.ttl,
            protocol: IpNumber(self.protocol()),
            header_checksum: 0,
            source: self.src.ip().octets(),
            destination: self.dst.ip().octets(),
            options: self.ip_options.as_slice().try_into().expect("0 to 40 bytes, in fours"),
        };
        header.header_checksum = header.calc_header_checksum() ^ u16::from(self.bad_ip_checksum);
        [&header.to_bytes(), payload].concat()
    }

    fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Tcp { .. } => IpProto::TCP,
            Transport::Udp { .. } => IpProto::UDP,
            Transport::Icmp { .. } => IpProto::ICMP,
            Transport::Sctp { .. } => IpProto::SCTP,
            Transport::Raw { protocol } => protocol,
        }
    }

    /// Transport header and payload.
    fn l4(&self) -> Vec<u8> {
        match &self.transport {
            Transport::Tcp { .. } => self.tcp_segment(),
            Transport::Udp { with_checksum } => self.udp_datagram(*with_checksum),
            Transport::Icmp { icmp_type, code, rest } => {
                let [a, b, c, d] = *rest;
                let header = [*icmp_type, *code, 0, 0, a, b, c, d];
                let mut message = [&header[..], &self.payload].concat();
                let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&message);
                let checksum = sum.ones_complement() ^ u16::from(self.bad_l4_checksum).to_be();
                message[2..4].copy_from_slice(&checksum.to_ne_bytes());
                message
            }
            Transport::Sctp { tag } => {
                let mut packet =
                    sctp_packet((self.src.port(), self.dst.port()), *tag, &self.payload);
                packet[8] ^= u8::from(self.bad_l4_checksum);
                packet
            }
            Transport::Raw { .. } => self.payload.clone(),
        }
    }

    fn tcp_segment(&self) -> Vec<u8> {
        let Transport::Tcp { seq, ack, flags, window, options } = &self.transport else {
            return Vec::new();
        };
        let mut header = TcpHeader::new(self.src.port(), self.dst.port(), *seq, *window);
        header.acknowledgment_number = *ack;
        header.fin = flags.contains(TcpFlags::FIN);
        header.syn = flags.contains(TcpFlags::SYN);
        header.rst = flags.contains(TcpFlags::RST);
        header.psh = flags.contains(TcpFlags::PSH);
        header.ack = flags.contains(TcpFlags::ACK);
        header.urg = flags.contains(TcpFlags::URG);
        header.ece = flags.contains(TcpFlags::ECE);
        header.cwr = flags.contains(TcpFlags::CWR);
        header.set_options_raw(options).expect("0 to 40 bytes of options");
        let (src, dst) = (self.src.ip().octets(), self.dst.ip().octets());
        let checksum =
            header.calc_checksum_ipv4_raw(src, dst, &self.payload).expect("at most 65535 bytes");
        header.checksum = checksum ^ u16::from(self.bad_l4_checksum);
        [&header.to_bytes(), self.payload.as_slice()].concat()
    }

    fn udp_datagram(&self, with_checksum: bool) -> Vec<u8> {
        let len = u16::try_from(UdpHeader::LEN + self.payload.len()).expect("at most 65535 bytes");
        let (src_port, dst_port) = (self.src.port(), self.dst.port());
        let mut header = UdpHeader {
            source_port: src_port,
            destination_port: dst_port,
            length: len,
            checksum: 0,
        };
        if with_checksum {
            let (src, dst) = (self.src.ip().octets(), self.dst.ip().octets());
            let checksum = header.calc_checksum_ipv4_raw(src, dst, &self.payload);
            let checksum = checksum.expect("at most 65535 bytes");
            // Two bits, so that a damaged checksum is neither right nor "none".
            header.checksum = checksum ^ if self.bad_l4_checksum { 0x0101 } else { 0 };
        }
        [&header.to_bytes(), self.payload.as_slice()].concat()
    }
}

/// The frame of an ARP packet, padded to the least length of Ethernet.
#[must_use]
pub fn arp_frame(dst: Mac, src: Mac, packet: &ArpPacket) -> Vec<u8> {
    let mut frame = [&dst.0, &src.0, &[0x08, 0x06][..], packet.as_wire()].concat();
    frame.resize(60, 0);
    frame
}

#[cfg(test)]
mod tests {
    use super::super::{describe, verify};
    use super::*;
    use crate::wire::{EtherType, EthernetHeader, icmpv4, ipv4, sctp, tcp, udp};

    const SRC: &str = "198.51.100.7:40000";
    const DST: &str = "192.0.2.10:80";

    fn all() -> Vec<PacketSpec> {
        let udp = PacketSpec::udp(SRC, DST).payload("ping");
        vec![
            PacketSpec::tcp(SRC, DST),
            PacketSpec::tcp(SRC, DST).flags(TcpFlags::SYN).mss(1460).tos(0xb9).id(7),
            PacketSpec::tcp(SRC, DST).payload("odd").ip_options(&[1, 1, 1, 0]),
            PacketSpec::udp(SRC, DST).padded_to(60),
            udp.clone().no_udp_checksum().dont_fragment(false),
            PacketSpec::echo_request("192.0.2.1", "192.0.2.10", 1, 2).payload("abc"),
            PacketSpec::icmp("192.0.2.1", "192.0.2.10", 3, 3, [0; 4]).payload(udp.packet()),
            PacketSpec::ipip("192.0.2.2", "10.0.0.11", &udp),
            PacketSpec::sctp(SRC, DST).chunk(1, [7; 17]).chunk(6, []),
            udp,
        ]
    }

    #[test]
    fn what_it_builds_both_parsers_accept() {
        for spec in all() {
            let frame = spec.frame();
            verify(&frame).unwrap();
            let (ethernet, packet) = EthernetHeader::split(&frame).unwrap();
            assert_eq!((ethernet.dst, ethernet.src), (DIRECTOR_MAC, PEER_MAC));
            assert_eq!(ethernet.ether_type(), EtherType::IPV4);
            assert!(ipv4::checksum_ok(packet));
            let ip = ipv4::check(packet).unwrap();
            let (src, dst) = (ip.header.src(), ip.header.dst());
            match ip.header.protocol() {
                IpProto::TCP => assert!(tcp::checksum_ok(ip.payload, src, dst)),
                IpProto::UDP => assert!(udp::checksum_ok(ip.payload, src, dst)),
                IpProto::ICMP => assert!(icmpv4::checksum_ok(ip.payload)),
                IpProto::SCTP => assert!(sctp::check(ip.payload, true).is_ok()),
                other => assert_eq!(other, IpProto::IPIP),
            }
        }
    }

    #[test]
    fn damage_is_seen_by_both_parsers() {
        for spec in all() {
            assert!(verify(&spec.clone().bad_ip_checksum().frame()).is_err());
            let protocol = spec.protocol();
            let no_checksum = spec.transport == Transport::Udp { with_checksum: false };
            if protocol == IpProto::IPIP || no_checksum {
                continue;
            }
            let frame = spec.bad_l4_checksum().frame();
            assert!(verify(&frame).is_err(), "{}", describe(&frame));
            let ip = ipv4::check(&frame[14..]).unwrap();
            let (src, dst) = (ip.header.src(), ip.header.dst());
            match protocol {
                IpProto::TCP => assert!(!tcp::checksum_ok(ip.payload, src, dst)),
                IpProto::UDP => assert!(!udp::checksum_ok(ip.payload, src, dst)),
                IpProto::SCTP => assert!(sctp::check(ip.payload, true).is_ok()),
                _ => assert!(!icmpv4::checksum_ok(ip.payload)),
            }
        }
    }

    #[test]
    fn fragments_put_together_are_the_packet() {
        let spec = PacketSpec::udp(SRC, DST).payload([7; 100]).dont_fragment(false).id(9);
        let fragments = spec.fragments(48);
        assert_eq!(fragments.len(), 3);
        let mut whole = Vec::new();
        for (index, frame) in fragments.iter().enumerate() {
            verify(frame).unwrap();
            let ip = ipv4::check(&frame[14..]).unwrap();
            assert!(ip.header.is_fragment());
            assert_eq!(ip.header.is_first_fragment(), index == 0);
            assert_eq!(ip.header.more_fragments(), index < 2);
            assert_eq!(usize::from(ip.header.fragment_offset()), whole.len());
            assert_eq!(ip.header.id(), 9);
            whole.extend_from_slice(ip.payload);
        }
        assert_eq!(whole, spec.packet()[20..]);
    }

    #[test]
    fn arp_frames_are_padded() {
        let packet = ArpPacket::gratuitous(PEER_MAC, Ipv4Addr::new(192, 0, 2, 10));
        let frame = arp_frame(Mac::BROADCAST, PEER_MAC, &packet);
        assert_eq!(frame.len(), 60);
        verify(&frame).unwrap();
        assert_eq!(ArpPacket::checked(&frame[14..]), Some(&packet));
    }
}
