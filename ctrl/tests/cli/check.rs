//! `rvs check`, `rvs schema` and the command line itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rvs;

fn conf(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf").join(path)
}

/// A file with this text; its directory lives as long as the first of the two.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.yaml");
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (directory, path)
}

/// Every example is correct, whatever CPUs this machine has.
#[test]
fn examples_are_correct() {
    let mut count = 0;
    let folders = [conf("examples"), conf("../perf/pktgen")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    for path in files.map(|file| file.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let here = text.lines().map(|line| match line.starts_with("workers:") {
            true => "workers: [0]\n".to_owned(),
            false => format!("{line}\n"),
        });
        let (_directory, path) = file(&here.collect::<String>());
        let (status, out, err) = rvs(&["check", &path]);
        assert_eq!((status, err.as_str()), (0, ""), "{text}");
        assert_eq!(out.lines().count(), 1, "{out}");
        assert!(out.starts_with(&format!("{path}: correct: ")), "{out}");
        assert!(out.contains("1 worker") && out.contains("real server"), "{out}");
        count += 1;
    }
    assert!(count >= 8, "a file per mode in both folders");
}

#[test]
fn ten_mistakes_are_reported_at_once() {
    let path = conf("tests/bad/ten_mistakes.yaml");
    let (status, out, err) = rvs(&["check", path.to_str().unwrap()]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("10 errors in "), "{err}");
    assert_eq!(err.matches("error[").count(), 10, "{err}");
    for place in [":2:", ":5:", ":7:", ":11:", ":13:", ":14:", ":16:", ":17:", ":23:", ":25:"] {
        assert!(err.contains(place), "{place}: {err}");
    }
    assert!(!err.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn several_workers_are_counted() {
    let cpus = core_affinity::get_core_ids().unwrap();
    let [first, second, ..] = &cpus[..] else {
        eprintln!("skipped: it takes two CPUs to name two workers");
        return;
    };
    let (_directory, path) = file(&format!(
        "version: 1\nworkers: [{}, {}]\nports:\n  lan: {{device: net_null0, addresses: \
         [10.0.0.2/24]}}\nservices: {{}}\n",
        first.id, second.id
    ));
    let (status, out, err) = rvs(&["check", &path]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("2 workers"), "{out}");
}

#[test]
fn a_missing_file_is_named() {
    for arguments in [&["check", "/no/such.yaml"][..], &["run", "--config", "/no/such.yaml"]] {
        let (status, _, err) = rvs(arguments);
        assert_eq!(status, 1, "{err}");
        assert!(err.contains("cannot read /no/such.yaml: there is no such file"), "{err}");
    }
}

#[test]
fn the_schema_is_the_one_that_editors_get() {
    let (status, out, _) = rvs(&["schema"]);
    assert_eq!((status, out), (0, fs::read_to_string(conf("rvs.schema.json")).unwrap()));
}

#[test]
fn version_and_usage() {
    let (status, out, _) = rvs(&["--version"]);
    assert_eq!(status, 0);
    let expected = format!("rvs {} (DPDK ", env!("CARGO_PKG_VERSION"));
    assert!(out.starts_with(&expected), "{out}");
    for wrong in [&[][..], &["fly"], &["run"], &["show"], &["show", "weather"], &["check"]] {
        let (status, _, err) = rvs(wrong);
        assert_eq!(status, 2, "{wrong:?}: {err}");
        assert!(err.contains("rvs") || err.contains("--help"), "{wrong:?}: {err}");
    }
}

#[test]
fn what_gets_nothing_is_warned_of() {
    let (_directory, path) = file(
        "version: 1\nworkers: [0]\nports:\n  lan: {device: net_null0, addresses: [10.0.0.2/24]}\n\
         services:\n  web:\n    vip: 10.0.0.9:80\n    protocol: tcp\n    mode: tun\n    \
         real_servers: [{address: 10.0.0.11, tunnel: {type: gre}}]\n",
    );
    let (status, out, err) = rvs(&["check", &path]);
    assert_eq!((status, err.as_str()), (0, ""));
    let expected = format!(
        "{path}:6: warning: web: real server 10.0.0.11:80 gets no packets: tunnels of type gre are \
         not forwarded yet"
    );
    assert_eq!(out.lines().nth(1), Some(expected.as_str()), "{out}");
}
