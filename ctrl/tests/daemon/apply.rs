//! Another configuration for a running daemon: `rvs apply` and SIGHUP, and all that can go wrong.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{Daemon, PORTS, Site, names, rvs, variant};

/// One more real server and another weight.
const CHANGE: (&str, &str) = (
    "- {address: 192.0.2.12:8080}",
    "- {address: 192.0.2.12:8080, weight: 7}\n      - {address: 192.0.2.13:8080}",
);
/// One more service.
const SERVICE: (&str, &str) = (
    "services:\n",
    "services:\n  dns: {vip: \"192.0.2.20:53\", protocol: udp, mode: dr, real_servers: [{address: \
     192.0.2.11}]}\n",
);

fn apply(site: &Site, file: &Path) -> Output {
    let mut apply = rvs(&["apply", "--socket"]);
    apply.arg(&site.socket).arg(file).output().unwrap()
}

/// What a successful `rvs apply` prints.
#[track_caller]
fn applied(site: &Site, file: &Path) -> String {
    let output = apply(site, file);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a refused one says; nothing must have changed.
#[track_caller]
fn refused(site: &Site, file: &Path) -> String {
    let before = answer(site, "services");
    let output = apply(site, file);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(output.stdout.is_empty());
    assert_eq!(generation(site), 1);
    assert_eq!(answer(site, "services"), before);
    err
}

fn answer(site: &Site, what: &str) -> Value {
    serde_json::from_str(&site.shown(&[what, "--json"])).unwrap()
}

fn generation(site: &Site) -> u64 {
    let workers = answer(site, "workers");
    assert_eq!(workers["generation"], workers["workers"][0]["generation"]);
    workers["generation"].as_u64().unwrap()
}

/// Waits until the log has `words` for the `times`th time.
#[track_caller]
fn logged(daemon: &mut Daemon, words: &str, times: usize) {
    daemon.wait_until(words, |daemon| daemon.log().matches(words).count() >= times);
}

#[test]
fn a_changed_file_is_put_into_force_and_told() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let file = variant(site, "new.yaml", &[CHANGE, SERVICE]);
    let said = applied(site, &file);
    let expected = "services: 1 added; real servers: 2 added, 1 changed\n\
                    the worker runs generation 2\n";
    assert_eq!(said, expected);
    let services = answer(site, "services");
    assert_eq!(services["services"][0]["name"], "dns");
    let real_servers = &services["services"][1]["real_servers"];
    assert_eq!(real_servers[1]["weight"], 7);
    assert_eq!(real_servers[2]["rip"], "192.0.2.13");
    let status = site.shown(&["status"]);
    assert!(status.contains("generation 2 in force for "), "{status}");
    assert!(status.contains(&file.display().to_string()), "{status}");
    assert!(daemon.log().contains("services: 1 added; real servers: 2 added"), "{}", daemon.log());

    let again = applied(site, &file);
    let expected = "nothing differs from what runs already\nthe worker runs generation 2\n";
    assert_eq!(again, expected);
    let back = applied(site, &site.config);
    assert!(
        back.starts_with("services: 1 removed; real servers: 2 removed, 1 changed\n"),
        "{back}"
    );
    let workers = site.shown(&["workers"]);
    assert!(workers.starts_with("WORKER  NUMA  GENERATION"), "{workers}");
    assert_eq!(generation(site), 3);
}

#[test]
fn the_answer_can_be_had_as_json() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let file = variant(site, "new file.yaml", &[SERVICE]);
    let mut json = rvs(&["apply", "--json", "--socket"]);
    let output = json.arg(&site.socket).arg(&file).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["generation"], &answer["workers"]), (&2.into(), &1.into()));
    assert_eq!(answer["services"]["added"], 1);
    let manual = include_str!("../../../docs/API.md");
    for name in answer.as_object().unwrap().keys() {
        assert!(manual.contains(&format!("`{name}`")), "{name} is not in docs/API.md");
    }
}

#[test]
fn a_wrong_file_gets_the_report_that_check_gives() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let wrong = [("mode: fullnat", "mode: fast"), ("weight: 2", "wait: 2")];
    let file = variant(&daemon.site, "wrong.yaml", &wrong);
    let said = refused(&daemon.site, &file);
    let check = rvs(&["check"]).arg(&file).output().unwrap();
    assert_eq!(said, String::from_utf8(check.stderr).unwrap());
    assert!(said.contains("2 errors in ") && said.contains("wrong.yaml:"), "{said}");

    let binary = daemon.site.directory.path().join("binary.yaml");
    fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    assert!(refused(&daemon.site, &binary).contains("is not UTF-8"));
    let missing = daemon.site.directory.path().join("missing.yaml");
    assert!(refused(&daemon.site, &missing).contains("there is no such file"));
}

#[test]
fn changes_that_need_a_restart_are_refused_all_at_once() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let changes = [
        CHANGE,
        ("limits: {flows: 10000}", "limits: {flows: 20000}"),
        ("memory: 128M", "memory: 256M"),
        ("device: net_null1", "device: net_null2"),
    ];
    let file = variant(&daemon.site, "restart.yaml", &changes);
    let said = refused(&daemon.site, &file);
    names(
        &said,
        &[
            "restart.yaml changes what is set up at start, so nothing of it was put into force",
            "line 2: dpdk.memory: 128M -> 256M",
            "limits.flows: 10000 -> 20000",
            "ports.lan.device: net_null1 -> net_null2",
            "Stop the daemon",
        ],
    );
    assert!(!said.contains("weight"), "what can be done live is not listed: {said}");
}

#[test]
fn a_file_that_does_not_fit_is_refused() {
    let site = Site::new(PORTS);
    let text = fs::read_to_string(&site.config).unwrap();
    let limits = "limits: {flows: 10000, services: 1, real_servers: 2}";
    fs::write(&site.config, text.replace("limits: {flows: 10000}", limits)).unwrap();
    let daemon = Daemon::start(site, &[]);
    let file = variant(&daemon.site, "large.yaml", &[SERVICE]);
    let said = refused(&daemon.site, &file);
    assert!(said.contains("the file has 2 services, and `limits.services` is 1"), "{said}");
    assert!(said.contains("the file has 3 real servers, and `limits.real_servers` is 2"), "{said}");
    // One for another fits the file's own limits, but needs a third number for a moment.
    let other = [("192.0.2.12:8080", "192.0.2.14:8080")];
    let said = refused(&daemon.site, &variant(&daemon.site, "other.yaml", &other));
    names(&said, &["no room for 1 of the new real servers", "`limits.real_servers`"]);
}

#[test]
fn a_hang_up_reads_the_file_again() {
    let mut daemon = Daemon::start(Site::new(PORTS), &[]);
    let config = daemon.site.config.clone();
    let good = variant(&daemon.site, "good.yaml", &[CHANGE]);
    let bad = variant(&daemon.site, "bad.yaml", &[("mode: fullnat", "mode: fast")]);

    fs::copy(&good, &config).unwrap();
    daemon.signal("HUP");
    logged(&mut daemon, "the worker runs generation 2", 1);
    assert_eq!(answer(&daemon.site, "services")["services"][0]["real_servers"][1]["weight"], 7);

    fs::copy(&bad, &config).unwrap();
    daemon.signal("HUP");
    logged(&mut daemon, "SIGHUP: ", 2);
    logged(&mut daemon, "nothing was changed: error[bad-value]", 1);
    assert_eq!(generation(&daemon.site), 2);

    fs::remove_file(&config).unwrap();
    daemon.signal("HUP");
    logged(&mut daemon, "there is no such file", 1);
    assert_eq!(generation(&daemon.site), 2);
    assert!(daemon.stop("TERM").0.success(), "{}", daemon.log());
}

#[test]
fn applications_at_the_same_time_are_all_carried_out() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let changed = variant(site, "changed.yaml", &[CHANGE]);
    let other = variant(site, "other.yaml", &[SERVICE]);
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let mut apply = rvs(&["apply", "--socket"]);
            apply.arg(&site.socket).arg(if n % 2 == 0 { &changed } else { &other });
            apply.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for client in clients {
        let output = client.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("the worker runs generation "), "{said}");
    }
    let services = answer(site, "services")["services"].as_array().unwrap().len();
    let reals = answer(site, "status")["real_servers"].as_u64().unwrap();
    assert!((services, reals) == (1, 3) || (services, reals) == (2, 3), "{services} {reals}");
}

#[test]
fn a_client_that_dies_leaves_all_or_nothing() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let text = fs::read(variant(site, "new.yaml", &[SERVICE])).unwrap();
    let head = |len: usize| {
        format!("POST /v1/apply?name=new.yaml HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n\r\n")
    };
    // In the middle of the file: nothing.
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        let mut stream = daemon.connect();
        stream.write_all(head(text.len()).as_bytes()).unwrap();
        stream.write_all(&text[..cut]).unwrap();
        drop(stream);
        assert_eq!(generation(site), 1);
    }
    // Behind it: all, though nobody waits for the answer.
    let mut stream = daemon.connect();
    stream.write_all(head(text.len()).as_bytes()).unwrap();
    stream.write_all(&text).unwrap();
    // Whether the daemon has read it before the client was gone is its own affair.
    drop(stream);
    let applied = applied(site, &site.directory.path().join("new.yaml"));
    assert!(applied.ends_with("the worker runs generation 2\n"), "{applied}");
    assert_eq!(answer(site, "services")["services"].as_array().unwrap().len(), 2);
}

#[test]
fn wrong_requests_are_refused_in_words() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let ask = |request: &str| {
        let mut stream = daemon.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let close = "HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    for (request, status, words) in [
        (format!("GET /v1/apply {close}\r\n"), "405", "allow: POST"),
        (format!("POST /v1/apply?nam=x {close}content-length: 0\r\n\r\n"), "400", "nam"),
        (format!("POST /v1/apply {close}content-length: 0\r\n\r\n"), "422", "the file is empty"),
        (
            format!("POST /v1/apply?name=x {close}content-length: 67108865\r\n\r\n"),
            "413",
            "at most 64 MiB",
        ),
    ] {
        let answer = ask(&request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains("{\"error\":\"") && answer.contains(words), "{request}: {answer}");
    }
    assert_eq!(generation(&daemon.site), 1);
}

#[test]
fn without_a_daemon_it_says_so_with_a_status_of_its_own() {
    let site = Site::new(PORTS);
    let output = apply(&site, &site.config);
    assert_eq!(output.status.code(), Some(3));
    names(&String::from_utf8(output.stderr).unwrap(), &["no RVS daemon answers at"]);
}
