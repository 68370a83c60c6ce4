//! Services by mark, and one-packet scheduling.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::marks::{Mark, MarkRule};
use rvs_dataplane::service::{RealId, ServiceId};
use rvs_dataplane::snapshot::Subnet;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, LAN, RS1, RS2, Rig, ServiceSpec, Setup, TeamRig, VIP, WAN, client, ends, from_real,
    one_hop_on, to_client, to_real,
};

const MARK: Mark = Mark::MIN;

/// Packets to this prefix, of any protocol and port, get [`MARK`].
fn rule(destination: &str, prefix_len: u8) -> MarkRule {
    let everywhere = Subnet::of([0, 0, 0, 0].into(), 0);
    MarkRule {
        mark: MARK,
        protocol: None,
        port: None,
        source: everywhere,
        destination: Subnet::of(destination.parse().unwrap(), prefix_len),
        source_ports: Box::default(),
        destination_ports: Box::default(),
    }
}

fn marked(mode: ForwardingMode, rules: impl IntoIterator<Item = MarkRule>) -> Setup {
    let service = ServiceSpec::marked(MARK, mode).real("10.0.0.11:0", 1).real("10.0.0.12:0", 1);
    let mut setup = Setup::new([service]);
    setup.marks = rules.into_iter().collect();
    setup
}

/// A client's packet must go to this address and port, whose machine is the next hop.
fn goes_to(rig: &mut Rig, packet: &PacketSpec, real: &str) {
    let expected = to_real(&one_hop_on(packet).dst(real), real);
    rig.forwards(real, (WAN, packet), (LAN, expected));
}

/// It must go to that machine as it is.
fn goes_unchanged(rig: &mut Rig, packet: &PacketSpec, real: &str) {
    rig.forwards(real, (WAN, packet), (LAN, to_real(&one_hop_on(packet), real)));
}

const WEB: &str = "192.0.2.10:80";
const SECURE: &str = "192.0.2.10:443";
const DNS: &str = "192.0.2.10:53";

fn syn(to: &str) -> PacketSpec {
    PacketSpec::tcp(CLIENT, to).flags(TcpFlags::SYN)
}

#[test]
fn all_ports_and_protocols_of_a_mark_are_one_service() {
    let mut rig = Rig::new(marked(ForwardingMode::Nat, [rule("192.0.2.10", 32)]));
    let dns = PacketSpec::udp(CLIENT, DNS).payload("question");
    // In turn, whatever they are; each keeps its port, and its flow.
    goes_to(&mut rig, &syn(WEB), "10.0.0.12:80");
    goes_to(&mut rig, &syn(SECURE), "10.0.0.11:443");
    goes_to(&mut rig, &dns, "10.0.0.12:53");
    goes_to(&mut rig, &dns, "10.0.0.12:53");
    goes_to(&mut rig, &syn(SECURE), "10.0.0.11:443");
    assert_eq!(rig.stats.service(ServiceId(0)).map(|stats| stats.connections.value()), Some(3));
    // Replies come from the port that was asked.
    let reply = PacketSpec::udp("10.0.0.12:53", CLIENT).payload("answer");
    let expected = to_client(&one_hop_on(&reply).src(DNS));
    rig.forwards("reply", (LAN, &from_real(&reply, "10.0.0.12:53")), (WAN, expected));
}

#[test]
fn modes_that_change_no_port_send_marked_packets_on_as_they_are() {
    let mut rig = Rig::new(marked(ForwardingMode::Dr, [rule("192.0.2.10", 32)]));
    goes_unchanged(&mut rig, &syn(WEB), "10.0.0.12:80");
    goes_unchanged(&mut rig, &syn(SECURE), "10.0.0.11:443");
}

#[test]
fn fullnat_keeps_the_port_of_a_marked_packet_and_finds_its_reply() {
    let mut rig = Rig::new(marked(ForwardingMode::FullNat, [rule("192.0.2.10", 32)]));
    let outcome = rig.send(WAN, &PacketSpec::udp(CLIENT, DNS).payload("question"));
    let (local, real) = ends(&outcome.frames[0].1);
    assert_eq!(real.to_string(), "10.0.0.12:53");
    let reply = PacketSpec::udp(real, local).payload("answer");
    let expected = to_client(&one_hop_on(&reply).src(DNS).dst(CLIENT));
    rig.forwards("reply", (LAN, &from_real(&reply, "10.0.0.12:53")), (WAN, expected));
}

#[test]
fn a_mark_goes_before_the_address_and_without_its_service_means_nothing() {
    let mut setup = marked(
        ForwardingMode::Nat,
        [MarkRule { destination_ports: [443..=443].into(), ..rule("192.0.2.10", 32) }],
    );
    setup.add(ServiceSpec::tcp(VIP, ForwardingMode::Nat).real(RS1, 1));
    setup.add(ServiceSpec::tcp(SECURE, ForwardingMode::Nat).real(RS2, 1));
    let mut rig = Rig::new(setup);
    goes_to(&mut rig, &syn(WEB), RS1);
    goes_to(&mut rig, &syn(SECURE), "10.0.0.12:443");
    let other = Mark::new(2).unwrap();
    rig.reconfigure(|setup| setup.marks[0].mark = other);
    let next = PacketSpec::tcp("198.51.100.7:40001", SECURE).flags(TcpFlags::SYN);
    goes_to(&mut rig, &next, RS2);
}

#[test]
fn a_rule_asks_for_the_port_that_a_packet_was_received_at() {
    let at_lan = MarkRule { port: Some(LAN), ..rule("192.0.2.10", 32) };
    let mut rig = Rig::new(marked(ForwardingMode::Nat, [at_lan]));
    let outcome = rig.send(WAN, &syn(WEB));
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService)]);
    let inside = PacketSpec::udp("10.0.0.77:40000", DNS).payload("question");
    let received = from_real(&inside, "10.0.0.77:1");
    let expected = to_real(&one_hop_on(&inside).dst("10.0.0.12:53"), "10.0.0.12:53");
    rig.forwards("from the lan", (LAN, &received), (LAN, expected));
}

#[test]
fn packets_to_a_prefix_are_taken_without_its_addresses_being_ours() {
    let mut rig = Rig::new(marked(ForwardingMode::Nat, [rule("203.0.113.0", 24)]));
    goes_to(&mut rig, &syn("203.0.113.9:80"), "10.0.0.12:80");
    rig.drops("other", (WAN, &syn("203.0.114.9:80")), DropReason::NotForUs);
    let echo = PacketSpec::echo_request(CLIENT, "203.0.113.9:0", 1, 1);
    rig.drops("not ours", (WAN, &echo), DropReason::NotForUs);
}

fn ops(mode: ForwardingMode) -> Rig {
    let service = ServiceSpec::udp(DNS, mode).ops();
    let l4_port = if mode.sees_replies() { 5353 } else { 53 };
    let reals = ["10.0.0.11", "10.0.0.12"].map(|address| format!("{address}:{l4_port}"));
    Rig::new(Setup::new([service.real(reals[0].as_str(), 1).real(reals[1].as_str(), 1)]))
}

#[test]
fn every_datagram_of_a_one_packet_service_is_scheduled_by_itself() {
    let datagram = PacketSpec::udp(CLIENT, DNS).payload("question");
    let mut dr = ops(ForwardingMode::Dr);
    let mut nat = ops(ForwardingMode::Nat);
    for real in ["10.0.0.12", "10.0.0.11", "10.0.0.12"] {
        goes_unchanged(&mut dr, &datagram, &format!("{real}:53"));
        goes_to(&mut nat, &datagram, &format!("{real}:5353"));
    }
    for rig in [&mut dr, &mut nat] {
        assert!(rig.flows().is_empty());
        assert_eq!(rig.stats.service(ServiceId(0)).map(|one| one.connections.value()), Some(3));
        let real = rig.stats.real_server(RealId(1)).unwrap();
        let traffic = &real.traffic;
        assert_eq!((traffic.connections.value(), traffic.in_packets.value()), (2, 2));
        assert_eq!(rig.gauges(1), (0, 0));
    }
    // Replies are not translated: they are routed as those of any NAT real server.
    let reply = PacketSpec::udp("10.0.0.12:5353", CLIENT).payload("answer");
    let expected = to_client(&one_hop_on(&reply));
    nat.forwards("reply", (LAN, &from_real(&reply, "10.0.0.12:5353")), (WAN, expected));
}

#[test]
fn all_fragments_of_a_one_packet_datagram_go_to_one_real_server() {
    for (mode, ports) in [(ForwardingMode::Dr, 53), (ForwardingMode::Nat, 5353)] {
        let mut rig = ops(mode);
        for (id, real) in [(7, "10.0.0.12"), (8, "10.0.0.11")] {
            let datagram = PacketSpec::udp(CLIENT, DNS).payload([7; 100]);
            let datagram = datagram.dont_fragment(false).id(id);
            // The last fragment first: it waits for the one that has the ports.
            let fragments = datagram.fragments(48);
            let real = format!("{real}:{ports}");
            let mut out = one_hop_on(&datagram);
            if mode == ForwardingMode::Nat {
                out = out.dst(real.as_str());
            }
            let mut expected = to_real(&out, &real).fragments(48);
            let outcome = rig.send_all(WAN, fragments.iter().rev());
            let frames = outcome.frames.iter().map(|(port, frame)| (*port, frame.clone()));
            let mut frames: Vec<_> = frames.collect();
            frames.sort();
            expected.sort();
            let expected: Vec<_> = expected.into_iter().map(|frame| (LAN, frame)).collect();
            assert_eq!(frames, expected, "{mode:?} {real}");
        }
        assert!(rig.flows().is_empty());
    }
}

#[test]
fn a_one_packet_service_without_real_servers_refuses() {
    let mut rig = ops(ForwardingMode::Nat);
    rig.reconfigure(|setup| setup.set_weights(0));
    let datagram = PacketSpec::udp(CLIENT, DNS).payload("question");
    let outcome = rig.send(WAN, &datagram);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoRealServer)]);
    assert_eq!(outcome.frames.len(), 1, "an ICMP error");
}

#[test]
fn any_worker_takes_packets_of_a_mark_and_replies_find_their_flow() {
    for destination in [("203.0.113.0", 24), ("203.0.113.9", 32)] {
        let setup = marked(ForwardingMode::Nat, [rule(destination.0, destination.1)]);
        let mut team = TeamRig::new(&setup, 5, |_| true);
        for number in 0..200 {
            let from = client(number);
            let request = PacketSpec::udp((*from.ip(), from.port()), "203.0.113.9:53");
            team.put(WAN, &request.frame());
            let (_, there) = ends(&team.run()[0].1);
            assert!(["10.0.0.11:53", "10.0.0.12:53"].contains(&there.to_string().as_str()));
            let reply = PacketSpec::udp(there, from);
            team.put(LAN, &from_real(&reply, &there.to_string()).frame());
            let (back, _) = ends(&team.run()[0].1);
            assert_eq!(back.to_string(), "203.0.113.9:53");
        }
    }
}
