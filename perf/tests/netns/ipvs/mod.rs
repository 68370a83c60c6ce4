//! Programs for IPVS drive RVS: ipvsadm and keepalived as Debian has them, with `librvs_ipvs.so`.
//!
//! * `cli.rs`: scripts of ipvsadm, whose output a real IPVS has given, too;
//! * `keepalived.rs`: keepalived takes real servers out and back while clients connect;
//! * `programs.rs`: other programs, and no daemon, another daemon, nonsense, and no rights.

mod cli;
mod keepalived;
mod programs;

use std::process::Command;

use libtest_mimic::Failed;
use rvs_perf::lab::config::{self, Workers};
use rvs_perf::lab::{Director, Lab, Mode, Namespace, requirements};

use crate::Body;
use crate::setup::{Setup, with_setup};

/// The tests of this directory.
pub(crate) const TESTS: [(&str, Body); 11] = [
    ("commands_and_listings_are_those_of_ipvs", cli::commands),
    ("refusals_are_those_of_ipvs", cli::refusals),
    ("all_commands_have_the_answers_that_are_known", cli::all_commands),
    ("all_refusals_have_the_answers_that_are_known", cli::all_refusals),
    ("keepalived_drives_nat", keepalived::nat),
    ("keepalived_drives_fullnat", keepalived::fullnat),
    ("without_a_daemon_there_is_no_ipvs", programs::without_a_daemon),
    ("socket_options_do_what_they_do_in_linux", programs::socket_options),
    ("a_program_outlives_the_daemon", programs::outlives_the_daemon),
    ("nonsense_changes_nothing", programs::nonsense),
    ("rvsadm_is_ipvsadm", programs::launcher),
];

/// What the tests of this directory need besides.
pub(crate) fn requirements() -> Result<(), String> {
    requirements::preload_library().map_err(|error| error.to_string())?;
    requirements::rvsadm_binary().map_err(|error| error.to_string())?;
    Ok(())
}

/// Runs `test` in a new lab with a director without services; masquerading real servers become
/// those of mode fullnat in a lab for that mode.
fn with_empty_director(
    mode: Mode,
    test: impl FnOnce(&mut Setup) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let lab = Lab::new(mode)?;
    let director = start(&lab)?;
    with_setup(Setup { director, lab }, test)
}

fn start(lab: &Lab) -> Result<Director, Failed> {
    let workers = Workers::one();
    let text = config::write_empty(&Director::socket_in(lab), workers, lab.mode == Mode::FullNat);
    Ok(Director::start_with(lab, &text, workers)?)
}

/// A command for `program` in `namespace`, with the library, for the daemon of this lab.
fn preloaded(lab: &Lab, namespace: &Namespace, program: &str) -> Result<Command, Failed> {
    let library = requirements::preload_library()?;
    let mut command = namespace.command("env");
    command.arg(format!("LD_PRELOAD={}", library.display()));
    command.arg(format!("RVS_SOCKET={}", Director::socket_in(lab).display()));
    command.arg(program);
    Ok(command)
}

/// What `command` prints, both ways, and its exit status.
fn output(command: &mut Command) -> Result<(String, Option<i32>), Failed> {
    let output = command.output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((text, output.status.code()))
}

/// `ipvsadm` with these arguments; it must succeed.
fn ipvsadm(lab: &Lab, args: &[&str]) -> Result<String, Failed> {
    let (text, status) = output(preloaded(lab, lab.router_namespace(), "ipvsadm")?.args(args))?;
    assert_eq!(status, Some(0), "ipvsadm {args:?}: {text}");
    Ok(text)
}
