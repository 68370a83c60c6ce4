//! One line of text for a frame, like a packet sniffer's.

use std::fmt::Write as _;

use super::sctp::sctp_checksum;
use crate::wire::{
    ArpOperation, ArpPacket, EtherType, EthernetHeader, IcmpHeader, IpProto, Ipv4Checked, icmpv4,
    ipv4, sctp, tcp, udp,
};

/// The frame in one line: addresses, protocol, what matters of its header, and every checksum that
/// is wrong. Damaged frames are described as far as they can be read.
#[must_use]
pub fn describe(frame: &[u8]) -> String {
    let Some((header, payload)) = EthernetHeader::split(frame) else {
        return format!("{} bytes, no Ethernet header", frame.len());
    };
    let rest = match header.ether_type() {
        EtherType::IPV4 => describe_ipv4(payload),
        EtherType::ARP => describe_arp(payload),
        other => format!("EtherType {other:#06x}, {} bytes", payload.len()),
    };
    format!("{} > {}: {rest}", header.src, header.dst)
}

/// [`describe`] for a packet without Ethernet header.
#[must_use]
pub fn describe_ipv4(packet: &[u8]) -> String {
    let ip = match ipv4::check(packet) {
        Ok(ip) => ip,
        Err(error) => return format!("{error} ({} bytes)", packet.len()),
    };
    let mut text = describe_transport(&ip);
    let header = ip.header;
    let _ = write!(text, ", ttl {} id {}", header.ttl(), header.id());
    if header.tos() != 0 {
        let _ = write!(text, " tos {:#04x}", header.tos());
    }
    if header.dont_fragment() {
        text.push_str(" DF");
    }
    if header.is_fragment() {
        let more = if header.more_fragments() { "+" } else { "" };
        let _ = write!(text, " fragment {}{more}", header.fragment_offset());
    }
    if ip.has_options() {
        let _ = write!(text, " options {}", ip.header_len - 20);
    }
    if !ipv4::checksum_ok(packet) {
        text.push_str(" BAD IP CHECKSUM");
    }
    text
}

fn describe_transport(ip: &Ipv4Checked<'_>) -> String {
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let plain = |what: &str| format!("{src} > {dst} {what} len {}", ip.payload.len());
    if !ip.header.is_first_fragment() {
        return plain(&format!("protocol {}", ip.header.protocol()));
    }
    let whole = !ip.header.is_fragment();
    match ip.header.protocol() {
        IpProto::TCP => match tcp::check(ip.payload) {
            Ok(segment) => {
                let header = segment.header;
                let bad = whole && !tcp::checksum_ok(ip.payload, src, dst);
                format!(
                    "{src}:{} > {dst}:{} TCP {} seq {} ack {} win {} options {} len {}{}",
                    header.src_port(),
                    header.dst_port(),
                    header.flags(),
                    header.seq(),
                    header.ack(),
                    header.window(),
                    segment.options.len(),
                    segment.payload.len(),
                    if bad { " BAD TCP CHECKSUM" } else { "" },
                )
            }
            Err(error) => plain(&error.to_string()),
        },
        IpProto::UDP => describe_udp(ip, whole),
        IpProto::SCTP => describe_sctp(ip, whole),
        IpProto::ICMP => describe_icmp(ip, whole),
        IpProto::IPIP => format!("{src} > {dst} IPIP [{}]", describe_ipv4(ip.payload)),
        other => plain(&format!("protocol {other}")),
    }
}

fn describe_udp(ip: &Ipv4Checked<'_>, whole: bool) -> String {
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let Some(header) = udp::UdpHeader::read(ip.payload) else {
        return format!("{src} > {dst} UDP cut short");
    };
    let ports = format!("{src}:{} > {dst}:{} UDP", header.src_port(), header.dst_port());
    if !whole {
        return format!("{ports} len {} in fragments", header.len());
    }
    match udp::check(ip.payload) {
        Ok(datagram) => {
            let checked = ip.payload.get(..datagram.len).unwrap_or_default();
            let note = match (header.has_checksum(), udp::checksum_ok(checked, src, dst)) {
                (false, _) => " no checksum",
                (true, true) => "",
                (true, false) => " BAD UDP CHECKSUM",
            };
            format!("{ports} len {}{note}", datagram.payload.len())
        }
        Err(error) => format!("{ports} {error}"),
    }
}

fn describe_sctp(ip: &Ipv4Checked<'_>, whole: bool) -> String {
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let packet = match sctp::check(ip.payload, whole) {
        Ok(packet) => packet,
        Err(error) => return format!("{src} > {dst} {error}"),
    };
    let header = packet.header;
    let mut text = format!(
        "{src}:{} > {dst}:{} SCTP tag {} chunk {}",
        header.src_port(),
        header.dst_port(),
        header.tag(),
        packet.first,
    );
    if let Some(second) = packet.second {
        let _ = write!(text, " and {second}");
    }
    let _ = write!(text, " len {}", ip.payload.len() - sctp::SctpHeader::LEN);
    if whole && header.checksum() != sctp_checksum(ip.payload) {
        text.push_str(" BAD SCTP CHECKSUM");
    }
    text
}

fn describe_icmp(ip: &Ipv4Checked<'_>, whole: bool) -> String {
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let Some((header, quote)) = IcmpHeader::split(ip.payload) else {
        return format!("{src} > {dst} ICMP cut short");
    };
    let mut text = format!(
        "{src} > {dst} ICMP type {} code {} rest {:02x?} len {}",
        header.icmp_type(),
        header.code(),
        header.rest(),
        quote.len(),
    );
    if header.is_error() {
        let _ = match icmpv4::embedded(quote) {
            Some(quoted) => write!(
                text,
                " quoting [{}:{} > {}:{} protocol {}]",
                quoted.src, quoted.src_port, quoted.dst, quoted.dst_port, quoted.protocol
            ),
            None => write!(text, " quoting nothing readable"),
        };
    }
    if whole && !icmpv4::checksum_ok(ip.payload) {
        text.push_str(" BAD ICMP CHECKSUM");
    }
    text
}

fn describe_arp(packet: &[u8]) -> String {
    let Some(arp) = ArpPacket::checked(packet) else {
        return format!("ARP not for IPv4 over Ethernet ({} bytes)", packet.len());
    };
    match arp.operation() {
        ArpOperation::Request => {
            format!(
                "ARP who-has {} tell {} at {}",
                arp.target_ip(),
                arp.sender_ip(),
                arp.sender_mac()
            )
        }
        ArpOperation::Reply => {
            format!("ARP {} is-at {} tell {}", arp.sender_ip(), arp.sender_mac(), arp.target_ip())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DIRECTOR_MAC, PEER_MAC, PacketSpec, arp_frame};
    use super::*;
    use crate::wire::{Mac, TcpFlags};
    use proptest::prelude::*;

    const MACS: &str = "02:00:00:00:00:0a > 02:00:00:00:00:d1: ";

    fn line(spec: &PacketSpec) -> String {
        describe(&spec.frame()).strip_prefix(MACS).unwrap().to_owned()
    }

    #[test]
    fn frames_read_like_a_sniffer_s_lines() {
        let syn = PacketSpec::tcp("198.51.100.7:40000", "192.0.2.10:80").flags(TcpFlags::SYN);
        assert_eq!(
            line(&syn.clone().mss(1460).bad_l4_checksum()),
            "198.51.100.7:40000 > 192.0.2.10:80 TCP SYN seq 1 ack 0 win 64240 options 4 len 0 \
             BAD TCP CHECKSUM, ttl 64 id 0 DF"
        );
        let udp = PacketSpec::udp("198.51.100.7:4000", "192.0.2.10:53").payload("ping");
        assert_eq!(
            line(&udp.clone().no_udp_checksum().dont_fragment(false).bad_ip_checksum()),
            "198.51.100.7:4000 > 192.0.2.10:53 UDP len 4 no checksum, ttl 64 id 0 BAD IP CHECKSUM"
        );
        assert_eq!(
            line(
                &PacketSpec::sctp("198.51.100.7:4000", "192.0.2.10:132")
                    .chunk(10, [1])
                    .chunk(6, [])
            ),
            "198.51.100.7:4000 > 192.0.2.10:132 SCTP tag 1 chunk 10 and 6 len 12, ttl 64 id 0 DF"
        );
        assert_eq!(
            line(&PacketSpec::ipip("192.0.2.2", "10.0.0.11", &udp).tos(0xb8).ttl(9)),
            "192.0.2.2 > 10.0.0.11 IPIP [198.51.100.7:4000 > 192.0.2.10:53 UDP len 4, ttl 64 id 0 \
             DF], ttl 9 id 0 tos 0xb8 DF"
        );
        assert_eq!(
            line(&PacketSpec::icmp("10.0.0.11", "192.0.2.2", 3, 3, [0; 4]).payload(udp.packet())),
            "10.0.0.11 > 192.0.2.2 ICMP type 3 code 3 rest [00, 00, 00, 00] len 32 quoting \
             [198.51.100.7:4000 > 192.0.2.10:53 protocol 17], ttl 64 id 0 DF"
        );
    }

    #[test]
    fn arp_reads_like_a_sniffer_s_line() {
        let packet = ArpPacket::reply(
            PEER_MAC,
            "192.0.2.10".parse().unwrap(),
            DIRECTOR_MAC,
            "192.0.2.1".parse().unwrap(),
        );
        let text = describe(&arp_frame(Mac::BROADCAST, PEER_MAC, &packet));
        assert!(text.ends_with("ARP 192.0.2.10 is-at 02:00:00:00:00:0a tell 192.0.2.1"), "{text}");
    }

    proptest! {
        #[test]
        fn any_frame_has_a_line(
            bytes in proptest::collection::vec(any::<u8>(), 0..120),
            cut in 0usize..120,
            at in 0usize..60,
            flip in any::<u8>(),
        ) {
            prop_assert!(!describe(&bytes).is_empty());
            let inner = PacketSpec::tcp("198.51.100.7:40000", "192.0.2.10:80").mss(1400);
            let mut frame = PacketSpec::ipip("192.0.2.2", "10.0.0.11", &inner).frame();
            frame[at] ^= flip;
            frame.truncate(cut);
            prop_assert!(!describe(&frame).contains('\n'));
        }
    }
}
