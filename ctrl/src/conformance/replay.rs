//! [`Replay`]: a script's steps given to a worker in memory, each edit as one configuration.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddrV4};

use conf::{ForwardingMode, Machine};
use dataplane::testing::PacketSpec;
use dataplane::time::Ticks;
use dataplane::wire::TcpFlags;

use super::arrived::{Arrived, ETHERNET_LEN, has_header};
use super::script::{Fate, Left, ListedTemplate, Name, Script, Sent, Step};
use super::setup::{Setup, VIP};
use crate::testing::Rig;

/// Steps before a difference that are shown with it.
const SHOWN: usize = 30;
/// Time that a packet takes beside the tick that the rig gives it: IPVS' scripts have two.
const AFTER_PACKET: Ticks = Ticks(1);
/// How long a template lives on that should have ended but controls flows.
const MINUTE_S: u32 = 60;

/// A script under way.
pub(super) struct Replay<'a> {
    script: &'a Script,
    rig: Rig,
    setup: Setup,
    /// Where the script's service stands in the configuration.
    place: usize,
    /// The real server of each client's connection, if it ever had one.
    clients: Vec<Option<Name>>,
    /// What RVS counts and IPVS does not, by real server, and for the service; modulo 2^64, where
    /// it is the other way round.
    uncounted: BTreeMap<Option<Name>, [u64; 5]>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        let setup = Setup::of(script);
        let rig = Rig::standing_on(&setup.text(script));
        let place = if script.has_many_ports() { 2 } else { 1 };
        Self { script, rig, setup, place, clients: Vec::new(), uncounted: BTreeMap::new() }
    }

    /// Takes all steps; tells of the first that IPVS answered otherwise.
    pub(super) fn play(mut self) -> Result<(), String> {
        let script = self.script;
        for (at, (text, step)) in script.steps.iter().enumerate() {
            self.take(step).map_err(|difference| {
                let last: Vec<_> = script.steps[at.saturating_sub(SHOWN)..at]
                    .iter()
                    .map(|(text, _)| text.as_str())
                    .collect();
                format!(
                    "script {} ({}), step {at} `{text}`: {difference}\n  after {}\n  with {}",
                    script.number,
                    self.setup.scheduler,
                    last.join(" "),
                    self.pool(),
                )
            })?;
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Open(expected) => {
                let client = u32::try_from(self.clients.len()).unwrap();
                self.clients.push(None);
                let first =
                    if self.script.is_udp { Sent::Datagram } else { Sent::Segment(TcpFlags::SYN) };
                return self.packet(client, (true, first), *expected);
            }
            Step::Packet { client, from_client, sent, fate, then } => {
                let real = self.clients[*client as usize].expect("a client with a connection");
                let usual = if *from_client { Fate::Real(real) } else { Fate::Client };
                self.packet(*client, (*from_client, *sent), fate.unwrap_or(usual))?;
                return then.map_or(Ok(()), |expected| self.look(*client, expected));
            }
            Step::Look(client, expected) => return self.look(*client, *expected),
            Step::Pass(seconds) => {
                self.rig.stand_for_s(*seconds);
                return Ok(());
            }
            Step::Count(expected) => return self.count(expected),
            Step::Templates(expected) => return self.templates(expected),
            Step::Traffic(expected) => return self.traffic(expected),
            Step::Add(name, settings) => self.setup.real_servers.push((*name, *settings)),
            Step::Edit(name, settings) => {
                let place = self.setup.place(*name).unwrap();
                self.setup.real_servers[place].1 = *settings;
            }
            Step::Delete(name) => self.setup.real_servers.retain(|(real, _)| real != name),
            Step::Scheduler(scheduler) => self.setup.scheduler.clone_from(scheduler),
            Step::RemoveService => {
                self.setup.real_servers.clear();
                self.setup.is_there = false;
            }
            Step::ReturnService => {
                self.setup.is_there = true;
                // It begins anew, and its real servers with it.
                self.uncounted.clear();
            }
            Step::Set(name, value) => {
                self.setup.changed.insert(name.clone(), value.clone());
            }
        }
        let config = conf::parse("script", &self.setup.text(self.script), &Machine::default());
        self.rig.put_into_force(config.unwrap());
        if let Step::Add(name, settings) = step
            && settings.is_forgotten
        {
            // RVS goes on with its counters.
            self.uncounted.insert(Some(*name), self.counted(Some(*name)));
        }
        Ok(())
    }

    /// Sends a packet and compares what became of it.
    fn packet(
        &mut self,
        client: u32,
        (from_client, sent): (bool, Sent),
        expected: Fate,
    ) -> Result<(), String> {
        let end = self.script.client(client);
        let known = self.clients[client as usize];
        let (src, dst) = match known {
            Some(real) if !from_client => (self.script.real(real, client), end),
            _ => (end, self.vip(client)),
        };
        let spec = match sent {
            Sent::Segment(flags) => PacketSpec::tcp(src, dst).flags(flags),
            Sent::Datagram => PacketSpec::udp(src, dst).payload(vec![0; client as usize % 50]),
        };
        let (tos, ttl, dont_fragment) = header(client);
        let spec = spec.tos(tos).ttl(ttl).dont_fragment(dont_fragment);
        let had_flow = self.rig.flow_of(end).is_some();
        let out = self.rig.exchange(spec.frame());
        let fate = match &out[..] {
            [] => Fate::Nothing,
            [frame] => self.fate(frame, client, !from_client),
            more => panic!("{} packets came out for one", more.len()),
        };
        self.rig.stand_for(AFTER_PACKET);
        if let Fate::Real(name) = fate {
            self.clients[client as usize] = Some(name);
        }
        // RVS is a router for real servers, not for those that were.
        let is_known = known
            .is_some_and(|real| self.setup.place(real).is_some() || self.script.is_beside(real));
        if let (Some(real), Fate::Client, false) = (known, fate, is_known) {
            // It is counted, though.
            for name in [None, Some(real)] {
                let [_, _, packets, _, bytes] = self.uncounted.entry(name).or_default();
                *packets += 1;
                *bytes += u64::try_from(out[0].len() - ETHERNET_LEN).unwrap();
            }
        }
        if (expected, fate) == (Fate::Routed, Fate::Nothing) && !is_known {
            return Ok(());
        }
        if let (Some(real), Fate::Unreachable, true) = (known, fate, had_flow)
            && self.script.mode != ForwardingMode::Nat
        {
            // IPVS takes its own answer for one of the real server.
            for name in [None, Some(real)] {
                let [_, _, packets, _, bytes] = self.uncounted.entry(name).or_default();
                *packets = packets.wrapping_sub(1);
                *bytes = bytes.wrapping_sub(u64::try_from(out[0].len() - ETHERNET_LEN).unwrap());
            }
        }
        same("the packet", expected, fate)
    }

    /// What a packet that came out is; `is_reply` where a real server sent it.
    fn fate(&mut self, frame: &[u8], client: u32, is_reply: bool) -> Fate {
        let end = self.script.client(client);
        let vip = self.vip(client);
        let arrived = Arrived::of(frame);
        if arrived.is_icmp {
            return Fate::Unreachable;
        }
        let ends = (arrived.src, arrived.dst);
        if ends == (vip, end) && !is_reply {
            assert!(arrived.is_reset, "{arrived:?}");
            return Fate::Reset;
        }
        let (tos, ttl, dont_fragment) = header(client);
        let expected = (tos, ttl - 1, dont_fragment);
        assert!(has_header(frame, expected), "{expected:?} is not in {arrived:?}");
        if ends == (vip, end) {
            return Fate::Client;
        }
        if ends == (end, vip) {
            // DR tells by the MAC, which is the same for all here.
            let there = arrived.tunnel.or_else(|| self.real_of(end).map(|real| *real.ip()));
            let there = there.expect("a packet that went somewhere");
            let named = names().find(|name| *self.script.real(*name, client).ip() == there);
            return Fate::Real(named.expect("one of the real servers"));
        }
        for name in names() {
            let real = self.script.real(name, client);
            if ends == (end, real) {
                return Fate::Real(name);
            }
            if ends == (real, end) {
                return Fate::Routed;
            }
        }
        panic!("nobody expected {arrived:?}")
    }

    /// What a client connects to.
    fn vip(&self, client: u32) -> SocketAddrV4 {
        SocketAddrV4::new(VIP.parse().unwrap(), self.script.vport(client))
    }

    /// The real server of a client's flow.
    fn real_of(&mut self, client: SocketAddrV4) -> Option<SocketAddrV4> {
        let report = self.rig.flow_of(client)?;
        let IpAddr::V4(address) = report.real.0 else { return None };
        Some(SocketAddrV4::new(address, report.real.1))
    }

    /// Compares the state and the time left of a client's flow.
    fn look(&mut self, client: u32, expected: Left) -> Result<(), String> {
        let report = self.rig.flow_of(self.script.client(client));
        let got = report.map(|report| (report.state, report.expires_s));
        // IPVS rounds down, RVS up.
        let agree = match (expected, got) {
            (Some((state, left)), Some((ours, seconds))) => {
                state == ours && (left..=left + 1).contains(&seconds)
            }
            (None, None) => true,
            _ => false,
        };
        let what = format!("the connection of {client}");
        if agree { Ok(()) } else { same(&what, expected, got) }
    }

    /// Compares the templates that may be used.
    fn templates(&mut self, expected: &[ListedTemplate]) -> Result<(), String> {
        let mut got = Vec::new();
        for report in self.rig.templates() {
            let (IpAddr::V4(network), IpAddr::V4(real)) = (report.client.0, report.real.0) else {
                panic!("{report:?}")
            };
            let name = names().find(|name| *self.script.real(*name, 0).ip() == real).unwrap();
            if report.virtual_address.1 != u16::MAX {
                got.push((network.octets()[3], name, report.state, Some(report.expires_s)));
            }
        }
        got.sort_by_key(|(network, ..)| *network);
        let agree = expected.len() == got.len()
            && expected.iter().zip(&got).all(|(expected, got)| {
                // IPVS rounds down, RVS up.
                let left_s = expected.3.map_or(0..=MINUTE_S, |seconds| seconds..=seconds + 1);
                (expected.0, expected.1, expected.2) == (got.0, got.1, got.2)
                    && got.3.is_some_and(|seconds| left_s.contains(&seconds))
            });
        if agree { Ok(()) } else { same("templates", expected, &got[..]) }
    }

    fn count(&self, expected: &[(Name, (u64, u64))]) -> Result<(), String> {
        expected.iter().try_for_each(|(name, expected)| {
            let got = self.connections(*name);
            same(&format!("connections of {}", name.0), *expected, got)
        })
    }

    fn traffic(&self, expected: &[(Option<Name>, [u64; 5])]) -> Result<(), String> {
        expected.iter().try_for_each(|(name, expected)| {
            let uncounted = self.uncounted.get(name).copied().unwrap_or_default();
            let mut got = self.counted(*name);
            for (got, uncounted) in got.iter_mut().zip(uncounted) {
                *got = got.wrapping_sub(uncounted);
            }
            let what = name.map_or("the service".to_owned(), |name| name.0.to_string());
            same(&format!("counters of {what}"), *expected, got)
        })
    }

    /// Connections, packets in and out, bytes in and out.
    fn counted(&self, name: Option<Name>) -> [u64; 5] {
        let place = name.map(|name| self.setup.place(name).unwrap());
        let t = self.rig.traffic(self.place, place);
        [t.connections, t.in_packets, t.out_packets, t.in_bytes, t.out_bytes]
    }

    fn connections(&self, name: Name) -> (u64, u64) {
        self.rig.connections(self.place, self.setup.place(name).unwrap())
    }

    /// The pool in words, for messages.
    fn pool(&self) -> String {
        let mut text = String::new();
        for (name, settings) in &self.setup.real_servers {
            let (active, inactive) = self.connections(*name);
            let (letter, weight) = (name.0, settings.weight);
            let (upper, lower) = (settings.upper, settings.lower);
            let _ = write!(text, "{letter}{weight}/{upper}/{lower} {active}+{inactive}, ");
        }
        text.trim_end_matches(", ").to_owned()
    }
}

fn names() -> impl Iterator<Item = Name> {
    ('a'..='z').map(Name)
}

/// TOS, TTL and don't-fragment of the packets of a client and of those to it.
fn header(client: u32) -> (u8, u8, bool) {
    let byte = |value: u32| u8::try_from(value).unwrap();
    (byte(client * 4 % 256), 64 - byte(client % 8), client % 2 == 1)
}

fn same<T: std::fmt::Debug + PartialEq>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{what}: IPVS {expected:?}, RVS {got:?}")) }
}
