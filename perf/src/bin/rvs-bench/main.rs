//! `rvs-bench`: what the packet path of one worker costs, beside a MAC-swap loop in the same run.
//!
//! `make bench` builds and runs it; `rvs-bench --help` tells the flags, `docs/PERFORMANCE.md` the
//! method. The exit status is 0 if every scenario has valid figures and they were kept, 1 if not,
//! 2 for a wrong flag.
//!
//! ```text
//! options.rs   flags
//! measure.rs   what scenarios need, and running them
//! keeper.rs    results are kept while the run goes on
//! table.rs     what is printed
//! ```

#![forbid(unsafe_code)]

mod keeper;
mod measure;
mod options;
mod table;

use std::process::ExitCode;

use clap::Parser as _;
use dpdk::DpdkError;
use rvs_perf::report::{ReportError, results};

use options::Options;
use table::Table;

/// Why there are no figures, or none that could be kept or shown.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Dpdk(#[from] DpdkError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let table = Table::on_stdout();
    if let Some(file) = &options.from {
        let read = results::read(file).map_err(Failure::from);
        return conclude(read.map(|run| {
            table.whole(&run);
            true
        }));
    }
    let scenarios = match options.scenarios() {
        Ok(scenarios) => scenarios,
        Err(none) => {
            eprintln!("rvs-bench: {none}");
            return ExitCode::from(2);
        }
    };
    if options.list {
        for scenario in &scenarios {
            table.line(&scenario.to_string());
        }
        return ExitCode::SUCCESS;
    }
    conclude(measure::run(&options, scenarios, table))
}

fn conclude(result: Result<bool, Failure>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rvs-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
