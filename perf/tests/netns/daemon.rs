//! What the daemon does besides forwarding: answers for its addresses, reports, starts and stops.

use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{DIRECTOR_WAN, ECHO_VPORT, HTTP_VPORT, VIP};
use rvs_perf::lab::config::Service;
use rvs_perf::lab::{Mode, probe};

use crate::Body;
use crate::setup::{all_answered, split, with_director};

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 5] = [
    ("pings_are_answered", pings_are_answered),
    ("a_port_without_service_refuses", a_port_without_service_refuses),
    ("a_service_without_usable_server_refuses", a_service_without_usable_server_refuses),
    ("a_second_daemon_is_refused", a_second_daemon_is_refused),
    ("reports_agree_with_the_traffic", reports_agree_with_the_traffic),
];

const MODE: Mode = Mode::FullNat;

/// Refusals come at once: a client that waits for a timeout was not refused.
const AT_ONCE: Duration = Duration::from_millis(900);

fn web() -> Service {
    Service::web(MODE, "rr", [1, 1])
}

fn pings_are_answered() -> Result<(), Failed> {
    with_director(MODE, &[web()], |setup| {
        let client = setup.lab.client();
        for address in [VIP, DIRECTOR_WAN] {
            for size in [0, 1, 56, 1472] {
                let payload = vec![0x5a; size];
                let answer = probe::ping(client.namespace(), address, &payload)?;
                assert!(answer == payload, "{size} bytes from {address} came back changed");
            }
        }
        Ok(())
    })
}

fn a_port_without_service_refuses() -> Result<(), Failed> {
    with_director(MODE, &[web()], |setup| {
        let client = setup.lab.client();
        let nobody = SocketAddrV4::new(VIP, HTTP_VPORT + 1);
        let (outcome, took) = probe::connect(client.namespace(), nobody)?;
        assert_eq!(outcome.map(drop).map_err(|error| error.kind()), Err(refused()));
        assert!(took < AT_ONCE, "a RST after {took:?}");
        let socket = probe::udp_socket(client.namespace(), nobody)?;
        let answer = probe::exchange(&socket, b"anyone?").map_err(|error| error.kind());
        assert_eq!(answer, Err(refused()), "UDP");
        Ok(())
    })
}

fn a_service_without_usable_server_refuses() -> Result<(), Failed> {
    let services = [Service::web(MODE, "wrr", [0, 0]), Service::echo(MODE, "rr", [0, 0])];
    with_director(MODE, &services, |setup| {
        let client = setup.lab.client();
        let (outcome, took) =
            probe::connect(client.namespace(), SocketAddrV4::new(VIP, HTTP_VPORT))?;
        // ICMP port unreachable, which a connecting client is told as a refusal.
        assert_eq!(outcome.map(drop).map_err(|error| error.kind()), Err(refused()));
        assert!(took < AT_ONCE, "unreachable after {took:?}");
        let socket = probe::udp_socket(client.namespace(), SocketAddrV4::new(VIP, ECHO_VPORT))?;
        let answer = probe::exchange(&socket, b"anyone?").map_err(|error| error.kind());
        assert_eq!(answer, Err(refused()), "UDP");
        Ok(())
    })
}

fn a_second_daemon_is_refused() -> Result<(), Failed> {
    with_director(MODE, &[web()], |setup| {
        let (status, words) = setup.director.start_second(&setup.lab)?;
        assert!(!status.success(), "it ended with {status}");
        let socket = setup.director.socket().display().to_string();
        assert!(words.contains(&socket), "it does not name the socket: {words}");
        assert_eq!(all_answered(setup, 20, 20)?, split(10, 10), "the first must not notice");
        Ok(())
    })
}

fn reports_agree_with_the_traffic() -> Result<(), Failed> {
    with_director(MODE, &[web()], |setup| {
        all_answered(setup, 100, 20)?;
        for what in ["services", "flows", "ports", "neighbors", "drops"] {
            let table = setup.director.show_table(what)?;
            assert!(!table.trim().is_empty(), "rvs show {what} prints nothing");
            setup.director.show(what)?;
        }
        Ok(())
    })
}

fn refused() -> io::ErrorKind {
    io::ErrorKind::ConnectionRefused
}
