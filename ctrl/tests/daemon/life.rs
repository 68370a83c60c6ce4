//! Starting, stopping, and one daemon per socket.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::support::{Daemon, PORTS, Site, mode, names};

#[test]
fn signals_stop_it_within_a_second_and_nothing_stays() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start(Site::new(PORTS), &[]);
        assert_eq!(mode(&daemon.site.socket), 0o600);
        assert_eq!(mode(daemon.site.socket.parent().unwrap()), 0o755);
        let (status, took) = daemon.stop(signal);
        let log = daemon.log();
        assert!(status.success(), "{status}: {log}");
        assert!(took < Duration::from_secs(1), "{took:?}: {log}");
        assert!(!daemon.site.socket.exists(), "the socket is left");
        assert!(log.contains(&format!("SIG{signal}: stopping")), "{log}");
        assert!(log.contains("stopped within"), "{log}");
    }
}

/// `timeout` and some service managers send a signal to the process and to its group.
#[test]
fn a_signal_that_comes_twice_at_once_is_one_signal() {
    let mut daemon = Daemon::start(Site::new(PORTS), &[]);
    daemon.signal("TERM");
    let (status, _) = daemon.stop("TERM");
    assert!(status.success(), "{status}: {}", daemon.log());
    assert!(daemon.log().contains("stopped within"), "{}", daemon.log());
}

#[test]
fn open_requests_do_not_hold_it_up() {
    let mut daemon = Daemon::start(Site::new(PORTS), &[]);
    let mut idle = daemon.connect();
    idle.write_all(b"GET /v1/st").unwrap();
    let (status, took) = daemon.stop("TERM");
    assert!(status.success() && took < Duration::from_secs(1), "{status} after {took:?}");
}

#[test]
fn the_log_says_what_was_started() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let log = daemon.log();
    for words in [
        "port wan: net_null0,no-rx=1 (net_null), MAC ",
        "addresses [10.0.0.2/24], 1 queues, steering one-worker, offloads ",
        "2 ports, 1 worker, 0 routes, 1 service (1 tcp, 0 udp) with 2 real servers",
        "128 MiB of ordinary memory",
        "since `dpdk.eal_args` has --no-huge",
        "is forwarding on CPU ",
    ] {
        assert!(log.contains(words), "{words:?} is not in: {log}");
    }
    assert!(log.contains(&daemon.site.socket.display().to_string()), "{log}");
}

#[test]
fn logs_are_json_when_asked() {
    let daemon = Daemon::start(Site::new(PORTS), &["--log-format", "json", "--log-level", "debug"]);
    let log = daemon.log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let said = |text: &str| {
        lines.iter().any(|line| line["message"].as_str().is_some_and(|m| m.contains(text)))
    };
    assert!(said("is forwarding on CPU") && said("port lan: net_null1"), "{log}");
    assert!(lines.iter().any(|line| line["target"] == "dpdk"), "DPDK's own lines: {log}");
}

#[test]
fn a_second_daemon_is_refused_and_the_first_does_not_notice() {
    let mut daemon = Daemon::start(Site::new(PORTS), &[]);
    let output = daemon.site.run().output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let socket = daemon.site.socket.display().to_string();
    names(&text, &["another RVS daemon (process ", "already serves", &socket, "Stop that daemon"]);
    assert_eq!(text.lines().count(), 1, "refused before anything was started: {text}");
    assert!(daemon.is_running());
    daemon.site.shown(&["services"]);
}

#[test]
fn the_socket_of_a_dead_daemon_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("rvs.sock");
    Daemon::start(Site::new(PORTS).at_socket(&socket), &[]).kill();
    assert!(socket.exists(), "a killed daemon removes nothing");
    let mut daemon = Daemon::start(Site::new(PORTS).at_socket(&socket), &[]);
    assert!(daemon.stop("TERM").0.success());
    assert!(!socket.exists());
}

#[test]
fn garbage_on_the_socket_is_refused_and_does_no_harm() {
    let mut daemon = Daemon::start(Site::new(PORTS), &[]);
    for garbage in ["\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "%$!\r\n\r\n"] {
        let mut stream = daemon.connect();
        stream.write_all(garbage.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{garbage:?}: {answer}");
    }
    drop(daemon.connect());
    let mut cut_off = daemon.connect();
    cut_off.write_all(b"GET /v1/flows HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    drop(cut_off);
    assert!(daemon.is_running());
    daemon.site.shown(&["flows"]);
}
