//! Options of IPVS that say what becomes of single packets: `conn_reuse_mode`, `sloppy_tcp`,
//! `drop_packet`, `secure_tcp`; and timeouts of a service's own.

use rvs_dataplane::flow::Timeouts;
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::options::{ConnReuse, Defence, IpvsOptions};
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, FIN_ACK, LAN, MODES, NatPair, Rig, SYN_ACK, ServiceSpec, Setup, TeamRig, VIP, WAN,
    from_real,
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const RST: TcpFlags = TcpFlags::RST;
const NO_FLAGS: TcpFlags = TcpFlags(0);

/// A service with two real servers in turn: 10.0.0.12, then 10.0.0.11.
fn two_reals(mode: ForwardingMode, ipvs: IpvsOptions) -> Rig {
    let service = ServiceSpec::tcp(VIP, mode).real("10.0.0.11:80", 1).real("10.0.0.12:80", 1);
    let mut setup = Setup::new([service]);
    setup.ipvs = ipvs;
    Rig::new(setup)
}

fn tcp(flags: TcpFlags) -> PacketSpec {
    PacketSpec::tcp(CLIENT, VIP).flags(flags)
}

/// State of the only flow, and its real server.
fn flow(rig: &mut Rig) -> (&'static str, String) {
    let flows = rig.flows();
    assert_eq!(flows.len(), 1);
    (flows[0].state, flows[0].real.0.to_string())
}

/// The verdict on one packet of the client.
fn verdict(rig: &mut Rig, flags: TcpFlags) -> Verdict {
    let outcome = rig.send(WAN, &tcp(flags));
    assert_eq!(outcome.verdicts.len(), 1);
    outcome.verdicts[0]
}

#[test]
fn conn_reuse_mode_says_which_connections_a_syn_replaces() {
    use ConnReuse::{Finished, FinishedOrHalfClosed, Never};
    // Segments of the client alone, and the state that they lead to.
    let one_way: [(&[TcpFlags], &str, &[ConnReuse]); 5] = [
        (&[SYN], "SYN_RECV", &[]),
        (&[SYN, ACK], "ESTABLISHED", &[]),
        (&[SYN, ACK, FIN_ACK], "FIN_WAIT", &[FinishedOrHalfClosed]),
        (&[SYN, FIN_ACK], "TIME_WAIT", &[Finished, FinishedOrHalfClosed]),
        (&[SYN, NO_FLAGS], "CLOSE", &[Finished, FinishedOrHalfClosed]),
    ];
    for mode in MODES {
        for conn_reuse in [Never, Finished, FinishedOrHalfClosed] {
            for (segments, state, replaced_in) in one_way {
                let closes_both_ways = mode.sees_replies() && state == "FIN_WAIT";
                let state = if closes_both_ways { "CLOSE_WAIT" } else { state };
                let is_replaced = replaced_in.contains(&conn_reuse) && !closes_both_ways;
                let mut rig = two_reals(mode, IpvsOptions { conn_reuse, ..IpvsOptions::default() });
                for flags in segments {
                    assert_eq!(verdict(&mut rig, *flags), Verdict::Forwarded);
                }
                assert_eq!(flow(&mut rig), (state, "10.0.0.12".to_owned()));
                assert_eq!(verdict(&mut rig, SYN), Verdict::Forwarded);
                let real = if is_replaced { "10.0.0.11" } else { "10.0.0.12" };
                let next = if state == "ESTABLISHED" { "ESTABLISHED" } else { "SYN_RECV" };
                let context = format!("{} {conn_reuse:?} {state}", mode.name());
                assert_eq!(flow(&mut rig), (next, real.to_owned()), "{context}");
                let gauges = (rig.gauges(0).0, rig.gauges(1).0);
                assert_eq!(gauges, if is_replaced { (1, 0) } else { (0, 1) }, "{context}");
            }
        }
    }
}

#[test]
fn a_connection_that_the_real_server_closes_first_is_not_half_closed_to_conn_reuse_mode() {
    let conn_reuse = ConnReuse::FinishedOrHalfClosed;
    let ipvs = IpvsOptions { conn_reuse, ..IpvsOptions::default() };
    let mut rig = two_reals(ForwardingMode::Nat, ipvs);
    rig.send(WAN, &tcp(SYN));
    rig.send(WAN, &tcp(ACK));
    let fin = PacketSpec::tcp("10.0.0.12:80", CLIENT).flags(FIN_ACK);
    rig.send(LAN, &from_real(&fin, "10.0.0.12:80"));
    assert_eq!(flow(&mut rig).0, "FIN_WAIT");
    rig.send(WAN, &tcp(SYN));
    assert_eq!(flow(&mut rig), ("SYN_RECV", "10.0.0.12".to_owned()), "its replies are seen");
}

#[test]
fn expire_nodest_conn_schedules_a_syn_anew_whose_real_server_has_weight_0() {
    for mode in MODES {
        for conn_reuse in [ConnReuse::Never, ConnReuse::Finished] {
            for expire_nodest_conn in [false, true] {
                let options = IpvsOptions { conn_reuse, ..IpvsOptions::default() };
                let ipvs = IpvsOptions { expire_nodest_conn, ..options };
                let mut rig = two_reals(mode, ipvs);
                for flags in [SYN, ACK] {
                    assert_eq!(verdict(&mut rig, flags), Verdict::Forwarded);
                }
                rig.reconfigure(|setup| setup.set_weight("10.0.0.12:80", 0));
                assert_eq!(verdict(&mut rig, ACK), Verdict::Forwarded, "no SYN");
                assert_eq!(flow(&mut rig), ("ESTABLISHED", "10.0.0.12".to_owned()));
                assert_eq!(verdict(&mut rig, SYN), Verdict::Forwarded);
                let (state, real) = match expire_nodest_conn {
                    true => ("SYN_RECV", "10.0.0.11"),
                    false => ("ESTABLISHED", "10.0.0.12"),
                };
                assert_eq!(flow(&mut rig), (state, real.to_owned()), "{}", mode.name());
            }
        }
    }
}

#[test]
fn sloppy_tcp_opens_flows_for_all_segments_but_resets() {
    for mode in MODES {
        for (flags, state) in [(ACK, "ESTABLISHED"), (FIN_ACK, "CLOSE"), (NO_FLAGS, "CLOSE")] {
            let mut rig = two_reals(mode, IpvsOptions::default());
            assert_eq!(verdict(&mut rig, flags), Verdict::Dropped(DropReason::NoFlow));
            rig.reconfigure(|setup| setup.ipvs.sloppy_tcp = true);
            assert_eq!(verdict(&mut rig, flags), Verdict::Forwarded);
            assert_eq!(flow(&mut rig).0, state, "{} {flags}", mode.name());
        }
        let mut rig = two_reals(mode, IpvsOptions { sloppy_tcp: true, ..IpvsOptions::default() });
        assert_eq!(verdict(&mut rig, RST), Verdict::Dropped(DropReason::NoFlow));
        let from_ftp_data = PacketSpec::tcp("198.51.100.7:20", VIP).flags(ACK);
        let outcome = rig.send(WAN, &from_ftp_data);
        assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoFlow)]);
        assert!(rig.flows().is_empty());
    }
}

#[test]
fn sloppy_tcp_takes_over_connections_on_any_worker_once_each() {
    let service = ServiceSpec::tcp(VIP, ForwardingMode::Nat).real("10.0.0.11:80", 1);
    let mut setup = Setup::new([service]);
    setup.ipvs.sloppy_tcp = true;
    let mut rig = TeamRig::new(&setup, 4, |_| true);
    for _ in 0..3 {
        for last in 1..=50 {
            let client = (std::net::Ipv4Addr::new(198, 51, 100, last), 40_000);
            rig.put(WAN, &PacketSpec::tcp(client, VIP).flags(ACK).frame());
        }
        assert_eq!(rig.run().len(), 50);
    }
    assert_eq!(rig.sum(|stats| stats.flows.value()), 50, "every worker handed over to the owner");
    assert!(rig.stats.iter().all(|stats| stats.flows.value() > 0));
}

#[test]
fn drop_packet_drops_every_nth_new_connection_without_a_word() {
    let refused = Verdict::Dropped(DropReason::DropPacket);
    for mode in MODES {
        let always = IpvsOptions { drop_packet: Defence::Always, ..IpvsOptions::default() };
        let mut rig = two_reals(mode, IpvsOptions { am_droprate: 3, ..always });
        rig.pass_s(1);
        let segments = |flags| {
            let from = std::net::Ipv4Addr::new(198, 51, 100, 7);
            let segment = move |cport| PacketSpec::tcp((from, cport), VIP).flags(flags);
            (1000..1009u16).map(move |cport| segment(cport).frame())
        };
        let outcome = rig.send_all(WAN, segments(SYN));
        let expected = [Verdict::Forwarded, refused];
        let count = |verdict| outcome.verdicts.iter().filter(|one| **one == verdict).count();
        assert_eq!(expected.map(count), [6, 3], "{}", mode.name());
        assert_eq!(outcome.frames.len(), 6, "no answer to the others");
        let flows = rig.flows();
        let cports: Vec<_> = flows.iter().map(|flow| flow.client.1).collect();
        assert_eq!(cports, [1001, 1002, 1004, 1005, 1007, 1008]);
        // What is open goes on.
        let outcome = rig.send_all(WAN, segments(ACK));
        assert_eq!(outcome.verdicts.iter().filter(|one| **one == Verdict::Forwarded).count(), 6);
        rig.reconfigure(|setup| setup.ipvs.drop_packet = Defence::Auto);
        rig.pass_s(1);
        let outcome = rig.send_all(WAN, segments(SYN));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded; 9], "the table is nearly empty");
    }
}

#[test]
fn secure_tcp_establishes_a_connection_with_the_real_server_s_next_segment_only() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut setup = Setup::one_real(mode);
        setup.ipvs.secure_tcp = Defence::Always;
        let mut pair = NatPair::with(setup, mode);
        for (from_client, flags, state) in [
            (false, SYN_ACK, "SYNACK"),
            (true, ACK, "SYNACK"),
            (true, FIN_ACK, "SYNACK"),
            (false, ACK, "ESTABLISHED"),
            (true, FIN_ACK, "CLOSE_WAIT"),
        ] {
            let (port, packet) = match from_client {
                true => (WAN, tcp(flags)),
                false => (LAN, pair.reply(&PacketSpec::tcp(VIP, CLIENT).flags(flags))),
            };
            assert_eq!(pair.rig.send(port, &packet).verdicts, [Verdict::Forwarded]);
            let states: Vec<_> = pair.rig.flows().iter().map(|flow| flow.state).collect();
            assert!(states.contains(&state), "{state}: {states:?}");
        }
    }
    // Where replies are not seen, the client's segments have to do.
    let ipvs = IpvsOptions { secure_tcp: Defence::Always, ..IpvsOptions::default() };
    let mut rig = two_reals(ForwardingMode::Dr, ipvs);
    rig.pass_s(1);
    let states = [SYN, ACK].map(|flags| {
        rig.send(WAN, &tcp(flags));
        flow(&mut rig).0
    });
    assert_eq!(states, ["SYNACK", "ESTABLISHED"]);
}

#[test]
fn a_service_may_have_timeouts_of_its_own_and_they_change_live() {
    let short = Timeouts::with_seconds(30, 20, 10);
    for mode in MODES {
        let mut setup = Setup::new([
            ServiceSpec::tcp(VIP, mode).real("10.0.0.11:80", 1).timeouts(short.clone()),
            ServiceSpec::tcp("192.0.2.10:81", mode).real("10.0.0.11:81", 1),
            ServiceSpec::udp(VIP, mode).real("10.0.0.11:80", 1).timeouts(short.clone()),
        ]);
        setup.timeouts = Timeouts::with_seconds(600, 100, 50);
        let mut rig = Rig::new(setup);
        let touch = |rig: &mut Rig| {
            for vip in [VIP, "192.0.2.10:81"] {
                for flags in [SYN, ACK] {
                    rig.send(WAN, &PacketSpec::tcp(CLIENT, vip).flags(flags));
                }
            }
            rig.send(WAN, &PacketSpec::udp(CLIENT, VIP));
        };
        let expire = |rig: &mut Rig| -> Vec<_> {
            let mut flows = rig.flows();
            flows.sort_by_key(|flow| flow.service.0);
            flows.iter().map(|flow| flow.expires_s).collect()
        };
        touch(&mut rig);
        assert_eq!(expire(&mut rig), [30, 600, 10], "{}", mode.name());
        rig.reconfigure(|setup| setup.set_timeouts(None));
        touch(&mut rig);
        assert_eq!(expire(&mut rig), [600, 600, 50]);
        rig.reconfigure(|setup| setup.set_timeouts(Some(&short)));
        touch(&mut rig);
        assert_eq!(expire(&mut rig), [30, 30, 10]);
        rig.pass_s(32);
        assert_eq!(rig.stats.flows.value(), 0, "they end in time, though the wheel had them later");
    }
}
