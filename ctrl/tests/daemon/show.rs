//! `rvs show` against a running daemon, as tables and as JSON.

use serde_json::{Value, json};

use crate::support::{Daemon, PORTS, Site, names, rvs};

#[test]
fn every_question_has_a_table_and_json() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    for (what, heading, row) in [
        ("services", "SERVICE  PROTO", "-> 192.0.2.12:8080"),
        ("flows", "PROTO  EXPIRES", "PROTO"),
        ("ports", "PORT  DEVICE", "net_null0,no-rx=1"),
        ("neighbors", "PORT  ADDRESS", "192.0.2.11"),
        ("drops", "REASON", "received "),
        ("real-servers", "SERVICE  VIRTUAL", "tcp:192.0.2.10:80"),
        ("rates", "SERVICE  PROTO", "-> 192.0.2.12:8080"),
        ("routes", "NETWORK ", "connected"),
        ("local-ports", "SERVICE  REAL SERVER", "192.0.2.103"),
        ("workers", "WORKER  NUMA  GENERATION", "CPU "),
        ("status", "rvs ", "128 MiB of ordinary memory"),
    ] {
        let table = daemon.site.shown(&[what]);
        assert!(table.starts_with(heading), "{table}");
        assert!(table.contains(row), "{row}: {table}");
        assert!(table.ends_with('\n') && !table.lines().any(|line| line.ends_with(' ')));
        let text = daemon.site.shown(&[what, "--json"]);
        let answer: Value = serde_json::from_str(&text).expect(&text);
        assert!(answer.is_object(), "{text}");
    }
}

#[test]
fn json_has_the_documented_names_and_numbers_are_numbers() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let show = |what: &str| -> Value {
        serde_json::from_str(&daemon.site.shown(&[what, "--json"])).unwrap()
    };
    let services = show("services");
    assert_eq!(services["services"][0]["real_servers"][0]["weight"], 2);
    assert_eq!(services["services"][0]["connections"], 0);
    assert_eq!(show("flows"), json!({"flows": [], "more": 0}));
    // The second port receives frames without end, all of them for another station.
    let ports = show("ports");
    assert_eq!(ports["ports"][0]["rx_packets"], 0);
    assert!(ports["ports"][1]["rx_packets"].as_u64().unwrap() > 0, "{ports}");
    let drops = show("drops");
    assert!(drops["received"].as_u64().unwrap() > 0 && drops["dropped"].as_u64().unwrap() > 0);
    let documented = include_str!("../../../docs/API.md");
    let others = ["neighbors", "status", "workers", "real-servers", "routes", "local-ports"];
    for answer in others.map(show).iter().chain([&services, &ports, &drops]) {
        assert_documented(answer, documented);
    }
    let count: Value =
        serde_json::from_str(&daemon.site.shown(&["flows", "--count", "--json"])).unwrap();
    assert_eq!(count, json!({"count": 0, "groups": [], "other": 0}));
    assert_documented(&count, documented);
}

/// Every name in an answer is in the manual.
fn assert_documented(answer: &Value, manual: &str) {
    match answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert!(manual.contains(&format!("`{name}`")), "{name} is not in docs/API.md");
                assert_documented(value, manual);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| assert_documented(item, manual)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn without_a_daemon_it_says_so_with_a_status_of_its_own() {
    let site = Site::new(PORTS);
    for arguments in [&["services"][..], &["flows", "--json"]] {
        let output = site.show(arguments);
        assert_eq!(output.status.code(), Some(3));
        let text = String::from_utf8(output.stderr).unwrap();
        let socket = site.socket.display().to_string();
        names(&text, &["no RVS daemon answers at", &socket, "is `rvs run` running?", "--socket"]);
    }
    let help = rvs(&["show", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("/run/rvs/rvs.sock"), "the default is told: {help}");
}

#[test]
fn something_else_on_the_socket_is_told_from_a_daemon() {
    use std::io::{Read as _, Write as _};
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("other.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 64]);
        stream.write_all(b"220 mail.example.org ESMTP\r\n").unwrap();
    });
    let output = rvs(&["show", "services", "--socket"]).arg(&socket).output().unwrap();
    other.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    names(&text, &["gave no usable answer", &socket.display().to_string()]);
}
