//! Tests of the comparison.

use super::*;
use crate::config::Machine;
use crate::load::parse;

const BASE: &str = "
version: 1
dpdk: {memory: 512M}
workers: [1, 2]
limits: {flows: 1000}
timeouts: {tcp: 15m}
ports:
  wan: {device: net_null0, addresses: [192.0.2.2/24]}
  lan: {device: net_null1, addresses: [10.0.0.2/24], mtu: 1500}
routes:
  - {to: 0.0.0.0/0, via: 192.0.2.1}
  - {to: 10.9.0.0/16, via: 10.0.0.9}
services:
  web:
    vip: 192.0.2.10:80
    protocol: tcp
    mode: fullnat
    local_addresses: [10.0.0.100-10.0.0.103, 10.0.0.110]
    scheduler: wrr
    real_servers:
      - {address: 10.0.0.11:8080, weight: 2}
      - {address: 10.0.0.12:8080}
      - {address: 10.0.0.13:8080}
  dns:
    vip: 192.0.2.10:53
    protocol: udp
    mode: nat
    real_servers:
      - {address: 10.0.0.11}
";

/// The base after some replacements, each of which must find its text.
fn config(replacements: &[(&str, &str)]) -> Config {
    let mut text = BASE.to_owned();
    for (from, to) in replacements {
        assert!(text.contains(from), "{from:?} is not in: {text}");
        text = text.replace(from, to);
    }
    parse("test.yaml", &text, &Machine::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn changes(replacements: &[(&str, &str)]) -> Vec<Change> {
    diff(&config(&[]), &config(replacements))
}

fn key(protocol: crate::Protocol, vip: &str) -> ServiceKey {
    ServiceKey::Endpoint { protocol, vip: vip.parse().expect("an endpoint") }
}

fn web() -> ServiceKey {
    key(crate::Protocol::Tcp, "192.0.2.10:80")
}

fn edited(name: &'static str, old: &str, new: &str) -> Edit {
    Edit::Changed(vec![Field { name, old: old.to_owned(), new: new.to_owned() }])
}

fn real(service: ServiceKey, address: &str) -> Subject {
    Subject::RealServer(service, address.parse().expect("an endpoint"))
}

#[test]
fn equal_configurations_do_not_differ() {
    assert_eq!(changes(&[]), []);
    // The same in other words: an order that means nothing, defaults written out.
    let swapped =
        BASE.replace("services:\n  web:", "services:\n  dns_:").replace("  dns:", "  web:");
    let renamed = parse("t", &swapped.replace("dns_:", "dns:"), &Machine::default());
    let named: Vec<_> = diff(&config(&[]), &renamed.expect("right"));
    assert!(named.iter().all(|change| matches!(&change.edit, Edit::Changed(fields)
        if fields.iter().all(|field| field.name == "name"))));
    assert_eq!(changes(&[("mtu: 1500", "rx_descriptors: 1024"), ("tcp: 15m", "tcp: 900s")]), []);
}

#[test]
fn a_change_of_a_setting_names_its_keys_and_says_whether_it_can_be_made_live() {
    for (from, to, path, old, new, needs_restart) in [
        ("memory: 512M", "memory: 1G", "dpdk.memory", "512M", "1024M", true),
        ("memory: 512M", "memory: 512M, eal_args: [-a, b]", "dpdk.eal_args", "[]", "[-a, b]", true),
        ("workers: [1, 2]", "workers: [2]", "workers", "[1, 2]", "[2]", true),
        ("flows: 1000", "flows: 2000", "limits.flows", "1000", "2000", true),
        ("flows: 1000", "flows: 1000, services: 9", "limits.services", "16384", "9", true),
        ("flows: 1000", "flows: 1000, real_servers: 9", "limits.real_servers", "131072", "9", true),
        ("tcp: 15m", "tcp: 1m", "timeouts.tcp", "900s", "60s", false),
        ("tcp: 15m", "tcp_fin: 1s", "timeouts.tcp_fin", "120s", "1s", false),
        ("tcp: 15m", "udp: 1h", "timeouts.udp", "300s", "3600s", false),
        (
            "version: 1",
            "version: 1\ncontrol: {socket: /tmp/x}",
            "control.socket",
            "/run/rvs/rvs.sock",
            "/tmp/x",
            true,
        ),
        (
            "version: 1",
            "version: 1\nmetrics: {real_servers: all}",
            "metrics.real_servers",
            "10000",
            "all",
            false,
        ),
        (
            "version: 1",
            "version: 1\nmetrics: {listen: 127.0.0.1:9}",
            "metrics.listen",
            "off",
            "127.0.0.1:9",
            false,
        ),
        (
            "device: net_null1",
            "device: net_tap1",
            "ports.lan.device",
            "net_null1",
            "net_tap1",
            true,
        ),
        ("mtu: 1500", "mtu: 9000", "ports.lan.mtu", "1500", "9000", true),
        ("mtu: 1500", "rx_descriptors: 64", "ports.lan.rx_descriptors", "1024", "64", true),
        ("mtu: 1500", "tx_descriptors: 64", "ports.lan.tx_descriptors", "1024", "64", true),
        (
            "[10.0.0.2/24]",
            "[10.0.0.2/24, 10.0.0.3/24]",
            "ports.lan.addresses",
            "[10.0.0.2/24]",
            "[10.0.0.2/24, 10.0.0.3/24]",
            false,
        ),
    ] {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let edit = edited("value", old, new);
        let expected = Change { subject: Subject::Setting(path), edit, needs_restart };
        assert_eq!(changes(&[(from, to)]), [expected]);
    }
}

#[test]
fn how_tools_reach_the_daemon_is_set_up_at_start() {
    for (key, value, old, new) in [
        ("mode", "0660", "0600", "0660"),
        ("group", "ops", "the daemon's own", "ops"),
        ("admins", "[joe, \"@wheel\", 7]", "[]", "[joe, @wheel, 7]"),
        (
            "tcp",
            "{listen: \"127.0.0.1:9181\", tokens: /etc/t}",
            "off",
            "127.0.0.1:9181 with /etc/t",
        ),
    ] {
        let to = format!("version: 1\ncontrol: {{{key}: {value}}}");
        let subject = Subject::Setting(vec!["control".to_owned(), key.to_owned()]);
        let expected = Change { subject, edit: edited("value", old, new), needs_restart: true };
        assert_eq!(changes(&[("version: 1", &to)]), [expected]);
    }
}

#[test]
fn every_sysctl_of_ipvs_is_a_setting_that_applies_live() {
    for (key, default, other) in [
        ("conn_reuse_mode", "1", "3"),
        ("expire_nodest_conn", "0", "1"),
        ("expire_quiescent_template", "0", "1"),
        ("sloppy_tcp", "0", "1"),
        ("sloppy_sctp", "0", "1"),
        ("drop_entry", "1", "3"),
        ("drop_packet", "0", "1"),
        ("secure_tcp", "0", "3"),
        ("am_droprate", "10", "3"),
        ("amemthresh", "10%", "5%"),
    ] {
        let written = format!("version: 1\nipvs: {{{key}: {other}}}");
        let edit = edited("value", default, other);
        let subject = Subject::Setting(vec!["ipvs".to_owned(), key.to_owned()]);
        let expected = Change { subject, edit, needs_restart: false };
        assert_eq!(changes(&[("version: 1", &written)]), [expected]);
        let same = format!("version: 1\nipvs: {{{key}: {default}}}");
        assert_eq!(changes(&[("version: 1", &same)]), []);
    }
    let written = "version: 1\nipvs: {sloppy_tcp: false, drop_packet: 0, drop_entry: 2}";
    assert_eq!(changes(&[("version: 1", written)]), [], "false is 0, and 2 is 1 at work");
}

#[test]
fn ports_are_matched_by_name_and_their_order_counts() {
    let dmz = "  dmz: {device: net_null9}\n  wan: {";
    let added = changes(&[("  wan: {", dmz)]);
    let expected =
        Change { subject: Subject::Port("dmz".to_owned()), edit: Edit::Added, needs_restart: true };
    assert_eq!(added, [expected]);
    let old = config(&[("  wan: {", dmz)]);
    let removed = diff(&old, &config(&[]));
    assert_eq!(removed.len(), 1);
    assert_eq!((&removed[0].edit, removed[0].needs_restart), (&Edit::Removed, true));

    let mut swapped = config(&[]);
    swapped.ports.swap(0, 1);
    for route in &mut swapped.routes {
        route.port = 1 - route.port;
    }
    let expected = Change {
        subject: Subject::Setting(vec!["ports".to_owned()]),
        edit: edited("value", "[wan, lan]", "[lan, wan]"),
        needs_restart: true,
    };
    assert_eq!(diff(&config(&[]), &swapped), [expected]);
}

#[test]
fn routes_are_matched_by_destination() {
    let found = changes(&[
        ("via: 10.0.0.9}", "via: 10.0.0.8}\n  - {to: 10.8.0.0/16, via: 10.0.0.9}"),
        ("  - {to: 0.0.0.0/0, via: 192.0.2.1}\n", ""),
    ]);
    let route = |to: &str| Subject::Route(to.parse().expect("a prefix"));
    let expected = [
        (route("10.9.0.0/16"), edited("via", "10.0.0.9", "10.0.0.8")),
        (route("10.8.0.0/16"), Edit::Added),
        (route("0.0.0.0/0"), Edit::Removed),
    ];
    let expected = expected.map(|(subject, edit)| Change { subject, edit, needs_restart: false });
    assert_eq!(found, expected);
}

#[test]
fn services_and_real_servers_are_matched_by_what_they_are() {
    let found = changes(&[
        ("  web:", "  www:"),
        ("mode: fullnat", "mode: nat"),
        ("    local_addresses: [10.0.0.100-10.0.0.103, 10.0.0.110]\n", ""),
        ("scheduler: wrr", "scheduler: rr\n    timeouts: {tcp: 1h, tcp_fin: 9s}"),
        ("weight: 2", "weight: 0"),
        ("10.0.0.12:8080", "10.0.0.14:8080"),
        ("192.0.2.10:53", "192.0.2.11:53"),
    ]);
    let field = |name, old: &str, new: &str| Field { name, old: old.into(), new: new.into() };
    let (old_dns, new_dns) =
        ["192.0.2.10:53", "192.0.2.11:53"].map(|vip| key(crate::Protocol::Udp, vip)).into();
    let expected = [
        (
            Subject::Service(web()),
            Edit::Changed(vec![
                field("name", "web", "www"),
                field("mode", "fullnat", "nat"),
                field("scheduler", "wrr", "rr"),
                field("timeouts", "{}", "{tcp: 3600s, tcp_fin: 9s}"),
                field("local_addresses", "[10.0.0.100-10.0.0.103, 10.0.0.110]", "[]"),
            ]),
        ),
        (real(web(), "10.0.0.11:8080"), edited("weight", "2", "0")),
        (real(web(), "10.0.0.14:8080"), Edit::Added),
        (real(web(), "10.0.0.12:8080"), Edit::Removed),
        (Subject::Service(new_dns), Edit::Added),
        (real(new_dns, "10.0.0.11:53"), Edit::Added),
        (Subject::Service(old_dns), Edit::Removed),
        (real(old_dns, "10.0.0.11:53"), Edit::Removed),
    ];
    let expected = expected.map(|(subject, edit)| Change { subject, edit, needs_restart: false });
    assert_eq!(found, expected);

    let services = Tally::of(&found, |subject| matches!(subject, Subject::Service(_)));
    assert_eq!(services, Tally { added: 1, removed: 1, changed: 1 });
    let reals = Tally::of(&found, |subject| matches!(subject, Subject::RealServer(..)));
    assert_eq!(reals, Tally { added: 2, removed: 2, changed: 1 });
}

#[test]
fn the_order_of_real_servers_is_a_difference_and_that_of_services_is_none() {
    let mut other = config(&[]);
    other.services.reverse();
    assert_eq!(diff(&config(&[]), &other), []);
    let web_at = 1;
    other.services[web_at].real_servers.swap(0, 2);
    let found = diff(&config(&[]), &other);
    let (old, new) = (
        "[10.0.0.11:8080, 10.0.0.12:8080, 10.0.0.13:8080]",
        "[10.0.0.13:8080, 10.0.0.12:8080, 10.0.0.11:8080]",
    );
    let (subject, edit) = (Subject::Service(web()), edited("order", old, new));
    assert_eq!(found, [Change { subject, edit, needs_restart: false }]);
    // One that is put in the middle does not change the order of the others.
    other.services[web_at].real_servers.swap(0, 2);
    other.services[web_at].real_servers.remove(1);
    assert_eq!(diff(&other, &config(&[])).len(), 1);
}

#[test]
fn the_engine_of_persistence_is_compared() {
    let dns = "protocol: udp\n    mode: nat\n";
    let by_call = format!("{dns}    persistence: 5m\n    persistence_engine: sip\n");
    let by_client = format!("{dns}    persistence: 5m\n");
    let found = diff(&config(&[(dns, &by_client)]), &config(&[(dns, &by_call)]));
    let subject = Subject::Service(key(crate::Protocol::Udp, "192.0.2.10:53"));
    let edit = edited("persistence_engine", "none", "sip");
    assert_eq!(found, [Change { subject, edit, needs_restart: false }]);
}

#[test]
fn the_helper_is_compared() {
    let with_helper = "    scheduler: wrr\n    helper: ftp\n";
    let found = changes(&[("    scheduler: wrr\n", with_helper)]);
    let [change] = &found[..] else { panic!("{found:?}") };
    assert_eq!((change.subject.clone(), change.edit.clone()), {
        (Subject::Service(web()), edited("helper", "none", "ftp"))
    });
}
