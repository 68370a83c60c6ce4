//! How what is in the table ends: when its time has come, by the wheel.

use super::{Entry, FlowIdx, Table};
use crate::time::Tick;

impl<E: Entry> Table<E> {
    /// Has a flow ended in time whose life became shorter. A longer life needs nothing: the wheel
    /// looks at the deadline when it comes by.
    #[cold]
    pub fn hasten(&mut self, idx: FlowIdx) {
        let Some(flow) = self.flow(idx) else { return };
        let (slot, deadline) = (flow.link().slot(), flow.ends_at());
        if !self.wheel.is_in_time(slot, deadline) {
            self.wheel.unlink(&mut self.records, idx.0);
            self.wheel.link(&mut self.records, idx.0, deadline);
        }
    }

    /// Takes out one flow that has ended by `now`; looks at no more than `budget` records, which
    /// is counted down. `None` when nothing more is due or the budget is spent.
    #[inline]
    pub fn expire_next(&mut self, now: Tick, budget: &mut usize) -> Option<E> {
        self.expire_next_unless(now, budget, |_| false)
    }

    /// [`Self::expire_next`] but for those that `goes_on` has given a deadline after `now`.
    #[inline]
    pub fn expire_next_unless(
        &mut self,
        now: Tick,
        budget: &mut usize,
        mut goes_on: impl FnMut(&mut E) -> bool,
    ) -> Option<E> {
        while *budget > 0 {
            let index = self.wheel.pop_due(&mut self.records, now)?;
            *budget -= 1;
            let entry = self.flow_mut(FlowIdx(index))?;
            if entry.ends_at().is_due(now) && !goes_on(entry) {
                return self.release(index);
            }
            let deadline = entry.ends_at();
            self.wheel.link(&mut self.records, index, deadline);
        }
        None
    }
}
