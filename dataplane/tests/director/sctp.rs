//! SCTP: associations through every mode, their states, and what is refused.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::{ChunkType, IcmpCode, IcmpType, TcpFlags};

use crate::forward_tunnel::tunnelled;
use crate::support::{
    CLIENT, LAN, LIP, MODES, RS1, RS2, Rig, ServiceSpec, Setup, VIP, WAN, from_real, icmp_error,
    one_hop_on, src_port_of, to_client, to_real,
};

const NOT_SERVED: &str = "192.0.2.10:81";
/// [`RS1`] with the port of the service, so that NAT changes no port.
const SAME_PORT: &str = "10.0.0.11:80";

fn client(chunk: u8) -> PacketSpec {
    PacketSpec::sctp(CLIENT, VIP).chunk(chunk, [chunk; 21])
}

fn server(chunk: u8) -> PacketSpec {
    PacketSpec::sctp(VIP, CLIENT).chunk(chunk, [chunk; 34]).tos(0x10)
}

/// One service with real servers at these addresses, where the mode leaves a choice of the port.
fn setup(mode: ForwardingMode, reals: &[&str]) -> Setup {
    let real = |service: ServiceSpec, real: &&str| match mode {
        ForwardingMode::Dr | ForwardingMode::Tunnel => service.real((*real.endpoint().ip(), 80), 1),
        ForwardingMode::Nat | ForwardingMode::FullNat => service.real(*real, 1),
    };
    Setup::new([reals.iter().fold(ServiceSpec::sctp(VIP, mode), real)])
}

/// An association with the real server `rs`.
struct Association {
    rig: Rig,
    mode: ForwardingMode,
    rs: &'static str,
    /// What the real server takes for the client.
    peer: String,
}

impl Association {
    fn new(mode: ForwardingMode, rs: &'static str) -> Self {
        let mut rig = Rig::new(setup(mode, &[rs]));
        let outcome = rig.send(WAN, &client(ChunkType::INIT));
        assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
        let peer = match mode {
            ForwardingMode::FullNat => format!("{LIP}:{}", src_port_of(&outcome.frames[0].1)),
            ForwardingMode::Dr | ForwardingMode::Tunnel | ForwardingMode::Nat => CLIENT.to_owned(),
        };
        Self { rig, mode, rs, peer }
    }

    fn request(&mut self, packet: &PacketSpec) {
        let on_its_way = one_hop_on(&to_real(packet, self.rs));
        let expected = match self.mode {
            ForwardingMode::Dr => on_its_way,
            ForwardingMode::Tunnel => tunnelled(packet, RS1, 0),
            ForwardingMode::Nat | ForwardingMode::FullNat => {
                on_its_way.src(&*self.peer).dst(self.rs)
            }
        };
        self.rig.forwards(self.mode.name(), (WAN, packet), (LAN, expected));
    }

    fn reply(&mut self, packet: &PacketSpec) {
        let sent = from_real(packet, self.rs).src(self.rs).dst(&*self.peer);
        let expected = one_hop_on(&to_client(packet));
        self.rig.forwards(self.mode.name(), (LAN, &sent), (WAN, expected));
    }

    /// State, seconds left, and whether it counts as active.
    fn state(&mut self) -> (&'static str, u32, bool) {
        let flows = self.rig.flows();
        let [flow] = flows.as_slice() else { panic!("{flows:?}") };
        let (active, inactive) = self.rig.gauges(0);
        assert_eq!(active + inactive, 1);
        (flow.state, flow.expires_s, active == 1)
    }
}

#[test]
fn an_association_goes_through_its_states_where_replies_are_seen() {
    use ChunkType as C;
    let ends = [
        (ForwardingMode::Nat, RS1),
        (ForwardingMode::Nat, SAME_PORT),
        (ForwardingMode::FullNat, RS1),
        (ForwardingMode::FullNat, SAME_PORT),
    ];
    for (mode, rs) in ends {
        let mut pair = Association::new(mode, rs);
        assert_eq!(pair.state(), ("INIT1", 4, false));
        pair.reply(&server(C::INIT_ACK));
        assert_eq!(pair.state(), ("C-SENT", 61, false));
        pair.request(&client(C::COOKIE_ECHO).chunk(C::DATA, "early"));
        assert_eq!(pair.state(), ("C-REPLIED", 61, false));
        pair.reply(&server(C::COOKIE_ACK).chunk(C::SACK, [0; 12]));
        assert_eq!(pair.state(), ("ESTABLISHED", 900, true));
        pair.request(&PacketSpec::sctp(CLIENT, VIP).chunk(C::DATA, [7; 1464]));
        pair.request(&client(C::HEARTBEAT).ip_options(&[1; 8]));
        pair.reply(&server(C::SACK).dont_fragment(false).id(7));
        pair.rig.pass_s(100);
        assert_eq!(pair.state(), ("ESTABLISHED", 800, true));
        pair.reply(&server(C::HEARTBEAT_ACK).padded_to(60));
        assert_eq!(pair.state(), ("ESTABLISHED", 900, true));
        pair.request(&client(C::SHUTDOWN));
        assert_eq!(pair.state(), ("S-RECEIVED", 61, false));
        pair.reply(&server(C::SHUTDOWN_ACK));
        assert_eq!(pair.state(), ("S-ACK-SENT", 61, false));
        pair.request(&client(C::SHUTDOWN_COMPLETE));
        assert_eq!(pair.state(), ("CLOSED", 61, false));
        pair.rig.pass_s(62);
        assert!(pair.rig.flows().is_empty(), "{}", mode.name());
    }
}

#[test]
fn and_where_the_client_alone_is_seen() {
    use ChunkType as C;
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel] {
        let mut pair = Association::new(mode, RS1);
        let states = [
            (C::INIT, ("INIT", 61, false)),
            (C::COOKIE_ECHO, ("ESTABLISHED", 900, true)),
            (C::DATA, ("ESTABLISHED", 900, true)),
            (C::SHUTDOWN, ("S-RECEIVED", 61, false)),
            (C::SHUTDOWN_COMPLETE, ("CLOSED", 61, false)),
        ];
        for (chunk, state) in states {
            pair.request(&client(chunk));
            assert_eq!(pair.state(), state, "{} chunk {chunk}", mode.name());
        }
    }
}

#[test]
fn an_abort_behind_a_cookie_closes() {
    use ChunkType as C;
    for mode in MODES {
        let mut pair = Association::new(mode, RS1);
        pair.request(&client(C::COOKIE_ECHO).chunk(C::ABORT, []));
        assert_eq!(pair.state(), ("CLOSED", 61, false), "{}", mode.name());
    }
}

#[test]
fn a_bad_checksum_stays_bad_by_as_much() {
    for (mode, rs) in MODES.into_iter().flat_map(|mode| [(mode, RS1), (mode, SAME_PORT)]) {
        let mut pair = Association::new(mode, rs);
        pair.rig.verify_frames = false;
        pair.request(&client(ChunkType::DATA).bad_l4_checksum());
        if mode.sees_replies() {
            pair.reply(&server(ChunkType::DATA).bad_l4_checksum());
        }
    }
}

fn unreachable(code: u8, about: &PacketSpec, dst: &str) -> PacketSpec {
    let kind = (IcmpType::DEST_UNREACHABLE, code, [0; 4]);
    let (from, to) = (*dst.endpoint().ip(), *CLIENT.endpoint().ip());
    to_client(&icmp_error((from, to), kind, &about.packet()))
}

#[test]
fn only_an_init_opens_and_the_rest_is_answered_as_by_a_host_without_sctp() {
    let unknown = IcmpCode::PROTOCOL_UNREACHABLE;
    for mode in MODES {
        let mut rig = Rig::new(setup(mode, &[RS1]));
        for chunk in (0..=ChunkType::SHUTDOWN_COMPLETE).filter(|chunk| *chunk != ChunkType::INIT) {
            let packet = client(chunk);
            let error = unreachable(unknown, &packet, VIP);
            rig.refuses("no INIT", (WAN, &packet), error, DropReason::NoFlow);
        }
        let packet = PacketSpec::sctp(CLIENT, NOT_SERVED).chunk(ChunkType::INIT, [0; 16]);
        let error = unreachable(unknown, &packet, NOT_SERVED);
        rig.refuses("not served", (WAN, &packet), error, DropReason::NoService);
        let ftp = "198.51.100.7:20";
        let packet = client(ChunkType::INIT).src(ftp);
        let error = unreachable(unknown, &packet, VIP);
        rig.refuses("port 20", (WAN, &packet), error, DropReason::NoService);
        let tcp = PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN);
        assert_eq!(rig.send(WAN, &tcp).verdicts, [Verdict::Dropped(DropReason::NoService)]);
        assert!(rig.flows().is_empty());
        assert_eq!(
            (rig.stats.generated.icmp_errors.value(), rig.stats.generated.resets.value()),
            (16, 1)
        );

        rig.reconfigure(|setup| setup.set_weights(0));
        let packet = client(ChunkType::INIT);
        let error = unreachable(IcmpCode::PORT_UNREACHABLE, &packet, VIP);
        rig.refuses("weight 0", (WAN, &packet), error, DropReason::NoRealServer);
    }
}

#[test]
fn what_is_malformed_is_dropped_and_opens_nothing() {
    for mode in MODES {
        let mut rig = Rig::new(setup(mode, &[RS1]));
        let whole = client(ChunkType::INIT).packet();
        for len in 0..35 {
            let cut = PacketSpec::raw(CLIENT, VIP, 132).payload(&whole[20..20 + len]);
            rig.drops(mode.name(), (WAN, &cut), DropReason::BadTransportHeader);
        }
        let mut zero_len = whole[20..].to_vec();
        zero_len[14..16].fill(0);
        let packet = PacketSpec::raw(CLIENT, VIP, 132).payload(zero_len);
        rig.drops(mode.name(), (WAN, &packet), DropReason::BadTransportHeader);
        assert!(rig.flows().is_empty());
    }
}

#[test]
fn an_init_on_a_closed_association_is_scheduled_anew() {
    for mode in MODES {
        let mut rig = Rig::new(setup(mode, &[RS1, RS2]));
        let real = |rig: &mut Rig| rig.flows()[0].real.0;
        let send = |rig: &mut Rig, chunk| {
            let outcome = rig.send(WAN, &client(chunk));
            assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{} {chunk}", mode.name());
        };
        send(&mut rig, ChunkType::INIT);
        let first = real(&mut rig);
        // Repeated, or while it is open: the same association.
        for chunk in [ChunkType::INIT, ChunkType::COOKIE_ECHO, ChunkType::INIT, ChunkType::ABORT] {
            send(&mut rig, chunk);
            assert_eq!(real(&mut rig), first, "{} {chunk}", mode.name());
        }
        assert_eq!(rig.flows()[0].state, "CLOSED");
        send(&mut rig, ChunkType::DATA);
        assert_eq!((real(&mut rig), rig.flows()[0].state), (first, "CLOSED"));
        send(&mut rig, ChunkType::INIT);
        assert_ne!(real(&mut rig), first, "{}", mode.name());
        assert_eq!((rig.flows().len(), rig.flows()[0].state), (1, "INIT1"));
    }
}

/// The same ends in three protocols are three flows.
#[test]
fn protocols_are_told_apart() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let services = [ServiceSpec::tcp, ServiceSpec::udp, ServiceSpec::sctp];
        let mut rig = Rig::new(Setup::new(services.map(|service| service(VIP, mode).real(RS1, 1))));
        for (number, packet) in [
            PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN),
            PacketSpec::udp(CLIENT, VIP).payload("q"),
            client(ChunkType::INIT),
        ]
        .into_iter()
        .enumerate()
        {
            let outcome = rig.send(WAN, &packet);
            assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
            assert_eq!(rig.flows().len(), number + 1);
            let peer = (outcome.frames[0].1[26..30].to_vec(), src_port_of(&outcome.frames[0].1));
            let [a, b, c, d] = peer.0[..] else { panic!("four bytes") };
            let reply = packet.clone().src(RS1).dst((std::net::Ipv4Addr::new(a, b, c, d), peer.1));
            let expected = one_hop_on(&to_client(&packet.clone().src(VIP).dst(CLIENT)));
            rig.forwards(mode.name(), (LAN, &from_real(&reply, RS1)), (WAN, expected));
        }
    }
}

fn fragments_of(packet: &PacketSpec) -> Vec<Vec<u8>> {
    packet.clone().dont_fragment(false).fragments(400)
}

#[test]
fn fragments_go_where_no_port_changes_and_nowhere_else() {
    let ends = [
        (ForwardingMode::Dr, SAME_PORT, 0),
        (ForwardingMode::Tunnel, SAME_PORT, 0),
        (ForwardingMode::Nat, SAME_PORT, 0),
        (ForwardingMode::Nat, RS1, 3),
        (ForwardingMode::FullNat, SAME_PORT, 3),
    ];
    for (mode, rs, dropped) in ends {
        for (id, order) in (1..).zip([[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
            let mut pair = Association::new(mode, rs);
            let packet = PacketSpec::sctp(CLIENT, VIP).chunk(ChunkType::DATA, [7; 1000]).id(id);
            let fragments = fragments_of(&packet);
            assert_eq!(fragments.len(), 3);
            let before = pair.rig.stats.forwarded.value();
            pair.rig.send_all(WAN, order.map(|index| &fragments[index]));
            assert_eq!(pair.rig.stats.forwarded.value() - before, 3 - dropped, "{}", mode.name());
            assert_eq!(pair.rig.stats.dropped(DropReason::SctpFragmented).value(), dropped);
            assert_eq!((pair.rig.stats.held.value(), pair.rig.stats.dropped_total()), (0, dropped));
        }
    }
}

#[test]
fn the_first_fragment_of_an_init_that_cannot_go_on_takes_the_others_with_it() {
    let mut rig = Rig::new(setup(ForwardingMode::Nat, &[RS1]));
    let packet = PacketSpec::sctp(CLIENT, VIP).chunk(ChunkType::INIT, [0; 900]).id(9);
    let fragments = fragments_of(&packet);
    let outcome = rig.send_all(WAN, [&fragments[1], &fragments[0], &fragments[2]]);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::SctpFragmented); 3]);
    assert_eq!(outcome.frames, []);
}

/// Eight bytes of the transport header are quoted, ports and tag, and no checksum.
#[test]
fn icmp_errors_reach_the_other_end() {
    let kind = (IcmpType::DEST_UNREACHABLE, IcmpCode::PROTOCOL_UNREACHABLE, [0; 4]);
    let error = |from, to, quoted: &PacketSpec| {
        let (icmp_type, code, rest) = kind;
        let error = PacketSpec::icmp(from, to, icmp_type, code, rest);
        error.payload(&quoted.packet()[..28])
    };
    let ip = |end: &str| *end.endpoint().ip();
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut pair = Association::new(mode, RS1);
        let peer = pair.peer.clone();
        let lost = client(ChunkType::INIT).src(&*peer).dst(RS1);
        let received = from_real(&error(ip(RS1), ip(&peer), &lost), RS1);
        let told = error(ip(VIP), ip(CLIENT), &client(ChunkType::INIT));
        let told = one_hop_on(&to_client(&told));
        pair.rig.forwards(mode.name(), (LAN, &received), (WAN, told));

        let received = error(ip(CLIENT), ip(VIP), &server(ChunkType::INIT_ACK));
        let from = if mode == ForwardingMode::Nat { ip(CLIENT) } else { LIP };
        let lost = server(ChunkType::INIT_ACK).src(RS1).dst(&*peer);
        let told = one_hop_on(&to_real(&error(from, ip(RS1), &lost), RS1));
        pair.rig.forwards(mode.name(), (WAN, &received), (LAN, told));
    }
}

#[test]
fn a_full_table_does_not_stop_dr_and_tun() {
    for mode in [ForwardingMode::Dr, ForwardingMode::Tunnel] {
        let mut setup = setup(mode, &[RS1, RS2]);
        setup.flows = 10;
        let mut rig = Rig::new(setup);
        let others = (0..10).map(|number| client(ChunkType::INIT).src((LIP, 5000 + number)));
        rig.send_all(WAN, others.map(|packet| packet.frame()));
        assert_eq!(rig.stats.flows.value(), 10);
        let target = |frame: &[u8]| match mode {
            ForwardingMode::Tunnel => frame[30..34].to_vec(),
            ForwardingMode::Dr | ForwardingMode::Nat | ForwardingMode::FullNat => {
                frame[..6].to_vec()
            }
        };
        let mut sent = |chunk| {
            let outcome = rig.send(WAN, &client(chunk));
            assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{} {chunk}", mode.name());
            target(&outcome.frames[0].1)
        };
        let first = sent(ChunkType::INIT);
        for chunk in [ChunkType::COOKIE_ECHO, ChunkType::DATA] {
            assert_eq!(sent(chunk), first);
        }
        assert_eq!(rig.stats.stateless.value(), 3);
        rig.pass_s(70);
        let outcome = rig.send(WAN, &client(ChunkType::DATA));
        assert_eq!(target(&outcome.frames[0].1), first, "with a flow, when there is room");
        assert_eq!(rig.stats.flows.value(), 1);
        rig.pass_s(901);
        let outcome = rig.send(WAN, &client(ChunkType::DATA));
        assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoFlow)], "long ago");
    }
}

#[test]
fn a_nat_real_server_s_own_associations_are_routed() {
    let mut rig = Rig::new(setup(ForwardingMode::Nat, &[RS1]));
    let elsewhere = "203.0.113.5:38412";
    let packet = PacketSpec::sctp(RS1, elsewhere).chunk(ChunkType::INIT, [0; 16]);
    let routed = one_hop_on(&to_client(&packet));
    rig.forwards("out", (LAN, &from_real(&packet, RS1)), (WAN, routed));
    let packet = PacketSpec::sctp(elsewhere, RS1).chunk(ChunkType::INIT_ACK, [0; 16]);
    rig.forwards("in", (WAN, &packet), (LAN, one_hop_on(&to_real(&packet, RS1))));
}
