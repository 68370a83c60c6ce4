//! What can go wrong in the lab.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the lab could not be built, or why something in it did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The machine or the user lacks something; the text says what to do about it.
    #[error("{0}")]
    Missing(String),
    /// A program could not be started or failed; `reason` is its own last words.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// The command line as it could be typed.
        command: String,
        /// Exit status and standard error, or why it could not start.
        reason: String,
    },
    /// A file or directory of the lab could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A thread could not move into a namespace, so nothing was done in it.
    #[error("cannot enter network namespace {name}: {source}")]
    Enter {
        /// The namespace's name under `/run/netns`.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A socket in a namespace failed.
    #[error("{what}: {source}")]
    Socket {
        /// What was being done with it.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Something that was waited for did not happen; the text says where to look.
    #[error("{what} within {} s", waited.as_secs_f32())]
    Timeout {
        /// What did not happen, as a sentence without its end.
        what: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The daemon ended by itself, or not as asked.
    #[error("the director {what}\n--- its log ({}) ---\n{log}", path.display())]
    Director {
        /// What it did.
        what: String,
        /// Where its log is while the lab stands.
        path: PathBuf,
        /// The end of its log.
        log: String,
    },
    /// A program answered something that cannot be understood.
    #[error("{from} answered what cannot be read ({why}): {text}")]
    Unreadable {
        /// Which program.
        from: String,
        /// What is wrong with the text.
        why: String,
        /// The text.
        text: String,
    },
    /// A signal arrived and the lab is being taken down; nothing new is started.
    #[error("interrupted: the lab is being taken down")]
    Interrupted,
}

impl LabError {
    /// For `map_err` after a file operation on `path`.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// For `map_err` after a socket operation.
    pub(crate) fn socket(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Socket { what, source }
    }
}
