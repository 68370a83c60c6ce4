//! Words that are one of a few, and spans of time.

use std::fmt;
use std::str::FromStr;

use dataplane::flow::{FlowState, SctpState, TcpState};
use dataplane::forward::ForwardingMode;

use super::{WrongWord, is_text};

/// A protocol by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProtocolWord(pub(crate) conf::Protocol);

/// A forwarding mode by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModeWord(pub(crate) ForwardingMode);

/// The state of a flow or template by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateWord(pub(crate) &'static str);

/// A span of time: `90`, `90s`, `5m`, `2h`, `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u32);

is_text!(ProtocolWord, "`tcp`, `udp` or `sctp`");
is_text!(ModeWord, "`dr`, `nat`, `tun` or `fullnat`");
is_text!(StateWord, "The name of a state, as listings have it");
is_text!(Seconds, "Seconds, or a number with a unit: `90s`, `5m`, `2h`, `1d`");

const MODES: [ForwardingMode; 4] =
    [ForwardingMode::Dr, ForwardingMode::Nat, ForwardingMode::Tunnel, ForwardingMode::FullNat];

/// Every state of a flow or template.
fn states() -> impl Iterator<Item = &'static str> {
    let tcp = TcpState::ALL.into_iter().map(FlowState::Tcp);
    let sctp = SctpState::ALL.into_iter().map(FlowState::Sctp);
    let flows = tcp.chain([FlowState::Udp]).chain(sctp).map(FlowState::name);
    flows.chain(["NONE", "ASSURED"])
}

/// The one of these that `text` names.
fn one_of<T: Copy>(
    text: &str,
    all: impl Iterator<Item = T>,
    name: impl Fn(T) -> &'static str,
) -> Result<T, WrongWord> {
    let all: Vec<T> = all.collect();
    let found = all.iter().find(|one| name(**one).eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| {
        let mut names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        names.sort_unstable();
        names.dedup();
        WrongWord(format!("`{text}` is none of {}", names.join(", ")))
    })
}

impl FromStr for ProtocolWord {
    type Err = WrongWord;

    fn from_str(text: &str) -> Result<Self, WrongWord> {
        one_of(text, conf::Protocol::ALL.into_iter(), conf::Protocol::as_str).map(Self)
    }
}

impl FromStr for ModeWord {
    type Err = WrongWord;

    fn from_str(text: &str) -> Result<Self, WrongWord> {
        one_of(text, MODES.into_iter(), ForwardingMode::name).map(Self)
    }
}

impl FromStr for StateWord {
    type Err = WrongWord;

    fn from_str(text: &str) -> Result<Self, WrongWord> {
        one_of(text, states(), |name| name).map(Self)
    }
}

impl FromStr for Seconds {
    type Err = WrongWord;

    fn from_str(text: &str) -> Result<Self, WrongWord> {
        let (number, unit) = match text.char_indices().last() {
            Some((at, 's')) => (&text[..at], 1),
            Some((at, 'm')) => (&text[..at], 60),
            Some((at, 'h')) => (&text[..at], 3600),
            Some((at, 'd')) => (&text[..at], 24 * 3600),
            _ => (text, 1),
        };
        let seconds = number.parse().ok().and_then(|number: u32| number.checked_mul(unit));
        let wrong = || WrongWord(format!("`{text}` is no span of time such as 90, 90s, 5m or 2h"));
        seconds.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for ProtocolWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Display for ModeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl fmt::Display for StateWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}
