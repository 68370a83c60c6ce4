//! `rvs save` against a running daemon: what becomes of its file.

use std::fs;

use crate::support::{Daemon, PORTS, Site, refused, said, tool};

/// A site whose file has comments.
fn commented() -> Site {
    let site = Site::new(PORTS);
    let text = fs::read_to_string(&site.config).unwrap();
    let text = text.replace("weight: 2}", "weight: 2} # The large one.");
    fs::write(&site.config, format!("# Ours.\n{text}# The end.\n")).unwrap();
    site
}

#[test]
fn what_commands_have_changed_is_written_into_the_file() {
    let daemon = Daemon::start(commented(), &[]);
    let site = &daemon.site;
    let before = fs::read_to_string(&site.config).unwrap();
    let own = site.config.display().to_string();
    assert_eq!(said(site, &["save"]), format!("{own}: says what runs already\n"));
    assert_eq!(said(site, &["save", "--dry-run"]), "");

    said(site, &["set", "web", "192.0.2.11", "weight=7"]);
    let diff = said(site, &["save", "--dry-run"]);
    for line in ["weight: 2} # The large one.", "weight: 7} # The large one."] {
        assert!(diff.contains(line), "{line}: {diff}");
    }
    assert!(diff.contains(&format!("--- {own}\n+++ {own} (saved)\n")), "{diff}");
    assert_eq!(fs::read_to_string(&site.config).unwrap(), before, "nothing is written");

    assert_eq!(said(site, &["save"]), format!("{own}: saved: real servers: 1 changed\n"));
    let after = before.replace("weight: 2}", "weight: 7}");
    assert_eq!(fs::read_to_string(&site.config).unwrap(), after, "comments stay");
    assert!(said(site, &["plan"]).contains("would change nothing"));
    assert!(said(site, &["apply", &own]).starts_with("nothing differs"));
}

#[test]
fn a_file_that_was_changed_or_is_wrong_is_not_overwritten() {
    let daemon = Daemon::start(commented(), &[]);
    let site = &daemon.site;
    said(site, &["set", "web", "192.0.2.11", "weight=7"]);
    let before = fs::read_to_string(&site.config).unwrap();
    let edited = before.replace("scheduler: wrr", "scheduler: wlc");
    fs::write(&site.config, &edited).unwrap();
    let parts = ["has changes that the daemon has not read", "scheduler wrr -> wlc", "--force"];
    refused(site, &["save"], 1, &parts);
    assert_eq!(fs::read_to_string(&site.config).unwrap(), edited);

    let wrong = before.replace("mode: fullnat", "mode: fast");
    fs::write(&site.config, &wrong).unwrap();
    let output = tool(site, &["save"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error[bad-value]") && text.contains("rvs.yaml:"), "{text}");
    assert_eq!(fs::read_to_string(&site.config).unwrap(), wrong);

    fs::write(&site.config, &edited).unwrap();
    let expected = before.replace("weight: 2}", "weight: 7}");
    said(site, &["save", "--force"]);
    assert_eq!(fs::read_to_string(&site.config).unwrap(), expected);
}

#[test]
fn a_file_that_is_not_there_is_made_where_it_can_be() {
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    let new = site.directory.path().join("new.yaml").display().to_string();
    assert_eq!(said(site, &["save", &new]), format!("{new}: written anew\n"));
    assert!(said(site, &["plan", &new]).contains("would change nothing"));
    let nowhere = site.directory.path().join("no/such.yaml").display().to_string();
    refused(site, &["save", &nowhere], 1, &[&nowhere, "cannot be written", "It is as it was"]);
}

#[test]
fn without_a_daemon_nothing_is_saved() {
    let site = Site::new(PORTS);
    let before = fs::read_to_string(&site.config).unwrap();
    let file = site.config.display().to_string();
    for arguments in [&["save"][..], &["save", &file, "--force"]] {
        refused(&site, arguments, 3, &["no RVS daemon answers at", "RVS_SOCKET"]);
    }
    assert_eq!(fs::read_to_string(&site.config).unwrap(), before);
}
