//! Fixtures of TCP segments: fields, options, resets.

use super::*;

const SRC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const DST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// A Linux SYN: MSS 1460, SACK permitted, timestamps, NOP, window scale 7.
fn syn() -> Vec<u8> {
    let options = [
        etherparse::TcpOptionElement::MaximumSegmentSize(1460),
        etherparse::TcpOptionElement::SelectiveAcknowledgementPermitted,
        etherparse::TcpOptionElement::Timestamp(0x1122_3344, 0),
        etherparse::TcpOptionElement::Noop,
        etherparse::TcpOptionElement::WindowScale(7),
    ];
    let builder = etherparse::PacketBuilder::ipv4(SRC.octets(), DST.octets(), 64)
        .tcp(40000, 80, 0xdead_beef, 64240)
        .syn()
        .options(&options)
        .unwrap();
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).unwrap();
    packet.split_off(20)
}

fn bare(flags: TcpFlags, seq: u32, ack: u32) -> TcpHeader {
    let fields =
        TcpFields { src_port: 40000, dst_port: 80, seq, ack, flags, ..TcpFields::default() };
    TcpHeader::new(&fields)
}

#[test]
fn reads_the_fields() {
    let bytes = syn();
    let checked = check(&bytes).unwrap();
    let header = checked.header;
    assert_eq!((header.src_port(), header.dst_port()), (40000, 80));
    assert_eq!((header.seq(), header.ack()), (0xdead_beef, 0));
    assert_eq!((header.flags(), header.window(), header.urgent()), (TcpFlags::SYN, 64240, 0));
    assert_eq!((checked.header_len, checked.options.len()), (40, 20));
    assert!(checked.payload.is_empty());
    assert!(checksum_ok(&bytes, SRC, DST));
    assert!(!checksum_ok(&bytes, DST, DST));
}

#[test]
fn bad_lengths_are_named() {
    let mut bytes = syn();
    for len in 0..40 {
        assert_eq!(check(&bytes[..len]).err(), Some(TcpError::HeaderCut));
    }
    bytes[12] = 0x4f;
    assert_eq!(check(&bytes).err(), Some(TcpError::DataOffset));
    bytes[12] = 0x50;
    assert_eq!(check(&bytes).unwrap().payload.len(), 20);
}

#[test]
fn new_header_agrees_with_the_independent_builder() {
    let builder = etherparse::PacketBuilder::ipv4(SRC.octets(), DST.octets(), 64)
        .tcp(1, 2, 3, 4)
        .ack(5)
        .psh()
        .fin();
    let mut packet = Vec::new();
    builder.write(&mut packet, b"data").unwrap();
    let mut out = *b"....................data";
    let flags = TcpFlags::ACK | TcpFlags::PSH | TcpFlags::FIN;
    let fields = TcpFields { src_port: 1, dst_port: 2, seq: 3, ack: 5, flags, window: 4 };
    assert_eq!(TcpHeader::new(&fields).emit(&mut out).unwrap(), b"data");
    assert!(fill_checksum(&mut out, SRC, DST));
    assert_eq!(out, packet[20..]);
    assert!(!fill_checksum(&mut out[..19], SRC, DST));
    assert!(!checksum_ok(&out[..19], SRC, DST));
}

#[test]
fn mss_is_found_and_lowered() {
    let mut bytes = syn();
    assert_eq!(find_mss(check(&bytes).unwrap().options), Some((2, 1460)));
    assert!(!clamp_mss(&mut bytes, 1460), "low enough");
    assert_eq!(bytes, syn());
    assert!(clamp_mss(&mut bytes, 1440));
    assert_eq!(find_mss(check(&bytes).unwrap().options), Some((2, 1440)));
    assert!(checksum_ok(&bytes, SRC, DST));
    assert_eq!(bytes.len(), 40);
}

#[test]
fn mss_at_an_odd_offset_keeps_the_checksum_right() {
    let mut bytes = syn();
    bytes[20..25].copy_from_slice(&[1, 2, 4, 0x23, 0x28]);
    assert!(fill_checksum(&mut bytes, SRC, DST));
    assert!(clamp_mss(&mut bytes, 1400));
    assert_eq!(find_mss(check(&bytes).unwrap().options), Some((3, 1400)));
    assert!(checksum_ok(&bytes, SRC, DST));
}

#[test]
fn mss_outside_a_syn_is_left_alone() {
    let mut bytes = syn();
    TcpHeader::read_mut(&mut bytes).unwrap().set_flags(TcpFlags::ACK);
    assert!(!clamp_mss(&mut bytes, 500));
    assert!(checksum_ok(&bytes, SRC, DST), "set_flags kept the checksum");
}

#[test]
fn malformed_options_end_the_search() {
    let none: [&[u8]; 9] = [
        &[],
        &[0, 2, 4, 5, 0xb4],     // end of options first
        &[1, 1, 1],              // only padding
        &[3, 0, 2, 4, 5, 0xb4],  // length 0 would never advance
        &[3, 1, 2, 4, 5, 0xb4],  // length 1 is less than kind and length
        &[3, 40, 2, 4, 5, 0xb4], // beyond the end
        &[2, 3, 5, 1, 1],        // MSS of the wrong length
        &[2, 4, 5],              // MSS cut short
        &[8],                    // kind without length
    ];
    for options in none {
        assert_eq!(find_mss(options), None, "{options:?}");
    }
    assert_eq!(find_mss(&[3, 3, 7, 1, 2, 4, 0x05, 0xb4]), Some((6, 1460)));
}

#[test]
fn reset_for_a_segment_with_ack_takes_its_sequence_from_it() {
    let header = bare(TcpFlags::ACK | TcpFlags::PSH, 100, 7777);
    let reset = TcpReset::answering(&header, 50).unwrap();
    assert_eq!(reset, TcpReset { seq: 7777, ack: 0, flags: TcpFlags::RST });
    let answer = reset.header(&header);
    assert_eq!((answer.src_port(), answer.dst_port()), (80, 40000));
    assert_eq!((answer.seq(), answer.flags()), (7777, TcpFlags::RST));
}

#[test]
fn reset_for_a_segment_without_ack_acknowledges_all_of_it() {
    let both = TcpFlags::RST | TcpFlags::ACK;
    let ack_of = |flags, seq, len| {
        let reset = TcpReset::answering(&bare(flags, seq, 99), len).unwrap();
        assert_eq!((reset.seq, reset.flags), (0, both));
        reset.ack
    };
    assert_eq!(ack_of(TcpFlags::SYN, 1000, 0), 1001);
    assert_eq!(ack_of(TcpFlags::FIN, 1000, 10), 1011);
    assert_eq!(ack_of(TcpFlags::SYN | TcpFlags::FIN, 1000, 10), 1012);
    assert_eq!(ack_of(TcpFlags::NONE, u32::MAX, 2), 1, "sequence numbers wrap");
}

#[test]
fn a_reset_is_never_answered() {
    assert_eq!(TcpReset::answering(&bare(TcpFlags::RST, 1, 2), 0), None);
    assert_eq!(TcpReset::answering(&bare(TcpFlags::RST | TcpFlags::ACK, 1, 2), 0), None);
}

#[test]
fn flags_print_by_name() {
    assert_eq!((TcpFlags::SYN | TcpFlags::ACK).to_string(), "SYN|ACK");
    assert_eq!(TcpFlags::NONE.to_string(), "none");
    let mut flags = TcpFlags::FIN;
    flags |= TcpFlags::CWR;
    assert!(flags.contains(TcpFlags::FIN) && !flags.contains(TcpFlags::FIN | TcpFlags::ACK));
    assert!(flags.intersects(TcpFlags::FIN | TcpFlags::ACK));
}
