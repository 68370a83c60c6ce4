//! Tests of the comparison.

use proptest::prelude::*;

use super::*;
use crate::config::Machine;
use crate::load::parse;
use crate::testing::{self, Dice};

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

fn changes(replacements: &[(&str, &str)]) -> Vec<String> {
    told(&diff(&config(&[]), &config(replacements)))
}

/// Each change in a line; `!` at the end of those that need a restart.
fn told(changes: &[Change]) -> Vec<String> {
    changes.iter().map(line).collect()
}

fn line(change: &Change) -> String {
    let subject = match &change.subject {
        Subject::Setting(path) => path.join("."),
        Subject::Port(name) => format!("port {name}"),
        Subject::Route(to) => format!("route {to}"),
        Subject::Mark(rule) => format!("mark {rule}"),
        Subject::Service(key) => format!("{} ({key})", change.name),
        Subject::RealServer(_, address) => format!("{} {address}", change.name),
    };
    let sign = match change.edit {
        Edit::Added(_) => '+',
        Edit::Removed(_) => '-',
        Edit::Changed(_) => '~',
    };
    let field = |field: &Field| match (&field.old, &field.new) {
        (Some(old), Some(new)) => format!("; {} {old} -> {new}", field.name),
        (old, new) => {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            format!("; {} {} -> {}", field.name, value(old), value(new))
        }
    };
    let fields: String = change.edit.fields().iter().map(field).collect();
    let restart = if change.needs_restart { "!" } else { "" };
    format!("{sign} {subject}{fields}{restart}")
}

#[test]
fn equal_configurations_do_not_differ() {
    assert_eq!(changes(&[]), [""; 0]);
    // The same in other words.
    assert_eq!(
        changes(&[("mtu: 1500", "rx_descriptors: 1024"), ("tcp: 15m", "tcp: 900s")]),
        [""; 0]
    );
    let swapped = BASE.replace("  web:", "  dns_:").replace("  dns:", "  web:");
    let renamed = parse("t", &swapped.replace("dns_:", "dns:"), &Machine::default());
    assert_eq!(
        told(&diff(&config(&[]), &renamed.expect("right"))),
        [
            "~ dns (tcp 192.0.2.10:80); name web -> dns",
            "~ web (udp 192.0.2.10:53); name dns -> web",
        ]
    );
}

#[test]
fn a_change_of_a_setting_names_its_keys_and_says_whether_it_can_be_made_live() {
    for (from, to, expected) in [
        ("memory: 512M", "memory: 1G", "~ dpdk.memory; value 512M -> 1G!"),
        (
            "memory: 512M",
            "memory: 512M, eal_args: [-a, b]",
            "~ dpdk.eal_args; value [] -> [-a, b]!",
        ),
        ("workers: [1, 2]", "workers: [2]", "~ workers; value [1, 2] -> [2]!"),
        ("flows: 1000", "flows: 2000", "~ limits.flows; value 1000 -> 2000!"),
        ("flows: 1000", "flows: 1000, services: 9", "~ limits.services; value 16384 -> 9!"),
        (
            "flows: 1000",
            "flows: 1000, real_servers: 9",
            "~ limits.real_servers; value 131072 -> 9!",
        ),
        ("flows: 1000", "flows: 1000, templates: 9", "~ limits.templates; value 65536 -> 9!"),
        ("tcp: 15m", "tcp: 1m", "~ timeouts.tcp; value 15m -> 1m"),
        ("tcp: 15m", "tcp_fin: 1s", "~ timeouts.tcp_fin; value 2m -> 1s"),
        ("tcp: 15m", "udp: 1h", "~ timeouts.udp; value 5m -> 1h"),
        (
            "version: 1",
            "version: 1\ncontrol: {socket: /tmp/x}",
            "~ control.socket; value /run/rvs/rvs.sock -> /tmp/x!",
        ),
        (
            "version: 1",
            "version: 1\nmetrics: {real_servers: all}",
            "~ metrics.real_servers; value 10000 -> all",
        ),
        (
            "version: 1",
            "version: 1\nmetrics: {listen: 127.0.0.1:9}",
            "~ metrics.listen; value none -> 127.0.0.1:9",
        ),
        (
            "device: net_null1",
            "device: net_tap1",
            "~ ports.lan.device; value net_null1 -> net_tap1!",
        ),
        ("mtu: 1500", "mtu: 9000", "~ ports.lan.mtu; value 1500 -> 9000!"),
        ("mtu: 1500", "rx_descriptors: 64", "~ ports.lan.rx_descriptors; value 1024 -> 64!"),
        ("mtu: 1500", "tx_descriptors: 64", "~ ports.lan.tx_descriptors; value 1024 -> 64!"),
        (
            "[10.0.0.2/24]",
            "[10.0.0.2/24, 10.0.0.3/24]",
            "~ ports.lan.addresses; value [10.0.0.2/24] -> [10.0.0.2/24, 10.0.0.3/24]",
        ),
    ] {
        assert_eq!(changes(&[(from, to)]), [expected]);
    }
}

#[test]
fn who_reaches_the_daemon_and_how_can_be_changed() {
    for (key, value, told) in [
        ("mode", "0660", "0600 -> 0660"),
        ("group", "ops", "none -> ops"),
        ("admins", "[joe, \"@wheel\", 7]", "[] -> [joe, @wheel, 7]"),
        (
            "tcp",
            "{listen: \"127.0.0.1:9181\", tokens: /etc/t}",
            "none -> {listen: 127.0.0.1:9181, tokens: /etc/t}",
        ),
    ] {
        let to = format!("version: 1\ncontrol: {{{key}: {value}}}");
        let expected = format!("~ control.{key}; value {told}");
        assert_eq!(changes(&[("version: 1", &to)]), [expected]);
    }
    let by_tcp = |listen: &str, tokens: &str| {
        let tcp = format!("{{listen: \"{listen}\", tokens: {tokens}}}");
        config(&[("version: 1", &format!("version: 1\ncontrol: {{tcp: {tcp}}}"))])
    };
    let old = by_tcp("[::1]:1", "/t");
    let found = told(&diff(&old, &by_tcp("[::1]:2", "/t")));
    assert_eq!(found, ["~ control.tcp.listen; value [::1]:1 -> [::1]:2"]);
    let found = told(&diff(&old, &by_tcp("[::1]:1", "/u")));
    assert_eq!(found, ["~ control.tcp.tokens; value /t -> /u"]);
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
        let expected = format!("~ ipvs.{key}; value {default} -> {other}");
        assert_eq!(changes(&[("version: 1", &written)]), [expected]);
        let same = format!("version: 1\nipvs: {{{key}: {default}}}");
        assert_eq!(changes(&[("version: 1", &same)]), [""; 0]);
    }
    let written = "version: 1\nipvs: {sloppy_tcp: false, drop_packet: 0, drop_entry: 2}";
    assert_eq!(changes(&[("version: 1", written)]), [""; 0], "false is 0, and 2 is 1 at work");
}

#[test]
fn ports_are_matched_by_name_and_their_order_counts() {
    let dmz = "  dmz: {device: net_null9}\n  wan: {";
    let added = changes(&[("  wan: {", dmz)]);
    assert_eq!(added, ["+ port dmz; device none -> net_null9!"]);
    let old = config(&[("  wan: {", dmz)]);
    let removed = told(&diff(&old, &config(&[])));
    assert_eq!(removed, ["- port dmz; device net_null9 -> none!"]);

    let mut swapped = config(&[]);
    swapped.ports.swap(0, 1);
    for route in &mut swapped.routes {
        route.port = 1 - route.port;
    }
    let expected = "~ ports; order [wan, lan] -> [lan, wan]!";
    assert_eq!(told(&diff(&config(&[]), &swapped)), [expected]);
}

#[test]
fn routes_are_matched_by_destination() {
    let found = changes(&[
        ("via: 10.0.0.9}", "via: 10.0.0.8}\n  - {to: 10.8.0.0/16, via: 10.0.0.9}"),
        ("  - {to: 0.0.0.0/0, via: 192.0.2.1}\n", ""),
    ]);
    let expected = [
        "~ route 10.9.0.0/16; via 10.0.0.9 -> 10.0.0.8",
        "+ route 10.8.0.0/16; to none -> 10.8.0.0/16; via none -> 10.0.0.9",
        "- route 0.0.0.0/0; to 0.0.0.0/0 -> none; via 192.0.2.1 -> none",
    ];
    assert_eq!(found, expected);
}

#[test]
fn rules_for_marks_are_matched_as_a_whole_and_their_order_counts() {
    let base = "version: 1\nworkers: [0]\nports: {lan: {device: net_null0}}\nservices:\n  a: \
                {mark: 1, mode: nat, real_servers: []}\n";
    let with = |rules: &[&str]| {
        let rules: String = rules
            .iter()
            .map(|port| {
                format!("  - {{mark: 1, destination: 192.0.2.1, destination_ports: [{port}]}}\n")
            })
            .collect();
        parse("t", &format!("{base}marks:\n{rules}"), &Machine::default()).expect("right")
    };
    let mark = |port| format!("mark 1 to from 0.0.0.0/0 to 192.0.2.1/32:{port}");
    let old = with(&["80", "443"]);
    let found = told(&diff(&old, &with(&["443", "8080"])));
    assert_eq!(found, [format!("+ {}", mark("8080")), format!("- {}", mark("80"))]);
    let found = told(&diff(&old, &with(&["443", "80"])));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("~ marks; order [1 to from"), "{found:?}");
}

#[test]
fn services_and_real_servers_are_matched_by_what_they_are() {
    let replacements = [
        ("  web:", "  www:"),
        ("mode: fullnat", "mode: nat"),
        ("    local_addresses: [10.0.0.100-10.0.0.103, 10.0.0.110]\n", ""),
        ("scheduler: wrr", "scheduler: rr\n    timeouts: {tcp: 1h, tcp_fin: 9s}"),
        ("weight: 2", "weight: 0"),
        ("10.0.0.12:8080", "10.0.0.14:8080"),
        ("192.0.2.10:53", "192.0.2.11:53"),
    ];
    let expected = [
        "~ www (tcp 192.0.2.10:80); name web -> www; mode fullnat -> nat; local_addresses \
         [10.0.0.100-10.0.0.103, 10.0.0.110] -> none; scheduler wrr -> rr; timeouts.tcp none -> \
         1h; timeouts.tcp_fin none -> 9s",
        "~ www 10.0.0.11:8080; weight 2 -> 0",
        "+ www 10.0.0.14:8080; address none -> 10.0.0.14:8080",
        "- www 10.0.0.12:8080; address 10.0.0.12:8080 -> none",
        "+ dns (udp 192.0.2.11:53); vip none -> 192.0.2.11:53; protocol none -> udp; mode none -> \
         nat",
        "+ dns 10.0.0.11:53; address none -> 10.0.0.11",
        "- dns (udp 192.0.2.10:53); vip 192.0.2.10:53 -> none; protocol udp -> none; mode nat -> \
         none",
        "- dns 10.0.0.11:53; address 10.0.0.11 -> none",
    ];
    assert_eq!(changes(&replacements), expected);

    let found = diff(&config(&[]), &config(&replacements));
    let services = Tally::of(&found, |subject| matches!(subject, Subject::Service(_)));
    assert_eq!(services, Tally { added: 1, removed: 1, changed: 1 });
    let reals = Tally::of(&found, |subject| matches!(subject, Subject::RealServer(..)));
    assert_eq!(reals, Tally { added: 2, removed: 2, changed: 1 });
    assert_eq!(reals.total(), 5);
}

#[test]
fn the_order_of_real_servers_is_a_difference_and_that_of_services_is_none() {
    let mut other = config(&[]);
    other.services.reverse();
    assert_eq!(diff(&config(&[]), &other), []);
    let web_at = 1;
    other.services[web_at].real_servers.swap(0, 2);
    let found = told(&diff(&config(&[]), &other));
    let expected = "~ web (tcp 192.0.2.10:80); order [10.0.0.11:8080, 10.0.0.12:8080, \
                    10.0.0.13:8080] -> [10.0.0.13:8080, 10.0.0.12:8080, 10.0.0.11:8080]";
    assert_eq!(found, [expected]);
    // One that is put in the middle does not change the order of the others.
    other.services[web_at].real_servers.swap(0, 2);
    other.services[web_at].real_servers.remove(1);
    assert_eq!(diff(&other, &config(&[])).len(), 1);
}

#[test]
fn persistence_and_helper_are_compared() {
    let dns = "protocol: udp\n    mode: nat\n";
    let by_call = format!("{dns}    persistence: 5m\n    persistence_engine: sip\n");
    assert_eq!(
        changes(&[(dns, &by_call)]),
        ["~ dns (udp 192.0.2.10:53); persistence none -> 5m; \
             persistence_engine none -> sip"]
    );
    let with_helper = "    scheduler: wrr\n    helper: ftp\n";
    let found = changes(&[("    scheduler: wrr\n", with_helper)]);
    assert_eq!(found, ["~ web (tcp 192.0.2.10:80); helper none -> ftp"]);
}

#[test]
fn what_follows_the_service_is_told_of_the_service_alone() {
    let dns = "protocol: udp\n    mode: nat\n";
    let found = changes(&[(dns, "protocol: udp\n    mode: tun\n")]);
    assert_eq!(found, ["~ dns (udp 192.0.2.10:53); mode nat -> tun"]);
    let real = "{address: 10.0.0.12:8080}";
    let other = "{address: 10.0.0.12:8080, mode: nat, drain: true}";
    let found = changes(&[(real, other)]);
    assert_eq!(found, ["~ web 10.0.0.12:8080; mode fullnat -> nat; drain false -> true"]);
    let real = "{address: 10.0.0.11}";
    let other = "{address: 10.0.0.11, mode: tun, tunnel: {type: gue, port: 6080}}";
    let found = changes(&[(real, other)]);
    let expected = "~ dns 10.0.0.11:53; mode nat -> tun; tunnel none -> {type: gue, port: 6080}";
    assert_eq!(found, [expected]);
}

/// Without what means nothing: the order of services and routes.
fn sorted(mut config: Config) -> Config {
    config.services.sort_by_key(|service| service.key);
    config.routes.sort_by_key(|route| route.to);
    config
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_differs_exactly_if_both_do_the_same(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let old = testing::config(&mut dice);
        let new = testing::variant(&old, &mut dice);
        prop_assert_eq!(diff(&old, &old), []);
        let changes = diff(&old, &new);
        prop_assert_eq!(changes.is_empty(), sorted(old.clone()) == sorted(new.clone()));
        // The way back is as long, and turns every value round.
        let back = diff(&new, &old);
        prop_assert_eq!(back.len(), changes.len());
        for change in &changes {
            let turned = back.iter().find(|other| other.subject == change.subject);
            let turned = turned.expect("it changes back").edit.fields();
            prop_assert_eq!(turned.len(), change.edit.fields().len());
            for (field, turned) in change.edit.fields().iter().zip(turned) {
                prop_assert_eq!((&field.old, &field.new), (&turned.new, &turned.old));
                prop_assert_ne!(&field.old, &field.new);
            }
        }
    }

    #[test]
    fn the_rest_of_a_service_or_of_the_settings_is_not_told(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let old = testing::config(&mut dice);
        let new = testing::variant(&old, &mut dice);
        // What is taken over from the new one, subject by subject, leaves the other changes.
        let mut step = old.clone();
        step.services.clone_from(&new.services);
        let (first, all) = (diff(&old, &step), diff(&old, &new));
        let of_services = |change: &&Change| change.subject.service().is_some();
        let services: Vec<_> = all.iter().filter(of_services).collect();
        prop_assert_eq!(first.iter().collect::<Vec<_>>(), services);
        let rest = all.iter().filter(|change| change.subject.service().is_none());
        let left = diff(&step, &new);
        prop_assert_eq!(left.iter().collect::<Vec<_>>(), rest.collect::<Vec<_>>());
    }
}
