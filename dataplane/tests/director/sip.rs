//! Persistence by the Call-ID of SIP messages, against IPVS' rules, on one worker and on several.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::TcpFlags;

use crate::support::{MODES, ServiceSpec, Setup, TeamRig, VIP, WAN, ends};

const WORKER_COUNTS: [u16; 4] = [1, 2, 3, 8];
const REALS: u8 = 4;
const PHONE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);

/// A service for calls.
fn sip(service: ServiceSpec) -> ServiceSpec {
    let with =
        |service: ServiceSpec, real| service.real((Ipv4Addr::new(10, 0, 0, 11 + real), 80), 1);
    (0..REALS).fold(service, with).persistent(300, [255; 4]).by_call()
}

fn rig(mode: ForwardingMode, workers: u16) -> TeamRig {
    TeamRig::new(&Setup::new([sip(ServiceSpec::udp(VIP, mode))]), workers, |_| true)
}

fn rig_of_datagrams(mode: ForwardingMode, workers: u16) -> TeamRig {
    TeamRig::new(&Setup::new([sip(ServiceSpec::udp(VIP, mode)).ops()]), workers, |_| true)
}

/// A request whose header for the call is this line.
fn request(from: (Ipv4Addr, u16), line: &str) -> PacketSpec {
    let text =
        format!("INVITE sip:bob@example.com SIP/2.0\r\nVia: x\r\n{line}CSeq: 1 INVITE\r\n\r\n");
    PacketSpec::udp(from, VIP).payload(text)
}

fn of_call(from: (Ipv4Addr, u16), call: impl std::fmt::Display) -> PacketSpec {
    request(from, &format!("Call-ID: {call}\r\n"))
}

#[test]
fn a_call_stays_and_the_calls_of_a_client_are_spread() {
    for mode in MODES {
        for workers in WORKER_COUNTS {
            let mut rig = rig(mode, workers);
            let mut chosen = HashSet::new();
            for call in 0..12u16 {
                // Every request comes from a port of its own, so it has no flow yet.
                let from = |request| (PHONE, 1000 + call * 20 + request);
                let first = rig.target(&of_call(from(0), call));
                for request in 1..20 {
                    let again = rig.target(&of_call(from(request), call));
                    assert_eq!(again, first, "{mode:?} {workers}");
                }
                chosen.insert(first);
            }
            // Each worker goes round by itself.
            assert!(chosen.len() > 2, "{mode:?} {workers}: {chosen:?}");
            assert_eq!(rig.templates(u32::from(REALS)), 12);
            assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
        }
    }
}

#[test]
fn the_header_may_be_written_in_other_ways_and_is_the_same_call() {
    let mut rig = rig(ForwardingMode::Nat, 3);
    let first = rig.target(&of_call((PHONE, 1000), "a84b4c76e66710@pc33.example.com"));
    let lines = ["i: ", "I:", "call-id:", "CALL-ID : ", "Call-ID:\r\n "];
    for (cport, line) in (1001..).zip(lines) {
        let line = format!("{line}a84b4c76e66710@pc33.example.com\r\n");
        assert_eq!(rig.target(&request((PHONE, cport), &line)), first, "{line:?}");
    }
    assert_eq!(rig.templates(u32::from(REALS)), 1);
    // What names a call is the same in every letter.
    rig.target(&of_call((PHONE, 2000), "A84B4C76E66710@pc33.example.com"));
    assert_eq!(rig.templates(u32::from(REALS)), 2);
}

#[test]
fn clients_have_calls_of_their_own_and_networks_have_them_together() {
    for workers in WORKER_COUNTS {
        let mut rig = rig(ForwardingMode::Nat, workers);
        let first = rig.target(&of_call((PHONE, 1000), "one"));
        // As in IPVS the client's address is part of the template's key.
        rig.target(&of_call((OTHER, 1000), "two"));
        rig.target(&of_call((OTHER, 1001), "one"));
        assert_eq!(rig.templates(u32::from(REALS)), 3, "{workers}");
        assert_eq!(rig.target(&of_call((PHONE, 1001), "one")), first);

        let service = sip(ServiceSpec::udp(VIP, ForwardingMode::Nat));
        let service = service.persistent(300, [255, 255, 255, 0]).by_call();
        let mut rig = TeamRig::new(&Setup::new([service]), workers, |_| true);
        let first = rig.target(&of_call((PHONE, 1000), "one"));
        assert_eq!(rig.target(&of_call((OTHER, 1000), "one")), first);
        assert_eq!(rig.templates(u32::from(REALS)), 1, "{workers}");
    }
}

#[test]
fn a_datagram_of_a_flow_is_not_read() {
    let mut rig = rig(ForwardingMode::Nat, 3);
    let first = rig.target(&of_call((PHONE, 5060), "one"));
    for call in 0..8 {
        assert_eq!(rig.target(&of_call((PHONE, 5060), call)), first);
    }
    assert_eq!(rig.target(&request((PHONE, 5060), "")), first, "nor need it have one");
    assert_eq!(rig.templates(u32::from(REALS)), 1);
}

#[test]
fn datagrams_that_are_scheduled_by_themselves_go_by_their_own_call() {
    for mode in [ForwardingMode::Dr, ForwardingMode::Nat, ForwardingMode::Tunnel] {
        for workers in WORKER_COUNTS {
            let mut rig = rig_of_datagrams(mode, workers);
            let calls: Vec<u16> = (0..16).collect();
            let targets = |rig: &mut TeamRig| -> Vec<Vec<u8>> {
                calls.iter().map(|call| rig.target(&of_call((PHONE, 5060), call))).collect()
            };
            let first = targets(&mut rig);
            assert!(first.iter().collect::<HashSet<_>>().len() > 2, "{mode:?} {workers}");
            assert_eq!(targets(&mut rig), first, "{mode:?} {workers}");
            assert_eq!(
                (rig.templates(u32::from(REALS)), rig.sum(|stats| stats.flows.value())),
                (16, 0)
            );
            rig.put(WAN, &request((PHONE, 5060), "").frame());
            assert!(rig.run().is_empty());
            assert_eq!(rig.dropped(DropReason::NoCallId), 1);
        }
    }
}

#[test]
fn what_names_no_call_is_dropped_and_counted() {
    let longest = format!("Call-ID: {}\r\n", "x".repeat(255));
    let too_long = format!("Call-ID: {}\r\n", "x".repeat(256));
    for workers in WORKER_COUNTS {
        let mut rig = rig(ForwardingMode::Nat, workers);
        let garbled = ["", "Call-ID:\r\n", "Call-ID: a b\r\n", "Call-ID: a@\r\n", &too_long];
        for (line, cport) in garbled.into_iter().zip(1000..) {
            rig.put(WAN, &request((PHONE, cport), line).frame());
            assert!(rig.run().is_empty(), "{line:?}");
        }
        rig.put(WAN, &PacketSpec::udp((PHONE, 2000), VIP).frame());
        rig.put(WAN, &PacketSpec::udp((PHONE, 2001), VIP).payload("\r\n\r\n").frame());
        rig.put(WAN, &PacketSpec::udp((PHONE, 2002), VIP).payload("X\r\nCall-ID: cut").frame());
        assert!(rig.run().is_empty());
        assert_eq!(rig.dropped(DropReason::NoCallId), 8, "{workers}");
        assert_eq!((rig.templates(u32::from(REALS)), rig.sum(|stats| stats.flows.value())), (0, 0));
        rig.target(&request((PHONE, 3000), &longest));
        assert_eq!(rig.templates(u32::from(REALS)), 1);
    }
}

#[test]
fn the_first_fragment_has_to_have_the_header() {
    for workers in [1, 3] {
        let mut rig = rig(ForwardingMode::Nat, workers);
        let long = "x".repeat(2000);
        let lines = [format!("i: one\r\nX: {long}\r\n"), format!("X: {long}\r\ni: one\r\n")];
        let [early, late] = lines.map(|line| {
            let from = (PHONE, 1000 + u16::from(line.starts_with('X')));
            request(from, &line).dont_fragment(false).id(from.1).fragments(800)
        });
        for fragment in &early {
            rig.put(WAN, fragment);
        }
        assert_eq!(rig.run().len(), early.len());
        assert_eq!(rig.templates(u32::from(REALS)), 1);
        for fragment in &late {
            rig.put(WAN, fragment);
        }
        assert!(rig.run().is_empty());
        assert_eq!(rig.dropped(DropReason::NoCallId), late.len() as u64, "{workers}");
    }
}

#[test]
fn tcp_to_a_service_by_mark_has_no_call() {
    use rvs_dataplane::marks::{Mark, MarkRule};
    use rvs_dataplane::snapshot::Subnet;

    let mark = Mark::new(7).unwrap();
    let mut setup = Setup::new([sip(ServiceSpec::marked(mark, ForwardingMode::Nat))]);
    setup.marks = vec![MarkRule {
        mark,
        protocol: None,
        port: None,
        source: Subnet::of(Ipv4Addr::UNSPECIFIED, 0),
        destination: Subnet::of(Ipv4Addr::new(192, 0, 2, 10), 32),
        source_ports: Box::default(),
        destination_ports: Box::default(),
    }];
    for workers in [1, 3] {
        let mut rig = TeamRig::new(&setup, workers, |_| true);
        rig.put(WAN, &PacketSpec::tcp((PHONE, 1000), VIP).flags(TcpFlags::SYN).frame());
        assert!(rig.run().is_empty());
        assert_eq!(rig.dropped(DropReason::NoCallId), 1);
        let real = |rig: &mut TeamRig, cport, call: &str| -> SocketAddrV4 {
            rig.put(WAN, &of_call((PHONE, cport), call).frame());
            ends(&rig.run()[0].1).1
        };
        let first = real(&mut rig, 1000, "one");
        let others = (0..8).map(|call| real(&mut rig, 1003 + call, &call.to_string()));
        assert!(others.collect::<HashSet<_>>().len() > 1);
        assert_eq!(real(&mut rig, 1002, "one"), first, "{workers}");
    }
}

#[test]
fn calls_are_told_apart_as_soon_as_the_service_says_so() {
    let service = || {
        let reals = ["10.0.0.11:80", "10.0.0.12:80"].into_iter();
        let udp = ServiceSpec::udp(VIP, ForwardingMode::Nat);
        reals.fold(udp, |service, real| service.real(real, 1)).persistent(300, [255; 4])
    };
    let mut rig = TeamRig::new(&Setup::new([service()]), 2, |_| true);
    let first = rig.target(&of_call((PHONE, 1000), "one"));
    assert_eq!(rig.target(&of_call((PHONE, 1001), "two")), first);
    rig.publish(|setup| setup.replace(service().by_call()));
    let both: HashSet<_> =
        (0..8).map(|call| rig.target(&of_call((PHONE, 1002 + call), call))).collect();
    assert_eq!(both.len(), 2);
    rig.publish(|setup| setup.replace(service()));
    assert_eq!(rig.target(&request((PHONE, 1010), "")), first, "its template still lives");
}
