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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ECHO, Rig};

    /// Watches while the links change, two looks apart, by tokio's clock.
    async fn watched(rig: &Rig, link: &[bool]) {
        let changes = async {
            for up in link {
                rig.set_link(*up);
                tokio::time::sleep(INTERVAL * 2).await;
            }
        };
        tokio::select! {
            () = changes => {}
            never = watch(&rig.state) => match never {},
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_comes_up_has_all_vips_announced_again() {
        let rig = Rig::turning(ECHO);
        rig.pass_s(5);
        let at_start = rig.announcements();
        assert_eq!(at_start, 3);
        watched(&rig, &[true, false]).await;
        rig.pass_s(5);
        assert_eq!(rig.announcements(), at_start, "nothing came up");
        watched(&rig, &[false, true, true]).await;
        rig.pass_s(5);
        assert_eq!(rig.announcements(), at_start + 3);
    }
}
