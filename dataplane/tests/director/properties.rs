//! What holds for any packet: translation can be undone, and no bytes upset the director.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::BURST_LEN_MAX;
use rvs_dataplane::sched::{
    Asked, Asker, Counted, HashFlags, MaglevEntry, SchedState, Schedule, Scheduler, schedule,
};
use rvs_dataplane::service::{Dest, RealId, ServiceId, ServiceKey, VirtualService};
use rvs_dataplane::stats::WorkerStats;
use rvs_dataplane::testing::{Endpoint, PacketSpec, Random, arp_frame};
use rvs_dataplane::time::{Tick, Ticks};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::{ArpPacket, ChunkType, Mac, TcpFlags};

use crate::support::{
    CLIENT, GATEWAY, LAN, LAN_IP, LAN_MAC, LIP, NatPair, RS1, RS2, Rig, ServiceSpec, Setup, VIP,
    WAN, WAN_IP, WAN_MAC, from_real, mac_of, one_hop_on, to_client,
};

fn any_packet() -> impl Strategy<Value = PacketSpec> {
    let payload = vec(any::<u8>(), 0..400);
    let fields = (any::<bool>(), any::<u8>(), 3..=255u8, any::<u16>(), any::<bool>());
    let tcp = (any::<u32>(), any::<u32>(), any::<u16>(), 0..4usize);
    (payload, fields, tcp).prop_map(
        |(payload, (is_tcp, tos, ttl, id, df), (seq, ack, window, options))| {
            let packet = if is_tcp {
                // No SYN: it would schedule a finished connection anew.
                let flags = TcpFlags(seq.to_be_bytes()[3] & 0x3D);
                let tcp =
                    PacketSpec::tcp(CLIENT, VIP).flags(flags).seq(seq).ack(ack).window(window);
                tcp.tcp_options(&vec![1; options * 4])
            } else {
                PacketSpec::udp(CLIENT, VIP)
            };
            packet
                .payload(payload)
                .tos(tos)
                .ttl(ttl)
                .id(id)
                .dont_fragment(df)
                .ip_options(&vec![1; options * 4])
        },
    )
}

/// The frame going the other way: addresses and ports change sides, so all checksums stay right.
fn reflected(frame: &[u8], macs: (Mac, Mac)) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let l4 = 14 + usize::from(frame[14] & 0xF) * 4;
    let (src, dst) = (frame[26..30].to_vec(), frame[30..34].to_vec());
    frame[26..30].copy_from_slice(&dst);
    frame[30..34].copy_from_slice(&src);
    let (src, dst) = (frame[l4..l4 + 2].to_vec(), frame[l4 + 2..l4 + 4].to_vec());
    frame[l4..l4 + 2].copy_from_slice(&dst);
    frame[l4 + 2..l4 + 4].copy_from_slice(&src);
    frame[..6].copy_from_slice(&macs.0.0);
    frame[6..12].copy_from_slice(&macs.1.0);
    frame
}

proptest! {
    /// Every checksum of what comes out is verified by the rig: updated ones equal computed ones.
    #[test]
    fn translation_there_and_back_is_the_identity(packets in vec(any_packet(), 1..20)) {
        for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
            let mut pair = NatPair::new(mode);
            for packet in &packets {
                let there = pair.rig.send(WAN, packet);
                prop_assert_eq!(&there.frames, &[(LAN, pair.request(packet).frame())]);
                let (_, frame) = &there.frames[0];
                let reply = reflected(frame, (LAN_MAC, mac_of(*RS1.endpoint().ip())));
                let back = pair.rig.send_all(LAN, [&reply]);
                let twice_on = to_client(&one_hop_on(&one_hop_on(packet)));
                let expected = reflected(&twice_on.frame(), (mac_of(GATEWAY), WAN_MAC));
                prop_assert_eq!(&back.frames, &[(WAN, expected)], "{:?}", back.lines());
            }
        }
    }

    #[test]
    fn weight_zero_is_never_chosen_and_anything_else_is(
        weights in vec(prop_oneof![Just(0u32), 1..6u32, 1..=2_147_483_647u32], 0..12),
        scheduler in 0..14usize,
        revision in 0..2u32,
    ) {
        let dests = (0u32..).map(RealId).zip(&weights);
        let dests = dests.map(|(real, &weight)| Dest::new(real, weight));
        let dests = VirtualService::list_order(dests.collect::<Vec<_>>().into_iter());
        let entry = |dest: &Dest| MaglevEntry {
            address: Ipv4Addr::from_bits(0x0A00_0000 + dest.real.0),
            l4_port: 80,
            weight: dest.weight,
        };
        let entries = || dests.iter().map(entry).collect();
        let flags = HashFlags { fallback: true, port: true };
        let scheduler = Scheduler::all(flags)[scheduler];
        let service = VirtualService {
            id: ServiceId(0),
            key: ServiceKey::endpoint(6, LIP, 80),
            schedule: Schedule::new(scheduler, revision, &dests, entries).counting(1, &dests),
            dests,
            local_addresses: Box::default(),
            stateless: None,
            persistence: None,
            helper: None,
            ops: false,
        };
        let counted = Counted::alone(Arc::new(WorkerStats::new(1, 12)));
        let mut random = 1;
        let mut state = SchedState::default();
        let usable = weights.iter().any(|weight| *weight > 0);
        for cport in 0..200 {
            let asked = Asked { client: (LIP, cport), dst: LIP };
            let mut asker =
                Asker { worker: 0, counted: &counted, now: Tick(0), random: &mut random };
            let choice = schedule(&service, &mut state, &asked, &mut asker);
            // With dh a destination has one real server or none.
            if scheduler != Scheduler::Dh {
                prop_assert_eq!(choice.is_some(), usable, "{:?}", scheduler);
            }
            prop_assert!(choice.is_none_or(|real| weights[real.index()] > 0), "{:?}", choice);
        }
    }
}

const DR_VIP: &str = "192.0.2.11:80";
const TUN_VIP: &str = "192.0.2.12:80";
const FULLNAT_VIP: &str = "192.0.2.13:80";

/// A site with services in all modes, TCP, UDP and SCTP.
fn all_modes() -> Setup {
    let reals = [RS1, RS2].map(|real| *real.endpoint().ip());
    let services = |vip: &'static str, mode| {
        let rport =
            if matches!(mode, ForwardingMode::Dr | ForwardingMode::Tunnel) { 80 } else { 8080 };
        [ServiceSpec::tcp, ServiceSpec::udp, ServiceSpec::sctp]
            .map(|service| service(vip, mode).real((reals[0], rport), 1).real((reals[1], rport), 2))
    };
    let all = [
        services(VIP, ForwardingMode::Nat),
        services(DR_VIP, ForwardingMode::Dr),
        services(TUN_VIP, ForwardingMode::Tunnel),
        services(FULLNAT_VIP, ForwardingMode::FullNat),
    ];
    let mut setup = Setup::new(all.into_iter().flatten());
    setup.lan_mtu = 1400;
    setup
}

/// SCTP packets with every chunk that means something, alone and with another behind it.
fn sctp_corpus(vip: &str) -> [PacketSpec; 16] {
    std::array::from_fn(|number| {
        let chunk = u8::try_from(number).unwrap();
        let packet = PacketSpec::sctp(CLIENT, vip).chunk(chunk, vec![0; number]);
        if chunk.is_multiple_of(2) { packet.chunk(ChunkType::ABORT, []) } else { packet }
    })
}

/// Frames of every kind that the director knows, with the port they come in on.
fn corpus(rig: &mut Rig) -> Vec<(rvs_dataplane::snapshot::PortIdx, Vec<u8>)> {
    let mut frames = Vec::new();
    let cip = *CLIENT.endpoint().ip();
    for vip in [VIP, DR_VIP, TUN_VIP, FULLNAT_VIP] {
        let tcp = |flags| PacketSpec::tcp(CLIENT, vip).flags(flags).payload("data");
        let udp = PacketSpec::udp(CLIENT, vip).payload([1; 60]);
        for flags in [TcpFlags::SYN, TcpFlags::ACK, TcpFlags::FIN, TcpFlags::RST] {
            frames.push((WAN, tcp(flags).mss(1460).frame()));
        }
        frames.push((WAN, tcp(TcpFlags::ACK).ip_options(&[148, 4, 0, 0]).frame()));
        frames.push((WAN, udp.clone().no_udp_checksum().frame()));
        frames.extend(sctp_corpus(vip).map(|packet| (WAN, packet.frame())));
        let large = udp.clone().payload([2; 1472]);
        frames.push((WAN, large.frame()));
        frames.push((WAN, large.clone().dont_fragment(false).frame()));
        let fragments = large.dont_fragment(false).id(7).fragments(520);
        frames.extend(fragments.into_iter().map(|fragment| (WAN, fragment)));
        let sctp = PacketSpec::sctp(CLIENT, vip).chunk(ChunkType::INIT, [1; 16]);
        let fragments = sctp.clone().payload([3; 900]).dont_fragment(false).id(8).fragments(400);
        frames.extend(fragments.into_iter().map(|fragment| (WAN, fragment)));
        for reply in [PacketSpec::tcp, PacketSpec::udp, PacketSpec::sctp] {
            let reply = reply(vip, CLIENT).payload([0, 0, 0, 4]);
            let error = PacketSpec::icmp(cip, *vip.endpoint().ip(), 3, 4, [0, 0, 5, 0]);
            frames.push((WAN, error.payload(reply.packet()).frame()));
        }
        frames.push((WAN, PacketSpec::echo_request(cip, *vip.endpoint().ip(), 1, 1).frame()));
        // What the real servers and the routers near them send back.
        for sent in [tcp(TcpFlags::SYN), udp, sctp] {
            for (_, frame) in rig.send(WAN, &sent).frames {
                let from = mac_of(*RS1.endpoint().ip());
                frames.push((LAN, reflected(&frame, (LAN_MAC, from))));
                let to = std::net::Ipv4Addr::new(frame[26], frame[27], frame[28], frame[29]);
                let error = PacketSpec::icmp("10.0.0.77", to, 3, 4, [0, 0, 4, 0]);
                let quote = &frame[14..frame.len().min(200)];
                frames.push((LAN, from_real(&error.payload(quote), "10.0.0.77").frame()));
            }
        }
    }
    let other = PacketSpec::udp(RS1, "203.0.113.5:53").payload("q");
    frames.push((LAN, from_real(&other, RS1).frame()));
    frames.push((WAN, PacketSpec::raw(cip, "192.0.2.10", 47).frame()));
    for (port, own, own_ip, ip) in
        [(WAN, WAN_MAC, WAN_IP, GATEWAY), (LAN, LAN_MAC, LAN_IP, *RS1.endpoint().ip())]
    {
        let mac = mac_of(ip);
        frames.push((port, arp_frame(own, mac, &ArpPacket::reply(mac, ip, own, own_ip))));
        frames.push((port, arp_frame(Mac::BROADCAST, mac, &ArpPacket::request(mac, ip, own_ip))));
    }
    frames
}

/// Changes a frame in one to four ways; most often with right checksums, so that it gets further
/// than the first check.
fn mutate(frame: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(frame.len());
        match random.below(8) {
            0..=2 => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = random.byte();
                }
            }
            3 => {
                // Headers are where it hurts most.
                let at = 14 + random.below(28);
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            4 => frame.truncate(at),
            5 => frame.extend((0..random.below(64)).map(|_| 0xFF)),
            6 => {
                let cut = random.below(other.len());
                frame.truncate(at);
                frame.extend_from_slice(&other[cut..]);
            }
            _ => {
                // The transport header of one frame behind the IPv4 header of another.
                frame.truncate(34);
                frame.extend_from_slice(other.get(34..).unwrap_or_default());
            }
        }
    }
    frame.truncate(1900);
    if random.below(8) != 0 {
        mend_checksums(frame, random.below(2) == 0);
    }
}

/// Makes the IPv4 header's checksum right, perhaps its length, and that of ICMP.
fn mend_checksums(frame: &mut [u8], mend_len: bool) {
    let Some(packet) = frame.get_mut(14..) else { return };
    if mend_len && packet.len() >= 20 {
        let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
        packet[2..4].copy_from_slice(&len);
    }
    rvs_dataplane::wire::ipv4::fill_checksum(packet);
    let header_len = packet.first().map_or(0, |byte| usize::from(byte & 0xF) * 4);
    if packet.get(9) == Some(&1) {
        let total = packet.get(2..4).map_or(0, |len| u16::from_be_bytes([len[0], len[1]]));
        if let Some(message) = packet.get_mut(header_len..usize::from(total)) {
            rvs_dataplane::wire::icmpv4::fill_checksum(message);
        }
    }
}

/// What else goes wrong while the frames come in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    Calm,
    /// A small flow table, and time stands still.
    Crowded,
    /// Neighbours seldom answer.
    Silent,
    /// Buffers run out and ports refuse frames.
    Starved,
    /// Real servers come and go.
    Restless,
}

impl Weather {
    fn setup(self) -> Setup {
        let mut setup = all_modes();
        setup.flows = if self == Self::Crowded { 150 } else { 4000 };
        setup
    }

    fn change(self, rig: &mut Rig, random: &mut Random) {
        if self != Self::Crowded && random.below(16) == 0 {
            rig.now = rig.now.after(Ticks(u32::try_from(random.below(400)).unwrap()));
        }
        match self {
            Self::Calm | Self::Crowded => {}
            Self::Silent => rig.neighbors_answer = random.below(1000) == 0,
            Self::Starved => {
                rig.buffers_left = Some(random.below(4));
                rig.wires.borrow_mut().tx_room = [0; 2].map(|_| Some(random.below(20)));
            }
            Self::Restless if random.below(50) == 0 => rig.publish(|setup| match random.below(4) {
                0 => setup.set_weights(0),
                1 => setup.set_weights(5),
                2 => setup.remove_real(RS1),
                _ => setup.restore_real(RS1),
            }),
            Self::Restless => {}
        }
    }

    fn clear_up(rig: &mut Rig) {
        rig.neighbors_answer = true;
        rig.buffers_left = None;
        rig.wires.borrow_mut().tx_room = [None; 2];
        rig.publish(|setup| {
            setup.set_weights(1);
            setup.restore_real(RS1);
        });
        rig.settle();
    }
}

/// Drives `frames` mutated frames through a director with flows in all modes.
fn storm(weather: Weather, frames: u64, seed: u64, reasons: &[DropReason]) {
    let started = Instant::now();
    let mut rig = Rig::new(weather.setup());
    let corpus = corpus(&mut rig);
    rig.verify_frames = false;
    let mut random = Random::new(seed);
    let before = rig.stats.received.value();
    let mut sent = 0;
    while sent < frames {
        let mut bursts: [Vec<Vec<u8>>; 2] = Default::default();
        for _ in 0..BURST_LEN_MAX {
            let (port, mut frame) = corpus[random.below(corpus.len())].clone();
            let (_, other) = &corpus[random.below(corpus.len())];
            // One in eight stays whole, so that flows of all kinds live on.
            if random.below(8) != 0 {
                mutate(&mut frame, other, &mut random);
            }
            bursts[port.index()].push(frame);
            sent += 1;
        }
        weather.change(&mut rig, &mut random);
        rig.swallow(bursts, &format!("{weather:?}, seed {seed:#x}, about frame {sent}"));
    }
    let received = rig.stats.received.value() - before;
    println!("{weather:?}: {received} frames, seed {seed:#x}, {:?}", started.elapsed());
    assert!(received >= frames);
    for reason in reasons {
        let count = rig.stats.dropped(*reason).value();
        assert!(count > 0, "{weather:?}: nothing was dropped as {}", reason.name());
    }
    // Everything that waits ends in time, and everybody is served as before.
    Weather::clear_up(&mut rig);
    let forwarded = rig.stats.forwarded.value();
    assert!(forwarded > received / 50, "{forwarded} forwarded: the mutations leave too little");
    for vip in [VIP, DR_VIP, TUN_VIP, FULLNAT_VIP] {
        let syn = PacketSpec::tcp("198.51.100.99:1234", vip).flags(TcpFlags::SYN);
        let outcome = rig.send(WAN, &syn);
        assert_eq!(outcome.verdicts, [Verdict::Forwarded], "{weather:?} {vip}");
    }
}

#[test]
fn a_million_mutated_frames_do_no_harm() {
    use DropReason::{FragmentOrphaned, IcmpNoFlow, NoFlow, SctpFragmented, TtlExceeded};
    let reasons = [NoFlow, TtlExceeded, IcmpNoFlow, FragmentOrphaned, SctpFragmented];
    storm(Weather::Calm, 1_000_000, 0xC0FFEE, &reasons);
}

#[test]
fn nor_in_bad_weather() {
    use DropReason::{
        FlowTableFull, NeighborQueueFull, NeighborUnresolved, NoBuffer, NoRealServer,
        RealServerRemoved, TxRefused,
    };
    storm(Weather::Crowded, 300_000, 0xFEED, &[FlowTableFull]);
    storm(Weather::Silent, 300_000, 0x0DD, &[NeighborUnresolved, NeighborQueueFull]);
    storm(Weather::Starved, 300_000, 0xBAD, &[NoBuffer, TxRefused]);
    storm(Weather::Restless, 300_000, 0xACE, &[NoRealServer, RealServerRemoved]);
}
