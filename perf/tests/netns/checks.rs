//! What must hold in every forwarding mode.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::time::Duration;

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{CLIENT, ECHO_VPORT, VIP};
use rvs_perf::lab::client::sha256_of;
use rvs_perf::lab::config::Service;
use rvs_perf::lab::{Lab, Mode, probe};

use crate::file;
use crate::setup::{all_answered, answers_by_server, split, url, with_director};

/// 200 connections at once: none fails, rr splits them evenly, and the real servers see the client
/// and the address they should.
pub(crate) fn concurrent_requests(mode: Mode) -> Result<(), Failed> {
    with_director(mode, &[Service::web(mode, "rr", [1, 1])], |setup| {
        assert_eq!(all_answered(setup, 200, 200)?, split(100, 100));
        for server in &setup.lab.real_servers {
            let log = server.log_of(100)?;
            assert_eq!(log.len(), 100, "{} logged more requests than were made", server.name());
            let address = if mode.real_server_owns_vip() { VIP } else { server.address() };
            for line in log {
                assert!(mode.is_logged_client(line.client), "{} saw {line:?}", server.name());
                assert_eq!(line.server, SocketAddrV4::new(address, mode.http_rport()));
            }
        }
        Ok(())
    })
}

/// wrr with weights 3 and 1: exactly three of four connections.
pub(crate) fn weighted_split(mode: Mode) -> Result<(), Failed> {
    with_director(mode, &[Service::web(mode, "wrr", [3, 1])], |setup| {
        assert_eq!(all_answered(setup, 200, 20)?, split(150, 50));
        // In its order, too: every four in a row hold three for rs1.
        for _ in 0..5 {
            assert_eq!(all_answered(setup, 4, 1)?, split(3, 1));
        }
        Ok(())
    })
}

/// A large file arrives unchanged in either direction.
pub(crate) fn large_transfers(mode: Mode) -> Result<(), Failed> {
    let large = file::large()?;
    with_director(mode, &[Service::web(mode, "rr", [1, 1])], |setup| {
        for server in &setup.lab.real_servers {
            std::fs::hard_link(&large.path, server.served_files().join("large"))?;
        }
        let client = setup.lab.client();
        let down = client.download(&url("files/large"))?;
        assert_eq!(down.sha256, large.sha256, "download from {}", down.real_server);
        let up = client.upload(&large.path, &url("uploads/large"))?;
        let server = setup.lab.real_server(&up.real_server);
        let server = server.ok_or_else(|| format!("an upload to {:?}", up.real_server))?;
        let arrived = server.uploaded("large");
        assert_eq!(sha256_of(&arrived)?, large.sha256, "upload to {}", up.real_server);
        Ok(())
    })
}

/// UDP datagrams of several sizes come back unchanged, and flows are split evenly.
pub(crate) fn udp_echo(mode: Mode) -> Result<(), Failed> {
    const FLOWS: usize = 8;
    // The largest that fits: 1500 - 20 (IP) - 8 (UDP), less the outer header of TUN.
    let largest = if mode == Mode::Tun { 1452 } else { 1472 };
    with_director(mode, &[Service::echo(mode, "rr", [1, 1])], |setup| {
        let vip = SocketAddrV4::new(VIP, ECHO_VPORT);
        let from = setup.lab.client();
        let mut own = BTreeSet::new();
        for flow in 0..FLOWS {
            let socket = probe::udp_socket(from.namespace(), vip)?;
            own.insert(SocketAddrV4::new(CLIENT, socket.local_addr()?.port()));
            for size in [0, 1, 17, 18, 19, 512, 1400, largest - 1, largest] {
                let datagram: Vec<u8> = (flow..flow + size).map(|n| n.to_le_bytes()[0]).collect();
                let answer = probe::exchange(&socket, &datagram);
                let answer = answer.map_err(|error| format!("{size} bytes: {error}"))?;
                assert!(answer == datagram, "{size} bytes came back changed");
            }
        }
        check_echo_peers(&setup.lab, FLOWS, &own)
    })
}

/// Half of the flows at each server, each flow whole on one of them, from the addresses it must be.
fn check_echo_peers(lab: &Lab, flows: usize, own: &BTreeSet<SocketAddrV4>) -> Result<(), Failed> {
    let mut seen = BTreeSet::new();
    for server in &lab.real_servers {
        let peers = server.echo.peers();
        assert_eq!(peers.len(), flows / 2, "{} saw {peers:?}", server.name());
        for peer in &peers {
            assert!(lab.mode.is_logged_client(*peer.ip()), "{} saw {peer}", server.name());
        }
        seen.extend(peers);
    }
    match lab.mode {
        Mode::FullNat => assert_eq!(seen.len(), flows, "a local address and port is used twice"),
        Mode::Dr | Mode::Nat | Mode::Tun => assert_eq!(&seen, own),
    }
    Ok(())
}

/// A killed web server refuses its share at once and hurts nobody else; after it comes back nothing
/// remembers.
pub(crate) fn killed_server(mode: Mode) -> Result<(), Failed> {
    with_director(mode, &[Service::web(mode, "rr", [1, 1])], |setup| {
        assert_eq!(all_answered(setup, 20, 4)?, split(10, 10));

        setup.lab.real_servers[1].kill()?;
        let answers = setup.lab.client().get(&url(""), 20, 4, |_| ())?;
        assert_eq!(answers_by_server(&answers), split(10, 0));
        for answer in answers.iter().filter(|answer| !answer.succeeded()) {
            let error = answer.error.as_deref().unwrap_or_default();
            assert!(error.starts_with("curl: (7)"), "not refused: {answer:?}");
            assert!(answer.seconds < 1.0, "refused late: {answer:?}");
        }

        setup.lab.real_servers[1].restart()?;
        assert_eq!(all_answered(setup, 20, 4)?, split(10, 10));
        Ok(())
    })
}

/// Connections that are open when SIGTERM arrives do not hold the daemon up.
pub(crate) fn stops_in_time(mode: Mode) -> Result<(), Failed> {
    let lab = Lab::new(mode)?;
    let director = rvs_perf::lab::Director::start(&lab, &[Service::web(mode, "rr", [1, 1])])?;
    let vip = SocketAddrV4::new(VIP, rvs_perf::lab::addresses::HTTP_VPORT);
    let (open, _) = probe::connect(lab.client().namespace(), vip)?;
    let open = open?;
    let took = director.stop()?;
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(open);
    Ok(())
}
