//! Ports that do not take what they are given.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{CLIENT, LAN, Rig, Setup, VIP, WAN};

fn segment(number: u16, flags: TcpFlags) -> Vec<u8> {
    PacketSpec::tcp(format!("198.51.100.7:{}", 10_000 + number).as_str(), VIP).flags(flags).frame()
}

const REFUSED: Verdict = Verdict::Dropped(DropReason::TxRefused);

#[test]
fn what_a_port_refuses_is_dropped_and_counted() {
    for (offered, taken) in [(1, 0), (10, 0), (10, 7), (32, 31), (33, 32), (100, 40)] {
        let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
        rig.wires.borrow_mut().tx_room[LAN.index()] = Some(taken);
        let outcome = rig.send_all(WAN, (0..offered).map(|number| segment(number, TcpFlags::SYN)));
        let offered = usize::from(offered);
        assert_eq!(outcome.frames.len(), taken);
        let mut expected = vec![Verdict::Forwarded; taken];
        expected.resize(offered, REFUSED);
        assert_eq!(outcome.verdicts, expected, "{taken} of {offered}");
        let port = &rig.stats.ports[LAN.index()];
        assert_eq!(port.tx_refused.value(), (offered - taken) as u64);
        // One ARP request of the start was sent there, too.
        assert_eq!(port.tx_packets.value(), taken as u64 + 1);
        assert_eq!(port.tx_bytes.value(), taken as u64 * 54 + 42);
        assert_eq!(rig.stats.ports[WAN.index()].rx_packets.value(), offered as u64 + 1);
    }
}

#[test]
fn refused_packets_of_our_own_are_no_drops() {
    // Requests refused by us and requests forwarded, in turn: resets go out to the wan, ...
    let mut rig = Rig::new(Setup::one_real(ForwardingMode::Dr));
    rig.wires.borrow_mut().tx_room[WAN.index()] = Some(3);
    let outcome = rig.send_all(WAN, (0..10).map(|number| segment(number, TcpFlags::ACK)));
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoFlow); 10]);
    assert_eq!(outcome.frames.len(), 3);
    assert_eq!(rig.stats.ports[WAN.index()].tx_refused.value(), 7);
    assert_eq!(rig.stats.dropped(DropReason::TxRefused).value(), 0);
}

#[test]
fn the_origin_of_every_frame_in_a_mixed_burst_is_known() {
    // Routed packets of a NAT real server and answers to it leave the same port, interleaved.
    let real = "10.0.0.11:8080";
    for taken in 0..=20 {
        let mut rig = Rig::new(Setup::one_real(ForwardingMode::Nat));
        let syn = PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN);
        rig.send(WAN, &syn);
        let request = PacketSpec::tcp(CLIENT, VIP).frame();
        let ping = crate::support::from_real(
            &PacketSpec::echo_request("10.0.0.11", "192.0.2.10", 1, 1),
            real,
        );
        for _ in 0..10 {
            rig.wires.borrow_mut().put(WAN, &request);
            rig.wires.borrow_mut().put(LAN, &ping.frame());
        }
        rig.wires.borrow_mut().tx_room[LAN.index()] = Some(taken);
        let outcome = rig.turn();
        // The wan's burst comes first: ten requests forwarded, then ten answers to pings.
        let forwarded = taken.min(10);
        let count = |wanted: Verdict| outcome.verdicts.iter().filter(|one| **one == wanted).count();
        assert_eq!((count(Verdict::Forwarded), count(REFUSED)), (forwarded, 10 - forwarded));
        assert_eq!(count(Verdict::Consumed), 10);
        assert_eq!(outcome.frames.len(), taken);
    }
}
