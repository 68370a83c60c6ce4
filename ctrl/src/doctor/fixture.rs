//! Trees of files for tests, as the kernel would show them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::case::{Case, Running};
use super::finding::{Finding, Severity};
use super::root::Root;

/// A configuration with one PCI port and worker 1.
pub(super) const PCI: &str = "version: 1
dpdk: {memory: 512M}
workers: [1]
ports: {wan: {device: \"0000:3b:00.0\", addresses: [192.0.2.2/24]}}
services: {}
";

/// A configuration with one port on the interface eth1 and worker 1.
pub(super) const PACKET: &str = "version: 1
dpdk: {memory: 512M}
workers: [1]
ports: {wan: {device: \"net_af_packet0,iface=eth1\", addresses: [192.0.2.2/24]}}
services: {}
";

/// A directory that stands for `/`.
pub(super) struct Tree(TempDir);

impl Tree {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn place(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// With a file, instead of one that is there.
    pub(super) fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.place(path), text).unwrap();
        self
    }

    /// With the same text in several files, whose paths have `{}` where these differ.
    pub(super) fn files<T: ToString>(self, path: &str, names: &[T], text: &str) -> Self {
        let paths = names.iter().map(|name| path.replace("{}", &name.to_string()));
        paths.fold(self, |tree, path| tree.file(&path, text))
    }

    pub(super) fn dir(self, path: &str) -> Self {
        fs::create_dir_all(self.0.path().join(path)).unwrap();
        self
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        let place = self.place(path);
        let _ = fs::remove_file(&place);
        symlink(target, place).unwrap();
        self
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn root(&self) -> Root {
        Root::new(self.0.path())
    }

    /// This machine with a configuration, without a daemon.
    pub(super) fn case(&self, config: &str) -> Case {
        let config = conf::parse("test.yaml", config, &conf::Machine::default()).unwrap();
        let socket = self.0.path().join("run/rvs/rvs.sock");
        Case { root: self.root(), config: Some(config), daemon: None, socket, login: None }
    }
}

impl Case {
    /// The same while a daemon runs.
    pub(super) fn running(mut self, memory: &str) -> Self {
        self.daemon = Some(Running { memory: Some(memory.to_owned()) });
        self
    }

    pub(super) fn without_config(mut self) -> Self {
        self.config = None;
        self
    }
}

/// The one finding that is there, which must have this severity and all of these words in it.
#[track_caller]
pub(super) fn only(findings: &[Finding], severity: Severity, words: &[&str]) {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    says(findings, severity, words);
}

/// One of the findings has this severity and all of these words.
#[track_caller]
pub(super) fn says(findings: &[Finding], severity: Severity, words: &[&str]) {
    let fits = |finding: &Finding| {
        let text = format!(
            "{}\n{}\n{}\n{}\n{}",
            finding.found,
            finding.why,
            finding.fix.advice,
            finding.fix.now.join("\n"),
            finding.fix.boot.join("\n")
        );
        finding.severity == severity && words.iter().all(|word| text.contains(word))
    };
    assert!(findings.iter().any(fits), "no {severity:?} with {words:?} in {findings:#?}");
}
