//! FULLNAT: the real server talks to a local address of the director.

use std::collections::HashSet;

use rvs_dataplane::forward::{ForwardingMode, LOCAL_PORT_MIN};
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, LAN, LIP, NatPair, RS1, RS2, Rig, ServiceSpec, Setup, VIP, WAN, from_real, src_port_of,
    to_real,
};

#[test]
fn both_ends_are_translated_both_ways() {
    NatPair::new(ForwardingMode::FullNat).exchange();
}

#[test]
fn udp_without_checksum_gets_one() {
    assert_eq!(NatPair::new(ForwardingMode::FullNat).fill_udp_checksums(), 0);
}

#[test]
fn the_port_may_compute_the_missing_checksum() {
    let mut setup = Setup::one_real(ForwardingMode::FullNat);
    setup.tx_checksums = true;
    assert_eq!(NatPair::with(setup, ForwardingMode::FullNat).fill_udp_checksums(), 5);
}

#[test]
fn a_bad_checksum_stays_bad() {
    NatPair::new(ForwardingMode::FullNat).keep_bad_checksums();
}

#[test]
fn every_connection_has_a_local_port_of_its_own() {
    let service = ServiceSpec::tcp(VIP, ForwardingMode::FullNat).real(RS1, 1).real(RS2, 1);
    let mut rig = Rig::new(Setup::new([service]));
    let mut used = HashSet::new();
    for client_port in 1..=500 {
        let client = format!("198.51.100.7:{}", 20_000 + client_port);
        let syn = PacketSpec::tcp(client.as_str(), VIP).flags(TcpFlags::SYN);
        let outcome = rig.send(WAN, &syn);
        let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
        assert_eq!(frame[26..30], LIP.octets());
        let lport = src_port_of(frame);
        assert!(lport >= LOCAL_PORT_MIN && used.insert(lport), "{lport} came twice");
        let real = if frame[33] == 11 { RS1 } else { RS2 };
        let expected = to_real(&syn, real).src((LIP, lport)).dst(real).ttl(63);
        assert_eq!(*frame, expected.frame());
    }
    assert_eq!((rig.gauges(0), rig.gauges(1)), ((250, 0), (250, 0)));
}

#[test]
fn a_local_address_serves_nobody_but_real_servers_with_a_flow() {
    let mut pair = NatPair::new(ForwardingMode::FullNat);
    let peer = pair.peer(&PacketSpec::tcp(CLIENT, VIP)).to_owned();
    // The right port from another real server, or from the real server's other port.
    for other in [RS2, "10.0.0.11:8081"] {
        let stray = from_real(&PacketSpec::tcp(other, peer.as_str()).ack(77), other);
        let reset = PacketSpec::tcp(peer.as_str(), other).flags(TcpFlags::RST).seq(77).window(0);
        pair.rig.refuses("stray", (LAN, &stray), to_real(&reset, other), DropReason::NoFlow);
    }
}
