//! [`Script`]: recorded steps and answers. [`super::notation`] reads them.

use std::net::{Ipv4Addr, SocketAddrV4};

use conf::ForwardingMode;
use dataplane::wire::TcpFlags;

/// Ports whose packets have the mark, and that clients of a service for all ports connect to.
pub(super) const MARKED: [u16; 3] = [80, 443, 8080];
/// The port of another service, beside that for many ports; it has real servers y and z.
pub(super) const BESIDE: u16 = 1000;
/// Hosts that the clients of a persistent service, or of one for many ports, are on.
const HOSTS: u8 = 24;

/// A real server, by its letter from `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) char);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It went to this real server.
    Real(Name),
    /// It went to the client, from the VIP.
    Client,
    /// It went on as it was.
    Routed,
    /// It was answered by an ICMP port unreachable.
    Unreachable,
    /// It was answered by a RST.
    Reset,
    /// Nothing came out.
    Nothing,
}

/// A real server's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) weight: u32,
    pub(super) upper: u32,
    pub(super) lower: u32,
    /// IPVS had forgotten its counters when it came back.
    pub(super) is_forgotten: bool,
}

/// State of a connection and the seconds it has left, rounded down; `None` if there is none.
pub(super) type Left = Option<(&'static str, u32)>;

/// A template: the last byte of its network's address, its real server, its state and the seconds
/// that it has left, rounded down; none if Linux counts them from a moment at which a timer fired.
pub(super) type ListedTemplate = (u8, Name, &'static str, Option<u32>);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// A TCP segment without data.
    Segment(TcpFlags),
    /// A UDP datagram.
    Datagram,
}

/// One step, with what IPVS answered.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The first packet of the next client.
    Open(Fate),
    /// A packet of a client's connection; a fate of `None` is the usual one.
    Packet {
        client: u32,
        from_client: bool,
        sent: Sent,
        fate: Option<Fate>,
        then: Option<Left>,
    },
    /// What is left of a client's connection.
    Look(u32, Left),
    Add(Name, Settings),
    Edit(Name, Settings),
    Delete(Name),
    /// Another scheduler, with flags after commas.
    Scheduler(String),
    /// The service is removed, with all real servers.
    RemoveService,
    /// It is added again, without real servers.
    ReturnService,
    /// A setting of all services, by its name.
    Set(String, String),
    /// Time passes, in seconds.
    Pass(u32),
    /// Active and inactive connections of all real servers.
    Count(Vec<(Name, (u64, u64))>),
    /// Persistence templates: last byte of the network's address, real server, state and seconds
    /// left.
    Templates(Vec<ListedTemplate>),
    /// Connections, packets in and out, bytes in and out of all real servers, and of the service.
    Traffic(Vec<(Option<Name>, [u64; 5])>),
}

/// One service's script.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) number: u32,
    /// As in a configuration, flags after commas.
    pub(super) scheduler: String,
    pub(super) mode: ForwardingMode,
    pub(super) is_udp: bool,
    /// One-packet scheduling.
    pub(super) ops: bool,
    /// The service is one by mark.
    pub(super) is_marked: bool,
    /// The service is one for all ports.
    pub(super) is_for_all_ports: bool,
    /// Persistence: seconds and the prefix length of its mask.
    pub(super) persistence: Option<(u32, u8)>,
    /// The steps, each with its notation.
    pub(super) steps: Vec<(String, Step)>,
}

impl Script {
    /// Whether the service is for packets to many ports, beside another one.
    pub(super) fn has_many_ports(&self) -> bool {
        self.is_marked || self.is_for_all_ports
    }

    /// The address of a client, so that they spread over the buckets of schedulers that hash. Those
    /// of a persistent service, or one for many ports, are on few hosts.
    pub(super) fn client(&self, number: u32) -> SocketAddrV4 {
        let n = u64::from(self.number * 512 + number);
        let low = |value: u64| u16::try_from(value).unwrap();
        let [high, low_byte] = low(n * 40_503 % 65_536).to_be_bytes();
        let l4_port = 1024 + low(n * 7919 % 64_000);
        let host = if self.has_many_ports() || self.persistence.is_some() {
            Ipv4Addr::new(198, 18, byte(self.number), high % HOSTS * 10)
        } else {
            Ipv4Addr::new(198, 18, high, low_byte)
        };
        SocketAddrV4::new(host, l4_port)
    }

    /// The address of a real server, with the port that this client reaches there.
    pub(super) fn real(&self, name: Name, client: u32) -> SocketAddrV4 {
        let n = u32::from(name.0) - u32::from('a') + 1;
        let address = Ipv4Addr::new(10, byte(self.number), byte(n * 37), byte(n));
        let is_rewritten = self.mode == ForwardingMode::Nat && !self.has_many_ports();
        let l4_port = if is_rewritten { 8000 + u16::from(byte(n)) } else { self.vport(client) };
        SocketAddrV4::new(address, l4_port)
    }

    /// Whether a real server is one of the service beside that for many ports.
    pub(super) fn is_beside(&self, name: Name) -> bool {
        self.has_many_ports() && matches!(name.0, 'y' | 'z')
    }

    /// The port that a client connects to.
    pub(super) fn vport(&self, client: u32) -> u16 {
        if !self.has_many_ports() {
            return 1000 + u16::try_from(self.number).unwrap();
        }
        let [first, second, third] = MARKED;
        [first, second, third, BESIDE][client as usize % 4]
    }
}

fn byte(value: u32) -> u8 {
    u8::try_from(value % 256).unwrap()
}
