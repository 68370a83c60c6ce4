//! Results are kept while the run goes on, so that one that is interrupted keeps what it has.

use rvs_perf::report::ReportError;
use rvs_perf::report::results::Results;
use rvs_perf::report::run::Run;

use crate::options::Options;

/// Keeps a run in the folder that was asked for, if one was.
#[derive(Debug)]
pub(crate) struct Keeper {
    results: Option<Results>,
    /// Whether the last attempt failed, and has been told of.
    failing: bool,
}

impl Keeper {
    /// Looks whether what was asked for can be done; nothing is measured yet.
    pub(crate) fn open(options: &Options, began: &str) -> Result<Self, ReportError> {
        let open = |folder| {
            let default = || Results::default_name(began);
            Results::open(folder, &options.name.clone().unwrap_or_else(default))
        };
        let results = options.out.as_deref().map(open).transpose()?;
        Ok(Self { results, failing: false })
    }

    /// Keeps the run as it is now. Measuring goes on when that fails: the next time it may succeed,
    /// and the rows are printed anyhow.
    pub(crate) fn keep(&mut self, run: &Run) {
        let Some(results) = &self.results else { return };
        let kept = results.keep(run);
        if let Err(error) = &kept
            && !self.failing
        {
            eprintln!("rvs-bench: {error}; the results are not kept for the time being");
        }
        self.failing = kept.is_err();
    }

    /// Draws the plots and says where everything is; returns whether it is there.
    pub(crate) fn conclude(&self, run: &Run) -> bool {
        let Some(results) = &self.results else { return true };
        if self.failing {
            return false;
        }
        eprintln!("results: {}", results.path().display());
        match results.draw(run) {
            Ok(plots) => plots.iter().for_each(|plot| eprintln!("plot: {}", plot.display())),
            Err(error) => {
                eprintln!("rvs-bench: {error}");
                return false;
            }
        }
        true
    }
}
