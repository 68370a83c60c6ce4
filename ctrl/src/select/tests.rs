//! Tests of filters: the same on the command line, in a request, and in the daemon.

use clap::{Args, Command, FromArgMatches as _};
use dataplane::control::{Kind, Selection};

use super::*;
use crate::testing::{self, ECHO};

fn ends(text: &str) -> Result<String, String> {
    text.parse::<EndsText>().map(|ends| ends.to_string()).map_err(|error| error.to_string())
}

#[test]
fn ends_are_networks_ports_or_both() {
    for (text, shown) in [
        ("198.51.100.7", "198.51.100.7/32"),
        ("198.51.100.0/24", "198.51.100.0/24"),
        ("198.51.100.7:40000", "198.51.100.7/32:40000"),
        ("0.0.0.0/0:53", "0.0.0.0/0:53"),
        (":443", ":443"),
        ("2001:db8::1", "[2001:db8::1]/128"),
        ("[2001:db8::1]:53", "[2001:db8::1]/128:53"),
        ("[2001:db8::]/64:53", "[2001:db8::]/64:53"),
    ] {
        assert_eq!(ends(text).as_deref(), Ok(shown));
        assert_eq!(ends(shown).as_deref(), Ok(shown), "what is shown is read again");
    }
    for text in ["", ":", "web", "198.51.100.7/33", "198.51.100.7:", ":70000", "1.2.3:80", "/24"] {
        let error = ends(text).unwrap_err();
        assert!(error.contains("is not NET[:PORT]"), "{error}");
    }
}

#[test]
fn words_are_one_of_a_few_and_errors_name_them() {
    assert_eq!("established".parse::<StateWord>().unwrap().0, "ESTABLISHED");
    let error = "BUSY".parse::<StateWord>().unwrap_err().to_string();
    assert!(error.contains("`BUSY` is none of") && error.contains("SYN_RECV"), "{error}");
    let error = "icmp".parse::<ProtocolWord>().unwrap_err().to_string();
    assert_eq!(error, "`icmp` is none of sctp, tcp, udp");
    assert!("tunnel".parse::<ModeWord>().is_err());
    let seconds = |text: &str| text.parse::<Seconds>().ok().map(|span| span.0);
    assert_eq!(["90", "90s", "5m", "2h", "1d"].map(seconds), [90, 90, 300, 7200, 86_400].map(Some));
    assert_eq!(["", "m", "-1", "5 m", "1w", "4294967295d"].map(seconds), [None; 6]);
}

fn parse(arguments: &[&str]) -> FlowFilter {
    let command = FlowFilter::augment_args(Command::new("test").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments).unwrap();
    FlowFilter::from_arg_matches(&matches).unwrap()
}

#[test]
fn what_the_command_line_says_is_what_workers_are_asked() {
    let config = testing::config(ECHO);
    let mut registry = crate::identity::Registry::new(&config.limits, 1);
    let named = registry.assign(&config, 1, &crate::identity::Unused);
    let all = parse(&[]);
    assert!(all.is_all() && parameters(&all).is_empty());
    assert_eq!(all.selection(&config.services, &named).unwrap(), Selection::ALL);

    let filter = parse(&[
        "--protocol",
        "udp",
        "--client",
        "198.51.100.0/24:7",
        "--service",
        "echo",
        "--mode",
        "dr",
        "--state",
        "udp",
        "--idle-over",
        "5m",
        "--age-over",
        "1h",
        "--packets-over",
        "9",
        "--worker",
        "5",
    ]);
    assert!(!filter.is_all());
    let given = parameters(&filter.with_template(Some(false)));
    let query: Vec<_> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let uri = format!("/v1/flows?{}", query.join("&")).parse().unwrap();
    let read: axum::extract::Query<FlowFilter> = axum::extract::Query::try_from_uri(&uri).unwrap();
    assert_eq!((&read.0, read.worker()), (&filter.with_template(Some(false)), Some(5)));
    let selection = read.selection(&config.services, &named).unwrap();
    let client = Some("198.51.100.0/24:7".parse::<EndsText>().unwrap().ends());
    let expected = Selection {
        kind: Kind::Flows,
        protocol: Some(17),
        client,
        service: Some(named[0].id),
        mode: Some(dataplane::forward::ForwardingMode::Dr),
        state: Some("UDP"),
        idle_s_min: 300,
        age_s_min: 3600,
        packets_min: 9,
        ..Selection::ALL
    };
    assert_eq!(selection, expected);
    let error = parse(&["--service", "web"]).selection(&config.services, &named).unwrap_err();
    assert_eq!(error.to_string(), "there is no service web");
}

#[test]
fn services_go_by_name_or_key() {
    let config = testing::config(ECHO);
    let find = |text: &str| text.parse::<ServiceName>().unwrap().find(&config.services);
    for text in ["echo", "udp:192.0.2.10:7", "UDP:192.0.2.10:7"] {
        assert_eq!(find(text), Some(0), "{text}");
    }
    for text in ["ech", "tcp:192.0.2.10:7", "udp:192.0.2.10:8", "mark:7", "mark:", "udp:", ""] {
        assert_eq!(find(text), None, "{text}");
    }
}
