//! Counters that begin anew (`ipvsadm -Z`).
//!
//! Counters have one writer, so they are not set back: what they are now becomes the base that
//! readers subtract. Rates follow the bases. Nothing changes for the workers.

use std::sync::Arc;

use conf::ServiceKey;
use conf::edit::EditError;

use super::{lock, publish, settled};
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
}

/// Has the counters of a service and its real servers begin anew, or those of all, whether or not
/// anybody waits for that.
pub(crate) async fn zero(state: &Arc<State>, key: Option<ServiceKey>) -> Result<(), ZeroError> {
    let task = tokio::spawn(exclusively(Arc::clone(state), key));
    task.await.unwrap_or_else(|_| Err(ApplyError::Stopping.into()))
}

async fn exclusively(state: Arc<State>, key: Option<ServiceKey>) -> Result<(), ZeroError> {
    let mut applier = state.applier.lock().await;
    // What came back just now may bring counters along.
    if state.desk.is_ahead() {
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
