//! Where the log lines of EAL and the drivers go.
//!
//! From [`Eal::init`](crate::Eal::init) on, DPDK prints nothing itself: the last lines are kept
//! here, where errors find their explanation, and each line is handed to the sink, if one is set.

use std::collections::VecDeque;
use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{DpdkError, check};

/// Lines kept for error texts.
const KEPT_LINES: usize = 128;
/// Lines an error text quotes at most.
const QUOTED_LINES: usize = 8;

/// How serious a line is; the numbers are DPDK's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// The system is unusable.
    Emergency = 1,
    /// Action is needed at once.
    Alert = 2,
    /// A critical condition.
    Critical = 3,
    /// An error.
    Error = 4,
    /// A warning.
    Warning = 5,
    /// Normal, but worth noting.
    Notice = 6,
    /// Information.
    Info = 7,
    /// For debugging.
    Debug = 8,
}

impl LogLevel {
    fn from_raw(level: u32) -> Self {
        match level {
            0 | 1 => Self::Emergency,
            2 => Self::Alert,
            3 => Self::Critical,
            4 => Self::Error,
            5 => Self::Warning,
            6 => Self::Notice,
            7 => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// Receives every line, without its line end. It may run on any thread and must not call into this
/// crate.
pub type LogSink = fn(level: LogLevel, line: &str);

struct Log {
    sink: Option<LogSink>,
    lines: VecDeque<(LogLevel, String)>,
    /// Lines seen since the start of the process.
    seen: u64,
}

static LOG: Mutex<Log> = Mutex::new(Log { sink: None, lines: VecDeque::new(), seen: 0 });

fn log() -> MutexGuard<'static, Log> {
    // The state is valid after every statement, so a panic elsewhere does not spoil it.
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the sink; `None` keeps lines for error texts only, which is the default.
pub fn set_sink(sink: Option<LogSink>) {
    log().sink = sink;
}

/// The lines kept, oldest first.
#[must_use]
pub fn recent() -> Vec<(LogLevel, String)> {
    log().lines.iter().cloned().collect()
}

/// Redirects DPDK's log to this module.
pub(crate) fn open() -> Result<(), DpdkError> {
    // SAFETY: the callback is a plain function that stays valid for the life of the process.
    let ret = unsafe { dpdk_sys::shim_log_open(Some(receive)) };
    check("rte_openlog_stream", ret).map(drop)
}

/// Marks the present end of the log; [`since`] tells what came after it.
pub(crate) fn mark() -> u64 {
    log().seen
}

/// What was printed since a mark, as one line for an error text: the errors and warnings if there
/// were any, all of it otherwise. Lines of other threads may be among them.
pub(crate) fn since(mark: u64) -> String {
    let log = log();
    let new = usize::try_from(log.seen.saturating_sub(mark)).unwrap_or(usize::MAX);
    let new: Vec<_> = log.lines.iter().skip(log.lines.len().saturating_sub(new)).collect();
    let serious: Vec<&str> = new
        .iter()
        .filter(|(level, _)| *level <= LogLevel::Warning)
        .map(|(_, line)| line.as_str())
        .collect();
    let chosen =
        if serious.is_empty() { new.iter().map(|(_, l)| l.as_str()).collect() } else { serious };
    let first = chosen.len().saturating_sub(QUOTED_LINES);
    chosen.into_iter().skip(first).collect::<Vec<_>>().join("; ")
}

/// The callback of the shim: text of one message, usually one whole line.
unsafe extern "C" fn receive(level: u32, text: *const c_char, len: usize) {
    if text.is_null() {
        return;
    }
    // SAFETY: the shim passes the buffer and size stdio gave it, valid during this call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    let level = LogLevel::from_raw(level);
    for line in String::from_utf8_lossy(bytes).lines().filter(|l| !l.trim().is_empty()) {
        record(level, line.trim_end());
    }
}

fn record(level: LogLevel, line: &str) {
    let sink = {
        let mut log = log();
        if log.lines.len() == KEPT_LINES {
            log.lines.pop_front();
        }
        log.lines.push_back((level, line.to_owned()));
        log.seen += 1;
        log.sink
    };
    if let Some(sink) = sink {
        sink(level, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the log is one per process.
    #[test]
    fn errors_are_quoted_before_chatter_and_the_past_is_left_out() {
        record(LogLevel::Error, "before");
        let at = mark();
        assert_eq!(since(at), "");
        record(LogLevel::Info, "chatter");
        assert_eq!(since(at), "chatter");
        record(LogLevel::Error, "first");
        record(LogLevel::Warning, "second");
        assert_eq!(since(at), "first; second");
        for _ in 0..KEPT_LINES + 5 {
            record(LogLevel::Error, "again");
        }
        assert_eq!(recent().len(), KEPT_LINES);
        assert_eq!(since(at).matches("again").count(), QUOTED_LINES);
    }

    #[test]
    fn levels_outside_dpdk_range_are_clamped() {
        assert_eq!(LogLevel::from_raw(0), LogLevel::Emergency);
        assert_eq!(LogLevel::from_raw(5), LogLevel::Warning);
        assert_eq!(LogLevel::from_raw(99), LogLevel::Debug);
    }
}
