//! Fixtures of ICMP messages: echo, errors, quoted packets.

use super::*;

/// An echo request as captured: id 0x1234, sequence 1.
fn echo() -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 10], 64)
        .icmpv4_echo_request(0x1234, 1);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"abcdefg").unwrap();
    packet.split_off(20)
}

fn udp_packet() -> Vec<u8> {
    let builder =
        etherparse::PacketBuilder::ipv4([198, 51, 100, 7], [10, 0, 0, 11], 61).udp(4000, 53);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"question").unwrap();
    packet
}

fn tcp_packet() -> Vec<u8> {
    let builder =
        etherparse::PacketBuilder::ipv4([198, 51, 100, 7], [10, 0, 0, 11], 61).tcp(4000, 80, 1, 2);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"request").unwrap();
    packet
}

fn error_quoting(quote: &[u8]) -> Vec<u8> {
    let mut message = vec![0xA5; IcmpHeader::LEN];
    message.extend_from_slice(quote);
    let header = IcmpHeader::dest_unreachable(IcmpCode::PORT_UNREACHABLE);
    assert!(header.emit(&mut message).is_some());
    assert!(fill_checksum(&mut message));
    message
}

#[test]
fn an_echo_request_becomes_its_reply() {
    let mut bytes = echo();
    assert!(checksum_ok(&bytes));
    let header = IcmpHeader::read_mut(&mut bytes).unwrap();
    assert_eq!((header.icmp_type(), header.code()), (IcmpType::ECHO_REQUEST, 0));
    assert_eq!((header.echo_id(), header.echo_seq(), header.is_error()), (0x1234, 1, false));
    header.make_echo_reply();
    let builder = etherparse::PacketBuilder::ipv4([0; 4], [0; 4], 64);
    let mut expected = Vec::new();
    builder.icmpv4_echo_reply(0x1234, 1).write(&mut expected, b"abcdefg").unwrap();
    assert_eq!(bytes, expected[20..]);
}

#[test]
fn checksum_is_filled_and_verified() {
    let mut bytes = echo();
    bytes[2..4].fill(0xA5);
    assert!(!checksum_ok(&bytes));
    assert!(fill_checksum(&mut bytes));
    assert_eq!(bytes, echo());
    assert!(!fill_checksum(&mut bytes[..7]) && !checksum_ok(&bytes[..7]));
}

#[test]
fn errors_carry_what_their_type_needs() {
    let needed = IcmpHeader::fragmentation_needed(1400);
    assert_eq!(needed.as_wire(), [3, 4, 0, 0, 0, 0, 0x05, 0x78]);
    assert_eq!((needed.next_hop_mtu(), needed.is_error()), (1400, true));
    assert_eq!(IcmpHeader::ttl_exceeded().as_wire(), [11, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_quoted_packet_is_read_from_eight_bytes() {
    let packet = udp_packet();
    let expected = EmbeddedIpv4 {
        header_len: 20,
        protocol: IpProto::UDP,
        src: Ipv4Addr::new(198, 51, 100, 7),
        dst: Ipv4Addr::new(10, 0, 0, 11),
        src_port: 4000,
        dst_port: 53,
    };
    for quoted in [packet.len(), 28, 24] {
        assert_eq!(embedded(&packet[..quoted]), Some(expected), "{quoted} bytes");
    }
    for quoted in 0..24 {
        assert_eq!(embedded(&packet[..quoted]), None, "{quoted} bytes");
    }
}

#[test]
fn quotes_that_name_no_flow_are_refused() {
    let with = |at: usize, value: u8| {
        let mut packet = udp_packet();
        packet[at] = value;
        embedded(&packet)
    };
    assert_eq!(with(0, 0x65), None, "version");
    assert_eq!(with(0, 0x44), None, "header length");
    assert_eq!(with(0, 0x4f), None, "options cut short");
    assert_eq!(with(7, 1), None, "a later fragment has no ports");
    assert!(with(6, 0x20).is_some(), "the first one has");
    let echo = with(9, IpProto::ICMP).unwrap();
    assert_eq!((echo.src_port, echo.dst_port), (0, 0));
}

/// The packet with other addresses and ports, its transport checksum left alone.
fn translated(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let (ip, behind) = Ipv4Header::split_mut(&mut packet).unwrap();
    let _ = ip.set_addresses(Ipv4Addr::new(203, 0, 113, 9), Ipv4Addr::new(192, 0, 2, 10));
    let _ = L4Ports::read_mut(behind).unwrap().set_ports(999, 5353);
    packet
}

#[test]
fn the_quoted_packet_is_translated_at_every_length() {
    let src = "203.0.113.9:999".parse().unwrap();
    let dst = "192.0.2.10:5353".parse().unwrap();
    for packet in [udp_packet(), tcp_packet()] {
        for quoted in 24..=packet.len() {
            let mut message = error_quoting(&packet[..quoted]);
            assert!(rewrite_embedded(&mut message, src, dst));
            assert!(checksum_ok(&message), "{quoted} bytes");
            assert_eq!(message[8..], translated(&packet)[..quoted], "{quoted} bytes");
        }
    }
}

#[test]
fn a_quote_that_names_no_flow_is_left_alone() {
    let any: SocketAddrV4 = "192.0.2.10:5353".parse().unwrap();
    let mut message = error_quoting(&udp_packet()[..23]);
    let before = message.clone();
    assert!(!rewrite_embedded(&mut message, any, any));
    assert_eq!(message, before);
    assert!(!rewrite_embedded(&mut message[..7], any, any));
}

#[test]
fn a_wrong_message_checksum_stays_wrong() {
    let any: SocketAddrV4 = "192.0.2.10:5353".parse().unwrap();
    let mut message = error_quoting(&udp_packet());
    message[40] ^= 0xFF;
    assert!(rewrite_embedded(&mut message, any, any));
    assert!(!checksum_ok(&message));
}
