//! Whether a frame is well-formed, as the independent parser sees it.

use std::fmt::LowerHex;

use etherparse::checksum::Sum16BitWords;
use etherparse::{EtherType, IpNumber, Ipv4Slice, NetSlice, SlicedPacket, TcpSlice, UdpSlice};

use super::sctp::sctp_checksum;

/// Verifies every length and checksum of a frame: IPv4 with TCP, UDP, SCTP, ICMP or another IPv4
/// packet inside, or ARP. Payloads of other protocols and of fragments are not looked into, nor
/// is the packet that an ICMP error quotes.
///
/// # Errors
///
/// A sentence that names the first fault and both values.
pub fn verify(frame: &[u8]) -> Result<(), String> {
    let sliced = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    match sliced.net {
        Some(NetSlice::Ipv4(_)) => verify_ipv4(frame.get(14..).unwrap_or_default()),
        Some(NetSlice::Arp(_)) => Ok(()),
        Some(NetSlice::Ipv6(_)) => Err("an IPv6 packet".to_owned()),
        None => Err(format!("neither IPv4 nor ARP: {:?}", ether_type(frame))),
    }
}

/// [`verify`] for a packet without Ethernet header.
///
/// # Errors
///
/// As of [`verify`].
pub fn verify_ipv4(packet: &[u8]) -> Result<(), String> {
    let ip = Ipv4Slice::from_slice(packet).map_err(|error| error.to_string())?;
    let header = ip.header().to_header();
    compare("IPv4", header.header_checksum, header.calc_header_checksum())?;
    let payload = ip.payload();
    if payload.fragmented {
        return Ok(());
    }
    let (bytes, src, dst) = (payload.payload, header.source, header.destination);
    match payload.ip_number {
        IpNumber::TCP => {
            let tcp = TcpSlice::from_slice(bytes).map_err(|error| error.to_string())?;
            let expected = tcp.calc_checksum_ipv4(src, dst).map_err(|error| error.to_string())?;
            compare("TCP", tcp.checksum(), expected)
        }
        IpNumber::UDP => {
            let udp = UdpSlice::from_slice(bytes).map_err(|error| error.to_string())?;
            if usize::from(udp.length()) != bytes.len() {
                return Err(format!("UDP length {} in {} bytes", udp.length(), bytes.len()));
            }
            if udp.checksum() == 0 {
                return Ok(());
            }
            let expected = udp.to_header().calc_checksum_ipv4_raw(src, dst, udp.payload());
            compare("UDP", udp.checksum(), expected.map_err(|error| error.to_string())?)
        }
        IpNumber::ICMP => {
            let Some((front, rest)) = bytes.split_at_checked(8) else {
                return Err(format!("ICMP message of {} bytes", bytes.len()));
            };
            let field = u16::from_be_bytes([front[2], front[3]]);
            let sum = Sum16BitWords::new().add_slice(&front[..2]).add_slice(&front[4..]);
            compare("ICMP", field, u16::from_be(sum.add_slice(rest).ones_complement()))
        }
        IpNumber::SCTP => {
            let Some(field) = bytes.get(8..12).and_then(|field| field.first_chunk()) else {
                return Err(format!("SCTP packet of {} bytes", bytes.len()));
            };
            compare("SCTP", u32::from_le_bytes(*field), sctp_checksum(bytes))
        }
        IpNumber::IPV4 => verify_ipv4(bytes),
        _ => Ok(()),
    }
}

fn compare<T: PartialEq + LowerHex>(what: &str, field: T, expected: T) -> Result<(), String> {
    if field == expected {
        Ok(())
    } else {
        Err(format!("{what} checksum is {field:#06x}, should be {expected:#06x}"))
    }
}

fn ether_type(frame: &[u8]) -> Option<EtherType> {
    Some(EtherType(u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?])))
}

#[cfg(test)]
mod tests {
    use super::super::PacketSpec;
    use super::*;

    #[test]
    fn faults_are_named() {
        let spec = PacketSpec::udp("198.51.100.7:4000", "192.0.2.10:53").payload("ping");
        let fault = |frame: &[u8]| verify(frame).unwrap_err();
        assert!(fault(&spec.clone().bad_ip_checksum().frame()).starts_with("IPv4 checksum is 0x"));
        assert!(fault(&spec.clone().bad_l4_checksum().frame()).starts_with("UDP checksum is 0x"));
        let mut frame = spec.frame();
        frame[39] -= 1;
        assert_eq!(fault(&frame), "UDP length 11 in 12 bytes");
        frame.truncate(30);
        assert!(!fault(&frame).is_empty());
        let mut other = spec.frame();
        other[12] = 0x99;
        assert!(fault(&other).starts_with("neither IPv4 nor ARP"));
    }

    #[test]
    fn faults_inside_a_tunnel_are_found() {
        let inner = PacketSpec::tcp("198.51.100.7:4000", "192.0.2.10:53").payload("ping");
        let outer = PacketSpec::ipip("192.0.2.2", "10.0.0.11", &inner);
        assert_eq!(verify(&outer.frame()), Ok(()));
        let outer = PacketSpec::ipip("192.0.2.2", "10.0.0.11", &inner.bad_l4_checksum());
        assert!(verify(&outer.frame()).unwrap_err().starts_with("TCP"));
    }
}
