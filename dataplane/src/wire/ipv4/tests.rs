//! Fixtures of IPv4 headers: fields, lengths, fragments, options, TTL.

use super::*;

/// The header of a DNS answer as captured; its checksum is 0xb861.
const HEADER: [u8; 20] = [
    0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, //
    0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
];

fn packet(header: [u8; 20]) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes.resize(0x73, 0x55);
    bytes
}

fn check_with(at: usize, value: u8) -> Result<(), Ipv4Error> {
    let mut bytes = packet(HEADER);
    bytes[at] = value;
    check(&bytes).map(|_| ())
}

#[test]
fn reads_the_fields() {
    let bytes = packet(HEADER);
    let checked = check(&bytes).unwrap();
    assert_eq!((checked.header_len, checked.total_len), (20, 0x73));
    assert_eq!((checked.payload_len(), checked.payload.len()), (95, 95));
    assert!(!checked.has_options());
    let header = checked.header;
    assert_eq!(header.src(), Ipv4Addr::new(192, 168, 0, 1));
    assert_eq!(header.dst(), Ipv4Addr::new(192, 168, 0, 199));
    assert_eq!((header.ttl(), header.protocol(), header.id()), (64, IpProto::UDP, 0));
    assert!(header.dont_fragment() && !header.is_fragment() && header.is_first_fragment());
    assert_eq!(header.checksum(), 0xb861);
    assert!(checksum_ok(&bytes));
}

#[test]
fn bad_lengths_and_versions_are_named() {
    assert_eq!(check_with(0, 0x65), Err(Ipv4Error::Version));
    assert_eq!(check_with(0, 0x44), Err(Ipv4Error::HeaderLen));
    assert_eq!(check_with(3, 19), Err(Ipv4Error::TotalLen));
    assert_eq!(check_with(3, 0x74), Err(Ipv4Error::PacketCut));
    assert_eq!(check_with(3, 20), Ok(()));
    let bytes = packet(HEADER);
    for len in 0..20 {
        assert_eq!(check(&bytes[..len]).err(), Some(Ipv4Error::HeaderCut));
    }
    let mut options = HEADER;
    options[0] = 0x46;
    assert_eq!(check(&options).err(), Some(Ipv4Error::HeaderCut));
}

#[test]
fn padding_is_not_payload() {
    let mut bytes = packet(HEADER);
    bytes.resize(200, 0);
    assert_eq!(check(&bytes).unwrap().payload.len(), 95);
}

#[test]
fn a_packet_may_go_on_in_another_segment() {
    let bytes = packet(HEADER);
    let first = &bytes[..40];
    assert_eq!(check(first).err(), Some(Ipv4Error::PacketCut));
    let checked = check_within(first, 0x73).unwrap();
    assert_eq!((checked.payload.len(), checked.payload_len()), (20, 95));
    assert_eq!(check_within(first, 0x72).err(), Some(Ipv4Error::PacketCut));
}

#[test]
fn options_are_covered_by_the_checksum() {
    // Router alert, then padding.
    let mut bytes = packet(HEADER);
    bytes[0] = 0x47;
    bytes[20..28].copy_from_slice(&[0x94, 0x04, 0, 0, 0, 0, 0, 0]);
    assert!(!checksum_ok(&bytes));
    assert!(fill_checksum(&mut bytes));
    assert!(checksum_ok(&bytes));
    let parsed = etherparse::Ipv4HeaderSlice::from_slice(&bytes).unwrap().to_header();
    assert_eq!(parsed.calc_header_checksum(), Ipv4Header::read(&bytes).unwrap().checksum());
    assert_eq!(check(&bytes).unwrap().payload.len(), 0x73 - 28);
    bytes[21] ^= 1;
    assert!(!checksum_ok(&bytes));
}

#[test]
fn a_cut_header_has_no_checksum() {
    assert!(!checksum_ok(&HEADER[..19]));
    let mut cut = HEADER;
    cut[0] = 0x46;
    assert!(!checksum_ok(&cut));
    assert!(!fill_checksum(&mut cut));
    assert_eq!(cut[10..12], [0xb8, 0x61], "left as it was");
    cut[0] = 0x41;
    assert!(!checksum_ok(&cut) && !fill_checksum(&mut cut));
}

#[test]
fn fragments_are_told_apart() {
    let with = |flags_offset: u16| {
        let mut bytes = HEADER;
        bytes[6..8].copy_from_slice(&flags_offset.to_be_bytes());
        *Ipv4Header::read(&bytes).unwrap()
    };
    let first = with(0x2000);
    assert!(first.is_fragment() && first.is_first_fragment() && first.more_fragments());
    let last = with(0x00b9);
    assert!(last.is_fragment() && !last.is_first_fragment() && !last.more_fragments());
    assert_eq!(last.fragment_offset(), 1480);
    assert_eq!(with(0xffff).fragment_offset(), 65528);
    assert!(!with(0xc000).is_fragment(), "the reserved bit means nothing");
}

#[test]
fn fragments_can_be_made() {
    let mut bytes = HEADER;
    let header = Ipv4Header::read_mut(&mut bytes).unwrap();
    header.set_fragment(1480, true);
    assert_eq!((header.fragment_offset(), header.more_fragments()), (1480, true));
    assert!(header.dont_fragment());
    header.set_fragment(65_535, false);
    assert_eq!((header.fragment_offset(), header.more_fragments()), (65_528, false));
    assert!(checksum_ok(&bytes));
    Ipv4Header::read_mut(&mut bytes).unwrap().set_fragment(0, false);
    assert_eq!(bytes, HEADER);
}

#[test]
fn ttl_counts_down_to_one() {
    let mut bytes = HEADER;
    let header = Ipv4Header::read_mut(&mut bytes).unwrap();
    assert_eq!(header.decrement_ttl(), Some(63));
    assert_eq!(header.checksum(), 0xb961, "RFC 1141: one less in the high byte");
    for ttl in [1, 0] {
        header.set_ttl(ttl);
        let before = *header;
        assert_eq!(header.decrement_ttl(), None);
        assert_eq!(*header, before);
    }
    assert!(checksum_ok(&bytes));
}

#[test]
fn every_ttl_and_checksum_counts_down_right() {
    for ttl in 2..=255 {
        for id in (0..=u16::MAX).step_by(251) {
            let mut header = *Ipv4Header::read(&HEADER).unwrap();
            header.set_ttl(ttl);
            header.set_id(id);
            assert_eq!(header.decrement_ttl(), Some(ttl - 1));
            let mut full = header;
            full.set_checksum(0);
            assert_eq!(header.checksum(), checksum::checksum(full.as_wire()));
        }
    }
}

#[test]
fn new_headers_are_complete() {
    let fields = Ipv4Fields {
        src: Ipv4Addr::new(192, 168, 0, 1),
        dst: Ipv4Addr::new(192, 168, 0, 199),
        protocol: IpProto::UDP,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        total_len: 0x73,
    };
    let mut out = [0xA5; 22];
    assert_eq!(Ipv4Header::new(&fields).emit(&mut out).unwrap(), [0xA5, 0xA5]);
    assert_eq!(out[..20], HEADER);
}

#[test]
fn tos_is_dscp_and_ecn() {
    let mut header = *Ipv4Header::read(&HEADER).unwrap();
    header.set_tos(0xb9);
    assert_eq!((header.dscp(), header.ecn(), header.tos()), (46, 1, 0xb9));
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut bytes = HEADER;
    bytes[10] ^= 0x10;
    let header = Ipv4Header::read_mut(&mut bytes).unwrap();
    let _ = header.set_dst(Ipv4Addr::new(10, 0, 0, 11));
    assert!(!checksum_ok(&bytes));
}
