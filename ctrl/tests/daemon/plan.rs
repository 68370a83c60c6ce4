//! `rvs plan` against a running daemon: what it says, and its exit status.

use std::fs;

use serde_json::Value;

use crate::support::{Daemon, PORTS, Site, on_terminal, refused, rvs, said, tool, variant};

/// Another weight.
const CHANGE: (&str, &str) = ("weight: 2", "weight: 5");

#[test]
fn a_plan_says_what_would_change_and_leaves_it() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let own = site.config.display().to_string();
    let nothing =
        format!("Applying {own} would change nothing: it says what runs (generation 1).\n");
    for arguments in [&["plan"][..], &["plan", &own], &["plan", "--exit-code"]] {
        assert_eq!(said(site, arguments), nothing, "{arguments:?}");
    }

    let file = variant(site, "new.yaml", &[CHANGE]).display().to_string();
    let changes = format!(
        "Applying {file} would change what runs (generation 1) like this:\n\n    service web\n  \
         ~   real server 192.0.2.11:8080: weight 2 -> 5\n\nreal servers: 1 changed.\n"
    );
    assert_eq!(said(site, &["plan", &file]), changes);
    let output = tool(site, &["plan", &file, "--exit-code"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), changes);
    assert!(output.stderr.is_empty(), "the plan says it");

    let output = tool(site, &["plan", &file, "--exit-code", "--json"]);
    assert_eq!(output.status.code(), Some(7));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&plan["file"], &plan["generation"]), (&file.as_str().into(), &1.into()));
    assert_eq!(plan["real_servers"]["changed"], 1);
    assert_eq!(plan["changes"][0]["id"], "192.0.2.11:8080");
    let manual = include_str!("../../../docs/API.md");
    for name in plan.as_object().unwrap().keys() {
        assert!(manual.contains(&format!("`{name}`")), "{name} is not in docs/API.md");
    }
    assert_eq!(said(site, &["plan"]), nothing, "nothing was changed");
}

#[test]
fn what_commands_have_changed_is_told_as_what_the_file_would_undo() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    said(site, &["set", "web", "192.0.2.11", "weight=7"]);
    let plan = said(site, &["plan"]);
    assert!(plan.contains("  ~   real server 192.0.2.11:8080: weight 7 -> 2\n"), "{plan}");
    said(site, &["set", "web", "192.0.2.11", "weight=2"]);
    assert!(said(site, &["plan"]).contains("would change nothing"));
}

#[test]
fn a_file_that_cannot_be_planned_is_reported_as_check_does() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let wrong = variant(site, "wrong.yaml", &[("mode: fullnat", "mode: fast")]);
    let wrong = wrong.display().to_string();
    let [planned, checked] = ["plan", "check"].map(|command| tool(site, &[command, &wrong]));
    assert_eq!((planned.status.code(), checked.status.code()), (Some(1), Some(1)));
    assert!(planned.stdout.is_empty(), "{planned:?}");
    assert_eq!(planned.stderr, checked.stderr);

    let missing = site.directory.path().join("missing.yaml").display().to_string();
    let output = tool(site, &["plan", &missing]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("missing.yaml: there is no such file"), "{text}");
    // Its own, which the daemon reads.
    fs::remove_file(&site.config).unwrap();
    let output = tool(site, &["plan"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("rvs.yaml: there is no such file"), "{text}");
}

#[test]
fn without_a_daemon_there_is_no_plan() {
    let site = Site::new(PORTS);
    let file = site.config.display().to_string();
    for arguments in [&["plan"][..], &["plan", &file, "--exit-code"]] {
        refused(&site, arguments, 3, &["no RVS daemon answers at", "RVS_SOCKET"]);
    }
}

#[test]
fn a_plan_has_colours_on_a_terminal_unless_there_are_to_be_none() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let rvs = rvs(&[]).get_program().to_string_lossy().into_owned();
    let file = variant(site, "new.yaml", &[CHANGE]);
    let line = format!("{rvs} plan {} --socket {}", file.display(), site.socket.display());
    let Some((text, _)) = on_terminal(&format!("NO_COLOR=1 {line}"), "") else { return };
    assert!(text.contains("weight 2 -> 5") && !text.contains('\u{1b}'), "{text:?}");
    // Empty, it counts as not set.
    for line in [format!("NO_COLOR= {line}"), line] {
        let (text, _) = on_terminal(&line, "").unwrap();
        assert!(text.contains("\u{1b}[33m  ~   real server"), "{text:?}");
    }
}
