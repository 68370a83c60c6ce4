//! Exit statuses of `rvs`: one table, from which help, man pages and `docs/OPERATIONS.md` are made.

use std::process::ExitCode;

use crate::error::CtrlError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what it was to do.
    Done = 0,
    /// It was refused, or failed.
    Failed = 1,
    /// The command line is wrong. (clap ends the process with the same number.)
    Usage = 2,
    /// No daemon could be reached.
    Unreachable = 3,
    /// The daemon cannot answer now.
    Busy = 4,
    /// The daemon is of another release.
    OtherRelease = 5,
    /// A deadline has passed.
    Deadline = 6,
    /// A plan is not empty.
    Differs = 7,
}

/// Every status, and what it means.
const STATUSES: [(Exit, &str); 8] = [
    (Exit::Done, "done; for `rvs run`: stopped by a signal"),
    (Exit::Failed, "refused or failed; standard error says why. `rvs doctor`: it found problems"),
    (Exit::Usage, "wrong usage of the command line"),
    (Exit::Unreachable, "no daemon could be reached, or this user may not talk to it"),
    (Exit::Busy, "the daemon is busy or a worker does not answer; nothing was changed, try again"),
    (Exit::OtherRelease, "the daemon is of another release, which cannot do this"),
    (Exit::Deadline, "a deadline passed: `rvs drain` found connections left"),
    (Exit::Differs, "`rvs plan --exit-code`: something would change"),
];

/// The table, for the end of a help text.
pub(crate) fn help() -> String {
    let lines = STATUSES.iter().map(|(exit, meaning)| format!("  {}  {meaning}", *exit as u8));
    let lines: Vec<_> = lines.collect();
    format!("Exit status:\n{}", lines.join("\n"))
}

impl Exit {
    /// How a command ended that failed with `error`.
    pub(crate) fn of(error: &CtrlError) -> Self {
        if matches!(error, CtrlError::NoDaemon { .. } | CtrlError::Denied { .. }) {
            Self::Unreachable
        } else if matches!(error, CtrlError::Busy(_)) {
            Self::Busy
        } else if matches!(error, CtrlError::OtherRelease { .. }) {
            Self::OtherRelease
        } else if matches!(error, CtrlError::Usage(_)) {
            Self::Usage
        } else if matches!(error, CtrlError::Deadline(_)) {
            Self::Deadline
        } else if matches!(error, CtrlError::WouldChange) {
            Self::Differs
        } else {
            Self::Failed
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_told_once_and_in_the_manual() {
        let manual = include_str!("../../docs/OPERATIONS.md");
        for (number, (exit, meaning)) in STATUSES.iter().enumerate() {
            assert_eq!(*exit as usize, number);
            let row = format!("| {number} | {meaning} |");
            assert!(manual.contains(&row), "docs/OPERATIONS.md lacks: {row}");
            assert!(help().contains(meaning));
        }
    }
}
