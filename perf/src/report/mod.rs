//! What is made of a benchmark's figures beside the rows it prints.
//!
//! * [`run`]: all figures of a run, and the text they are kept as;
//! * [`figure`]: what came of one scenario; [`machine`]: what it was measured on;
//! * [`results`]: the folder that runs are kept in;
//! * [`markdown`]: its tables for a page;
//! * [`plot`]: SVG plots of a run;
//! * [`progress`]: a bar on a terminal while it goes on.

pub mod figure;
pub mod machine;
pub mod markdown;
pub mod plot;
pub mod progress;
pub mod results;
pub mod run;

use std::io;
use std::path::PathBuf;

use crate::bench::catalogue::Scenario;
use figure::Doubt;
use plot::Fault;

/// What keeps figures from being written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file or a folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file does not hold the results of a run.
    #[error("{}: these are no results of rvs-bench: {error}", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, and where.
        error: serde_json::Error,
    },
    /// The file was written by another version.
    #[error(
        "{}: the results are in version {found} of the format, this program reads version {known}",
        path.display()
    )]
    Version {
        /// Which.
        path: PathBuf,
        /// The file's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A figure in a file cannot be.
    #[error("{}: {scenario}: {doubt}", path.display())]
    Figure {
        /// Which file.
        path: PathBuf,
        /// Which figure.
        scenario: Scenario,
        /// What is wrong with it.
        doubt: Doubt,
    },
    /// A plot cannot be drawn.
    #[error("{}: the plot cannot be drawn: {fault}", path.display())]
    Plot {
        /// Which.
        path: PathBuf,
        /// Why not.
        fault: Fault,
    },
}

impl ReportError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |error| Self::File { path, error }
    }
}
