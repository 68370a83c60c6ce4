//! `make demo`: RVS balances real HTTP requests over real DPDK in every forwarding mode.
//!
//! ```text
//! options.rs   flags and environment
//! account.rs   what is printed, and in which colour
//! trial.rs     one forwarding mode: build, run, count, judge
//! change.rs    other schedulers, applied while it runs
//! ```
//!
//! The exit status is 0 only if every request of every mode was answered, the real servers' shares
//! are exactly what the scheduler promises, and they saw the client address that the mode promises;
//! 1 if not, or if the machine or user lacks something; 2 for a wrong option; 130 after Ctrl-C.

#![forbid(unsafe_code)]

mod account;
mod change;
mod options;
mod trial;

use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rvs_perf::lab::addresses::PICTURE;
use rvs_perf::lab::{LabError, Mode, cleanup, requirements};

use account::Account;
use options::{Options, Wish};
use trial::{Row, Trial};

/// What the process ends with when a signal arrives now.
static STATUS_ON_SIGNAL: AtomicI32 = AtomicI32::new(130);

fn main() -> ExitCode {
    let account = Account::on_stdout();
    let options = match Options::read(std::env::args().skip(1), |name| std::env::var(name).ok()) {
        Ok(Wish::Run(options)) => options,
        Ok(Wish::Help) => {
            account.line(options::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            account.error(&format!("{error}\n\n{}", options::USAGE));
            return ExitCode::from(2);
        }
    };
    match show(&account, &options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            cleanup::wait_if_interrupted();
            account.error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Runs every mode asked for; returns whether all of them did what they should.
fn show(account: &Account, options: &Options) -> Result<bool, LabError> {
    requirements::check()?;
    let rvs = requirements::rvs_binary()?;
    cleanup::remove_leftovers();
    cleanup::on_signal(|| {
        Account::on_stdout().line("\nEverything is removed.");
        STATUS_ON_SIGNAL.load(Ordering::Relaxed)
    })?;

    account.title("RVS: one director, two real servers, real HTTP over DPDK");
    account.line(PICTURE);
    account.line("Each box and each real server is a network namespace of this machine; the lines");
    account.line(&format!("between them are virtual cables. The director is {}.", rvs.display()));

    let modes = options.mode.map_or_else(|| Mode::ALL.to_vec(), |mode| vec![mode]);
    let mut rows = Vec::new();
    let mut all_passed = true;
    for (index, mode) in modes.iter().enumerate() {
        account.title(&format!("\n{} of {}: {}", index + 1, modes.len(), trial::headline(*mode)));
        let trial = Trial::run(account, *mode)?;
        all_passed &= trial.passed();
        rows.extend(trial.rows.iter().cloned());
        if options.keep && index + 1 == modes.len() {
            summarise(account, &rows, all_passed);
            STATUS_ON_SIGNAL.store(i32::from(!all_passed), Ordering::Relaxed);
            keep(account, trial)?;
        } else {
            trial.end(account)?;
        }
    }
    summarise(account, &rows, all_passed);
    Ok(all_passed)
}

fn summarise(account: &Account, rows: &[Row], all_passed: bool) {
    account.title("\nSummary");
    account.rows(rows);
    account.verdict(all_passed);
}

/// Leaves the lab running until Ctrl-C, which ends the process. Returns only if the daemon ends.
fn keep(account: &Account, mut trial: Trial) -> Result<(), LabError> {
    account.title("\nLeft running. To try next, as root in another terminal:");
    for command in trial.commands_to_try() {
        account.line(&format!("  {command}"));
    }
    account.line("\nCtrl-C ends it and removes everything.");
    loop {
        std::thread::sleep(Duration::from_millis(200));
        trial.director.check_alive()?;
    }
}
