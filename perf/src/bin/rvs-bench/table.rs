//! What `rvs-bench` prints: a row for each scenario, as soon as it is measured.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use rvs_perf::bench::outcome::Spread;
use rvs_perf::report::figure::{Figure, Finding};
use rvs_perf::report::run::Run;

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
    pub(crate) fn head(self, run: &Run) {
        let machine = &run.machine;
        let kind = if machine.huge_pages { "huge pages" } else { "ordinary memory" };
        let pinned = if machine.pinned { "pinned" } else { "not pinned" };
        let (mhz, frames) = (machine.tsc_mhz, run.settings.frame_size.describe());
        self.line(&format!(
            "One worker, {frames} (memif) or 64-byte frames (memory), flows in random \
             order,\nbuffers in {kind}, TSC {mhz:.0} MHz, {pinned}. Rates are medians, in millions \
             a second; cycles are those of\nthe worker's CPU for one of what is counted.\n"
        ));
        self.line(&format!(
            "{:<38} {:>8} {:>8} {:>15} {:>6} {:>8}  {}",
            "scenario", "ceiling", "rvs", "(least-most)", "share", "cycles", "remarks"
        ));
    }

    /// A run that is over.
    pub(crate) fn whole(self, run: &Run) {
        run.notes.iter().for_each(|note| self.line(note));
        self.head(run);
        run.figures.iter().for_each(|figure| self.row(figure));
        if !run.is_complete() {
            let (done, planned) = (run.figures.len(), run.planned);
            self.line(&format!("The run ended after {done} of {planned} scenarios."));
        }
    }

    /// One scenario.
    pub(crate) fn row(self, figure: &Figure) {
        let name = figure.scenario.to_string();
        let measured = match &figure.finding {
            Finding::Measured(measured) => measured,
            Finding::Invalid(why) => return self.line(&format!("{name:<38} invalid: {why}")),
        };
        let Spread { median, least, most } = measured.rate;
        let dash = || "-".to_owned();
        let ceiling = measured.ceiling.map_or_else(dash, |rate| format!("{:.2}", rate.median));
        let share = measured.share.map_or_else(dash, |share| format!("{:.0}%", 100.0 * share));
        let (spread, cycles) = (format!("({least:.2}-{most:.2})"), measured.cycles);
        let mut remarks = vec![measured.unit.name().to_owned()];
        remarks.extend(measured.remarks.iter().map(ToString::to_string));
        self.line(&format!(
            "{name:<38} {ceiling:>8} {median:>8.2} {spread:>15} {share:>6} {cycles:>8.0}  {}",
            remarks.join("; ")
        ));
    }
}
