//! What `rvs-bench` prints: a row for each scenario, as soon as it is measured.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use rvs_perf::bench::outcome::{Invalid, Outcome, Spread};

use crate::options::Options;

/// Set when what is printed cannot be written any more.
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Where rows go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table;

impl Table {
    pub(crate) fn on_stdout() -> Self {
        Self
    }

    /// A line of text. When nobody reads any more, as behind `| head`, that is the end of the run
    /// and no failure.
    pub(crate) fn line(self, text: &str) {
        let mut out = io::stdout();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            READER_GONE.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody reads what is printed.
    pub(crate) fn has_reader(self) -> bool {
        !READER_GONE.load(Ordering::Relaxed)
    }

    /// What the rows have in common, and the names of the columns.
    pub(crate) fn head(self, options: &Options, huge: bool, pinned: bool) {
        let kind = if huge { "huge pages" } else { "ordinary memory" };
        let pinned = if pinned { "pinned" } else { "not pinned" };
        let (mhz, size) = (dpdk::tsc::hz() / 1_000_000, options.frame_size);
        self.line(&format!(
            "One worker, {size}-byte frames (memif) or 64-byte frames (memory), flows in random \
             order,\nbuffers in {kind}, TSC {mhz} MHz, {pinned}. Rates are medians, in millions a \
             second; cycles are those of\nthe worker's CPU for one of what is counted.\n"
        ));
        self.line(&format!(
            "{:<38} {:>8} {:>8} {:>15} {:>6} {:>8}  {}",
            "scenario", "ceiling", "rvs", "(least-most)", "share", "cycles", "remarks"
        ));
    }

    /// One scenario.
    pub(crate) fn row(self, name: &str, outcome: &Result<Outcome, Invalid>) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(invalid) => return self.line(&format!("{name:<38} invalid: {invalid}")),
        };
        let Outcome { unit, ceiling, rate, remarks } = outcome;
        let Spread { median, least, most } = *rate;
        let of_ceiling = |show: &dyn Fn(f64) -> String| {
            ceiling.map_or_else(|| "-".to_owned(), |ceiling| show(ceiling.median))
        };
        let ceiling = of_ceiling(&|ceiling| format!("{ceiling:.2}"));
        let share = of_ceiling(&|ceiling| format!("{:.0}%", 100.0 * median / ceiling));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let cycles = dpdk::tsc::hz() as f64 / 1e6 / median;
        let spread = format!("({least:.2}-{most:.2})");
        let remarks: Vec<String> = remarks
            .iter()
            .map(|remark| format!("{} {:.0} {}", remark.what, remark.value, remark.unit))
            .collect();
        self.line(&format!(
            "{name:<38} {ceiling:>8} {median:>8.2} {spread:>15} {share:>6} {cycles:>8.0}  {}; {}",
            unit.name(),
            remarks.join("; ")
        ));
    }
}
