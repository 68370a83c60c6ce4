//! [`NatPair`]: a rig with one connection through NAT or FULLNAT, and what both ends see of it.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::verdict::Verdict;
use rvs_dataplane::wire::TcpFlags;

use super::{
    CLIENT, LAN, LIP, RS1, Rig, Setup, VIP, WAN, datagrams, from_real, one_hop_on, segments,
    src_port_of, to_client, to_real,
};

/// A TCP and a UDP flow from [`CLIENT`] to [`VIP`] that [`RS1`] serves.
pub(crate) struct NatPair {
    pub(crate) rig: Rig,
    /// What the real server takes for the client: address and port, by protocol.
    tcp_peer: String,
    udp_peer: String,
}

impl NatPair {
    /// Sends the first packet of both flows.
    pub(crate) fn new(mode: ForwardingMode) -> Self {
        Self::with(Setup::one_real(mode), mode)
    }

    /// [`Self::new`] with a set-up of its own, which must have the services of
    /// [`Setup::one_real`].
    pub(crate) fn with(setup: Setup, mode: ForwardingMode) -> Self {
        let mut rig = Rig::new(setup);
        let mut open = |packet: &PacketSpec| {
            let outcome = rig.send(WAN, packet);
            assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{:?}", outcome.lines());
            if mode == ForwardingMode::FullNat {
                format!("{LIP}:{}", src_port_of(&outcome.frames[0].1))
            } else {
                CLIENT.to_owned()
            }
        };
        let tcp_peer = open(&PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN));
        let udp_peer = open(&PacketSpec::udp(CLIENT, VIP));
        Self { rig, tcp_peer, udp_peer }
    }

    /// Who sends to the real server, as it sees it.
    pub(crate) fn peer(&self, packet: &PacketSpec) -> &str {
        if packet.packet()[9] == 6 { &self.tcp_peer } else { &self.udp_peer }
    }

    /// The request `packet` as it reaches the real server.
    pub(crate) fn request(&self, packet: &PacketSpec) -> PacketSpec {
        one_hop_on(&to_real(packet, RS1)).src(self.peer(packet)).dst(RS1)
    }

    /// The reply `packet` (from [`VIP`] to [`CLIENT`]) as the real server sends it.
    pub(crate) fn reply(&self, packet: &PacketSpec) -> PacketSpec {
        from_real(packet, RS1).src(RS1).dst(self.peer(packet))
    }

    /// Sends packets of every kind in both directions.
    pub(crate) fn exchange(&mut self) {
        for (name, packet) in segments(CLIENT, VIP).into_iter().chain(datagrams(CLIENT, VIP)) {
            let expected = self.request(&packet);
            self.rig.forwards(name, (WAN, &packet), (LAN, expected));
        }
        for (name, packet) in segments(VIP, CLIENT).into_iter().chain(datagrams(VIP, CLIENT)) {
            let reply = self.reply(&packet);
            self.rig.forwards(name, (LAN, &reply), (WAN, one_hop_on(&to_client(&packet))));
        }
    }

    /// A datagram without checksum must get one, in both directions; returns how many of the
    /// frames left that to the NIC.
    pub(crate) fn fill_udp_checksums(&mut self) -> usize {
        // Among all two-byte payloads is one whose checksum is zero, which is sent as 0xFFFF.
        let complement = |packet: &PacketSpec| {
            let frame = packet.clone().payload([0, 0]).packet();
            PacketSpec::clone(packet).payload([frame[26], frame[27]])
        };
        let mut offloaded = 0;
        for request in [
            PacketSpec::udp(CLIENT, VIP).payload("question"),
            PacketSpec::udp(CLIENT, VIP).payload("odd").ip_options(&[1, 1, 1, 0]),
        ] {
            for exact in [false, true] {
                let sent =
                    if exact { complement(&self.request(&request)) } else { request.clone() };
                let payload = &sent.packet()[sent.packet().len() - 2..];
                let request =
                    if exact { request.clone().payload(payload) } else { request.clone() };
                let expected = self.request(&request);
                let outcome = self.rig.send(WAN, &request.no_udp_checksum());
                assert_eq!(outcome.frames, [(LAN, expected.frame())], "{:?}", outcome.lines());
                offloaded += outcome.offloaded;
            }
        }
        let answer = PacketSpec::udp(VIP, CLIENT).payload("answer");
        let outcome = self.rig.send(LAN, &self.reply(&answer).no_udp_checksum());
        let expected = one_hop_on(&to_client(&answer));
        assert_eq!(outcome.frames, [(WAN, expected.frame())], "{:?}", outcome.lines());
        offloaded + outcome.offloaded
    }

    /// A packet whose TCP or UDP checksum is wrong must arrive with everything right but that.
    pub(crate) fn keep_bad_checksums(&mut self) {
        self.rig.verify_frames = false;
        let tcp = PacketSpec::tcp(CLIENT, VIP).payload("damaged");
        let udp = PacketSpec::udp(CLIENT, VIP).payload("damaged");
        for (packet, at) in [(tcp, 14 + 20 + 16), (udp, 14 + 20 + 6)] {
            let damaged = packet.clone().bad_l4_checksum();
            let expected = self.request(&packet).frame();
            let outcome = self.rig.send(WAN, &damaged);
            let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
            assert_ne!(frame[at..at + 2], expected[at..at + 2], "the damage shows");
            assert_eq!((&frame[..at], &frame[at + 2..]), (&expected[..at], &expected[at + 2..]));
        }
        self.rig.verify_frames = true;
    }
}
