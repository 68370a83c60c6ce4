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

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use dpdk::DpdkError;
use rvs_perf::report::results::{self, Results};
use rvs_perf::report::{ReportError, markdown};

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
        return conclude(show(&options, file, table));
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

/// Prints the rows of a file or its tables, and draws its plots where that is asked for.
fn show(options: &Options, file: &Path, table: Table) -> Result<bool, Failure> {
    let run = results::read(file)?;
    if options.markdown {
        table.line(markdown::page(&run).trim_end());
    } else {
        table.whole(&run);
    }
    if let Some(folder) = &options.out {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        for plot in Results::open(folder, &name)?.draw(&run)? {
            eprintln!("plot: {}", plot.display());
        }
    }
    Ok(true)
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
