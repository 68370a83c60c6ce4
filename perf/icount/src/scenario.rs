//! What is counted, by name.

use dataplane::flow::Direction;
use dataplane::forward::ForwardingMode;
use dataplane::time::Ticks;
use dataplane::wire::{ArpPacket, EtherType, EthernetHeader, IpProto, Mac, TcpFlags};

use crate::bench::{Bench, count_parsing, count_wires};
use crate::frames::{self, Bytes, End};
use crate::site::{LAN, MACS, VIP, WAN};
use crate::wires::{NEIGHBOR, Reply};

/// Flows that packets of established flows belong to, in turn.
const FLOWS: u32 = 1000;
/// Flows that can be told apart and fit into the table.
const COUNT_MAX: u32 = 60_000;
/// Later than any flow without traffic ends.
const LONG: Ticks = Ticks::from_secs(1000);

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const SYN_ACK: TcpFlags = SYN.union(ACK);
const DATA: TcpFlags = TcpFlags::PSH.union(ACK);
const FIN_ACK: TcpFlags = TcpFlags::FIN.union(ACK);

/// A whole connection: handshake, request, response, and both ends close.
const CONNECTION: [(Direction, TcpFlags); 8] = [
    (Direction::Request, SYN),
    (Direction::Reply, SYN_ACK),
    (Direction::Request, ACK),
    (Direction::Request, DATA),
    (Direction::Reply, DATA),
    (Direction::Request, FIN_ACK),
    (Direction::Reply, FIN_ACK),
    (Direction::Request, ACK),
];

/// Which packets are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Packets from one port to the other with no worker between: what the ports themselves take,
    /// which is part of every other count but that of parsing.
    Wires,
    /// Packets that are parsed and no more.
    Parse,
    /// Packets of established flows.
    Established(ForwardingMode, Protocol, Direction),
    /// UDP datagrams that open a flow each.
    NewFlows(ForwardingMode),
    /// Whole TCP connections, of eight segments each.
    Connections(ForwardingMode),
    /// UDP flows that end because nothing came; counted by the flow.
    Ends(ForwardingMode),
    /// UDP datagrams to a port without service.
    NoService,
    /// ARP requests for the VIP, which are answered.
    Arp,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Protocol {
    const fn number(self) -> u8 {
        match self {
            Self::Udp => IpProto::UDP,
            Self::Tcp => IpProto::TCP,
        }
    }

    /// What a packet in the middle of a connection carries.
    const fn flags(self) -> TcpFlags {
        match self {
            Self::Udp => TcpFlags::NONE,
            Self::Tcp => ACK,
        }
    }
}

use Direction::{Reply as Replies, Request as Requests};
use ForwardingMode::{Dr, FullNat, Nat, Tunnel};
use Protocol::{Tcp, Udp};
use Scenario::{Arp, Connections, Ends, Established, NewFlows, NoService, Parse, Wires};

impl Scenario {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 24] = [
        ("wires", Wires),
        ("parse", Parse),
        ("dr", Established(Dr, Udp, Requests)),
        ("dr-tcp", Established(Dr, Tcp, Requests)),
        ("tun", Established(Tunnel, Udp, Requests)),
        ("tun-tcp", Established(Tunnel, Tcp, Requests)),
        ("nat", Established(Nat, Udp, Requests)),
        ("nat-replies", Established(Nat, Udp, Replies)),
        ("nat-tcp", Established(Nat, Tcp, Requests)),
        ("nat-tcp-replies", Established(Nat, Tcp, Replies)),
        ("fullnat", Established(FullNat, Udp, Requests)),
        ("fullnat-replies", Established(FullNat, Udp, Replies)),
        ("fullnat-tcp", Established(FullNat, Tcp, Requests)),
        ("fullnat-tcp-replies", Established(FullNat, Tcp, Replies)),
        ("new-dr", NewFlows(Dr)),
        ("new-tun", NewFlows(Tunnel)),
        ("new-nat", NewFlows(Nat)),
        ("new-fullnat", NewFlows(FullNat)),
        ("connections-nat", Connections(Nat)),
        ("connections-fullnat", Connections(FullNat)),
        ("ends-dr", Ends(Dr)),
        ("ends-fullnat", Ends(FullNat)),
        ("no-service", NoService),
        ("arp", Arp),
    ];

    /// The scenario of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, scenario)| scenario)
    }

    /// Pushes `count` packets through, or has `count` flows end; of connections, as many as have
    /// that many packets.
    ///
    /// # Errors
    /// What did not come out as it should, or a count that is too high.
    pub fn run(self, count: u32) -> Result<(), String> {
        if count > COUNT_MAX {
            return Err(format!("the count is {count}, which is above {COUNT_MAX}"));
        }
        match self {
            Wires => expect("sent", count_wires((0..count).map(udp)), count),
            Parse => expect("parsed", count_parsing((0..count).map(udp)), count),
            Established(mode, protocol, direction) => {
                established((mode, protocol, direction), count)
            }
            NewFlows(mode) => new_flows(mode, count),
            Connections(mode) => connections(mode, count),
            Ends(mode) => ends(mode, count),
            NoService => no_service(count),
            Arp => arp(count),
        }
    }
}

fn expect(what: &str, happened: u64, wanted: u32) -> Result<(), String> {
    if happened == u64::from(wanted) {
        return Ok(());
    }
    Err(format!("{happened} of {wanted} packets were {what}"))
}

fn request(protocol: Protocol, number: u32, to: End, flags: TcpFlags) -> Bytes {
    let client = frames::client(number);
    frames::frame((MACS[0], NEIGHBOR), protocol.number(), client, to, flags)
}

fn udp(number: u32) -> Bytes {
    request(Udp, number, VIP, TcpFlags::NONE)
}

/// Lets requests come in at the wan, which must all be forwarded.
fn play_requests(
    bench: &mut Bench,
    protocol: Protocol,
    numbers: impl Iterator<Item = u32>,
    flags: TcpFlags,
) -> Result<(), String> {
    let requests = numbers.map(|number| request(protocol, number, VIP, flags));
    let (forwarded, count) = bench.forward(WAN, requests);
    expect("forwarded", forwarded, count)
}

/// Lets replies come in at the lan, which must all be forwarded.
fn play_replies<'a>(
    bench: &mut Bench,
    replies: impl Iterator<Item = &'a Reply>,
    flags: TcpFlags,
) -> Result<(), String> {
    let (forwarded, count) = bench.forward(LAN, replies.map(|reply| reply.frame(flags)));
    expect("forwarded", forwarded, count)
}

fn established(
    (mode, protocol, direction): (ForwardingMode, Protocol, Direction),
    count: u32,
) -> Result<(), String> {
    let mut bench = Bench::new(mode);
    let opening = if protocol == Tcp { SYN } else { TcpFlags::NONE };
    bench.record(true);
    play_requests(&mut bench, protocol, 0..FLOWS, opening)?;
    bench.record(false);
    let replies = bench.replies();
    if protocol == Tcp {
        if mode.sees_replies() {
            play_replies(&mut bench, replies.iter(), SYN_ACK)?;
        }
        play_requests(&mut bench, protocol, 0..FLOWS, ACK)?;
    }
    bench.count();
    match direction {
        Requests => {
            let numbers = (0..count).map(|number| number % FLOWS);
            play_requests(&mut bench, protocol, numbers, protocol.flags())
        }
        Replies => {
            let endless = replies.iter().cycle().take(count as usize);
            play_replies(&mut bench, endless, protocol.flags())
        }
    }
}

fn new_flows(mode: ForwardingMode, count: u32) -> Result<(), String> {
    let mut bench = Bench::new(mode);
    // The first ones make room in lists.
    play_requests(&mut bench, Udp, 0..FLOWS, TcpFlags::NONE)?;
    bench.count();
    play_requests(&mut bench, Udp, FLOWS..FLOWS + count, TcpFlags::NONE)
}

fn connections(mode: ForwardingMode, count: u32) -> Result<(), String> {
    let connections = 0..count / u32::try_from(CONNECTION.len()).unwrap_or(1);
    // Everything happens the same way twice, so a rehearsal tells what real servers answer to.
    let mut rehearsal = Bench::new(mode);
    rehearsal.record(true);
    play_requests(&mut rehearsal, Tcp, connections.clone(), SYN)?;
    let replies = rehearsal.replies();

    let mut bench = Bench::new(mode);
    bench.count();
    for (direction, flags) in CONNECTION {
        match direction {
            Requests => play_requests(&mut bench, Tcp, connections.clone(), flags)?,
            Replies => play_replies(&mut bench, replies.iter(), flags)?,
        }
    }
    Ok(())
}

fn ends(mode: ForwardingMode, count: u32) -> Result<(), String> {
    let mut bench = Bench::new(mode);
    play_requests(&mut bench, Udp, 0..count, TcpFlags::NONE)?;
    bench.count();
    match bench.wait(LONG) {
        0 => Ok(()),
        left => Err(format!("{left} of {count} flows did not end")),
    }
}

fn no_service(count: u32) -> Result<(), String> {
    let mut bench = Bench::new(Dr);
    bench.count();
    let nowhere = (VIP.0, VIP.1 + 1);
    bench.arrive(WAN, (0..count).map(|number| request(Udp, number, nowhere, TcpFlags::NONE)));
    expect("dropped", bench.stats().dropped_total(), count)
}

fn arp(count: u32) -> Result<(), String> {
    let mut bench = Bench::new(Dr);
    let before = bench.stats().consumed.value();
    bench.count();
    let mut frame = [0; frames::FRAME_LEN];
    let (client, _) = frames::client(0);
    let rest = EthernetHeader::new(Mac::BROADCAST, NEIGHBOR, EtherType::ARP).emit(&mut frame);
    let asked = ArpPacket::request(NEIGHBOR, client, VIP.0);
    if rest.and_then(|rest| asked.emit(rest)).is_none() {
        return Err("an ARP request does not fit its frame".to_owned());
    }
    bench.arrive(WAN, (0..count).map(|_| frame));
    expect("answered", bench.stats().consumed.value() - before, count)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_scenario_runs_under_a_name_of_its_own() {
        let names: HashSet<_> = Scenario::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), Scenario::ALL.len());
        for (name, scenario) in Scenario::ALL {
            assert_eq!(Scenario::named(name), Some(scenario));
            assert_eq!(scenario.run(80), Ok(()), "{name}");
        }
        assert_eq!(Scenario::named("fallnut"), None);
    }

    #[test]
    fn more_flows_than_there_can_be_are_refused() {
        let refused = NewFlows(Dr).run(COUNT_MAX + 1).unwrap_err();
        assert_eq!(refused, "the count is 60001, which is above 60000");
    }
}
