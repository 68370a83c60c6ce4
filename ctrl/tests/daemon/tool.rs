//! The tool's commands besides `show`: how they end, and what they print where.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{self, JoinHandle};

use crate::support::{Daemon, PORTS, Site, on_terminal, refused, rvs, said, tool};

#[test]
fn wrong_usage_is_told_before_a_daemon_is_asked() {
    let site = Site::new(PORTS);
    for (arguments, part) in [
        (&["show"][..], "Usage: rvs show"),
        (&["show", "everything"], "everything"),
        (&["show", "flows", "--client", "somebody"], "is not NET[:PORT]"),
        (&["show", "flows", "--state", "BUSY"], "is none of"),
        (&["show", "flows", "--template", "--no-template"], "cannot be used with"),
        (&["show", "flows", "--reverse"], "--sort"),
        (&["stats", "--watch", "0"], "at least 1 second"),
        (&["stats", "--watch", "soon"], "no span of time"),
        (&["kill"], "nothing says which flows"),
        (&["kill", "--template"], "nothing says which flows"),
        (&["kill", "--all"], "no terminal to ask on"),
        (&["set", "web", "192.0.2.11", "weight=many"], "no number"),
        (&["completions", "csh"], "possible values: bash, zsh, fish"),
        (&["show", "services", "--url", "http://h:1"], "--token-file"),
        (&["show", "services", "--url", "h:1", "--token-file", "/dev/null"], "http://"),
    ] {
        // clap tells more than one paragraph.
        let output = tool(&site, arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}

#[test]
fn every_command_says_when_no_daemon_is_there() {
    let site = Site::new(PORTS);
    let socket = site.socket.display().to_string();
    for arguments in [
        &["stats"][..],
        &["stats", "--watch"],
        &["zero"],
        &["set", "web", "192.0.2.11", "weight=1"],
        &["drain", "web", "192.0.2.11"],
        &["undrain", "web", "192.0.2.11"],
        &["kill", "--all", "--yes"],
        &["show", "flows", "--count"],
    ] {
        refused(&site, arguments, 3, &["no RVS daemon answers at", &socket, "RVS_SOCKET"]);
    }
}

#[test]
fn what_is_not_there_is_told_by_name() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    refused(site, &["show", "services", "--service", "mail"], 1, &["no service mail"]);
    refused(site, &["show", "flows", "--worker", "1000"], 1, &["no worker on CPU 1000"]);
    refused(site, &["drain", "web", "10.9.9.9"], 1, &["web has no real server 10.9.9.9"]);
    refused(site, &["drain", "mail", "10.9.9.9"], 1, &["no service mail"]);
    let killed = tool(site, &["kill", "--service", "web", "--yes"]);
    assert_eq!(String::from_utf8(killed.stdout).unwrap(), "0 flows ended\n");
    let counted = tool(site, &["kill", "--all", "--dry-run", "--json"]);
    assert_eq!(
        String::from_utf8(counted.stdout).unwrap().trim(),
        r#"{"count":0,"groups":[],"other":0}"#
    );
}

#[test]
fn stats_without_a_terminal_are_blocks_without_colours() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let output = tool(&daemon.site, &["stats", "--watch", "1", "--times", "2"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let headings = text.lines().filter(|line| line.starts_with("SERVICE  ADDRESS"));
    assert_eq!(headings.count(), 2, "{text}");
    assert_eq!(text.matches("-> 192.0.2.12:8080").count(), 2, "{text}");
}

#[test]
fn a_terminal_gets_colours_and_is_as_it_was_after_watching() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let rvs = rvs(&[]).get_program().to_string_lossy().into_owned();
    let socket = daemon.site.socket.display();
    let watch = format!("{rvs} stats --watch --socket {socket}");
    let Some((text, ended)) = on_terminal(&watch, "q") else { return };
    assert!(ended, "{text}");
    let (begins, ends) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert!(text.contains(begins) && text.contains(ends), "the other screen: {text:?}");
    assert!(text.contains("\u{1b}[?25h"), "the cursor is shown again: {text:?}");
    assert!(text.contains("SERVICE  ADDRESS"), "{text:?}");

    let line = format!("{rvs} show routes --socket {socket}");
    let (text, _) = on_terminal(&line, "").unwrap();
    assert!(text.contains("\u{1b}[1m"), "a bold heading: {text:?}");
    let (text, _) = on_terminal(&format!("NO_COLOR=1 {line}"), "").unwrap();
    assert!(text.contains("NETWORK") && !text.contains("\u{1b}["), "{text:?}");
}

#[test]
fn what_a_terminal_is_asked_is_not_part_of_an_answer() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let rvs = rvs(&[]).get_program().to_string_lossy().into_owned();
    let line = format!("{rvs} kill --all --socket {}", daemon.site.socket.display());
    let Some((text, ended)) = on_terminal(&line, "") else { return };
    assert!(ended && text.contains("0 flows ended"), "there are none: {text:?}");
    let (text, ended) = on_terminal(&format!("{line} --json"), "").unwrap();
    assert!(ended && text.trim() == r#"{"ended":0}"#, "{text:?}");

    // One that has flows, of which none is to end.
    let directory = tempfile::tempdir().unwrap();
    let (socket, out) = (directory.path().join("rvs.sock"), directory.path().join("out"));
    for (option, answer) in [("", "nothing has ended\n"), ("--json", "{\"ended\":0}\n")] {
        let counted = answering(&socket, r#"{"count":3,"groups":[],"other":0}"#);
        let (socket, out_path) = (socket.display(), out.display());
        let line = format!("{rvs} kill --all {option} --socket {socket} > {out_path}");
        let (text, ended) = on_terminal(&line, "n\n").unwrap();
        assert!(ended && text.contains("End 3 flows? [y/N] "), "{text:?}");
        assert_eq!(fs::read_to_string(&out).unwrap(), answer);
        assert!(counted.join().unwrap().starts_with("GET /v1/flows/count?"));
    }
}

/// A daemon that gives one answer and is gone; what it was asked.
fn answering(socket: &Path, answer: &'static str) -> JoinHandle<String> {
    let listener = UnixListener::bind(socket).unwrap();
    let socket = socket.to_path_buf();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        fs::remove_file(socket).unwrap();
        let mut head = BufReader::new(&stream).lines().map(Result::unwrap);
        let asked = head.next().unwrap();
        head.take_while(|line| !line.is_empty()).for_each(drop);
        let length = answer.len();
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
        write!(stream, "{head}: {length}\r\n\r\n{answer}").unwrap();
        asked
    })
}

#[test]
fn a_real_server_is_set_drained_and_let_in_again_while_the_daemon_runs() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let real = || -> serde_json::Value {
        let text = site.shown(&["real-servers", "--real", "192.0.2.11", "--json"]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["real_servers"][0].clone()
    };
    let told = said(site, &["set", "web", "192.0.2.11", "weight=7", "upper=100", "lower=50"]);
    assert_eq!(told, "192.0.2.11:8080 of web: changed\n");
    let fields = ["weight", "upper_threshold", "lower_threshold"];
    assert_eq!(fields.map(|field| real()[field].as_u64()), [7, 100, 50].map(Some));
    let told = said(site, &["drain", "tcp:192.0.2.10:80", "192.0.2.11:8080"]);
    assert_eq!(told, "192.0.2.11:8080 of tcp:192.0.2.10:80: drained, it has no connections\n");
    assert_eq!((&real()["drain"], &real()["weight"]), (&true.into(), &7.into()));
    said(site, &["undrain", "web", "192.0.2.11"]);
    assert_eq!(real()["drain"], false);
    said(site, &["zero", "web"]);
    said(site, &["zero"]);
    refused(site, &["zero", "mail"], 1, &["mail"]);
}
