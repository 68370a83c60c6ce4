//! Logging with `tracing`, to standard error: text for people or JSON for collectors.
//!
//! What DPDK and its drivers print goes the same way, under the target `dpdk`. Nothing here is
//! called per packet.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use dpdk::log::LogLevel;
use tracing::level_filters::LevelFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// Text on a terminal, JSON elsewhere.
    Auto,
}

impl Format {
    /// Whether this is JSON here and now.
    pub(crate) fn is_json(self) -> bool {
        match self {
            Self::Text => false,
            Self::Json => true,
            Self::Auto => !io::stderr().is_terminal(),
        }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// What keeps the daemon from working.
    Error,
    /// What an operator should look at, too.
    Warn,
    /// What was started and stopped, too.
    #[default]
    Info,
    /// Everything DPDK says, too.
    Debug,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

/// Starts logging, once per process.
pub(crate) fn start(format: Format, level: Level) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(level))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // Fails if logging was started before, which is as good.
    let _ = if format.is_json() {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_target(false).try_init()
    };
    dpdk::log::set_sink(Some(pass_on));
}

/// DPDK calls many things an error that are none for RVS, so its errors are warnings here. Those
/// that matter come back as errors of the call that failed.
fn pass_on(level: LogLevel, line: &str) {
    match level {
        LogLevel::Emergency | LogLevel::Alert | LogLevel::Critical | LogLevel::Error => {
            tracing::warn!(target: "dpdk", "{line}");
        }
        LogLevel::Warning => tracing::info!(target: "dpdk", "{line}"),
        LogLevel::Notice | LogLevel::Info | LogLevel::Debug => {
            tracing::debug!(target: "dpdk", "{line}");
        }
    }
}
