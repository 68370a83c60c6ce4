//! End-to-end tests: real clients, real servers, and the `rvs` daemon on DPDK between them.
//!
//! Every test builds a lab of its own (see `rvs_perf::lab`) and starts a daemon in it, so tests
//! share nothing and any of them can be run alone: `cargo test -p rvs-perf --test netns -- dr::`.
//!
//! The tests need root and a few programs. Without them they are reported as ignored, with the
//! reason; with `RVS_E2E=require` in the environment they fail instead, so that a build machine
//! cannot pass by skipping. Other variables: `RVS_BIN` (the daemon's binary, else the one that
//! cargo built) and `RVS_E2E_TRANSFER_MIB` (size of the file that is moved, 1024 unless set).
//!
//! They run one at a time: the daemon polls one CPU without a pause, and two at once would measure
//! each other.

#![forbid(unsafe_code)]

mod checks;
mod daemon;
mod dr;
mod file;
mod ftp;
mod fullnat;
mod ipvs;
mod lab;
mod nat;
mod persistence;
mod reload;
mod session;
mod setup;
mod tun;
mod workers;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rvs_perf::lab::{cleanup, requirements};

/// A test's body.
type Body = fn() -> Result<(), Failed>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    setup::keep_panics();
    cleanup::remove_leftovers();
    if let Err(error) = cleanup::on_signal(|| 130) {
        eprintln!("warning: Ctrl-C will leave namespaces behind: {error}");
    }
    let machine = requirements::check().map_err(|error| error.to_string());
    let daemon = requirements::rvs_binary().map_err(|error| error.to_string());
    let daemon = machine.clone().and_then(|()| daemon.map(drop));

    let mut trials = Vec::new();
    add(&mut trials, "lab", &machine, &lab::TESTS);
    add(&mut trials, "dr", &daemon, &dr::TESTS);
    add(&mut trials, "nat", &daemon, &nat::TESTS);
    add(&mut trials, "tun", &daemon, &tun::TESTS);
    add(&mut trials, "fullnat", &daemon, &fullnat::TESTS);
    add(&mut trials, "ftp", &daemon, &ftp::TESTS);
    add(&mut trials, "persistence", &daemon, &persistence::TESTS);
    add(&mut trials, "reload", &daemon, &reload::TESTS);
    add(&mut trials, "workers", &daemon, &workers::TESTS);
    add(&mut trials, "daemon", &daemon, &daemon::TESTS);
    let preload = daemon.clone().and_then(|()| ipvs::requirements());
    add(&mut trials, "ipvs", &preload, &ipvs::TESTS);
    add(&mut trials, "session", &daemon, &session::TESTS);
    let conclusion = libtest_mimic::run(&arguments, trials);
    cleanup::take_down_all();
    conclusion.exit_code()
}

/// Adds the tests of one file, which can run if `possible`.
fn add(trials: &mut Vec<Trial>, file: &str, possible: &Result<(), String>, tests: &[(&str, Body)]) {
    for (name, body) in tests.iter().copied() {
        let possible = possible.clone();
        trials.push(Trial::ignorable_test(format!("{file}::{name}"), move || match possible {
            Ok(()) => setup::failure_of(body).map(|()| Completion::Completed).map_err(Failed::from),
            Err(reason) if std::env::var_os("RVS_E2E").is_some_and(|mode| mode == "require") => {
                Err(reason.into())
            }
            Err(reason) => Ok(Completion::ignored_with(reason)),
        }));
    }
}
