//! SCTP against a real IPVS: every case of `recorded/sctp.txt` (`perf/oracle/sctp.sh`) again here.
//!
//! A line is a case and, behind `=`, what IPVS made of it. `nat` and `dr` are packets of a new
//! client (`>`) and of its real server (`<`), named by their chunks, and the state they lead to;
//! `sloppy` a first packet with `sloppy_sctp=1`; `timeout` how long a state lasts. In the others
//! nothing was forwarded, and the line says what the client was told.

use std::collections::BTreeMap;

use rvs_dataplane::flow::tcp_state::Heard;
use rvs_dataplane::flow::{SctpEvent, SctpState};
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::snapshot::PortIdx;
use rvs_dataplane::testing::PacketSpec;
use rvs_dataplane::wire::{ChunkType, IcmpHeader};

use crate::support::{LAN, RS1, Rig, ServiceSpec, Setup, WAN, from_real};

const RECORDED: &str = include_str!("recorded/sctp.txt");
const NAT_VIP: &str = "192.0.2.10:80";
const DR_VIP: &str = "192.0.2.10:81";
const NO_DEST_VIP: &str = "192.0.2.10:82";
const NO_SERVICE_VIP: &str = "192.0.2.10:83";

fn chunk(name: &str) -> u8 {
    match name {
        "d" => ChunkType::DATA,
        "i" => ChunkType::INIT,
        "ia" => ChunkType::INIT_ACK,
        "ce" => ChunkType::COOKIE_ECHO,
        "ca" => ChunkType::COOKIE_ACK,
        "s" => ChunkType::SHUTDOWN,
        "sa" => ChunkType::SHUTDOWN_ACK,
        "sc" => ChunkType::SHUTDOWN_COMPLETE,
        "e" => ChunkType::ERROR,
        "a" => ChunkType::ABORT,
        other => panic!("no chunk is called {other}"),
    }
}

fn with_chunks(packet: PacketSpec, names: &str) -> PacketSpec {
    names.split('+').fold(packet, |packet, name| packet.chunk(chunk(name), [0; 12]))
}

fn client(cport: u16) -> String {
    format!("198.51.100.7:{cport}")
}

/// A packet that a step stands for, and where it comes in.
fn packet(vip: &str, cport: u16, step: &str) -> (PortIdx, PacketSpec) {
    match step.split_at(1) {
        (">", names) => (WAN, with_chunks(PacketSpec::sctp(&*client(cport), vip), names)),
        (_, names) => {
            let reply = with_chunks(PacketSpec::sctp(RS1, &*client(cport)), names);
            (LAN, from_real(&reply, RS1))
        }
    }
}

fn rig() -> Rig {
    let mut setup = Setup::new([
        ServiceSpec::sctp(NAT_VIP, ForwardingMode::Nat).real(RS1, 1),
        ServiceSpec::sctp(DR_VIP, ForwardingMode::Dr).real("10.0.0.11:81", 1),
        ServiceSpec::sctp(NO_DEST_VIP, ForwardingMode::Nat),
    ]);
    setup.flows = 2048;
    Rig::new(setup)
}

/// The state after these steps of a new client, and the seconds it lasts.
fn walk(rig: &mut Rig, vip: &str, cport: u16, steps: &str) -> (&'static str, u32) {
    for step in steps.split(' ') {
        let (port, packet) = packet(vip, cport, step);
        let outcome = rig.send(port, &packet);
        assert_eq!(outcome.frames.len(), 1, "{steps}: {:?}", outcome.verdicts);
    }
    let flows = rig.flows();
    let flow = flows.iter().find(|flow| flow.client.1 == cport).expect("a flow");
    (flow.state, flow.expires_s)
}

/// What a client is told of a packet that is not let in.
fn answer(rig: &mut Rig, vip: &str, cport: u16, step: &str) -> String {
    // No more than the limit of ICMP errors allows.
    rig.pass_s(1);
    let (port, packet) = packet(vip, cport, step);
    let outcome = rig.send(port, &packet);
    let [(WAN, frame)] = outcome.frames.as_slice() else { panic!("{step}: {outcome:?}") };
    let icmp = IcmpHeader::read(&frame[34..]).expect("an ICMP message");
    format!("icmp {}/{}", icmp.icmp_type(), icmp.code())
}

/// The state that a first packet leads to where any but an ABORT may open a flow.
fn sloppy(mode: &str, step: &str) -> &'static str {
    let mut types = step[1..].split('+').map(chunk);
    let first = types.next().expect("a chunk");
    if first == ChunkType::ABORT {
        return "None";
    }
    let heard = if mode == "nat" { Heard::Input } else { Heard::InputOnly };
    SctpState::None.next(heard, SctpEvent::of(first, types.next())).name()
}

#[test]
fn every_case_ends_as_in_ipvs() {
    let mut rig = rig();
    let mut longest: BTreeMap<&str, u32> = BTreeMap::new();
    let mut count = 0;
    for (line, cport) in RECORDED.lines().zip(1025..) {
        let (case, expected) = line.split_once(" = ").expect("a case and its end");
        let (kind, steps) = case.split_once(' ').expect("a kind of case");
        let end = match kind {
            "nat" | "dr" => {
                let vip = if kind == "nat" { NAT_VIP } else { DR_VIP };
                let (state, left) = walk(&mut rig, vip, cport, steps);
                let longest = longest.entry(state).or_default();
                *longest = left.max(*longest);
                state.to_owned()
            }
            "sloppy" => {
                let (mode, step) = steps.split_once(' ').expect("a mode");
                sloppy(mode, step).to_owned()
            }
            "timeout" => longest[steps].to_string(),
            "no-flow" => answer(&mut rig, NAT_VIP, cport, steps),
            "no-service" => answer(&mut rig, NO_SERVICE_VIP, cport, steps),
            "no-dest" => answer(&mut rig, NO_DEST_VIP, cport, steps),
            "port-20" => answer(&mut rig, NAT_VIP, 20, steps),
            other => panic!("no case is called {other}"),
        };
        assert_eq!(end, expected, "{line}");
        count += 1;
    }
    assert!(count >= 440, "{count} cases");
    assert_eq!(longest.len(), 13, "all states but NONE: {longest:?}");
}
