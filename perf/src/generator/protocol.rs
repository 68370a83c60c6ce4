//! What the benchmark and `rvs-gen` say to each other: one JSON value a line, over the generator's
//! standard input and output.
//!
//! The benchmark asks, the generator answers each question once. When its input ends, the
//! generator ends too.

use std::io::{self, BufRead, Write};

use dataplane::forward::ForwardingMode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Counts;
use super::sizes::FrameSizes;

/// What clients and real servers do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// The kind of traffic.
    pub kind: Kind,
    /// Forwarding mode, by its name.
    pub mode: String,
    /// Flows that send in turn; none for a new one every time.
    pub flows: Option<u32>,
    /// How long UDP frames are; those of TCP are always the shortest.
    pub frame_sizes: FrameSizes,
    /// Packets, or connections, that are under way at most.
    pub window: u64,
}

/// The kinds of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// UDP requests that nobody answers.
    Requests,
    /// UDP requests, and an answer to each.
    Both,
    /// Whole TCP connections, each of a new flow.
    Connections,
}

/// A question of the benchmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Prepare this traffic, and send none yet. Answered by [`Answer::Ready`].
    Prepare(Traffic),
    /// Send so many requests and wait for them. Answered by [`Answer::Sent`].
    Send(u64),
    /// Poll no more, and leave the CPU to others. Answered by [`Answer::Ready`].
    Rest,
    /// Send as much as can be. Answered by [`Answer::Measured`].
    Measure(Measure),
}

/// How a measurement is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Time before counting, in milliseconds.
    pub warm_up_ms: u64,
    /// Time of counting, in milliseconds.
    pub window_ms: u64,
    /// Most requests, or connections, in all of it.
    pub limit: u64,
    /// Whether frames that come back are checked.
    pub check: bool,
}

/// An answer of the generator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The ports are up.
    Up,
    /// The traffic is prepared, or over.
    Ready,
    /// All is sent, and has come back or will not.
    Sent(Tally),
    /// The measurement is over, and nothing is under way.
    Measured {
        /// Time of counting in nanoseconds.
        nanos: u64,
        /// What was counted in that time.
        window: Counts,
        /// What was counted from the question to the answer.
        whole: Tally,
        /// Whether the limit was reached before the time was over.
        cut_short: bool,
    },
    /// It cannot be done.
    Failed(String),
}

/// Counts, and what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The counters.
    pub counts: Counts,
    /// The first fault of a frame.
    pub fault: Option<String>,
}

/// The mode of this name.
#[must_use]
pub fn mode_named(name: &str) -> Option<ForwardingMode> {
    [ForwardingMode::Dr, ForwardingMode::Tunnel, ForwardingMode::Nat, ForwardingMode::FullNat]
        .into_iter()
        .find(|mode| mode.name() == name)
}

/// Writes one message.
///
/// # Errors
/// If it cannot be written, as when the reader is gone.
pub fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    to.write_all(line.as_bytes())?;
    to.flush()
}

/// Reads one message; `None` at the end.
///
/// # Errors
/// If nothing can be read, or what is read is no such message.
pub fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_through_line_by_line() {
        let traffic = Traffic {
            kind: Kind::Both,
            mode: "fullnat".to_owned(),
            flows: Some(10),
            frame_sizes: FrameSizes::Imix,
            window: 512,
        };
        let asked = [Ask::Prepare(traffic), Ask::Send(7)];
        let mut wire = Vec::new();
        for ask in &asked {
            write(&mut wire, ask).unwrap();
        }
        let mut reader = wire.as_slice();
        for ask in asked {
            assert_eq!(read::<Ask>(&mut reader).unwrap(), Some(ask));
        }
        assert_eq!(read::<Ask>(&mut reader).unwrap(), None);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert!(read::<Ask>(&mut "{\"Dance\":1}\n".as_bytes()).is_err());
    }

    #[test]
    fn modes_are_found_by_name() {
        assert_eq!(mode_named("tun"), Some(ForwardingMode::Tunnel));
        assert_eq!(mode_named("tunnel"), None);
    }
}
