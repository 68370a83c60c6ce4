//! The sessions that `docs` shows, command by command: what a reader types is what the tests run.

mod transcript;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;
use rvs_perf::lab::Mode;
use rvs_perf::lab::config::Service;

use crate::Body;
use crate::setup::{Setup, with_director};
use transcript::Step;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 2] = [
    ("transcripts_are_read_right", || {
        transcript::check();
        Ok(())
    }),
    ("operations_page_is_true", operations_page_is_true),
];

/// Steps a page has at the least: fewer means that it was not read right.
const STEPS_MIN: usize = 10;

/// The session of the page on operating RVS.
fn operations_page_is_true() -> Result<(), Failed> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let steps = transcript::steps(&fs::read_to_string(&page)?);
    assert!(steps.len() >= STEPS_MIN, "{} has only {} steps", page.display(), steps.len());
    with_director(Mode::Nat, &[Service::web(Mode::Nat, "wrr", [1, 1])], |setup| {
        let commands = Commands::new(setup)?;
        for step in &steps {
            commands.run(step)?;
        }
        Ok(())
    })
}

/// Where the reader of a session sits: in the lab's directory, on the director's machine.
struct Commands<'a> {
    setup: &'a Setup,
    path: String,
}

impl<'a> Commands<'a> {
    fn new(setup: &'a Setup) -> Result<Self, Failed> {
        let programs = setup.lab.directory().join("bin");
        fs::create_dir_all(&programs)?;
        on_the_client(setup, &programs.join("client"))?;
        let rvs = setup.director.rvs().parent().map(PathBuf::from).unwrap_or_default();
        let system = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{system}", programs.display(), rvs.display());
        Ok(Self { setup, path })
    }

    fn run(&self, step: &Step) -> Result<(), Failed> {
        let script = format!("{{ {}\n}} 2>&1", step.command);
        let output = self.shell(&script).output()?;
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let status =
                output.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string());
            printed.push_str(&format!("[exit status {status}]\n"));
        }
        match transcript::difference(&step.printed, &printed) {
            None => Ok(()),
            Some(line) => {
                let expected = step.printed.get(line).map_or("its end", String::as_str);
                let Step { line: at, command, .. } = step;
                Err(format!("line {at}, `{command}`: expected {expected:?} in\n{printed}").into())
            }
        }
    }

    fn shell(&self, script: &str) -> Command {
        let mut shell = self.setup.lab.director_namespace().command("bash");
        shell
            .args(["-c", script])
            .current_dir(self.setup.lab.directory())
            .env("PATH", &self.path)
            .env("RVS_SOCKET", self.setup.director.socket())
            .env("LC_ALL", "C.UTF-8");
        shell
    }
}

/// Makes the program `client`, which runs a command on the client's machine.
fn on_the_client(setup: &Setup, program: &Path) -> io::Result<()> {
    let namespace = setup.lab.client().namespace().name().to_owned();
    let script = format!("#!/bin/sh\nexec ip netns exec {namespace} \"$@\"\n");
    fs::write(program, script)?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
}
