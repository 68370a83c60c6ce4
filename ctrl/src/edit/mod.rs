//! Single changes of the running configuration: what commands change, for the HTTP API and for the
//! IPVS front end.
//!
//! [`edit_with`] checks a list of edits against what is desired (`desk.rs`), all or nothing. What
//! is accepted cannot fail later: there is a number for everything (`room.rs`). It is put into
//! force at once, or together with all that is accepted while a snapshot is built (`publish.rs`),
//! and the caller is told whether the workers run it already. `rvs apply` and SIGHUP replace what
//! is desired as a whole, through the same desk ([`crate::apply`]). [`zero`] has counters begin
//! anew.
//!
//! Who lists what commands have made should look at the desk ([`Desk::read`]), where everything
//! accepted is, and take counters from what is in force ([`crate::state::InForce::place`]).

mod desk;
mod publish;
mod room;
mod zero;

use std::sync::Arc;
use std::time::Duration;

use conf::edit::{Draft, Edit, EditError, Refused};
use tokio::time::timeout;

pub(crate) use desk::{Desk, Replacement, Revision};
#[cfg(test)]
pub(crate) use publish::{PAUSE, build};
pub(crate) use publish::{lock, publish, see_to, settled};
pub(crate) use zero::{ZeroError, zero};

use crate::state::State;

/// How long it may take to put something into force for [`Patience::Brief`] to wait for it.
const BRIEF: Duration = Duration::from_millis(5);
/// How long it waits then.
const BRIEF_PATIENCE: Duration = Duration::from_millis(10);
/// How long an edit without room waits for the registry, to have it free numbers.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait until the workers run what was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until they do, but at most so long.
    Until(Duration),
    /// While that takes milliseconds, as with a thousand real servers; not at all when it takes
    /// longer. For callers that change one thing after the other and wait each time.
    Brief,
}

/// What became of accepted edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edited {
    /// Whether all workers run them.
    pub(crate) running: bool,
    /// The generation in force.
    pub(crate) generation: u64,
}

/// Why edits are not carried out.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// None could be made.
    Plan(E),
    /// They cannot be accepted.
    Edit(Refused),
}

/// Another generation is in force than the caller means, or changes of it are under way.
#[derive(Debug, thiserror::Error)]
#[error(
    "generation {now} is in force, perhaps with changes under way: read what you mean to change \
     again"
)]
pub(crate) struct Stale {
    /// The generation in force.
    pub(crate) now: u64,
}

/// Carries out the edits that `plan` makes of what is desired, all or nothing. It also hears the
/// generation in force, if that has everything that is desired. `origin` says in the log who wants
/// it.
pub(crate) async fn edit_with<E>(
    state: &Arc<State>,
    origin: &str,
    patience: Patience,
    plan: impl Fn(&Draft, Option<u64>) -> Result<Vec<Edit>, E>,
) -> Result<Edited, Failed<E>> {
    let accept = || {
        state.desk.edit(origin, |draft, revision| -> Result<_, E> {
            let in_force = state.in_force.load();
            let is_all = in_force.revision == revision;
            let edits = plan(draft, is_all.then_some(in_force.generation))?;
            tracing::debug!("{origin}: {edits:?}");
            Ok(edits)
        })
    };
    let revision = match accept() {
        // Flows may have ended since the registry was asked last.
        Err(Failed::Edit(refused))
            if is_for_want_of_room(&refused) && free_numbers(state).await =>
        {
            accept()?
        }
        outcome => outcome?,
    };
    see_to(state);
    let patience = match patience {
        Patience::Until(patience) => {
            state.desk.hurry();
            patience
        }
        Patience::Brief if state.desk.last_took() <= BRIEF => BRIEF_PATIENCE,
        Patience::Brief => Duration::ZERO,
    };
    let running = state.desk.runs(revision, patience).await;
    Ok(Edited { running, generation: state.in_force.load().generation })
}

/// Whether removed things that wait for their flows to end are in the way.
fn is_for_want_of_room(refused: &Refused) -> bool {
    matches!(refused.error, EditError::NoRoom { waiting: 1.., .. })
}

/// Has the registry free the numbers of what has no flows any more; whether there were any.
async fn free_numbers(state: &Arc<State>) -> bool {
    match timeout(REGISTRY_PATIENCE, state.applier.lock()).await {
        Ok(applier) => applier.free_numbers(state),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
