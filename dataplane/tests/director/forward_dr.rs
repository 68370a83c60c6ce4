//! DR: the packet goes to the real server's MAC address as it came, but for the TTL.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, LAN, RS1, Rig, Setup, VIP, WAN, datagrams, one_hop_on, segments, to_real,
};

fn rig() -> Rig {
    Rig::new(Setup::one_real(ForwardingMode::Dr))
}

fn forwarded(packet: &PacketSpec) -> PacketSpec {
    one_hop_on(&to_real(packet, RS1))
}

#[test]
fn only_mac_addresses_and_ttl_change() {
    let mut rig = rig();
    for (name, packet) in segments(CLIENT, VIP).into_iter().chain(datagrams(CLIENT, VIP)) {
        rig.forwards(name, (WAN, &packet), (LAN, forwarded(&packet)));
    }
}

#[test]
fn checksums_of_the_payload_are_none_of_our_business() {
    let mut rig = rig();
    rig.verify_frames = false;
    for packet in [
        PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN).bad_l4_checksum(),
        PacketSpec::udp(CLIENT, VIP).payload("x").bad_l4_checksum(),
        PacketSpec::udp(CLIENT, VIP).payload("x").no_udp_checksum(),
    ] {
        rig.forwards("damaged", (WAN, &packet), (LAN, forwarded(&packet)));
    }
}

#[test]
fn requests_are_counted_and_replies_are_not_seen() {
    let mut rig = rig();
    let syn = PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN).payload([0; 10]);
    rig.send(WAN, &syn.clone().padded_to(100));
    rig.send(WAN, &PacketSpec::tcp(CLIENT, VIP));
    let service = rig.stats.service(rvs_dataplane::service::ServiceId(0)).unwrap();
    assert_eq!(service.connections.value(), 1);
    assert_eq!((service.in_packets.value(), service.in_bytes.value()), (2, 50 + 40));
    assert_eq!((service.out_packets.value(), service.out_bytes.value()), (0, 0));
}
