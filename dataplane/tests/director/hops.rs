//! TTL and MTU, which all modes treat alike.

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::testing::{Endpoint, PacketSpec};
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::{IcmpCode, IcmpType, TcpFlags};

use crate::support::{
    CLIENT, LAN, LAN_IP, LIP, MODES, NatPair, RS1, Rig, Setup, VIP, WAN, icmp_error, one_hop_on,
    to_client, to_real,
};

const TTL_EXCEEDED: (u8, u8, [u8; 4]) = (IcmpType::TIME_EXCEEDED, IcmpCode::TTL_IN_TRANSIT, [0; 4]);

fn needs_fragmentation(mtu: u16) -> (u8, u8, [u8; 4]) {
    let [high, low] = mtu.to_be_bytes();
    (IcmpType::DEST_UNREACHABLE, IcmpCode::FRAGMENTATION_NEEDED, [0, 0, high, low])
}

/// The longest packet that reaches the real server through a port of this MTU.
fn fits(mode: ForwardingMode, mtu: u16) -> u16 {
    if mode == ForwardingMode::Tunnel { mtu - 20 } else { mtu }
}

/// An error that the VIP sends to the client.
fn vip_says(error: (u8, u8, [u8; 4]), quoted: &[u8]) -> PacketSpec {
    let (vip, client) = (*VIP.endpoint().ip(), *CLIENT.endpoint().ip());
    to_client(&icmp_error((vip, client), error, quoted))
}

#[test]
fn the_last_hop_of_a_request_ends_here_and_the_client_is_told() {
    for mode in MODES {
        let mut rig = Rig::new(Setup::one_real(mode));
        for ttl in [1, 0] {
            let syn = PacketSpec::tcp(CLIENT, VIP).flags(TcpFlags::SYN).ttl(ttl);
            let error = vip_says(TTL_EXCEEDED, &syn.packet());
            rig.refuses(mode.name(), (WAN, &syn), error, DropReason::TtlExceeded);
        }
        let [flow] = &rig.flows()[..] else { panic!("the flow was made before the TTL was read") };
        assert_eq!((flow.state, flow.expires_s), ("SYN_RECV", 60));

        let long = PacketSpec::udp(CLIENT, VIP).payload([1; 1400]).tos(0x10).ttl(1);
        let error = vip_says(TTL_EXCEEDED, &long.packet()[..548]);
        assert_eq!(error.packet().len(), 576);
        rig.refuses(mode.name(), (WAN, &long), error, DropReason::TtlExceeded);
        assert_eq!(rig.stats.generated.icmp_errors.value(), 3);
    }
}

#[test]
fn the_last_hop_of_a_reply_ends_here_and_the_real_server_is_told() {
    for (mode, teller) in [(ForwardingMode::Nat, LAN_IP), (ForwardingMode::FullNat, LIP)] {
        let mut pair = NatPair::new(mode);
        let reply = pair.reply(&PacketSpec::tcp(VIP, CLIENT).ttl(1));
        let real = *RS1.endpoint().ip();
        let error = to_real(&icmp_error((teller, real), TTL_EXCEEDED, &reply.packet()), RS1);
        pair.rig.refuses(mode.name(), (LAN, &reply), error, DropReason::TtlExceeded);
    }
}

#[test]
fn a_request_too_long_and_not_to_be_fragmented_is_refused() {
    for mode in MODES {
        for (mtu, excess) in [(1400, 1), (576, 700), (1400, 100)] {
            let mut setup = Setup::one_real(mode);
            setup.lan_mtu = mtu;
            let mut rig = Rig::new(setup);
            let fits = fits(mode, mtu);
            let of_len =
                |len: u16| PacketSpec::udp(CLIENT, VIP).payload(vec![3; usize::from(len) - 28]);
            let longest = rig.send(WAN, &of_len(fits));
            assert_eq!(longest.frames.len(), 1, "{}: {fits} bytes fit", mode.name());

            let packet = of_len(fits + excess);
            let quoted = one_hop_on(&packet).packet();
            let error = vip_says(needs_fragmentation(fits), &quoted);
            let reason = DropReason::FragmentationNeeded;
            rig.refuses(mode.name(), (WAN, &packet), error, reason);
        }
    }
}

#[test]
fn a_reply_too_long_and_not_to_be_fragmented_is_refused() {
    for (mode, teller) in [(ForwardingMode::Nat, LAN_IP), (ForwardingMode::FullNat, LIP)] {
        let mut setup = Setup::one_real(mode);
        setup.wan_mtu = 1300;
        let mut pair = NatPair::with(setup, mode);
        let reply = pair.reply(&PacketSpec::tcp(VIP, CLIENT).payload([0; 1261]));
        let quoted = one_hop_on(&reply).packet();
        let error = icmp_error((teller, *RS1.endpoint().ip()), needs_fragmentation(1300), &quoted);
        let reason = DropReason::FragmentationNeeded;
        pair.rig.refuses(mode.name(), (LAN, &reply), to_real(&error, RS1), reason);
    }
}

#[test]
fn a_packet_that_a_router_may_fragment_is_fragmented() {
    for mode in [ForwardingMode::Dr, ForwardingMode::Nat] {
        let mut setup = Setup::one_real(mode);
        (setup.lan_mtu, setup.wan_mtu) = (1400, 1006);
        let mut pair = NatPair::with(setup, mode);
        let forwarded = |packet: &PacketSpec, pair: &NatPair| match mode {
            ForwardingMode::Dr => one_hop_on(&to_real(packet, RS1)),
            ForwardingMode::Tunnel | ForwardingMode::Nat | ForwardingMode::FullNat => {
                pair.request(packet)
            }
        };
        let tcp = PacketSpec::tcp(CLIENT, VIP).payload([7; 1460]).dont_fragment(false).id(0xABCD);
        let udp = PacketSpec::udp(CLIENT, VIP).payload([9; 1373]).dont_fragment(false).id(3).tos(9);
        for packet in [tcp, udp] {
            let expected = forwarded(&packet, &pair).fragments(1376);
            assert_eq!(expected.len(), 2);
            let outcome = pair.rig.send(WAN, &packet);
            let frames: Vec<_> = outcome.frames.iter().map(|(_, frame)| frame.clone()).collect();
            assert_eq!(frames, expected, "{:?}", outcome.lines());
            assert_eq!(outcome.verdicts.len(), 1);
        }
        assert_eq!(pair.rig.stats.generated.fragments.value(), 2);
        if mode == ForwardingMode::Nat {
            let packet = PacketSpec::udp(VIP, CLIENT).payload([5; 1300]).dont_fragment(false);
            let expected = one_hop_on(&to_client(&packet)).fragments(984);
            let outcome = pair.rig.send(LAN, &pair.reply(&packet));
            let frames: Vec<_> = outcome.frames.iter().map(|(_, frame)| frame.clone()).collect();
            assert_eq!(frames, expected, "{:?}", outcome.lines());
        }
    }
}

#[test]
fn routed_packets_have_hops_and_mtu_too() {
    let mut setup = Setup::one_real(ForwardingMode::Nat);
    setup.wan_mtu = 1000;
    let mut rig = Rig::new(setup);
    let real = *RS1.endpoint().ip();
    let from = |packet: PacketSpec| crate::support::from_real(&packet, RS1);
    let elsewhere = "203.0.113.5:443";
    let last = from(PacketSpec::tcp(RS1, elsewhere).ttl(1));
    let error = to_real(&icmp_error((LAN_IP, real), TTL_EXCEEDED, &last.packet()), RS1);
    rig.refuses("TTL", (LAN, &last), error, DropReason::TtlExceeded);

    let long = from(PacketSpec::echo_request("10.0.0.11", "203.0.113.5", 1, 1).payload([0; 1000]));
    let quoted = one_hop_on(&long).packet();
    let error = to_real(&icmp_error((LAN_IP, real), needs_fragmentation(1000), &quoted), RS1);
    rig.refuses("MTU", (LAN, &long), error, DropReason::FragmentationNeeded);

    // Nobody is told about the fate of an ICMP error.
    let quoted = PacketSpec::udp(elsewhere, RS1).packet();
    for (icmp_type, reason) in [(3, "TTL"), (11, "TTL"), (12, "TTL"), (5, "TTL"), (4, "TTL")] {
        let error = PacketSpec::icmp("10.0.0.11", "203.0.113.5", icmp_type, 0, [0; 4]);
        let error = from(error.payload(&quoted).ttl(1));
        rig.drops(reason, (LAN, &error), DropReason::TtlExceeded);
    }
}
