//! The loop of one lcore.
//!
//! [`Worker::turn`] is one turn of it, and reads like the packet's journey: answer the control
//! thread, take over what other workers handed over, take a burst from every port, process it,
//! send, let time pass.

mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::buf::PacketBuf;
use crate::control::{Command, WorkerEnd};
use crate::director::{Director, Turn};
use crate::io::{Burst, Io, Ports};
use crate::publish::Reader;
use crate::snapshot::PortIdx;
use crate::stats::WorkerStats;
use crate::time::{Moment, Tick};

use request::Request;

/// One worker: a director, its ports, and its lines to the control thread.
#[derive(Debug)]
pub struct Worker<B, P> {
    director: Director<B>,
    io: Io<B, P>,
    snapshots: Reader,
    control: WorkerEnd,
    request: Option<Request>,
    stats: Arc<WorkerStats>,
}

impl<B: PacketBuf, P: Ports<B>> Worker<B, P> {
    /// Joins the parts of a worker. `stats` are those the director counts into.
    pub fn new(
        director: Director<B>,
        io: Io<B, P>,
        snapshots: Reader,
        control: WorkerEnd,
        stats: Arc<WorkerStats>,
    ) -> Self {
        Self { director, io, snapshots, control, request: None, stats }
    }

    /// The worker's ports, for those who feed them by hand.
    pub fn ports_mut(&mut self) -> &mut P {
        self.io.ports_mut()
    }

    /// Turns until `stop` is set, with `clock` telling the time.
    pub fn run(&mut self, stop: &AtomicBool, mut clock: impl FnMut() -> Moment) {
        self.snapshots.settle();
        let (mut begun, mut busy) = (0, false);
        while !stop.load(Ordering::Relaxed) {
            // Read once: a turn ends when the next one begins.
            let now = clock();
            if busy {
                self.stats.busy_cycles.add(now.cycles.wrapping_sub(begun));
            }
            begun = now.cycles;
            busy = self.turn(now.tick);
        }
    }

    /// One turn of the loop; whether there was any packet.
    #[inline]
    pub fn turn(&mut self, now: Tick) -> bool {
        self.answer_control(now);
        let snapshot = self.snapshots.load();
        let mut turn = Turn { snapshot, now, io: &mut self.io };
        let mut busy = self.director.take_over(&mut turn);
        for index in 0..turn.io.port_count() {
            #[expect(clippy::cast_possible_truncation, reason = "at most PORT_COUNT_MAX")]
            let port = PortIdx(index as u8);
            let mut burst = Burst::new();
            turn.io.rx_burst(port, &mut burst);
            if !burst.is_empty() {
                busy = true;
                self.director.process(&mut turn, port, &mut burst);
            }
        }
        self.director.tick(&mut turn);
        turn.io.flush();
        self.stats.turns.add(1);
        self.stats.busy_turns.add(u64::from(busy));
        busy
    }

    /// Takes up the next request, or goes on with the one at hand.
    #[inline]
    fn answer_control(&mut self, now: Tick) {
        if self.request.is_none() {
            self.request = match self.control.next_command() {
                Some(Command::AnnounceVips) => {
                    self.director.announce_all(now);
                    None
                }
                command => command.map(Request::new),
            };
        }
        if let Some(request) = self.request.take() {
            self.request = self.go_on(request, now);
        }
    }
}
