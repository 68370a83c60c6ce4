//! TUN: the packet travels to the real server inside another IPv4 packet.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, LAN, LAN_IP, RS1, Rig, Setup, VIP, WAN, datagrams, one_hop_on, segments, to_real,
};

/// The tunnel packet that `packet` to the real server at `rs` becomes. TTL, TOS and DF are the
/// inner ones; `id` counts only where DF is not set.
pub(crate) fn tunnelled(packet: &PacketSpec, rs: &str, id: u16) -> PacketSpec {
    let inner = one_hop_on(packet);
    let bytes = inner.packet();
    let dont_fragment = bytes[6] & 0x40 != 0;
    let address = rs.split(':').next().unwrap();
    let outer = PacketSpec::ipip(LAN_IP, address, &inner).ttl(bytes[8]).tos(bytes[1]);
    to_real(&outer, rs).dont_fragment(dont_fragment).id(if dont_fragment { 0 } else { id })
}

fn exchange(setup: Setup) -> usize {
    let mut rig = Rig::new(setup);
    let mut offloaded = 0;
    let packets = segments(CLIENT, VIP).into_iter().chain(datagrams(CLIENT, VIP));
    let fit = packets.filter(|(_, packet)| packet.packet().len() <= 1480);
    for (id, (name, packet)) in (1..).zip(fit) {
        let outcome = rig.send(WAN, &packet);
        let expected = tunnelled(&packet, RS1, id);
        assert_eq!(outcome.frames, [(LAN, expected.frame())], "{name}: {:?}", outcome.lines());
        offloaded += outcome.offloaded;
    }
    offloaded
}

#[test]
fn the_packet_is_wrapped_as_it_is() {
    assert_eq!(exchange(Setup::one_real(ForwardingMode::Tunnel)), 0);
}

#[test]
fn the_port_may_compute_the_outer_checksum() {
    let mut setup = Setup::one_real(ForwardingMode::Tunnel);
    setup.tx_checksums = true;
    assert!(exchange(setup) > 10);
}

#[test]
fn checksums_inside_are_none_of_our_business() {
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Tunnel));
    rig.verify_frames = false;
    for packet in [
        PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN).bad_l4_checksum(),
        PacketSpec::udp(CLIENT, VIP).payload("x").no_udp_checksum(),
    ] {
        rig.forwards("inner", (WAN, &packet), (LAN, tunnelled(&packet, RS1, 0)));
    }
}

#[test]
fn a_packet_too_long_for_the_tunnel_is_fragmented_outside() {
    for tx_checksums in [false, true] {
        let mut setup = Setup::one_real(ForwardingMode::Tunnel);
        setup.tx_checksums = tx_checksums;
        let mut rig = Rig::new(setup);
        for (id, len) in [(1, 1453), (2, 1472)] {
            let packet = PacketSpec::udp(CLIENT, VIP).payload(vec![7; len]).dont_fragment(false);
            let expected = tunnelled(&packet, RS1, id).fragments(1480);
            assert_eq!(expected.len(), 2);
            let expected: Vec<_> = expected.into_iter().map(|frame| (LAN, frame)).collect();
            let verdict = rvs_dataplane::verdict::Verdict::Forwarded;
            rig.expect_frames("too long", (WAN, &packet.frame()), &expected, verdict);
        }
    }
}
