//! What the control thread asked for, carried out piece by piece.

use crate::buf::PacketBuf;
use crate::control::{Command, Report, Selection};
use crate::director::Ended;
use crate::io::Ports;
use crate::limits::{CONTROL_PER_TURN, CONTROL_SIGN_OF_LIFE, SWEEP_ENDS_PER_TURN};
use crate::time::Tick;

use super::Worker;

/// A request that takes more than one turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    command: Command,
    /// What is to be looked at next.
    position: usize,
    /// Flows that were counted or ended.
    count: u64,
    count_is_told: bool,
    /// Flows were left that are looked at once more, when those that hang on them have ended.
    /// Once is enough: what hangs on them and is not meant may live on for long.
    leaves_some: bool,
    is_second_look: bool,
}

impl Request {
    pub(super) const fn new(command: Command) -> Self {
        Self {
            command,
            position: 0,
            count: 0,
            count_is_told: false,
            leaves_some: false,
            is_second_look: false,
        }
    }
}

impl<B: PacketBuf, P: Ports<B>> Worker<B, P> {
    /// Does a bounded piece of a request; `None` when it is complete.
    #[cold]
    pub(super) fn go_on(&mut self, mut request: Request, now: Tick) -> Option<Request> {
        let before = request.position;
        let is_over = match request.command {
            Command::ListFlows(selection) => self.list_flows(&mut request, &selection, now),
            Command::CountFlows(selection) => self.count_flows(&mut request, &selection, now),
            Command::EndFlows(selection) => self.end_flows(&mut request, &selection, now),
            Command::ListNeighbors => self.list_neighbors(&mut request, now),
            // It is carried out at once.
            Command::AnnounceVips => true,
        };
        if !is_over && request.position / CONTROL_SIGN_OF_LIFE != before / CONTROL_SIGN_OF_LIFE {
            // Without room for it there are other reports to read.
            self.control.report(Report::Underway);
        }
        (!is_over || !self.control.report(Report::End)).then_some(request)
    }

    /// Whether all positions have been looked at; otherwise their records begin to load.
    fn has_looked_at_all(&self, request: &Request) -> bool {
        self.director.prefetch_reports(request.position, CONTROL_PER_TURN);
        request.position >= self.director.report_count()
    }

    fn list_flows(&mut self, request: &mut Request, selection: &Selection, now: Tick) -> bool {
        if self.has_looked_at_all(request) {
            return true;
        }
        for _ in 0..CONTROL_PER_TURN {
            if !self.control.has_room() {
                break;
            }
            let report = self.director.flow_report(self.snapshots.load(), request.position, now);
            if let Some(report) = report.filter(|report| selection.takes(report)) {
                self.control.report(Report::Flow(report));
            }
            request.position += 1;
        }
        false
    }

    fn count_flows(&mut self, request: &mut Request, selection: &Selection, now: Tick) -> bool {
        if self.has_looked_at_all(request) {
            return self.tell_count(request);
        }
        for _ in 0..CONTROL_PER_TURN {
            let report = self.director.flow_report(self.snapshots.load(), request.position, now);
            request.count += u64::from(report.is_some_and(|report| selection.takes(&report)));
            request.position += 1;
        }
        false
    }

    fn end_flows(&mut self, request: &mut Request, selection: &Selection, now: Tick) -> bool {
        if self.has_looked_at_all(request) {
            if request.is_second_look || !request.leaves_some {
                return self.tell_count(request);
            }
            (request.position, request.is_second_look) = (0, true);
        }
        let mut ends = SWEEP_ENDS_PER_TURN;
        for _ in 0..CONTROL_PER_TURN {
            if ends == 0 {
                break;
            }
            let snapshot = self.snapshots.load();
            match self.director.end_at(snapshot, request.position, selection, now) {
                Ended::Nothing => {}
                Ended::One => {
                    request.count += 1;
                    ends -= 1;
                }
                Ended::Later => request.leaves_some = true,
            }
            request.position += 1;
        }
        false
    }

    fn tell_count(&mut self, request: &mut Request) -> bool {
        request.count_is_told =
            request.count_is_told || self.control.report(Report::Count(request.count));
        request.count_is_told
    }

    fn list_neighbors(&mut self, request: &mut Request, now: Tick) -> bool {
        for _ in 0..CONTROL_PER_TURN {
            if !self.control.has_room() {
                break;
            }
            let Some(report) = self.director.neighbor_report(request.position, now) else {
                return true;
            };
            self.control.report(Report::Neighbor(report));
            request.position += 1;
        }
        false
    }
}
