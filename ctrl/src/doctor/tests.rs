//! The command itself: which file and which socket are looked at.

use std::fs;
use std::path::Path;

use super::finding::Severity::{Note, Ok as Fine, Problem};
use super::fixture::{PACKET, Tree, only};
use super::*;

fn loaded(tree: &Tree, text: &str) -> Loaded {
    let file = tree.path().join("rvs.yaml");
    fs::write(&file, text).unwrap();
    Loaded::read(&file)
}

#[test]
fn a_file_is_summed_up_or_said_to_be_wrong() {
    let tree = Tree::new();
    let good = loaded(&tree, PACKET);
    only(&[Loaded::finding(Some(&good))], Fine, &["rvs.yaml", "1 port", "1 worker"]);
    assert_eq!(good.socket().unwrap(), Path::new("/run/rvs/rvs.sock"));
    let bad = loaded(&tree, "version: 2\n");
    only(&[Loaded::finding(Some(&bad))], Problem, &["rvs.yaml cannot be used", "rvs check"]);
    assert_eq!(bad.socket(), None);
    let ports: String = (0..17).map(|n| format!("  p{n}: {{device: net_null{n}}}\n")).collect();
    let wide = format!("version: 1\nworkers: [0]\nports:\n{ports}services: {{}}\n");
    let wide = loaded(&tree, &wide);
    only(&[Loaded::finding(Some(&wide))], Problem, &["rvs.yaml cannot be used", "17"]);
    let gone = Loaded::read(&tree.path().join("gone.yaml"));
    only(&[Loaded::finding(Some(&gone))], Problem, &["gone.yaml"]);
    only(&[Loaded::finding(None)], Note, &["/etc/rvs/rvs.yaml", "--config FILE"]);
}

#[test]
fn a_daemon_that_may_not_be_asked_runs_all_the_same() {
    let (daemon, advice) = ("/run/rvs/rvs.sock".to_owned(), String::new());
    let case = |error| Case::of_this_machine(Root::new("/"), None, &Err(error), PathBuf::new());
    let none = CtrlError::NoDaemon { daemon: daemon.clone(), advice: advice.clone() };
    assert!(case(none).daemon.is_none());
    let denied = case(CtrlError::Denied { daemon, advice });
    assert_eq!(denied.daemon.unwrap().memory, None);
}
