//! Flows and templates that an operator counts and ends.

use rvs_dataplane::control::{Command, Ends, Kind, Report, Selection};
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::SWEEP_ENDS_PER_TURN;
use rvs_dataplane::service::RealId;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, LAN, LIP, MODES, RS1, RS2, Rig, SYN_ACK, ServiceSpec, Setup, VIP, WAN, from_real,
    src_port_of,
};

const ALL: Selection = Selection::ALL;

fn syn(client: &str) -> PacketSpec {
    PacketSpec::tcp(client, VIP).flags(TcpFlags::SYN)
}

fn ack(client: &str) -> PacketSpec {
    PacketSpec::tcp(client, VIP).flags(TcpFlags::ACK)
}

fn client(number: u16) -> String {
    format!("198.51.100.{}:{}", 1 + number % 2, 10_000 + number)
}

/// The clients of the network with an even last octet.
fn even_half() -> Selection {
    let network = "198.51.100.2".parse().unwrap();
    Selection { client: Some(Ends { network, prefix_len: 32, l4_port: None }), ..ALL }
}

fn count(rig: &mut Rig, command: Command) -> u64 {
    let reports = rig.list(command);
    let [Report::Count(count)] = reports[..] else { panic!("{reports:?}") };
    count
}

#[test]
fn those_that_are_meant_end_and_no_others() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::one_real(mode));
        for number in 0..100 {
            rig.send(WAN, &syn(&client(number)));
        }
        assert_eq!(count(&mut rig, Command::CountFlows(even_half())), 50);
        assert_eq!(count(&mut rig, Command::EndFlows(even_half())), 50);
        assert_eq!(count(&mut rig, Command::CountFlows(even_half())), 0);
        assert_eq!(count(&mut rig, Command::CountFlows(ALL)), 50);
        assert_eq!(rig.gauges(0), (50, 0), "{mode:?}");
        assert_eq!((rig.stats.flows.value(), rig.stats.ended.on_request.value()), (50, 50));
        rig.assert_books();
    }
}

#[test]
fn neither_way_is_known_any_more_and_the_local_port_is_free() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut rig = Rig::new(Setup::one_real(mode));
        let request = rig.send(WAN, &syn(CLIENT)).frames[0].1.clone();
        let peer = match mode {
            ForwardingMode::FullNat => format!("{LIP}:{}", src_port_of(&request)),
            ForwardingMode::Dr | ForwardingMode::Tunnel | ForwardingMode::Nat => CLIENT.to_owned(),
        };
        let reply = from_real(&PacketSpec::tcp(RS1, peer.as_str()).flags(SYN_ACK), RS1);
        assert_eq!(rig.send(LAN, &reply).verdicts, [Verdict::Forwarded]);
        assert_eq!(count(&mut rig, Command::EndFlows(ALL)), 1);
        let refused = rig.send(WAN, &ack(CLIENT)).verdicts;
        assert!(matches!(refused[..], [Verdict::Dropped(_)]), "{mode:?}: {refused:?}");
        // What NAT's real servers send apart from the service is routed as it is.
        let replied = rig.send(LAN, &reply);
        let source = replied.frames.first().map(|(_, frame)| frame[26..30].to_vec());
        if mode == ForwardingMode::Nat {
            assert_eq!(source, Some(vec![10, 0, 0, 11]));
        } else {
            assert!(matches!(replied.verdicts[..], [Verdict::Dropped(_)]), "{replied:?}");
        }
        assert_eq!(rig.send(WAN, &syn(CLIENT)).verdicts, [Verdict::Forwarded], "it begins anew");
        assert_eq!(rig.gauges(0), (1, 0));
    }
}

#[test]
fn local_ports_that_ran_out_are_there_again() {
    let mut setup = Setup::one_real(ForwardingMode::FullNat);
    setup.flows = 70_000;
    let mut rig = Rig::new(setup);
    let all_ports = u64::from(u16::MAX) - 1023;
    let clients = |net: u8| {
        (0..all_ports).map(move |n| {
            (std::net::Ipv4Addr::new(198, 51, 100, net), u16::try_from(n + 1).unwrap())
        })
    };
    let frame = |client| PacketSpec::tcp(client, VIP).flags(TcpFlags::SYN).frame();
    rig.send_all(WAN, clients(1).map(frame));
    let refused = Verdict::Dropped(DropReason::LocalPortsExhausted);
    let mut more = (1..1000).map(|cport| format!("198.51.100.9:{cport}"));
    let is_refused = |client: String| rig.send(WAN, &syn(&client)).verdicts == [refused];
    assert!(more.any(is_refused), "there are ports without end");
    let opened = count(&mut rig, Command::CountFlows(ALL));
    assert!(opened >= all_ports - 1024, "as many tries find the last ones: {opened}");
    let local = Some(Ends { network: LIP.into(), prefix_len: 32, l4_port: Some(5000) });
    assert_eq!(count(&mut rig, Command::EndFlows(Selection { local, ..ALL })), 1);
    let turns = rig.stats.turns.value();
    assert_eq!(count(&mut rig, Command::EndFlows(ALL)), opened - 1);
    let turns = rig.stats.turns.value() - turns;
    assert!(turns >= opened / SWEEP_ENDS_PER_TURN as u64, "a bounded piece per turn: {turns}");
    assert_eq!(rig.send(WAN, &syn("198.51.100.11:1")).verdicts, [Verdict::Forwarded]);
    assert_eq!(rig.gauges(0), (1, 0));
}

#[test]
fn a_template_goes_with_its_flows_or_stays_unused_for_theirs() {
    let service = ServiceSpec::tcp(VIP, ForwardingMode::Nat)
        .real(RS1.endpoint(), 1)
        .real(RS2.endpoint(), 1)
        .persistent(300, [255; 4]);
    let mut rig = Rig::new(Setup::new([service]));
    let templates = |rig: &Rig| {
        [0, 1].map(|real| rig.stats.real_server(RealId(real)).unwrap().templates.value())
    };
    rig.send(WAN, &syn("198.51.100.7:1000"));
    rig.send(WAN, &syn("198.51.100.7:1001"));
    let before = templates(&rig);
    assert_eq!(before[0] + before[1], 1);
    // Alone it is not used any more, but stays as long as it controls flows.
    let kind = Selection { kind: Kind::Templates, ..ALL };
    assert_eq!(count(&mut rig, Command::EndFlows(kind)), 1);
    assert_eq!(count(&mut rig, Command::EndFlows(kind)), 0, "it is void already");
    assert_eq!(templates(&rig), before);
    rig.send(WAN, &syn("198.51.100.7:1002"));
    assert_eq!(templates(&rig), [1, 1], "the next real server in turn");
    let flows = Selection { kind: Kind::Flows, ..ALL };
    assert_eq!(count(&mut rig, Command::EndFlows(flows)), 3);
    assert_eq!(count(&mut rig, Command::EndFlows(ALL)), 1, "the template that is in use");
    assert_eq!((rig.gauges(0), rig.gauges(1)), ((0, 0), (0, 0)));
    rig.pass_s(400);
    assert_eq!(templates(&rig), [0, 0]);
}
