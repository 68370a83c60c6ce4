//! The load generator: clients and real servers around a director, and what they count.
//!
//! An [`Engine`] makes the frames that come in at the director's ports and takes those that go out.
//! It does not know what carries them: [`memory`] calls it from the director's own thread, and
//! [`links`] drives it over two ports of its own process (`rvs-gen`), which shared memory joins to
//! those of the director.
//!
//! * [`flows`]: which client sends next;
//! * [`frame`]: that client's frame, stamped out of a template; [`sizes`]: how long it is;
//! * [`requests`]: an engine of UDP requests, answered or not, and of floods;
//! * [`tcp`]: an engine of whole TCP connections;
//! * [`segment`]: its segments;
//! * [`book`]: what both keep;
//! * [`check`]: what a frame must look like when it comes back;
//! * [`arp`]: answers to the director's questions;
//! * [`protocol`]: what the benchmark and `rvs-gen` say to each other;
//! * [`serve`], [`player`]: the process from start to end, and what it plays in between.

pub mod arp;
pub mod book;
pub mod check;
pub mod flows;
pub mod frame;
pub mod links;
pub mod memory;
pub mod player;
pub mod protocol;
pub mod requests;
pub mod segment;
pub mod serve;
pub mod sizes;
pub mod tcp;

use dataplane::snapshot::PortIdx;
use dpdk::Burst;
use serde::{Deserialize, Serialize};

use book::Book;
use check::Fault;

/// The director's port that clients are at.
pub const WAN: PortIdx = PortIdx(0);
/// The director's port that real servers are at.
pub const LAN: PortIdx = PortIdx(1);
/// Ports of a director under test.
pub const PORT_COUNT: usize = 2;

/// What an engine has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Packets that clients sent.
    pub requests: u64,
    /// Packets of clients that came out towards real servers.
    pub forwarded: u64,
    /// Packets that real servers sent.
    pub answers: u64,
    /// Packets of real servers that came out towards clients.
    pub replied: u64,
    /// TCP connections that went from SYN to the last ACK.
    pub completed: u64,
    /// Packets, or connections of TCP, that were waited for in vain.
    pub lost: u64,
    /// Frames looked at in detail.
    pub checked: u64,
    /// Frames that were not as they should be.
    pub wrong: u64,
}

impl Counts {
    /// Packets that the director passed on.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.forwarded + self.replied
    }

    /// What has been counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            forwarded: self.forwarded - earlier.forwarded,
            answers: self.answers - earlier.answers,
            replied: self.replied - earlier.replied,
            completed: self.completed - earlier.completed,
            lost: self.lost - earlier.lost,
            checked: self.checked - earlier.checked,
            wrong: self.wrong - earlier.wrong,
        }
    }
}

/// Clients and real servers.
pub trait Engine {
    /// Takes what the director sent from `port`.
    fn take<const N: usize>(&mut self, port: PortIdx, burst: &mut Burst<N>);

    /// Fills `burst` up with what clients begin with, as far as they may.
    fn begin<const N: usize>(&mut self, burst: &mut Burst<N>);

    /// What is under way: packets or connections.
    fn in_flight(&self) -> u64;

    /// Gives up waiting for what is under way, and counts it as lost.
    fn write_off(&mut self);

    /// What it keeps.
    fn book(&self) -> &Book;

    /// What it keeps.
    fn book_mut(&mut self) -> &mut Book;

    /// Fills `burst` up with what comes in at the director's `port`.
    #[inline]
    fn fill<const N: usize>(&mut self, port: PortIdx, burst: &mut Burst<N>) {
        self.book_mut().send_waiting(port, burst);
        if port == WAN && self.book().left > 0 {
            self.begin(burst);
        }
    }

    /// Lets clients send so many more requests, or open so many more connections; whatever they
    /// were still allowed before does not count any more.
    fn grant(&mut self, count: u64) {
        self.book_mut().left = count;
    }

    /// Whether frames that come back are looked at in detail, some of them.
    fn check(&mut self, on: bool) {
        self.book_mut().check(on);
    }

    /// Whether all that was granted has been sent.
    fn is_spent(&self) -> bool {
        self.book().left == 0
    }

    /// The counters.
    fn counts(&self) -> &Counts {
        &self.book().counts
    }

    /// The first fault of a frame that came back.
    fn fault(&self) -> Option<Fault> {
        self.book().fault()
    }
}
