//! A lab with a running director, and what a failed test says about it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{HTTP_VPORT, VIP};
use rvs_perf::lab::client::Answer;
use rvs_perf::lab::config::{Service, Workers};
use rvs_perf::lab::{Director, Lab, Mode};

/// What a test works with.
pub(crate) struct Setup {
    // Before the lab, so that the daemon ends before its devices go.
    pub(crate) director: Director,
    pub(crate) lab: Lab,
}

/// Runs `test` in a new lab with a director for `services`; the director's log is part of any
/// failure.
pub(crate) fn with_director(
    mode: Mode,
    services: &[Service],
    test: impl FnOnce(&mut Setup) -> Result<(), Failed>,
) -> Result<(), Failed> {
    with_workers(mode, services, Workers::one(), test)
}

/// [`with_director`] with these workers.
pub(crate) fn with_workers(
    mode: Mode,
    services: &[Service],
    workers: Workers,
    test: impl FnOnce(&mut Setup) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let lab = Lab::new(mode)?;
    let director = Director::start_on(&lab, services, workers)?;
    with_setup(Setup { director, lab }, test)
}

/// Runs `test` with what is set up; the director's log is part of any failure.
pub(crate) fn with_setup(
    mut setup: Setup,
    test: impl FnOnce(&mut Setup) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let outcome = failure_of(|| test(&mut setup));
    outcome.map_err(|failure| {
        let log = setup.director.log_end();
        format!("{failure}\n--- the director's log ---\n{log}").into()
    })
}

/// The words of the last panic, for [`failure_of`].
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Keeps what a panic says, and where, instead of printing it in the middle of the list of tests.
pub(crate) fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

/// Runs `test`; what it says when it fails or panics is the error.
pub(crate) fn failure_of(test: impl FnOnce() -> Result<(), Failed>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(test)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failed)) => Err(failed.message().unwrap_or("failed").to_owned()),
        Err(_) => Err(PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()),
    }
}

/// The URL of `path` on the VIP.
pub(crate) fn url(path: &str) -> String {
    let port = if HTTP_VPORT == 80 { String::new() } else { format!(":{HTTP_VPORT}") };
    format!("http://{VIP}{port}/{path}")
}

/// Makes `count` requests, `parallel` at a time; all must succeed. Returns how many each real
/// server answered.
pub(crate) fn all_answered(
    setup: &Setup,
    count: usize,
    parallel: usize,
) -> Result<BTreeMap<String, usize>, Failed> {
    let answers = setup.lab.client().get(&url(""), count, parallel, |_| ())?;
    let failed: Vec<_> = answers.iter().filter(|answer| !answer.succeeded()).collect();
    assert!(failed.is_empty(), "{} of {count} requests failed: {:?}", failed.len(), failed[0]);
    Ok(answers_by_server(&answers))
}

/// How many of `answers` each real server gave.
pub(crate) fn answers_by_server(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.succeeded()) {
        *count.entry(answer.real_server.clone()).or_default() += 1;
    }
    count
}

/// What rs1 and rs2 should have answered, in the form of [`answers_by_server`].
pub(crate) fn split(rs1: usize, rs2: usize) -> BTreeMap<String, usize> {
    let both = [("rs1".to_owned(), rs1), ("rs2".to_owned(), rs2)];
    both.into_iter().filter(|(_, count)| *count > 0).collect()
}
