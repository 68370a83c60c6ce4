//! `rvs doctor` on this machine, whatever that is.

use std::fs;

use serde_json::Value;

use crate::rvs;

/// A machine without such a card, and a socket that nobody listens on.
#[test]
fn problems_are_the_exit_status() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("rvs.yaml");
    let socket = directory.path().join("rvs.sock").display().to_string();
    let text = format!(
        "version: 1\nworkers: [0]\ncontrol: {{socket: {socket}}}\n\
         ports: {{wan: {{device: \"ffff:fe:1f.7\", addresses: [192.0.2.2/24]}}}}\nservices: {{}}\n"
    );
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();

    let (status, out, err) = rvs(&["doctor", "--config", &config]);
    assert_eq!(status, 1, "{err}");
    assert!(out.contains("there is no PCI device ffff:fe:1f.7"), "{out}");
    assert!(out.contains(&format!("no daemon answers at {socket}")), "{out}");
    assert!(!out.contains('\x1b'), "no colours outside a terminal: {out}");
    assert!(err.starts_with("rvs: ") && err.contains("found"), "{err}");

    let (status, out, _) = rvs(&["doctor", "--config", &config, "--json"]);
    assert_eq!(status, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let problems = findings.iter().filter(|finding| finding["severity"] == "problem").count();
    assert_eq!(report["problems"], problems);
    assert!(findings.iter().any(|finding| finding["check"] == "devices"));
}

#[test]
fn warnings_count_with_strict_alone() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("rvs.yaml");
    let socket = directory.path().join("rvs.sock").display().to_string();
    // Workers of all CPUs are a warning, wherever this runs.
    let cpus = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let last: u32 = cpus.trim().rsplit(['-', ',']).next().unwrap().parse().unwrap();
    let workers: Vec<String> = (0..=last).map(|cpu| cpu.to_string()).collect();
    let text = format!(
        "version: 1\nworkers: [{}]\ncontrol: {{socket: {socket}}}\ndpdk: {{memory: 8G, eal_args: \
         [--no-huge]}}\nlimits: {{flows: 1000}}\n\
         ports: {{wan: {{device: net_null0, addresses: [192.0.2.2/24]}}}}\nservices: {{}}\n",
        workers.join(", ")
    );
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let (status, out, err) = rvs(&["doctor", "--config", &config]);
    assert!(out.contains("the workers take all CPUs"), "{out}");
    let has_problems = !out.contains("\nno problems, ");
    assert_eq!(status, i32::from(has_problems), "{out}{err}");
    assert_eq!(rvs(&["doctor", "--config", &config, "--strict"]).0, 1);
    assert_eq!(rvs(&["doctor", "--interval", "0"]).0, 2, "an interval of nothing");
}

#[test]
fn probing_asks_dpdk_about_every_port() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("rvs.yaml");
    let socket = directory.path().join("rvs.sock").display().to_string();
    let text = format!(
        "version: 1\nworkers: [0, 1]\ncontrol: {{socket: {socket}}}\ndpdk: {{eal_args: \
         [--no-huge]}}\nports:\n  wan: {{device: net_null0, addresses: [192.0.2.2/24]}}\n  lan: \
         {{device: net_null1, addresses: [10.0.0.2/24]}}\nservices: {{}}\n"
    );
    fs::write(&config, &text).unwrap();
    let config_path = config.display().to_string();
    let (_, out, err) = rvs(&["doctor", "--config", &config_path, "--probe"]);
    for port in ["wan", "lan"] {
        assert!(out.contains(&format!("port {port}: net_null, ")), "{out}{err}");
        assert!(out.contains(&format!("port {port}: steering would be ")), "{out}");
    }
    assert!(!out.contains("rvs doctor --probe"), "{out}");
    assert!(out.contains("offloads: "), "{out}");

    fs::write(&config, text.replace("net_null1", "net_nosuch0")).unwrap();
    let (status, out, _) = rvs(&["doctor", "--config", &config_path, "--probe"]);
    assert_eq!(status, 1);
    assert!(out.contains("DPDK has no driver named net_nosuch"), "{out}");
}
