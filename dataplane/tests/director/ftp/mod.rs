//! FTP through NAT and FULLNAT: control connections, their texts and numbers, and the data
//! connections they announce.

mod active;
mod bad_input;
mod passive;
mod team;

use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::service::ServiceId;
use rvs_dataplane::testing::{Endpoint as _, PacketSpec};
use rvs_dataplane::wire::TcpFlags;

use crate::support::{
    CLIENT, LAN, LIP, Rig, SYN_ACK, ServiceSpec, Setup, WAN, from_real, one_hop_on, src_port_of,
    to_client, to_real,
};

/// The service, and its first real server.
const FTP: &str = "192.0.2.10:21";
const SERVER: &str = "10.0.0.11:21";
const OTHER_SERVER: &str = "10.0.0.12:21";
/// Where active data connections come from, as the client and the real server have it.
const FTP_DATA: &str = "192.0.2.10:20";
const SERVER_DATA: &str = "10.0.0.11:20";
const OTHER_LIP: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 0, 0, 101);
const MODES: [ForwardingMode; 2] = [ForwardingMode::Nat, ForwardingMode::FullNat];
const PSH_ACK: TcpFlags = TcpFlags(TcpFlags::PSH.0 | TcpFlags::ACK.0);

/// First sequence numbers of data, close to where they wrap.
const CLIENT_SEQ: u32 = u32::MAX - 30;
const SERVER_SEQ: u32 = u32::MAX - 25;

fn setup(mode: ForwardingMode) -> Setup {
    let locals = [LIP, OTHER_LIP, std::net::Ipv4Addr::new(10, 0, 0, 102)];
    let service = ServiceSpec::tcp(FTP, mode).ftp().real(SERVER, 1);
    Setup::new([if mode == ForwardingMode::FullNat { service.locals(locals) } else { service }])
}

/// A control connection, with both ends as they count themselves.
struct Session {
    rig: Rig,
    /// Who the real server takes for the client.
    peer: String,
}

impl Session {
    fn new(mode: ForwardingMode) -> Self {
        Self::with(setup(mode), mode)
    }

    /// Shakes hands.
    fn with(setup: Setup, mode: ForwardingMode) -> Self {
        let mut rig = Rig::new(setup);
        let syn = PacketSpec::tcp(CLIENT, FTP).flags(TcpFlags::SYN).seq(CLIENT_SEQ - 1);
        let outcome = rig.send(WAN, &syn);
        let lport = src_port_of(&outcome.frames[0].1);
        let peer = match mode {
            ForwardingMode::FullNat => {
                let lip: [u8; 4] = outcome.frames[0].1[26..30].try_into().unwrap();
                format!("{}:{lport}", std::net::Ipv4Addr::from(lip))
            }
            ForwardingMode::Nat | ForwardingMode::Dr | ForwardingMode::Tunnel => CLIENT.to_owned(),
        };
        let mut session = Self { rig, peer };
        let answer = session.of_server("").flags(SYN_ACK).seq(SERVER_SEQ - 1).ack(CLIENT_SEQ);
        session.rig.send(LAN, &answer);
        session.rig.send(WAN, &session.of_client(""));
        session
    }

    /// A segment as the client sends it, the first of its stream.
    fn of_client(&self, text: &str) -> PacketSpec {
        let segment = PacketSpec::tcp(CLIENT, FTP).seq(CLIENT_SEQ).ack(SERVER_SEQ);
        segment.flags(PSH_ACK).payload(text)
    }

    /// A segment as the real server sends it, the first of its stream.
    fn of_server(&self, text: &str) -> PacketSpec {
        let segment = PacketSpec::tcp(SERVER, self.peer.as_str()).seq(SERVER_SEQ).ack(CLIENT_SEQ);
        from_real(&segment.flags(PSH_ACK).payload(text), SERVER)
    }

    /// The client's `sent` must reach the real server like this, but for addresses.
    fn hears(&mut self, name: &str, sent: &PacketSpec, heard: &PacketSpec) {
        let expected = one_hop_on(&to_real(heard, SERVER)).src(self.peer.as_str()).dst(SERVER);
        self.rig.forwards(name, (WAN, sent), (LAN, expected));
    }

    /// The real server's `sent` must reach the client like this, but for addresses.
    fn reads(&mut self, name: &str, sent: &PacketSpec, read: &PacketSpec) {
        let expected = one_hop_on(&to_client(read)).src(FTP).dst(CLIENT);
        self.rig.forwards(name, (LAN, sent), (WAN, expected));
    }

    /// The client says `text`, which must reach the real server as it is.
    fn says(&mut self, text: &str) {
        let segment = self.of_client(text);
        self.hears(text.trim(), &segment, &segment);
    }

    /// The real server says `text`, and the client must read `read`.
    fn answers(&mut self, text: &str, read: &str) {
        let (sent, read) = (self.of_server(text), self.of_server(read));
        self.reads(text.trim(), &sent, &read);
    }

    /// A whole data connection that the client opens to a port of the VIP, which leads to a port
    /// of the real server.
    fn data_from_client(&mut self, port: u16) {
        let (from, to) = ("198.51.100.7:41000", format!("192.0.2.10:{port}"));
        let server = format!("10.0.0.11:{port}");
        let syn = PacketSpec::tcp(from, to.as_str()).flags(TcpFlags::SYN).seq(1);
        let outcome = self.rig.send(WAN, &syn);
        let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
        let peer = if self.peer == CLIENT {
            from.to_owned()
        } else {
            // The real server knows the client by one address.
            format!("{}:{}", self.peer_address(), src_port_of(frame))
        };
        let expected = one_hop_on(&to_real(&syn, SERVER)).src(peer.as_str()).dst(server.as_str());
        assert_eq!(*frame, expected.frame(), "{:?}", outcome.lines());
        let answer = PacketSpec::tcp(to.as_str(), from).flags(SYN_ACK).seq(5).ack(2);
        let sent = from_real(&answer, SERVER).src(server.as_str()).dst(peer.as_str());
        self.rig.forwards("SYN/ACK", (LAN, &sent), (WAN, one_hop_on(&to_client(&answer))));
        let data =
            PacketSpec::tcp(from, to.as_str()).seq(2).ack(6).payload("227 (1,2,3,4,5,6)\r\n");
        let expected = one_hop_on(&to_real(&data, SERVER)).src(peer.as_str()).dst(server.as_str());
        self.rig.forwards("data", (WAN, &data), (LAN, expected));
    }

    /// A whole data connection that the real server opens to `peer`, which stands for the client's
    /// `port`.
    fn data_from_server(&mut self, port: u16, peer: &str) {
        let to = format!("198.51.100.7:{port}");
        let syn = PacketSpec::tcp(FTP_DATA, to.as_str()).flags(TcpFlags::SYN).seq(9);
        let sent = from_real(&syn, SERVER).src(SERVER_DATA).dst(peer);
        self.rig.forwards("SYN", (LAN, &sent), (WAN, one_hop_on(&to_client(&syn))));
        for (name, segment) in [
            ("SYN/ACK", PacketSpec::tcp(to.as_str(), FTP_DATA).flags(SYN_ACK).seq(3).ack(10)),
            ("data", PacketSpec::tcp(to.as_str(), FTP_DATA).seq(4).ack(10).payload("STOR x")),
        ] {
            let expected = one_hop_on(&to_real(&segment, SERVER)).src(peer).dst(SERVER_DATA);
            self.rig.forwards(name, (WAN, &segment), (LAN, expected));
        }
    }

    /// The address that the real server knows the client by.
    fn peer_address(&self) -> std::net::Ipv4Addr {
        *self.peer.as_str().endpoint().ip()
    }

    fn connections(&self) -> u64 {
        self.rig.stats.service(ServiceId(0)).unwrap().connections.value()
    }
}

/// Six numbers for an address and port.
fn numbers(end: &str) -> String {
    let end = end.endpoint();
    let ([a, b, c, d], [high, low]) = (end.ip().octets(), end.port().to_be_bytes());
    format!("{a},{b},{c},{d},{high},{low}")
}
