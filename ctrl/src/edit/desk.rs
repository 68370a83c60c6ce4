//! [`Desk`]: what the configuration is to be, ahead of what the workers run by a moment.
//!
//! The desk is locked for moments only and never while anything is waited for. Only who holds the
//! [`Applier`](crate::apply::Applier) takes from it what is to be put into force, so that happens
//! one after the other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conf::edit::{Desired, Draft, Edit, Refused, Subject};
use tokio::sync::{Notify, watch};

use super::Failed;
use super::room::Room;
use crate::identity::Registry;

/// Changes so far that were accepted. The configuration at the start is 0.
pub(crate) type Revision = u64;

/// What the configuration is to be.
#[derive(Debug)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    /// The latest revision that all workers run.
    running: watch::Sender<Revision>,
    /// Told when somebody waits.
    hurry: Notify,
}

#[derive(Debug)]
struct Inner {
    draft: Draft,
    room: Room,
    revision: Revision,
    /// The latest revision that is in force or about to be.
    begun: Revision,
    /// The file it came from.
    file: String,
    /// Lists of edits that were accepted since then.
    commands: u64,
    /// Who made the last of them.
    origin: String,
    /// Whether somebody is there who will put into force what is accepted.
    has_publisher: bool,
    /// How long it took last to put something into force.
    took: Duration,
}

/// Where what is to be put into force came from.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) revision: Revision,
    pub(crate) file: String,
    pub(crate) commands: u64,
}

/// A whole configuration to replace what is desired.
#[derive(Debug)]
pub(crate) struct Replacement {
    draft: Draft,
    room: Room,
}

impl Replacement {
    /// Takes time in proportion to the configuration's size.
    pub(crate) fn new(config: conf::Config, registry: &Registry) -> Self {
        let limits = config.limits;
        let draft = Draft::new(config);
        let room = Room::new(&limits, &draft, registry);
        Self { draft, room }
    }

    /// The configuration.
    pub(crate) fn desired(&self) -> Desired {
        self.draft.desired()
    }
}

impl Desk {
    /// A desk with what is in force, of `file`.
    pub(crate) fn new(initial: Replacement, file: String) -> Self {
        let Replacement { draft, room } = initial;
        let inner = Inner {
            draft,
            room,
            revision: 0,
            begun: 0,
            file,
            commands: 0,
            origin: String::new(),
            has_publisher: false,
            took: Duration::ZERO,
        };
        Self { inner: Mutex::new(inner), running: watch::Sender::new(0), hurry: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that is done under the lock leaves things half done when it panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what is desired.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Draft) -> T) -> T {
        look(&self.lock().draft)
    }

    /// Accepts the edits that `plan` makes of what is desired and its revision, all or nothing;
    /// the revision that has them. `origin` is who wants it.
    pub(super) fn edit<E>(
        &self,
        origin: &str,
        plan: impl FnOnce(&Draft, Revision) -> Result<Vec<Edit>, E>,
    ) -> Result<Revision, Failed<E>> {
        let inner = &mut *self.lock();
        let edits = plan(&inner.draft, inner.revision).map_err(Failed::Plan)?;
        let done = inner.draft.edit(&edits).map_err(Failed::Edit)?;
        if let Err(error) = inner.room.admit(done.steps()) {
            inner.draft.undo(done);
            let index = edits.len().saturating_sub(1);
            return Err(Failed::Edit(Refused { index, error }));
        }
        if !done.is_empty() {
            inner.revision += 1;
            inner.commands += 1;
            origin.clone_into(&mut inner.origin);
        }
        Ok(inner.revision)
    }

    /// Replaces what is desired as a whole.
    pub(crate) fn replace(&self, replacement: Replacement, file: String) {
        let inner = &mut *self.lock();
        let Replacement { draft, room } = replacement;
        (inner.draft, inner.room, inner.file) = (draft, room, file);
        inner.revision += 1;
        inner.commands = 0;
    }

    /// What is desired now, and its revision.
    pub(crate) fn desired(&self) -> (Desired, Revision) {
        let inner = self.lock();
        (inner.draft.desired(), inner.revision)
    }

    /// The revision of what is desired now.
    pub(crate) fn revision(&self) -> Revision {
        self.lock().revision
    }

    /// Who made the last change by commands.
    pub(super) fn origin(&self) -> String {
        self.lock().origin.clone()
    }

    /// Whether something is desired that nobody has begun to put into force.
    pub(crate) fn is_ahead(&self) -> bool {
        let inner = self.lock();
        inner.begun != inner.revision
    }

    /// Whether the caller has to see to it that what is accepted is put into force.
    pub(super) fn wants_publisher(&self) -> bool {
        let inner = &mut *self.lock();
        let wanted = !inner.has_publisher && inner.begun != inner.revision;
        inner.has_publisher |= wanted;
        wanted
    }

    /// Whether the publisher may go, since all that is accepted is in force.
    pub(super) fn publisher_goes(&self) -> bool {
        let inner = &mut *self.lock();
        inner.has_publisher = inner.begun != inner.revision;
        !inner.has_publisher
    }

    /// Takes what is desired, to put it into force.
    pub(crate) fn begin(&self) -> (Desired, Job) {
        let inner = &mut *self.lock();
        inner.begun = inner.revision;
        inner.room.numbered();
        let (revision, commands) = (inner.revision, inner.commands);
        (inner.draft.desired(), Job { revision, file: inner.file.clone(), commands })
    }

    /// The registry has freed these numbers.
    pub(crate) fn freed(&self, freed: &[Subject]) {
        let inner = &mut *self.lock();
        inner.room.freed(freed, &inner.draft);
    }

    /// All workers run this revision.
    pub(crate) fn is_running(&self, revision: Revision) {
        self.running.send_if_modified(|running| {
            let is_later = *running < revision;
            *running = revision.max(*running);
            is_later
        });
    }

    /// Notes how long it took to put something into force.
    pub(crate) fn took(&self, took: Duration) {
        self.lock().took = took;
    }

    /// How long it took last to put something into force.
    pub(super) fn last_took(&self) -> Duration {
        self.lock().took
    }

    /// Waits until all workers run `revision` or a later one, but not for longer than `patience`.
    /// Whether they do.
    pub(super) async fn runs(&self, revision: Revision, patience: Duration) -> bool {
        if patience.is_zero() {
            // A timer takes a millisecond even then. Others have their turn, though.
            tokio::task::yield_now().await;
            return *self.running.borrow() >= revision;
        }
        let mut running = self.running.subscribe();
        let arrived = running.wait_for(|running| *running >= revision);
        tokio::time::timeout(patience, arrived).await.is_ok_and(|arrived| arrived.is_ok())
    }

    /// Somebody waits for what was accepted.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Waits until somebody is in a hurry, but not for longer than `pause`.
    pub(super) async fn calm(&self, pause: Duration) {
        // Nobody in a hurry is no error.
        let _ = tokio::time::timeout(pause, self.hurry.notified()).await;
    }
}
