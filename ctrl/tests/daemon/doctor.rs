//! `rvs doctor` beside a running daemon.

use serde_json::Value;

use crate::support::{Daemon, PORTS, Site, rvs};

#[test]
fn a_running_daemon_is_found_and_looked_at() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let socket = daemon.site.socket.display().to_string();
    let output = rvs(&["doctor", "--json", "--interval", "1", "--socket", &socket]).output();
    let report: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let of = |check: &str| -> Vec<&Value> {
        findings.iter().filter(|finding| finding["check"] == check).collect()
    };
    let says = |check: &str, words: &str| {
        let found = of(check);
        let has = |it: &&&Value| it["found"].as_str().unwrap().contains(words);
        assert!(found.iter().find(has).is_some(), "{words}: {found:#?}");
    };
    // Its own file, since none was named.
    says("configuration", &daemon.site.config.display().to_string());
    says("huge-pages", "the running daemon has 128 MiB of ordinary memory");
    says("running", "generation 1");
    says("running-file", &format!("what runs is what {}", daemon.site.config.display()));
    // The second port receives without end.
    says("running-workers", "of its turns");
    says("running-tables", "there is room");
    says("running-ports", "port wan: steering one-worker");
    says("running-drops", "not_our_mac");
    says("running-services", "1 service, each with a usable real server");
    assert!(!of("running-neighbors").is_empty());
    assert!(of("probe").is_empty(), "devices are the daemon's");

    // The file changes, and what runs does not.
    let text = std::fs::read_to_string(&daemon.site.config).unwrap();
    std::fs::write(&daemon.site.config, text.replace("weight: 2", "weight: 3")).unwrap();
    let asked = rvs(&["doctor", "--probe", "--interval", "1", "--socket", &socket]).output();
    let text = String::from_utf8(asked.unwrap().stdout).unwrap();
    assert!(text.contains("a daemon has them"), "{text}");
    assert!(text.contains("differs from what runs: it would change 1"), "{text}");
}
