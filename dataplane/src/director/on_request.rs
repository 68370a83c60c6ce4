//! Flows and templates that an operator ends.
//!
//! Nobody is told. What a client or a real server still sends has no flow, and is treated so.

use crate::buf::PacketBuf;
use crate::control::{FlowReport, Selection};
use crate::flow::{Direction, FlowIdx, Hit, TemplateIdx};
use crate::forward::ForwardingMode;
use crate::persistence::Owner;
use crate::snapshot::Snapshot;
use crate::stats::Counter;
use crate::time::Tick;

use super::Director;

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
        let is_held = self.flows.at(position).is_some_and(|flow| {
            flow.control.has_helper() && self.ftp.has_data_flows(&flow.request)
        });
        if is_held {
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
        let real = snapshot.real_server(template.real());
        let mode = real.map_or(ForwardingMode::Nat, |real| real.mode);
        if template.is_void() || !selection.takes(&FlowReport::of_template(&template, mode, now)) {
            return Ended::Nothing;
        }
        let Ok(index) = u32::try_from(position).map(TemplateIdx) else { return Ended::Nothing };
        if template.controls(now) {
            self.templates.void(index);
        } else if let Some(ended) = self.templates.remove(index) {
            self.count_template(&ended, Counter::subtract);
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
