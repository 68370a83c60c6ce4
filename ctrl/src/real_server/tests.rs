//! Tests of commands about one real server, against a daemon that is made up.

use clap::Parser as _;
use serde_json::json;

use crate::cli::Cli;
use crate::error::CtrlError;
use crate::exit::Exit;
use crate::testing::FakeDaemon;

/// `/v1/real-servers` with these real servers, which have so many connections.
fn real_servers(names: &[(&str, u16)], connections: u64) -> (&'static str, String) {
    let rates = json!({"connections": 0, "in_packets": 0, "out_packets": 0, "in_bytes": 0,
                       "out_bytes": 0});
    let one = |(rip, rport): &(&str, u16)| {
        json!({
            "service": "web", "protocol": "tcp", "vip": "192.0.2.10", "vport": 80, "mark": null,
            "rip": rip, "rport": rport, "weight": 1, "upper_threshold": 0, "lower_threshold": 0,
            "active": connections, "inactive": 0, "persistent": 0, "local_ports": null,
            "connections": 0, "in_packets": 0, "in_bytes": 0, "out_packets": 0, "out_bytes": 0,
            "rates": rates, "mode": "nat", "drain": true,
        })
    };
    let list: Vec<_> = names.iter().map(one).collect();
    ("200 OK", json!({"real_servers": list}).to_string())
}

fn done() -> (&'static str, String) {
    ("200 OK", json!({"running": true, "generation": 2}).to_string())
}

/// Runs a command against these answers; its outcome, and the requests that came.
fn run(arguments: &str, answers: &[(&str, String)]) -> (Result<(), CtrlError>, Vec<String>) {
    let fake = FakeDaemon::answering(answers);
    let socket = fake.socket().display().to_string();
    let words = ["rvs"].into_iter().chain(arguments.split(' ')).chain(["--socket", &socket]);
    let outcome = Cli::try_parse_from(words).unwrap().run();
    (outcome, fake.requests())
}

const ONE: [(&str, u16); 1] = [("10.0.0.11", 8080)];
const TARGET: &str = "/v1/services/web/real-servers/10%2E0%2E0%2E11%3A8080";

#[test]
fn an_address_is_enough_where_it_is_one_real_server() {
    let answers = [real_servers(&ONE, 0), done()];
    let (outcome, requests) = run("set web 10.0.0.11 weight=3 upper=9", &answers);
    outcome.unwrap();
    let ask = "GET /v1/real-servers?service=web&real=10%2E0%2E0%2E11 ";
    assert!(requests[0].starts_with(ask), "{requests:?}");
    assert!(requests[1].starts_with(&format!("PATCH {TARGET} ")), "{requests:?}");
    assert!(requests[1].ends_with(r#"{"upper_threshold":9,"weight":3}"#), "{requests:?}");

    let two = [("10.0.0.11", 8080), ("10.0.0.11", 8081)];
    let (outcome, _) = run("undrain web 10.0.0.11", &[real_servers(&two, 0)]);
    let error = outcome.unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Usage);
    assert!(error.to_string().contains("10.0.0.11:8080, 10.0.0.11:8081"), "{error}");

    let (outcome, _) = run("drain web 10.0.0.99", &[real_servers(&[], 0)]);
    let error = outcome.unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Failed);
    assert!(error.to_string().contains("web has no real server 10.0.0.99"), "{error}");
}

#[test]
fn draining_waits_for_the_last_connection() {
    let ask = |count| real_servers(&ONE, count);
    let (outcome, requests) = run("drain web 10.0.0.11", &[ask(5), done(), ask(2), ask(4), ask(0)]);
    outcome.unwrap();
    assert!(requests[1].ends_with(r#"{"drain":true}"#), "{requests:?}");
    assert_eq!(requests.len(), 5);
    let (outcome, requests) = run("drain web 10.0.0.11 --no-wait", &[ask(5), done()]);
    outcome.unwrap();
    assert_eq!(requests.len(), 2);
    let (outcome, requests) = run("undrain web 10.0.0.11", &[ask(5), done()]);
    outcome.unwrap();
    assert!(requests[1].ends_with(r#"{"drain":false}"#), "{requests:?}");
}

#[test]
fn a_deadline_has_an_exit_status_and_a_way_on() {
    let ask = || real_servers(&ONE, 3);
    let (outcome, _) = run("drain web 10.0.0.11 --timeout 0s", &[ask(), done(), ask()]);
    let error = outcome.unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Deadline);
    let text = error.to_string();
    assert!(text.contains("still has 3 connections"), "{text}");
    assert!(text.contains("rvs kill --service web --real 10.0.0.11:8080`"), "{text}");

    // Flows have ports where real servers have none of their own.
    let ask = || real_servers(&[("10.0.0.11", 0)], 1);
    let (outcome, _) = run("drain web 10.0.0.11 --timeout 0s", &[ask(), done(), ask()]);
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("still has 1 connection after"), "{text}");
    assert!(text.contains("rvs kill --service web --real 10.0.0.11`"), "{text}");
}

#[test]
fn settings_that_are_none_are_refused_before_anything_is_asked() {
    for (arguments, why) in [
        ("set web 10.0.0.11 colour=3", "none of weight, upper, lower"),
        ("set web 10.0.0.11 weight", "has to look like weight=3"),
        ("set web 10.0.0.11 weight=-1", "no number"),
        ("set web 10.0.0.11", "NAME=N"),
        ("drain web 10.0.0.11 --timeout soon", "no span of time"),
        ("drain web", "<REAL>"),
    ] {
        let words = ["rvs"].into_iter().chain(arguments.split(' '));
        let error = Cli::try_parse_from(words).unwrap_err().to_string();
        assert!(error.contains(why), "{arguments}: {error}");
    }
    let (outcome, requests) = run("set web 10.0.0.11 weight=1 weight=2", &[]);
    assert_eq!(Exit::of(&outcome.unwrap_err()), Exit::Usage);
    assert!(requests.is_empty());
}
