//! Persistence on one worker, against IPVS' rules.

use std::net::{Ipv4Addr, SocketAddrV4};

use rvs_dataplane::control::FlowReport;
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::service::RealId;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, FIN_ACK, LAN, LIP, MODES, RS1, RS2, Rig, SYN_ACK, ServiceSpec, Setup, VIP, WAN, ends,
    from_real,
};

const HOST: [u8; 4] = [255; 4];

fn service(mode: ForwardingMode, timeout_s: u32, mask: [u8; 4]) -> ServiceSpec {
    let port = if mode.sees_replies() { 8080 } else { 80 };
    let real = |real: &str| (*real.endpoint().ip(), port);
    ServiceSpec::tcp(VIP, mode).real(real(RS1), 1).real(real(RS2), 1).persistent(timeout_s, mask)
}

fn rig(timeout_s: u32) -> Rig {
    Rig::new(Setup::new([service(ForwardingMode::Nat, timeout_s, HOST)]))
}

fn tcp(client: &str, flags: TcpFlags) -> PacketSpec {
    PacketSpec::tcp(client, VIP).flags(flags)
}

/// Sends a SYN and returns the real server's end of the new flow.
fn open(rig: &mut Rig, client: &str, vip: impl Endpoint) -> SocketAddrV4 {
    let outcome = rig.send(WAN, &PacketSpec::tcp(client, vip).flags(TcpFlags::SYN));
    assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
    ends(&outcome.frames[0].1).1
}

/// The client's connections end: reset by it, then ten seconds.
fn close(rig: &mut Rig, clients: &[&str]) {
    for client in clients {
        rig.send(WAN, &tcp(client, TcpFlags::RST));
    }
    rig.pass_s(11);
}

fn templates(rig: &mut Rig) -> Vec<FlowReport> {
    rig.flows().into_iter().filter(|flow| flow.is_template).collect()
}

/// State and seconds left of the only template.
fn template(rig: &mut Rig) -> Option<(&'static str, u32)> {
    let templates = templates(rig);
    assert!(templates.len() <= 1, "{templates:?}");
    templates.first().map(|one| (one.state, one.expires_s))
}

fn persist_conns(rig: &Rig) -> [u64; 2] {
    [0, 1].map(|real| rig.stats.real_server(RealId(real)).unwrap().templates.value())
}

#[test]
fn a_clients_connections_go_to_one_real_server_and_others_take_turns() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::new([service(mode, 300, HOST)]));
        let target = |rig: &mut Rig, client: &str| {
            rig.send(WAN, &tcp(client, TcpFlags::SYN)).frames[0].1[..6].to_vec()
        };
        let first = target(&mut rig, "198.51.100.7:1000");
        let other = target(&mut rig, "198.51.100.8:1000");
        assert_ne!(first, other, "{mode:?}: round robin");
        for cport in 1001..1020 {
            assert_eq!(target(&mut rig, &format!("198.51.100.7:{cport}")), first, "{mode:?}");
            assert_eq!(target(&mut rig, &format!("198.51.100.8:{cport}")), other, "{mode:?}");
        }
        assert_eq!(persist_conns(&rig), [1, 1]);
        assert_eq!(rig.stats.templates.value(), 2);
    }
}

#[test]
fn a_mask_keeps_a_network_together() {
    let nat = ForwardingMode::Nat;
    let mut rig = Rig::new(Setup::new([service(nat, 300, [255, 255, 255, 0])]));
    let first = open(&mut rig, "198.51.100.7:1000", VIP);
    assert_eq!(open(&mut rig, "198.51.100.200:1000", VIP), first);
    assert_ne!(open(&mut rig, "198.51.101.7:1000", VIP), first);
    let listed = templates(&mut rig);
    let networks: Vec<_> = listed.iter().map(|one| one.client).collect();
    let network = |third| (Ipv4Addr::new(198, 51, third, 0).into(), 0);
    assert_eq!(networks, [network(100), network(101)]);
    let vip = VIP.endpoint();
    assert_eq!(listed[0].virtual_address, ((*vip.ip()).into(), 80));
    assert_eq!(listed[0].real, ((*first.ip()).into(), 8080));
}

#[test]
fn it_lives_from_the_last_new_connection_on() {
    let mut rig = rig(300);
    let first = open(&mut rig, "198.51.100.7:1000", VIP);
    close(&mut rig, &["198.51.100.7:1000"]);
    assert_eq!(template(&mut rig), Some(("NONE", 289)));
    rig.pass_s(200);
    // Only a new connection counts.
    assert_eq!(open(&mut rig, "198.51.100.7:1001", VIP), first);
    assert_eq!(template(&mut rig), Some(("NONE", 300)));
    rig.send(WAN, &tcp("198.51.100.7:1001", TcpFlags::ACK));
    rig.pass_s(20);
    rig.send(WAN, &tcp("198.51.100.7:1001", TcpFlags::ACK));
    assert_eq!(template(&mut rig), Some(("ASSURED", 280)));
    close(&mut rig, &["198.51.100.7:1001"]);
    rig.pass_s(268);
    assert_eq!(template(&mut rig), Some(("ASSURED", 1)));
    rig.pass_s(2);
    assert_eq!((template(&mut rig), persist_conns(&rig)), (None, [0, 0]));
    assert_eq!(rig.stats.templates.value(), 0);
    // The next one is scheduled anew.
    assert_ne!(open(&mut rig, "198.51.100.7:1002", VIP), first);
}

#[test]
fn it_does_not_end_while_it_controls_flows() {
    let mut rig = rig(100);
    let first = open(&mut rig, CLIENT, VIP);
    rig.send(WAN, &tcp(CLIENT, TcpFlags::ACK));
    rig.pass_s(101);
    let (_, left) = template(&mut rig).expect("it goes on");
    assert!((58..=60).contains(&left), "a minute at a time: {left}");
    for _ in 0..4 {
        rig.pass_s(60);
        assert!(template(&mut rig).is_some());
    }
    // As in IPVS it lives for a minute also after it is used again.
    assert_eq!(open(&mut rig, "198.51.100.7:2", VIP), first);
    assert_eq!(template(&mut rig), Some(("ASSURED", 60)));
    close(&mut rig, &[CLIENT, "198.51.100.7:2"]);
    rig.pass_s(52);
    assert_eq!(template(&mut rig), None);
}

#[test]
fn it_counts_whether_it_controlled_flows_when_it_should_have_ended() {
    // Nobody looks for a while; the flow ends meanwhile, after the template should have.
    for (timeout_s, left) in [(59, Some(("NONE", 50))), (61, None)] {
        let mut rig = rig(timeout_s);
        open(&mut rig, CLIENT, VIP);
        rig.pass_s(69);
        assert_eq!(template(&mut rig), left, "{timeout_s}");
    }
}

#[test]
fn a_new_connection_finds_a_template_that_is_due_but_controls_flows() {
    let mut rig = rig(1);
    let first = open(&mut rig, CLIENT, VIP);
    rig.now = rig.now.after(rvs_dataplane::time::Ticks(150));
    assert_eq!(open(&mut rig, "198.51.100.7:2", VIP), first);
}

#[test]
fn a_controlled_connection_is_not_scheduled_anew_when_its_port_comes_again() {
    let mut rig = rig(300);
    let first = open(&mut rig, CLIENT, VIP);
    open(&mut rig, "198.51.100.8:1", VIP);
    rig.send(WAN, &tcp(CLIENT, TcpFlags::ACK));
    rig.send(WAN, &tcp(CLIENT, FIN_ACK));
    let reply = |flags| from_real(&PacketSpec::tcp(first, CLIENT).flags(flags), RS1);
    rig.send(LAN, &reply(FIN_ACK));
    assert_eq!(rig.flows().iter().filter(|flow| flow.state == "TIME_WAIT").count(), 1);
    assert_eq!(open(&mut rig, CLIENT, VIP), first);
    assert_eq!(rig.flows().iter().filter(|flow| flow.state == "SYN_RECV").count(), 2);
    assert_eq!(rig.stats.real_server(RealId(0)).unwrap().traffic.connections.value(), 1);
    rig.send(LAN, &reply(SYN_ACK));
}

#[test]
fn weight_0_and_thresholds_do_not_matter_to_a_template() {
    let nat = ForwardingMode::Nat;
    let mut rig = Rig::new(Setup::new([service(nat, 300, HOST).upper_threshold(1)]));
    let first = open(&mut rig, "198.51.100.7:1", VIP);
    assert_eq!(open(&mut rig, "198.51.100.7:2", VIP), first, "it is full");
    rig.reconfigure(|setup| setup.set_weights(0));
    assert_eq!(open(&mut rig, "198.51.100.7:3", VIP), first);
    let other = rig.send(WAN, &tcp("198.51.100.8:1", TcpFlags::SYN));
    assert_eq!(other.verdicts, [Verdict::Dropped(DropReason::NoRealServer)]);
}

#[test]
fn quiescent_templates_are_given_up_if_so_configured() {
    let nat = ForwardingMode::Nat;
    let mut rig = Rig::new(Setup::new([service(nat, 300, HOST)]));
    open(&mut rig, CLIENT, VIP);
    rig.reconfigure(|setup| {
        setup.ipvs.expire_quiescent_template = true;
        setup.set_weights(0);
    });
    let refused = rig.send(WAN, &tcp("198.51.100.7:2", TcpFlags::SYN));
    assert_eq!(refused.verdicts, [Verdict::Dropped(DropReason::NoRealServer)]);
    // It is listed as IPVS lists it, until it ends.
    let [void] = templates(&mut rig).try_into().expect("the template is still there");
    assert_eq!((void.client.1, void.virtual_address.1, void.real.1), (0, 65535, 65535));
    rig.reconfigure(|setup| setup.set_weights(1));
    open(&mut rig, "198.51.100.7:3", VIP);
    assert_eq!(templates(&mut rig).len(), 2);
    assert_eq!(rig.stats.templates.value(), 2);
    close(&mut rig, &[CLIENT, "198.51.100.7:3"]);
    rig.pass_s(300);
    assert_eq!(templates(&mut rig), []);
}

#[test]
fn a_template_of_a_removed_real_server_is_void_and_one_of_a_restored_real_server_is_not() {
    let mut rig = rig(300);
    let first = open(&mut rig, CLIENT, VIP);
    rig.reconfigure(|setup| setup.remove_real(RS1));
    assert_eq!(templates(&mut rig).len(), 1);
    rig.reconfigure(|setup| setup.restore_real(RS1));
    assert_eq!(open(&mut rig, "198.51.100.7:2", VIP), first, "nobody asked meanwhile");
    rig.reconfigure(|setup| setup.remove_real(first));
    let second = open(&mut rig, "198.51.100.7:3", VIP);
    assert_ne!(second, first);
    rig.reconfigure(|setup| setup.restore_real(first));
    assert_eq!(open(&mut rig, "198.51.100.7:4", VIP), second);
}

#[test]
fn a_service_for_all_ports_takes_what_no_other_takes_and_keeps_the_port() {
    let vip = *VIP.endpoint().ip();
    for mode in MODES {
        let all = ServiceSpec::tcp((vip, 0), mode)
            .real((*RS1.endpoint().ip(), 0), 1)
            .real((*RS2.endpoint().ip(), 0), 1)
            .persistent(300, HOST);
        let one = ServiceSpec::tcp((vip, 443), mode).real("10.0.0.13:443", 1);
        let mut rig = Rig::new(Setup::new([all, one]));
        let mut macs = Vec::new();
        for vport in [1, 80, 1023, 8080, 65535] {
            let syn = PacketSpec::tcp(CLIENT, (vip, vport)).flags(TcpFlags::SYN);
            let outcome = rig.send(WAN, &syn);
            assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{mode:?} {vport}");
            let frame = &outcome.frames[0].1;
            macs.push(frame[..6].to_vec());
            if mode.sees_replies() {
                let (peer, real) = ends(frame);
                assert_eq!(real.port(), vport, "{mode:?}");
                let answer = PacketSpec::tcp(real, peer).flags(SYN_ACK);
                let outcome = rig.send(LAN, &from_real(&answer, RS1));
                let back = ends(&outcome.frames[0].1);
                assert_eq!(back, (SocketAddrV4::new(vip, vport), CLIENT.endpoint()));
            }
        }
        assert!(macs.iter().all(|mac| *mac == macs[0]), "{mode:?}: one template for all ports");
        let listed = templates(&mut rig);
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].virtual_address.1, listed[0].real.1), (0, 0));
        let other = PacketSpec::tcp(CLIENT, (vip, 443)).flags(TcpFlags::SYN);
        let frame = &rig.send(WAN, &other).frames[0].1;
        assert!(!macs.contains(&frame[..6].to_vec()), "{mode:?}: the more specific one");
        // Another protocol is none of its.
        let udp = rig.send(WAN, &PacketSpec::udp(CLIENT, (vip, 80)));
        assert_eq!(udp.verdicts, [Verdict::Dropped(DropReason::NoService)]);
    }
    assert_ne!(LIP, vip);
}

#[test]
fn ftps_service_takes_data_connections_if_it_is_persistent_and_hides_the_one_for_all_ports() {
    let vip = *VIP.endpoint().ip();
    let nat = ForwardingMode::Nat;
    let all =
        || ServiceSpec::tcp((vip, 0), nat).real((*RS2.endpoint().ip(), 0), 1).persistent(300, HOST);
    let ftp = || ServiceSpec::tcp((vip, 21), nat).real("10.0.0.11:21", 1);
    let syn = |vport| PacketSpec::tcp(CLIENT, (vip, vport)).flags(TcpFlags::SYN);

    let mut rig = Rig::new(Setup::new([ftp().persistent(300, HOST)]));
    assert_eq!(open(&mut rig, CLIENT, (vip, 21)), "10.0.0.11:21".endpoint());
    assert_eq!(open(&mut rig, CLIENT, (vip, 40000)), "10.0.0.11:40000".endpoint());
    let outcome = rig.send(WAN, &syn(1023));
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService)]);
    assert_eq!(templates(&mut rig).len(), 1, "FTP's template is for all ports");

    let mut rig = Rig::new(Setup::new([ftp(), all()]));
    assert_eq!(open(&mut rig, CLIENT, (vip, 1023)), "10.0.0.12:1023".endpoint());
    let outcome = rig.send(WAN, &syn(1024));
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService)]);
}

#[test]
fn a_full_table_leaves_connections_without_template() {
    let mut setup = Setup::new([service(ForwardingMode::Nat, 300, HOST)]);
    setup.templates = 2;
    let mut rig = Rig::new(setup);
    for client in 0..10 {
        open(&mut rig, &format!("198.51.100.{client}:1"), VIP);
    }
    assert_eq!(rig.stats.templates.value(), 2);
    assert_eq!(rig.stats.templates_full.value(), 8);
    assert_eq!(templates(&mut rig).len(), 2);
}

#[test]
fn without_room_for_flows_the_template_says_the_real_server() {
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel] {
        let mut setup = Setup::new([service(mode, 300, HOST)]);
        setup.flows = 4;
        let mut rig = Rig::new(setup);
        let mut target = |client: &str, flags| {
            let outcome = rig.send(WAN, &tcp(client, flags));
            assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
            outcome.frames[0].1[..6].to_vec()
        };
        let first = target("198.51.100.7:1", TcpFlags::SYN);
        for cport in 2..20 {
            assert_eq!(target(&format!("198.51.100.7:{cport}"), TcpFlags::SYN), first);
        }
        for cport in 2..20 {
            assert_eq!(target(&format!("198.51.100.7:{cport}"), TcpFlags::ACK), first, "{mode:?}");
        }
    }
}

#[test]
fn a_udp_template_is_assured_by_a_reply() {
    let service = ServiceSpec::udp(VIP, ForwardingMode::Nat).real(RS1, 1).persistent(300, HOST);
    let mut rig = Rig::new(Setup::new([service]));
    rig.send(WAN, &PacketSpec::udp(CLIENT, VIP));
    assert_eq!(template(&mut rig), Some(("NONE", 300)));
    rig.send(WAN, &PacketSpec::udp(CLIENT, VIP));
    assert_eq!(template(&mut rig), Some(("NONE", 300)));
    rig.send(LAN, &from_real(&PacketSpec::udp(RS1, CLIENT), RS1));
    assert_eq!(template(&mut rig), Some(("ASSURED", 300)));
}
