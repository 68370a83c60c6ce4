//! What the daemon does besides forwarding: answers for its addresses, reports, starts and stops.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{
    CLIENT, DIRECTOR_WAN, ECHO_VPORT, HTTP_VPORT, LOCAL_FIRST, LOCAL_LAST, REAL_SERVERS, VIP,
};
use rvs_perf::lab::config::Service;
use rvs_perf::lab::{Mode, probe, wait};
use serde_json::Value;

use crate::Body;
use crate::setup::{Setup, all_answered, split, with_director};

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
    const REQUESTS: usize = 100;
    with_director(MODE, &[web()], |setup| {
        let half = REQUESTS / 2;
        assert_eq!(all_answered(setup, REQUESTS, 20)?, split(half, half));
        for what in ["services", "flows", "ports", "neighbors", "drops"] {
            let table = setup.director.show_table(what)?;
            assert!(!table.trim().is_empty(), "rvs show {what} prints nothing");
        }
        services_agree(&setup.director.show("services")?, REQUESTS);
        flows_agree(&setup.director.show("flows")?, REQUESTS);
        neighbors_agree(&setup.director.show("neighbors")?);
        drops_agree(setup)?;
        let ports = setup.director.show("ports")?;
        for port in items(&ports["ports"]) {
            assert!(number(&port["rx_packets"]) >= REQUESTS as u64, "{port}");
            assert_eq!(number(&port["tx_refused"]), 0, "{port}");
        }
        Ok(())
    })
}

/// nginx closes every connection, so none is active once curl has its answer.
fn services_agree(services: &Value, requests: usize) {
    let service = &services["services"][0];
    assert_eq!(number(&service["connections"]), requests as u64, "{service}");
    let real_servers = items(&service["real_servers"]);
    assert_eq!(real_servers.len(), 2);
    for real in real_servers {
        let connections = number(&real["connections"]);
        assert_eq!(connections, requests as u64 / 2, "{real}");
        assert_eq!(
            (number(&real["active"]), number(&real["inactive"])),
            (0, connections),
            "{real}"
        );
        // Request, handshake and end: at least four packets each way.
        for packets in ["in_packets", "out_packets"] {
            assert!(number(&real[packets]) >= 4 * connections, "{real}");
        }
    }
}

fn flows_agree(flows: &Value, requests: usize) {
    let flows = items(&flows["flows"]);
    assert_eq!(flows.len(), requests);
    for flow in flows {
        assert_eq!(flow["vip"], VIP.to_string(), "{flow}");
        assert_eq!(flow["cip"], CLIENT.to_string(), "{flow}");
        let lip = flow["lip"].as_str().and_then(|text| text.parse::<Ipv4Addr>().ok());
        assert!(lip.is_some_and(|lip| (LOCAL_FIRST..=LOCAL_LAST).contains(&lip)), "{flow}");
        assert!(REAL_SERVERS.iter().any(|rip| flow["rip"] == rip.to_string()), "{flow}");
        assert_eq!(flow["state"], "TIME_WAIT", "{flow}");
        assert!((1..=120).contains(&number(&flow["expires_s"])), "{flow}");
    }
}

fn neighbors_agree(neighbors: &Value) {
    for address in REAL_SERVERS {
        let known = items(&neighbors["neighbors"])
            .iter()
            .any(|one| one["address"] == address.to_string() && one["state"] == "reachable");
        assert!(known, "{address} is not reachable in {neighbors}");
    }
}

/// The books balance, and nothing was dropped but what hosts send to everybody. A last packet, such
/// as a client's ACK, may be under way and counted in part.
pub(crate) fn drops_agree(setup: &Setup) -> Result<(), Failed> {
    let drops = wait::until(
        Duration::from_secs(5),
        || "the director's counters do not add up".to_owned(),
        || {
            let drops = setup.director.show("drops")?;
            let of = |name: &str| number(&drops[name]);
            let ended = of("forwarded") + of("consumed") + of("dropped") + of("held");
            Ok((of("received") == ended).then_some(drops))
        },
    )?;
    for drop in items(&drops["drops"]) {
        let to_everybody = ["broadcast", "unknown_ether_type", "arp_not_for_us"];
        let expected = to_everybody.iter().any(|reason| drop["reason"] == *reason);
        assert!(expected || number(&drop["count"]) == 0, "{drop}");
    }
    Ok(())
}

pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[expect(clippy::panic, reason = "a test that reads nonsense must fail where it reads it")]
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn refused() -> io::ErrorKind {
    io::ErrorKind::ConnectionRefused
}
