//! The tool's commands besides `show`: how they end, and what they print where.

use std::process::{Command, Output, Stdio};

use crate::support::{Daemon, PORTS, Site, names, rvs};

fn tool(site: &Site, arguments: &[&str]) -> Output {
    // The socket comes from the environment here, and by --socket in other tests.
    rvs(arguments).env("RVS_SOCKET", &site.socket).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn refused(site: &Site, arguments: &[&str], status: i32, parts: &[&str]) {
    let output = tool(site, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    names(&text, parts);
}

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

/// Runs a command line on a terminal, where `keys` are typed; what the terminal gets.
fn on_terminal(line: &str, keys: &str) -> Option<(String, bool)> {
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", line, "/dev/null"]);
    let mut child =
        script.env_remove("NO_COLOR").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), keys.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}

#[test]
fn a_terminal_gets_colours_and_is_as_it_was_after_watching() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let rvs = rvs(&[]).get_program().to_string_lossy().into_owned();
    let socket = daemon.site.socket.display();
    let Some((text, ended)) = on_terminal(&format!("{rvs} stats --watch --socket {socket}"), "q")
    else {
        eprintln!("skipped: `script` is not installed");
        return;
    };
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
fn a_real_server_is_set_drained_and_let_in_again_while_the_daemon_runs() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let done = |arguments: &[&str]| {
        let output = tool(site, arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let real = || -> serde_json::Value {
        let text = site.shown(&["real-servers", "--real", "192.0.2.11", "--json"]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["real_servers"][0].clone()
    };
    let said = done(&["set", "web", "192.0.2.11", "weight=7", "upper=100", "lower=50"]);
    assert_eq!(said, "192.0.2.11:8080 of web: changed\n");
    let fields = ["weight", "upper_threshold", "lower_threshold"];
    assert_eq!(fields.map(|field| real()[field].as_u64()), [7, 100, 50].map(Some));
    let said = done(&["drain", "tcp:192.0.2.10:80", "192.0.2.11:8080"]);
    assert_eq!(said, "192.0.2.11:8080 of tcp:192.0.2.10:80: drained, it has no connections\n");
    assert_eq!((&real()["drain"], &real()["weight"]), (&true.into(), &7.into()));
    done(&["undrain", "web", "192.0.2.11"]);
    assert_eq!(real()["drain"], false);
    done(&["zero", "web"]);
    done(&["zero"]);
    refused(site, &["zero", "mail"], 1, &["mail"]);
}
