//! Links that come up: what is behind them has not heard of our VIPs, so these are announced again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::state::State;

/// Time between two looks at the links.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks at the ports' links, and has the workers announce all VIPs when one comes up.
pub(crate) async fn watch(state: &Arc<State>) -> Infallible {
    let mut up = links(state);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = links(state);
        let came_up = up.iter().zip(&now).position(|(before, now)| !before && *now);
        up = now;
        if let Some(port) = came_up {
            tracing::info!("port {}: the link is up, announcing all VIPs", state.port_name(port));
            // Listings under way hold the rings, and others may be waiting for them.
            let state = Arc::clone(state);
            tokio::spawn(async move { announce(&state).await });
        }
    }
}

/// Whether each port's link is up; one that cannot tell is, since it never changes.
fn links(state: &State) -> Vec<bool> {
    state.ports.iter().map(|port| port.live.link().is_none_or(|link| link.up)).collect()
}

async fn announce(state: &State) {
    for seat in state.workers.iter() {
        if !seat.ring.lock().await.announce_vips() {
            tracing::warn!("worker {} does not answer, so it announces nothing", seat.lcore);
        }
    }
}
