//! The table against a second writing of it, its timeouts, and whole associations.

use super::*;

const EVENTS: [(&str, SctpEvent); EVENT_COUNT] = [
    ("d", SctpEvent::Data),
    ("i", SctpEvent::Init),
    ("ia", SctpEvent::InitAck),
    ("ce", SctpEvent::CookieEcho),
    ("ca", SctpEvent::CookieAck),
    ("s", SctpEvent::Shutdown),
    ("sa", SctpEvent::ShutdownAck),
    ("sc", SctpEvent::ShutdownComplete),
    ("e", SctpEvent::Error),
    ("a", SctpEvent::Abort),
];

/// By state: what changes on INPUT, OUTPUT and INPUT-ONLY, as events and the state they lead to.
const CHANGES: [(&str, &str, &str, &str); SCTP_STATE_COUNT] = [
    (
        "NONE",
        "d,ca>ES i>INIT1 ia>C-WAIT ce>C-REPLIED s>S-RECEIVED sa,sc,e,a>CLOSED",
        "d,ca>ES i>C-WAIT ia>C-SENT ce>C-ECHOED s>S-SENT sa>S-ACK-SENT sc,e,a>CLOSED",
        "d,ce,ca>ES i>INIT1 ia>C-ECHOED s>S-RECEIVED sa,sc,e,a>CLOSED",
    ),
    (
        "INIT1",
        "i,ce,sa>INIT ia>C-WAIT sc,a>CLOSED",
        "i>C-WAIT ia>C-SENT ce>C-ECHOED ca>ES s>S-SENT sa>S-ACK-SENT e>CLOSED a>REJECTED",
        "i,sa>INIT ia>C-ECHOED ce>ES sc,a>CLOSED",
    ),
    (
        "INIT",
        "ia>C-WAIT sc,a>CLOSED",
        "i>C-WAIT ia>C-SENT ce>C-ECHOED ca>ES s>S-SENT sa>S-ACK-SENT e>CLOSED a>CLOSED",
        "ia>C-ECHOED ce>ES sc,a>CLOSED",
    ),
    (
        "C-SENT",
        "ce>C-REPLIED a>CLOSED",
        "i>C-WAIT ce>C-ECHOED ca>ES s>S-SENT sa>S-ACK-SENT e,a>CLOSED",
        "i>INIT ia>C-ECHOED ce,ca>ES sc,a>CLOSED",
    ),
    (
        "C-REPLIED",
        "a>CLOSED",
        "i>C-WAIT ce>C-ECHOED ca>ES s>S-SENT sa>S-ACK-SENT e,a>CLOSED",
        "i>INIT ia>C-ECHOED ce,ca>ES sc,a>CLOSED",
    ),
    (
        "C-WAIT",
        "ia>COOKIE a>REJECTED",
        "ce>C-ECHOED ca>ES s>S-SENT a>CLOSED",
        "d,ce>ES i>INIT ia>C-ECHOED a>REJECTED",
    ),
    ("COOKIE", "a>CLOSED", "i>C-WAIT ce>C-ECHOED ca>ES s>S-SENT a>CLOSED", "ca>ES a>CLOSED"),
    ("C-ECHOED", "ca>ES e,a>CLOSED", "i>C-WAIT ca>ES s>S-SENT a>CLOSED", "ca>ES a>CLOSED"),
    (
        "ESTABLISHED",
        "s>S-RECEIVED a>CLOSED",
        "s>S-SENT a>CLOSED",
        "s>S-RECEIVED sa>CLOSED a>CLOSED",
    ),
    ("S-SENT", "sa,a>CLOSED", "i>C-WAIT sa>S-ACK-SENT a>CLOSED", "sa,a>CLOSED"),
    ("S-RECEIVED", "a>CLOSED", "i>C-WAIT sa>S-ACK-SENT a>CLOSED", "sc,a>CLOSED"),
    ("S-ACK-SENT", "sa,sc,a>CLOSED", "i>C-WAIT a>CLOSED", "sa,sc,a>CLOSED"),
    ("REJECTED", "i>INIT a>CLOSED", "i>C-WAIT a>CLOSED", "i>INIT a>CLOSED"),
    ("CLOSED", "i>INIT", "i>C-WAIT", "i>INIT"),
];

fn named(name: &str) -> SctpState {
    let name = if name == "ES" { "ESTABLISHED" } else { name };
    SctpState::ALL.into_iter().find(|state| state.name() == name).expect("a state's name")
}

/// Where `event` leads from `state` by a cell of [`CHANGES`].
fn by_cell(state: SctpState, cell: &str, event: &str) -> SctpState {
    let change = cell.split(' ').find_map(|change| {
        let (events, next) = change.split_once('>').expect("events and a state");
        events.split(',').any(|other| other == event).then(|| named(next))
    });
    change.unwrap_or(state)
}

#[test]
fn every_cell() {
    for (number, (name, input, output, input_only)) in CHANGES.into_iter().enumerate() {
        let state = SctpState::ALL[number];
        assert_eq!((state.name(), state as usize), (name, number));
        let cells =
            [(Heard::Input, input), (Heard::Output, output), (Heard::InputOnly, input_only)];
        for (heard, cell) in cells {
            for (short, event) in EVENTS {
                let expected = by_cell(state, cell, short);
                assert_eq!(state.next(heard, event), expected, "{name} {heard:?} {short}");
            }
        }
    }
}

#[test]
fn the_first_chunk_is_the_event() {
    for (chunk, event) in [
        (ChunkType::DATA, SctpEvent::Data),
        (ChunkType::INIT, SctpEvent::Init),
        (ChunkType::INIT_ACK, SctpEvent::InitAck),
        (ChunkType::SACK, SctpEvent::Data),
        (ChunkType::HEARTBEAT, SctpEvent::Data),
        (ChunkType::HEARTBEAT_ACK, SctpEvent::Data),
        (ChunkType::ABORT, SctpEvent::Abort),
        (ChunkType::SHUTDOWN, SctpEvent::Shutdown),
        (ChunkType::SHUTDOWN_ACK, SctpEvent::ShutdownAck),
        (ChunkType::ERROR, SctpEvent::Error),
        (ChunkType::COOKIE_ECHO, SctpEvent::CookieEcho),
        (ChunkType::COOKIE_ACK, SctpEvent::CookieAck),
        (ChunkType::ECNE, SctpEvent::Data),
        (ChunkType::CWR, SctpEvent::Data),
        (ChunkType::SHUTDOWN_COMPLETE, SctpEvent::ShutdownComplete),
        (0x80, SctpEvent::Data),
        (0xFF, SctpEvent::Data),
    ] {
        assert_eq!(SctpEvent::of(chunk, None), event, "chunk {chunk}");
        assert_eq!(SctpEvent::of(chunk, Some(ChunkType::DATA)), event, "chunk {chunk}");
        let cookie = matches!(event, SctpEvent::CookieEcho | SctpEvent::CookieAck);
        let aborted = if cookie { SctpEvent::Abort } else { event };
        assert_eq!(SctpEvent::of(chunk, Some(ChunkType::ABORT)), aborted, "chunk {chunk}");
    }
}

fn walk(steps: &[(Heard, SctpEvent)]) -> Vec<&'static str> {
    let mut state = SctpState::None;
    let step = |&(heard, event): &(Heard, SctpEvent)| {
        state = state.next(heard, event);
        state.name()
    };
    steps.iter().map(step).collect()
}

#[test]
fn an_association_through_nat() {
    let states = walk(&[
        (Heard::Input, SctpEvent::Init),
        (Heard::Output, SctpEvent::InitAck),
        (Heard::Input, SctpEvent::CookieEcho),
        (Heard::Output, SctpEvent::CookieAck),
        (Heard::Input, SctpEvent::Data),
        (Heard::Output, SctpEvent::Data),
        (Heard::Input, SctpEvent::Shutdown),
        (Heard::Output, SctpEvent::ShutdownAck),
        (Heard::Input, SctpEvent::ShutdownComplete),
    ]);
    let open = ["INIT1", "C-SENT", "C-REPLIED", "ESTABLISHED", "ESTABLISHED", "ESTABLISHED"];
    assert_eq!(states[..6], open);
    assert_eq!(states[6..], ["S-RECEIVED", "S-ACK-SENT", "CLOSED"]);
}

#[test]
fn direct_routing_sees_the_client_only() {
    let events = [
        SctpEvent::Init,
        SctpEvent::CookieEcho,
        SctpEvent::Data,
        SctpEvent::Shutdown,
        SctpEvent::ShutdownComplete,
        SctpEvent::Init,
    ];
    let states = walk(&events.map(|event| (Heard::InputOnly, event)));
    let expected = ["INIT1", "ESTABLISHED", "ESTABLISHED", "S-RECEIVED", "CLOSED", "INIT"];
    assert_eq!(states, expected);
}

#[test]
fn timeouts_and_what_is_active() {
    let seconds = [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61];
    assert_eq!(default_timeouts(), seconds.map(Ticks::from_secs));
    let active: Vec<_> = SctpState::ALL.into_iter().filter(|state| state.is_active()).collect();
    assert_eq!(active, [SctpState::Established]);
}
