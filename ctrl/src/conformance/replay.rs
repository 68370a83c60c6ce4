//! [`Replay`]: a script's steps given to a worker in memory, each edit as one configuration.

use std::fmt::Write as _;
use std::net::SocketAddrV4;

use conf::{Config, RealServer};
use dataplane::testing::{PacketSpec, describe};
use dataplane::wire::TcpFlags;

use super::script::{Fate, Name, Script, Settings, Step};
use crate::testing::Rig;

const VIP: &str = "203.0.113.1";
/// The number of ICMP in the IP header.
const ICMP: u8 = 1;
/// Steps before a difference that are shown with it.
const SHOWN: usize = 30;

/// A script under way.
pub(super) struct Replay<'a> {
    script: &'a Script,
    rig: Rig,
    config: Config,
    vip: SocketAddrV4,
    /// The real server of each client's connection, if it ever had one.
    clients: Vec<Option<Name>>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        let vport = 1000 + u16::try_from(script.number).unwrap();
        let rig = Rig::standing_on(&file(script, vport));
        let config = rig.state.in_force.load().config.clone();
        let vip = SocketAddrV4::new(VIP.parse().unwrap(), vport);
        Self { script, rig, config, vip, clients: Vec::new() }
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
                    script.scheduler,
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
                self.segment(client, (true, TcpFlags::SYN), *expected)
            }
            Step::Segment { client, from_client, flags, fate } => {
                let real = self.clients[*client as usize].expect("a client with a connection");
                let usual = if *from_client { Fate::Real(real) } else { Fate::Client };
                self.segment(*client, (*from_client, *flags), fate.unwrap_or(usual))
            }
            Step::Add(name, settings) => {
                let real = self.real(*name, *settings);
                self.pool_mut().push(real);
                self.apply();
                Ok(())
            }
            Step::Edit(name, settings) => {
                let real = self.real(*name, *settings);
                let pool = self.pool_mut();
                *pool.iter_mut().find(|old| old.address == real.address).unwrap() = real;
                self.apply();
                Ok(())
            }
            Step::Delete(name) => {
                let address = self.script.real(*name);
                self.pool_mut().retain(|real| real.address != address);
                self.apply();
                Ok(())
            }
            Step::Pass(seconds) => {
                self.rig.stand_for_s(*seconds);
                Ok(())
            }
            Step::Count(expected) => expected.iter().try_for_each(|(name, expected)| {
                let got = self.connections(*name);
                same(&format!("connections of {}", name.0), *expected, got)
            }),
        }
    }

    /// Sends a segment and compares what became of it.
    fn segment(
        &mut self,
        client: u32,
        (from_client, flags): (bool, TcpFlags),
        expected: Fate,
    ) -> Result<(), String> {
        let end = self.script.client(client);
        let known = self.clients[client as usize];
        let (src, dst) = match known {
            Some(real) if !from_client => (self.script.real(real), end),
            _ => (end, self.vip),
        };
        let out = self.rig.exchange(PacketSpec::tcp(src, dst).flags(flags).frame());
        let fate = match &out[..] {
            [] => Fate::Nothing,
            [frame] => self.fate(frame, end, !from_client),
            more => panic!("{} packets came out for one", more.len()),
        };
        if let (true, Fate::Real(name)) = (flags == TcpFlags::SYN, fate) {
            self.clients[client as usize] = Some(name);
        }
        // RVS is a router for real servers, not for those that were.
        let is_known = known.is_some_and(|real| self.is_in_pool(real));
        if (expected, fate) == (Fate::Routed, Fate::Nothing) && !is_known {
            return Ok(());
        }
        same("the packet", expected, fate)
    }

    /// What a packet that came out is; `may_reset` where it may be a real server's own RST.
    fn fate(&self, frame: &[u8], client: SocketAddrV4, may_reset: bool) -> Fate {
        let (protocol, flags) = (frame[23], frame[47]);
        let ends = (end(&frame[26..30], &frame[34..36]), end(&frame[30..34], &frame[36..38]));
        if protocol == ICMP {
            return Fate::Unreachable;
        }
        if ends == (self.vip, client) {
            let is_reset = flags & TcpFlags::RST.0 != 0;
            return if is_reset && !may_reset { Fate::Reset } else { Fate::Client };
        }
        let named = ('a'..='z').map(|letter| (Name(letter), self.script.real(Name(letter))));
        for (name, real) in named {
            if ends == (client, real) {
                return Fate::Real(name);
            }
            if ends == (real, client) {
                return Fate::Routed;
            }
        }
        panic!("nobody expected {}", describe(frame))
    }

    fn is_in_pool(&self, name: Name) -> bool {
        let address = self.script.real(name);
        self.config.services[0].real_servers.iter().any(|real| real.address == address)
    }

    fn real(&self, name: Name, settings: Settings) -> RealServer {
        RealServer {
            address: self.script.real(name),
            weight: settings.weight,
            upper_threshold: settings.upper,
            lower_threshold: settings.lower,
        }
    }

    fn pool_mut(&mut self) -> &mut Vec<RealServer> {
        &mut self.config.services[0].real_servers
    }

    fn apply(&mut self) {
        self.rig.put_into_force(self.config.clone());
    }

    fn connections(&self, name: Name) -> (u64, u64) {
        let address = self.script.real(name);
        let reals = &self.config.services[0].real_servers;
        let place = reals.iter().position(|real| real.address == address).unwrap();
        self.rig.connections(0, place)
    }

    /// The pool in words, for messages.
    fn pool(&self) -> String {
        let mut text = String::new();
        for real in &self.config.services[0].real_servers {
            let letter = ('a'..='z').find(|c| self.script.real(Name(*c)) == real.address).unwrap();
            let (active, inactive) = self.connections(Name(letter));
            let (upper, lower) = (real.upper_threshold, real.lower_threshold);
            let weight = real.weight;
            let _ = write!(text, "{letter}{weight}/{upper}/{lower} {active}+{inactive}, ");
        }
        text.trim_end_matches(", ").to_owned()
    }
}

/// An address and a port as they stand in a packet.
fn end(address: &[u8], l4_port: &[u8]) -> SocketAddrV4 {
    let octets: [u8; 4] = address.try_into().unwrap();
    SocketAddrV4::new(octets.into(), u16::from_be_bytes(l4_port.try_into().unwrap()))
}

fn same<T: std::fmt::Debug + PartialEq>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{what}: IPVS {expected:?}, RVS {got:?}")) }
}

/// The configuration at the beginning: the service without real servers.
fn file(script: &Script, vport: u16) -> String {
    let mut words = script.scheduler.split(',');
    let name = words.next().unwrap();
    let flags: Vec<_> = words.map(|flag| format!("{name}-{flag}")).collect();
    let flags = match &flags[..] {
        [] => String::new(),
        flags => format!(", scheduler_flags: [{}]", flags.join(", ")),
    };
    format!(
        "version: 1\n\
         workers: [5]\n\
         limits: {{flows: 10000, services: 1, real_servers: 26}}\n\
         ports:\n\
         \x20 wan: {{device: net_null0, addresses: [192.0.2.2/24]}}\n\
         routes:\n\
         \x20 - {{to: 0.0.0.0/0, via: 192.0.2.1}}\n\
         services:\n\
         \x20 one: {{vip: \"{VIP}:{vport}\", protocol: tcp, mode: nat, scheduler: {name}{flags}, \
         real_servers: []}}\n"
    )
}
