//! Flows and templates that an operator ends.
//!
//! Nobody is told. What a client or a real server still sends has no flow, and is treated so.

use crate::buf::PacketBuf;
use crate::control::Selection;
use crate::flow::{Direction, FlowIdx, Hit, TemplateIdx};
use crate::persistence::Owner;
use crate::snapshot::Snapshot;
use crate::time::Tick;

use super::Director;
use super::persist::report_of;

/// What became of what stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There is nothing that is meant.
    Nothing,
    /// It ended.
    One,
    /// It controls flows that have to end before it.
    Later,
}

impl<B: PacketBuf> Director<B> {
    /// Ends what stands at `position` of listings if it is meant.
    pub(crate) fn end_at(
        &mut self,
        snapshot: &Snapshot,
        position: usize,
        selection: &Selection,
        now: Tick,
    ) -> Ended {
        let Ok(index) = u32::try_from(position) else { return Ended::Nothing };
        if let Some(position) = position.checked_sub(self.flows.capacity()) {
            return self.end_template_at(snapshot, position, selection, now);
        }
        let report = self.flow_report(snapshot, position, now);
        if !report.is_some_and(|report| selection.takes(&report)) {
            return Ended::Nothing;
        }
        // Its data connections refer to its place.
        if self.flows.at(position).is_some_and(|flow| self.ftp.holds(flow)) {
            return Ended::Later;
        }
        self.end_flow(snapshot, Hit::new(FlowIdx(index), Direction::Request));
        self.stats.ended.on_request.add(1);
        Ended::One
    }

    /// Ends a template, or has it not be used any more if it controls flows. A copy goes too,
    /// lest its owner hears of it and makes it anew, but does not count.
    fn end_template_at(
        &mut self,
        snapshot: &Snapshot,
        position: usize,
        selection: &Selection,
        now: Tick,
    ) -> Ended {
        let Some(template) = self.templates.at(position).copied() else { return Ended::Nothing };
        let is_there = !template.is_void() && !template.is_over(now);
        if !is_there || !selection.takes(&report_of(snapshot, &template, now)) {
            return Ended::Nothing;
        }
        let Ok(index) = u32::try_from(position).map(TemplateIdx) else { return Ended::Nothing };
        if template.controls(now) {
            self.templates.void(index);
        } else {
            self.end_template(index);
        }
        if template.owner() == Owner::Other {
            return Ended::Nothing;
        }
        self.stats.ended.on_request.add(1);
        Ended::One
    }

    /// Begins to load what [`Self::flow_report`] reads of up to `count` positions.
    pub(crate) fn prefetch_reports(&self, position: usize, count: usize) {
        self.flows.prefetch_from(position, count);
    }
}
