//! How packets reach their workers, as settled with real DPDK ports. The null device takes RSS keys
//! and redirection tables and shows them again, as NICs do; it takes no flow rules.

use std::fs;

use crate::support::{Daemon, Site};

const PORTS: &str = "  wan: {device: \"net_null0,no-rx=1\", addresses: [192.0.2.2/24]}
  lan: {device: \"net_null1,no-rx=1\", addresses: [10.0.0.2/24]}";

/// A daemon with two workers, and with changes to the text of its configuration; `None`, and the
/// reason is said, where there is one CPU.
fn daemon(changes: &[(&str, &str)]) -> Option<Daemon> {
    let site = Site::with_memory(PORTS, "512M");
    let cpus: Vec<_> = core_affinity::get_core_ids()?.iter().map(|core| core.id).collect();
    let [.., other, last] = cpus.as_slice() else {
        eprintln!("skipped: it takes two CPUs to run two workers");
        return None;
    };
    let workers = (format!("workers: [{last}]"), format!("workers: [{other}, {last}]"));
    let mut text = fs::read_to_string(&site.config).unwrap();
    for (from, to) in changes.iter().copied().chain([(workers.0.as_str(), workers.1.as_str())]) {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    fs::write(&site.config, text).unwrap();
    Some(Daemon::start(site, &[]))
}

/// Steering and notes of each port.
fn steering(daemon: &Daemon) -> Vec<(String, Vec<String>)> {
    let ports = daemon.site.shown(&["ports", "--json"]);
    let ports: serde_json::Value = serde_json::from_str(&ports).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let of = |port: &serde_json::Value| {
        let notes = port["steering_notes"].as_array().unwrap().iter().map(text);
        (text(&port["steering"]), notes.collect())
    };
    ports["ports"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn fullnat_is_steered_by_rss() {
    let Some(daemon) = daemon(&[]) else { return };
    let rss = ("rss".to_owned(), Vec::new());
    assert_eq!(steering(&daemon), [rss.clone(), rss]);
    let log = daemon.log();
    assert!(log.contains("2 queues, steering rss, offloads "), "{log}");
}

#[test]
fn what_a_port_cannot_do_is_said() {
    // It hashes both ends only, which does not serve NAT.
    let locals = "    local_addresses: [192.0.2.100-192.0.2.103]\n";
    let Some(daemon) = daemon(&[("mode: fullnat", "mode: nat"), (locals, "")]) else { return };
    let steering = steering(&daemon);
    let [(wan, notes), (lan, _)] = steering.as_slice() else { panic!("{steering:?}") };
    assert_eq!((wan.as_str(), lan.as_str()), ("rss", "rss"));
    let note = "packets of NAT services are handed over: it cannot hash packets by their \
                destination alone";
    assert_eq!(*notes, [note]);
    let line = format!("wan: {note}");
    assert!(daemon.site.shown(&["ports"]).contains(&line));
    assert!(daemon.log().contains(&format!("port {line}")), "{}", daemon.log());
}
