//! All templates of one worker: its own, and copies of other workers'.

use crate::flow::CONTROLLING_RETRY;
use crate::flow::{FlowIdx, Table, TableFull, TemplateIdx};
use crate::limits::TEMPLATE_COUNT_MAX;
use crate::time::{Tick, Ticks};

use super::template::{Owner, Template, TemplateKey};

/// How much sooner than the template a copy of it ends, so that its owner hears in time that it
/// controls flows.
const COPY_MARGIN: Ticks = Ticks::from_secs(2);

/// Templates in a table of fixed size.
#[derive(Debug)]
pub struct Templates {
    table: Table<Template>,
}

impl Templates {
    /// Room for `capacity` templates (1 to [`TEMPLATE_COUNT_MAX`], clamped), whose clock starts at
    /// `now`. `seed` keys the hash.
    #[must_use]
    pub fn new(capacity: u32, seed: u64, now: Tick) -> Self {
        Self { table: Table::new(capacity.min(TEMPLATE_COUNT_MAX), seed, now) }
    }

    /// Templates and copies in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Bytes of memory, all parts together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// How long a copy of a template lives that itself lives for `timeout`.
    #[must_use]
    pub fn copy_timeout(timeout: Ticks) -> Ticks {
        Ticks(timeout.0 - COPY_MARGIN.0.min(timeout.0 / 4))
    }

    /// The template with `key`, unless its real server was found unusable.
    #[must_use]
    pub fn find(&self, key: &TemplateKey) -> Option<TemplateIdx> {
        let hit = self.table.lookup(self.table.hash(key), key)?;
        Some(TemplateIdx(hit.flow().0))
    }

    /// A template, as long as it has not ended.
    #[must_use]
    pub fn get(&self, idx: TemplateIdx) -> Option<&Template> {
        self.table.flow(FlowIdx(idx.0))
    }

    /// The template at `position` of the table, for listings.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<&Template> {
        self.table.at(position)
    }

    /// Adds a template, whose key no other has.
    ///
    /// # Errors
    /// [`TableFull`] if there is no room.
    pub fn insert(&mut self, template: Template) -> Result<TemplateIdx, TableFull> {
        let hash = self.table.hash(template.key());
        self.table.insert_request(template, hash).map(|idx| TemplateIdx(idx.0))
    }

    /// Ends a template. It must not control flows.
    pub fn remove(&mut self, idx: TemplateIdx) -> Option<Template> {
        debug_assert!(self.get(idx).is_none_or(|template| template.flows == 0));
        self.table.remove(FlowIdx(idx.0))
    }

    /// Whether a template whose deadline may have passed still lives: then it has a new one if it
    /// has to.
    pub fn outlives(&mut self, idx: TemplateIdx, now: Tick) -> bool {
        self.get_mut(idx)
            .is_some_and(|template| !template.deadline().is_due(now) || goes_on(template, now))
    }

    /// Notes a new connection that uses a template.
    pub fn note_use(&mut self, idx: TemplateIdx, now: Tick) {
        let Some(template) = self.get_mut(idx) else { return };
        template.last_used = now;
        // Lest the clock wraps while it lies in the past.
        if template.owner == Owner::Me && template.told.is_due(now) {
            template.told = now;
        }
    }

    /// Whether the owner of a copy has to be told that it was used, for whom the template lives
    /// from the last note on: as often as makes a difference. It counts as told then.
    pub fn has_to_tell(&mut self, idx: TemplateIdx, now: Tick) -> bool {
        let Some(template) = self.get_mut(idx) else { return false };
        let often = Ticks((template.timeout.0 / 64).clamp(1, Ticks::from_secs(1).0));
        let has_to = template.owner == Owner::Other && now.since(template.told) >= often;
        if has_to {
            template.told = now;
        }
        has_to
    }

    /// Notes that another worker's copy of a template controls flows.
    pub fn note_held(&mut self, idx: TemplateIdx, now: Tick) {
        if let Some(template) = self.get_mut(idx) {
            template.told = now.after(CONTROLLING_RETRY);
        }
    }

    /// Notes that a connection that used a template got through.
    pub fn assure(&mut self, idx: TemplateIdx) {
        if let Some(template) = self.get_mut(idx) {
            template.assure();
        }
    }

    /// Has a template not be found any more: its real server may not be used. Its clock runs on.
    pub fn void(&mut self, idx: TemplateIdx) {
        self.table.hide(FlowIdx(idx.0));
        if let Some(template) = self.get_mut(idx) {
            template.void();
        }
    }

    /// Counts a flow that the template controls. It does not end before the flow does.
    pub fn begin_control(&mut self, idx: TemplateIdx) {
        if let Some(template) = self.get_mut(idx) {
            template.flows += 1;
        }
    }

    /// Counts the end of such a flow, which was at `at`.
    pub fn end_control(&mut self, idx: TemplateIdx, at: Tick) {
        if let Some(template) = self.get_mut(idx) {
            // If it should have ended before, it still controlled the flow then.
            if at.since(template.deadline()) > Ticks(0) {
                goes_on(template, at);
            }
            debug_assert!(template.flows > 0, "{template:?}");
            template.flows = template.flows.saturating_sub(1);
        }
    }

    /// Takes out one template that has ended by `now`; looks at no more than `budget`, which is
    /// counted down. `on_retry` hears of those that should have ended but control flows.
    pub fn expire_next(
        &mut self,
        now: Tick,
        budget: &mut usize,
        mut on_retry: impl FnMut(&Template),
    ) -> Option<Template> {
        self.table.expire_next_unless(now, budget, |template| {
            let stays = goes_on(template, now);
            if stays {
                on_retry(template);
            }
            stays
        })
    }

    fn get_mut(&mut self, idx: TemplateIdx) -> Option<&mut Template> {
        self.table.flow_mut(FlowIdx(idx.0))
    }
}

/// Whether a template whose deadline has passed goes on, as it controls flows. As in IPVS it then
/// lives for a minute at a time, also after it is used again. IPVS looks at the very moment, so the
/// minutes are counted from then on.
fn goes_on(template: &mut Template, now: Tick) -> bool {
    let controls = template.controls(now);
    if controls {
        let retry = match template.owner {
            Owner::Me => CONTROLLING_RETRY,
            Owner::Other => {
                // The owner hears of it now.
                template.told = now;
                Templates::copy_timeout(CONTROLLING_RETRY)
            }
        };
        let since = now.since(template.deadline());
        template.last_used = now.before(Ticks(since.0 % retry.0));
        template.timeout = retry;
    }
    controls
}
