//! How much of the TCP table the recorded walks go through: states before, segments, states after.

use std::collections::{BTreeMap, BTreeSet};

use conf::ForwardingMode;
use dataplane::wire::TcpFlags;

use super::notation;
use super::script::{Script, Sent, Step};

/// Whose segment it was: the client's, the real server's, or the client's of a connection whose
/// replies the director does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    In,
    Out,
    InOnly,
}

/// What a segment counts as: its first flag of these, in this order.
const EVENTS: [(TcpFlags, &str); 5] = [
    (TcpFlags::RST, "RST"),
    (TcpFlags::SYN, "SYN"),
    (TcpFlags::FIN, "FIN"),
    (TcpFlags::ACK, "ACK"),
    (TcpFlags(0), "none"),
];
/// The states that connections come to where both sides are heard.
const STATES_OF_BOTH: [&str; 7] =
    ["ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT"];
/// The states that connections come to where only the client is.
const STATES_OF_ONE: [&str; 5] = ["ESTABLISHED", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE"];
/// The state of a connection that begins.
const NONE: &str = "NONE";

/// Who was heard, the state before and the event.
type Cell = (Heard, &'static str, &'static str);

/// The cells that a script goes through, each with the states that came of it.
fn cells(script: &Script, found: &mut BTreeMap<Cell, BTreeSet<&'static str>>) {
    // State and end of each client's connection, in seconds since the script began.
    let mut known: Vec<Option<(&'static str, u32)>> = Vec::new();
    let mut now_s = 0;
    for (_, step) in &script.steps {
        if let Step::Open(_) = step {
            known.push(None);
        } else if let Step::Pass(seconds) = step {
            now_s += seconds;
        }
        let Step::Packet { client, from_client, sent: Sent::Segment(flags), then, .. } = step
        else {
            continue;
        };
        let heard = match (script.mode == ForwardingMode::Nat, *from_client) {
            (true, true) => Heard::In,
            (true, false) => Heard::Out,
            (false, _) => Heard::InOnly,
        };
        let (_, event) = EVENTS
            .into_iter()
            .find(|(flag, _)| flags.0 & flag.0 == flag.0)
            .expect("the last is in all");
        let after = then.expect("walks say it after each segment");
        let last = &mut known[*client as usize];
        // Nothing ends within 3 s of a segment, so whole seconds are enough. The state after the
        // segment that opens is not written down, so a client is known from its second one.
        if let (Some((after, _)), Some((before, end_s))) = (after, *last) {
            let before = if end_s > now_s { before } else { NONE };
            found.entry((heard, before, event)).or_default().insert(after);
        }
        *last = after.map(|(state, left_s)| (state, now_s + left_s)).or(*last);
    }
}

#[test]
fn walks_go_through_every_cell_of_every_state_that_is_reached() {
    let mut found = BTreeMap::new();
    for recorded in [
        include_str!("recorded/walk-nat.txt"),
        include_str!("recorded/walk-half-closed.txt"),
        include_str!("recorded/walk-dr.txt"),
        include_str!("recorded/walk-tun.txt"),
    ] {
        notation::parse(recorded).iter().for_each(|script| cells(script, &mut found));
    }
    let several: Vec<_> = found.iter().filter(|(_, after)| after.len() != 1).collect();
    assert!(several.is_empty(), "not a table: {several:?}");

    let both = [Heard::In, Heard::Out]
        .into_iter()
        .flat_map(|heard| STATES_OF_BOTH.map(|before| (heard, before)));
    let one = STATES_OF_ONE.map(|before| (Heard::InOnly, before));
    let reached: BTreeSet<Cell> = both
        .chain(one)
        .flat_map(|(heard, before)| EVENTS.map(|(_, event)| (heard, before, event)))
        // Connections begin with a SYN.
        .chain([(Heard::In, NONE, "SYN"), (Heard::InOnly, NONE, "SYN")])
        .collect();
    let covered: BTreeSet<Cell> = found.into_keys().collect();
    let missing: Vec<_> = reached.difference(&covered).collect();
    let unexpected: Vec<_> = covered.difference(&reached).collect();
    assert!(missing.is_empty() && unexpected.is_empty(), "- {missing:?}\n+ {unexpected:?}");
    assert_eq!(covered.len(), 97);
    let with_flags = covered.iter().filter(|(.., event)| *event != "none").count();
    assert_eq!(with_flags, 78);
}
