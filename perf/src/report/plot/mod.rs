//! Plots of a run as SVG documents, for pages and for eyes.
//!
//! * [`rates`](self): rates by the number of flows; `stages`: cycles by stage; `workers`: one
//!   worker and two;
//! * `sheet`: what they have in common.
//!
//! Figures that are invalid are not drawn; the plot says how many those are.

mod rates;
mod sheet;
mod stages;
mod workers;

use super::run::Run;
use crate::bench::catalogue::LinkKind;

pub use sheet::Fault;

/// One plot.
#[derive(Debug)]
pub struct Plot {
    /// What it is called: a part of the name of a file.
    pub name: &'static str,
    /// The SVG document.
    pub document: Result<String, Fault>,
}

/// All plots that the run has valid figures for.
#[must_use]
pub fn all(run: &Run) -> Vec<Plot> {
    let plot = |name, document: Option<Result<String, Fault>>| {
        document.map(|document| Plot { name, document })
    };
    let plots = [
        plot("rates-memif", rates::draw(run, LinkKind::Memif)),
        plot("rates-memory", rates::draw(run, LinkKind::Memory)),
        plot("stages", stages::draw(run)),
        plot("workers", workers::draw(run)),
    ];
    plots.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
