//! Several workers: data connections come to other workers than their control connections.

use rvs_dataplane::testing::Endpoint;

use super::*;
use crate::support::{RS1, TeamRig, client};

const WORKER_COUNTS: [u16; 4] = [1, 2, 3, 8];

fn rig(mode: ForwardingMode, count: u16) -> TeamRig {
    let service = ServiceSpec::tcp(FTP, mode).ftp().real(SERVER, 1).real(OTHER_SERVER, 1);
    let full_nat = mode == ForwardingMode::FullNat;
    let service = if full_nat { service.locals([LIP, OTHER_LIP]) } else { service };
    TeamRig::new(&Setup::new([service]), count, |_| true)
}

/// Addresses and ports of a TCP frame without options in its IP header.
fn ends(frame: &[u8]) -> (String, String) {
    let end = |address: usize, port: usize| {
        let octets: [u8; 4] = frame[address..address + 4].try_into().unwrap();
        let port = u16::from_be_bytes([frame[port], frame[port + 1]]);
        format!("{}:{port}", std::net::Ipv4Addr::from(octets))
    };
    (end(26, 34), end(30, 36))
}

/// A client's control connection, somewhere.
struct Remote {
    client: String,
    server: String,
    peer: String,
}

/// Sends a packet and returns the only one that comes out.
fn pass(rig: &mut TeamRig, port: rvs_dataplane::snapshot::PortIdx, packet: &PacketSpec) -> Vec<u8> {
    rig.put(port, &packet.frame());
    let mut out = rig.run();
    assert_eq!(out.len(), 1, "{out:?}");
    out.remove(0).1
}

fn shake_hands(rig: &mut TeamRig, number: u16) -> Remote {
    let client = client(number).to_string();
    let from_client = PacketSpec::tcp(client.as_str(), FTP);
    let frame = pass(rig, WAN, &from_client.clone().flags(TcpFlags::SYN).seq(0));
    let (peer, server) = ends(&frame);
    let answer = PacketSpec::tcp(server.as_str(), peer.as_str()).flags(SYN_ACK).seq(0).ack(1);
    pass(rig, LAN, &from_real(&answer, RS1));
    pass(rig, WAN, &from_client.seq(1).ack(1));
    Remote { client, server, peer }
}

impl Remote {
    fn says(&self, rig: &mut TeamRig, text: &str) -> String {
        let segment = PacketSpec::tcp(self.client.as_str(), FTP).seq(1).ack(1).flags(PSH_ACK);
        let frame = pass(rig, WAN, &segment.payload(text));
        String::from_utf8(frame[54..].to_vec()).unwrap()
    }

    fn answers(&self, rig: &mut TeamRig, text: &str) -> String {
        let segment = PacketSpec::tcp(self.server.as_str(), self.peer.as_str()).seq(1).ack(1);
        let frame = pass(rig, LAN, &from_real(&segment.flags(PSH_ACK).payload(text), RS1));
        String::from_utf8(frame[54..].to_vec()).unwrap()
    }

    fn with_port(end: &str, port: u16) -> String {
        format!("{}:{port}", end.endpoint().ip())
    }
}

#[test]
fn passive_data_connections_find_their_real_server() {
    for mode in MODES {
        for count in WORKER_COUNTS {
            let mut rig = rig(mode, count);
            for number in 0..40 {
                let remote = shake_hands(&mut rig, number);
                let port = 30_000 + number;
                remote.says(&mut rig, "PASV\r\n");
                let named = numbers(&Remote::with_port(&remote.server, port));
                let read = remote.answers(&mut rig, &format!("227 ({named})\r\n"));
                let vip_end = Remote::with_port(FTP, port);
                assert_eq!(read, format!("227 ({})\r\n", numbers(&vip_end)));
                // From any port of the client's.
                let from = Remote::with_port(&remote.client, 50_000 - number);
                let syn = PacketSpec::tcp(from.as_str(), vip_end.as_str()).flags(TcpFlags::SYN);
                let (peer, server) = ends(&pass(&mut rig, WAN, &syn));
                assert_eq!(server, Remote::with_port(&remote.server, port), "{mode:?} {count}");
                if mode == ForwardingMode::FullNat {
                    let address = |end: &str| *end.endpoint().ip();
                    assert_eq!(address(&peer), address(&remote.peer), "the same client");
                }
                let answer = PacketSpec::tcp(server.as_str(), peer.as_str()).flags(SYN_ACK);
                let back = ends(&pass(&mut rig, LAN, &from_real(&answer, RS1)));
                assert_eq!(back, (vip_end, from));
            }
            check(&rig, 80);
        }
    }
}

#[test]
fn active_data_connections_find_their_client() {
    for mode in MODES {
        for count in WORKER_COUNTS {
            let mut rig = rig(mode, count);
            for number in 0..40 {
                let remote = shake_hands(&mut rig, number);
                let end = Remote::with_port(&remote.client, 40_000 + 7 * number);
                let said = format!("PORT {}\r\n", numbers(&end));
                let heard = remote.says(&mut rig, &said);
                assert_eq!(remote.says(&mut rig, &said), heard, "said again");
                let parts: Vec<u16> =
                    heard[5..].trim_end().split(',').map(|part| part.parse().unwrap()).collect();
                let peer = Remote::with_port(&remote.peer, parts[4] * 256 + parts[5]);
                assert_eq!(heard, format!("PORT {}\r\n", numbers(&peer)));
                let from = Remote::with_port(&remote.server, 20);
                let syn = PacketSpec::tcp(from.as_str(), peer.as_str()).flags(TcpFlags::SYN);
                let reached = ends(&pass(&mut rig, LAN, &from_real(&syn, RS1)));
                assert_eq!(reached, (FTP_DATA.to_owned(), end.clone()), "{mode:?} {count}");
                let answer = PacketSpec::tcp(end.as_str(), FTP_DATA).flags(SYN_ACK);
                assert_eq!(ends(&pass(&mut rig, WAN, &answer)), (peer, from));
            }
            check(&rig, 80);
        }
    }
}

/// Nothing was lost, and so many flows are there.
fn check(rig: &TeamRig, flows: u64) {
    assert_eq!(rig.sum(|stats| stats.flows.value()), flows);
    assert_eq!(rig.sum(|stats| stats.ftp.data_flows.value()), flows / 2);
    assert_eq!(rig.sum(|stats| stats.dropped_total()), 0);
    assert_eq!(rig.sum(|stats| stats.ftp.notes_lost.value() + stats.ftp.no_flow.value()), 0);
}

#[test]
fn lost_notes_are_counted() {
    use rvs_dataplane::limits::HANDOVER_RING_LEN;
    let mut rig = rig(ForwardingMode::Nat, 2);
    let remote = shake_hands(&mut rig, 1);
    let owner = rig.owner_of_client(remote.client.as_str().endpoint());
    let ask = PacketSpec::tcp(remote.client.as_str(), FTP).seq(1).ack(1).payload("EPSV\r\n");
    rig.put_at(owner, WAN, &ask.frame());
    let answer = PacketSpec::tcp(remote.server.as_str(), remote.peer.as_str()).seq(1).ack(7);
    let answer = from_real(&answer.payload("229 (|||40000|)\r\n"), RS1).frame();
    // The other worker does not turn, so that its ring fills up.
    for _ in 0..HANDOVER_RING_LEN + 10 {
        rig.put_at(owner, LAN, &answer);
    }
    for _ in 0..=(HANDOVER_RING_LEN + 10) / 32 + 1 {
        rig.turn(owner);
    }
    assert!(rig.stats[owner].ftp.notes_lost.value() > 0);
}
