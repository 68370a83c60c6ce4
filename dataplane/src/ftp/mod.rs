//! FTP through NAT and FULLNAT: what a control connection says about data connections.
//!
//! FTP names addresses and ports of data connections in the text of its control connection (RFC
//! 959, RFC 2428). So the text is read, and where it names an address that the other side cannot
//! reach, replaced: the address of the real server in a 227 by the VIP, and in FULLNAT the client's
//! in `PORT` and `EPRT` by a local one. A text of another length shifts all sequence numbers behind
//! it ([`Shift`]).
//!
//! Here is what can be said without a director: reading and writing [`text`], [`Segment`]s in their
//! frames, what is remembered of control connections ([`ControlRecord`]) and of data connections
//! that are to come ([`Expectation`]). What is done about them is in `director/ftp`.

mod segment;
mod shift;
mod side_table;
pub mod text;

use std::net::Ipv4Addr;

use crate::flow::{Controller, Flow, FlowKey};
use crate::limits::{FTP_CONTROL_COUNT_MAX, FTP_EXPECTATION_COUNT_MAX};
use crate::service::RealId;
use crate::time::Tick;

pub use segment::Segment;
pub use shift::{Shift, Side};
pub use side_table::SideTable;

/// Lowest port of a data connection: whoever names a well-known one wants something else (RFC 2577
/// section 3).
pub const DATA_PORT_MIN: u16 = 1024;

/// What the client asked for last, which the real server may answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// `PASV`: a 227.
    Passive,
    /// `EPSV`: a 229.
    Extended,
}

/// The end that a real server was told to connect to in FULLNAT, kept for retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveEnd {
    /// Sequence number of what the client said.
    pub seq: u32,
    /// Port that the client named.
    pub cport: u16,
    /// lport that stands for the client's.
    pub lport: u16,
}

/// What is remembered of a control connection that has said anything about data connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct ControlRecord {
    /// Sequence numbers of the client and of the real server.
    pub shifts: [Shift; 2],
    /// What the client asked for.
    pub asked: Asked,
    /// Sequence number of the line that answered it; another line is no answer.
    pub answered: Option<u32>,
    /// Of the client's last `PORT` or `EPRT`.
    pub active: Option<ActiveEnd>,
    /// Flows of data connections at this worker.
    pub data_flows: u32,
}

impl ControlRecord {
    /// Whether a line with sequence number `seq` may answer `asked`.
    #[must_use]
    pub fn awaits(&self, asked: Asked, seq: u32) -> bool {
        self.asked == asked && self.answered.is_none_or(|answered| answered == seq)
    }
}

/// A data connection that a client is about to open, whose port is not known. Its key is that of
/// the client's packets, with 0 for the client's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The real server that waits for it.
    pub real: RealId,
    /// The LIP of the control connection, in FULLNAT.
    pub lip: Option<Ipv4Addr>,
    /// The control connection.
    pub controller: Controller,
    /// When it is given up.
    pub deadline: Tick,
}

/// The FTP helper of one worker.
#[derive(Debug)]
pub struct Helper {
    /// Control connections, by the key of their requests.
    pub controls: SideTable<ControlRecord>,
    /// Data connections to come.
    pub expected: SideTable<Expectation>,
    /// Where the search for local ports of active data connections goes on.
    pub cursor: u32,
}

impl Helper {
    /// Without any connection. `seed` keys the hashes and should be random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let cursor = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32;
        Self {
            controls: SideTable::new(FTP_CONTROL_COUNT_MAX, seed),
            expected: SideTable::new(FTP_EXPECTATION_COUNT_MAX, seed.rotate_left(7)),
            cursor,
        }
    }

    /// Whether a flow is a control connection that has data flows, so that it must not end.
    #[must_use]
    pub fn holds(&self, flow: &Flow) -> bool {
        let record = || self.controls.get(&flow.request);
        flow.control.has_helper() && record().is_some_and(|record| record.data_flows > 0)
    }

    /// Expects a data connection. Where there is no room, one that waits already is given up for
    /// it; returns whether that was so.
    pub fn expect(&mut self, key: FlowKey, expectation: Expectation) -> bool {
        let mut gave_up = false;
        while self.expected.is_full() && self.expected.get(&key).is_none() {
            let victim = self.expected.take_turn().map(|(key, _)| *key);
            gave_up |= victim.is_some_and(|victim| self.expected.remove(&victim).is_some());
        }
        self.expected.put(key, expectation);
        gave_up
    }

    /// Gives up data connections that did not come; looks at `budget` places.
    pub fn give_up(&mut self, now: Tick, budget: usize) {
        for _ in 0..budget {
            if self.expected.is_empty() {
                return;
            }
            let over = self.expected.take_turn().filter(|(_, one)| one.deadline.is_due(now));
            if let Some(key) = over.map(|(key, _)| *key) {
                self.expected.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ticks;

    fn key(number: u32) -> FlowKey {
        let client = Ipv4Addr::from_bits(0x0A00_0000 + number);
        FlowKey::ipv4(6, client, 0, Ipv4Addr::new(192, 0, 2, 10), 50_000)
    }

    #[test]
    fn with_too_many_expected_one_is_given_up_for_each_new_one() {
        let mut helper = Helper::new(3);
        let (real, controller, deadline) = (RealId(0), Controller::ELSEWHERE, Tick(100));
        let one = Expectation { real, lip: None, controller, deadline };
        assert!((0..FTP_EXPECTATION_COUNT_MAX).all(|number| !helper.expect(key(number), one)));
        assert!(!helper.expect(key(7), one), "the same again");
        for number in 0..10 {
            let newest = key(FTP_EXPECTATION_COUNT_MAX + number);
            assert!(helper.expect(newest, one) && helper.expected.get(&newest).is_some());
        }
    }

    #[test]
    fn what_does_not_come_is_forgotten_in_time() {
        let mut helper = Helper::new(3);
        let (real, controller) = (RealId(0), Controller::ELSEWHERE);
        for number in 0..100 {
            let deadline = Tick(1000).after(Ticks(number));
            helper.expect(key(number), Expectation { real, lip: None, controller, deadline });
        }
        let all = FTP_EXPECTATION_COUNT_MAX as usize;
        helper.give_up(Tick(1049), all);
        let is_left = |number: &u32| helper.expected.get(&key(*number)).is_some();
        assert_eq!((0..100).filter(is_left).collect::<Vec<_>>(), (50..100).collect::<Vec<_>>());
        helper.give_up(Tick(1100), all);
        assert!(helper.expected.is_empty());
    }
}
