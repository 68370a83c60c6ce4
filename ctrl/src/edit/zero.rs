//! Counters that begin anew (`ipvsadm -Z`).
//!
//! Counters have one writer, so they are not set back: what they are now becomes the base that
//! readers subtract. Rates follow the bases. Nothing changes for the workers.

use std::sync::Arc;

use conf::ServiceKey;
use conf::edit::EditError;

use super::{Stale, lock, publish, settled};
use crate::apply::ApplyError;
use crate::state::{InForce, State};

/// Why counters do not begin anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZeroError {
    /// The service is not there.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// What was accepted before could not be put into force, so it has no counters yet.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The caller means another generation.
    #[error(transparent)]
    Stale(#[from] Stale),
}

/// Has the counters of a service and its real servers begin anew, or those of all, whether or not
/// anybody waits for that; if a generation is `meant`, only while nothing else is or comes into
/// force.
pub(crate) async fn zero(
    state: &Arc<State>,
    key: Option<ServiceKey>,
    meant: Option<u64>,
) -> Result<(), ZeroError> {
    let task = tokio::spawn(exclusively(Arc::clone(state), key, meant));
    task.await.unwrap_or_else(|_| Err(ApplyError::Stopping.into()))
}

async fn exclusively(
    state: Arc<State>,
    key: Option<ServiceKey>,
    meant: Option<u64>,
) -> Result<(), ZeroError> {
    let mut applier = state.applier.lock().await;
    let (is_ahead, generation) = (state.desk.is_ahead(), state.in_force.load().generation);
    if meant.is_some_and(|meant| is_ahead || meant != generation) {
        return Err(Stale { now: generation }.into());
    }
    // What came back just now may bring counters along.
    if is_ahead {
        settled(&state).await?;
        publish(&state, &mut applier).await?;
    }
    let mut in_force = InForce::clone(&state.in_force.load());
    let mut registry = lock(&applier.registry);
    match key {
        Some(key) => {
            let place = in_force.place(key);
            let named = place.and_then(|place| in_force.named.get_mut(place));
            registry.zero(named.ok_or(EditError::NoSuchService(key))?, &state.workers);
        }
        None => in_force.named.iter_mut().for_each(|named| registry.zero(named, &state.workers)),
    }
    state.in_force.store(Arc::new(in_force));
    Ok(())
}
