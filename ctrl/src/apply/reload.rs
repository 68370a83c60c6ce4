//! SIGHUP: the daemon's own file is read again and put into force.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::Notify;

use super::apply;
use crate::state::State;

/// Reads the daemon's file again whenever `hang_up` says so. Signals that come meanwhile are one.
pub(crate) async fn reload_on(hang_up: &Notify, state: &Arc<State>) -> Infallible {
    loop {
        hang_up.notified().await;
        let name = state.file.display().to_string();
        match conf::read(&state.file) {
            // The outcome is in the log, which is where a signal is answered.
            Ok(text) => drop(apply(state, "SIGHUP", name, text).await),
            Err(error) => tracing::error!("SIGHUP: {name}: nothing was changed: {error}"),
        }
    }
}
