//! FULLNAT real servers whose local ports run out: said in the log before connections are refused.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use conf::ForwardingMode;
use dataplane::forward::{LocalPortLevel, LocalPortShare, LocalPortUsage};

use crate::api::proto::RealServer;
use crate::state::{InForce, Seats, State};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(10);
/// Services that are looked at before others on the control thread have their turn.
const SERVICES_AT_ONCE: usize = 256;

/// Real servers that have few local ports left, by their [`name`].
type Scarce = BTreeMap<String, LocalPortUsage>;

/// Looks at the local ports, and says where they become scarce and where that is over.
pub(crate) async fn watch(state: &Arc<State>) -> Infallible {
    let mut before = Scarce::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let in_force = state.in_force.load_full();
        let now = scarce(&in_force, &state.workers).await;
        for line in changes(&before, &now) {
            tracing::warn!("{line}");
        }
        before = now;
    }
}

/// Local ports towards a real server over all workers; `None` if it is not in mode fullnat.
pub(crate) fn usage(real: &RealServer) -> Option<LocalPortUsage> {
    let used = real.active.saturating_add(real.inactive);
    real.local_ports.map(|capacity| LocalPortUsage { used, capacity })
}

/// A real server of a service, as the log and the doctor call it.
pub(crate) fn name(service: &str, real: SocketAddrV4) -> String {
    format!("service {service}, {real}")
}

/// How many of its local ports are in use.
pub(crate) fn words(name: &str, usage: LocalPortUsage) -> String {
    let LocalPortUsage { used, capacity } = usage;
    format!("{name}: {used} of {capacity} local ports are in use ({} %)", usage.percent())
}

async fn scarce(in_force: &InForce, workers: &Seats) -> Scarce {
    let mut found = Scarce::new();
    let services = in_force.config.services.iter().zip(&in_force.named);
    for (place, (service, named)) in services.enumerate() {
        if place % SERVICES_AT_ONCE == SERVICES_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let pool = in_force.config.pool_of(service);
        if pool.is_empty() {
            continue;
        }
        let capacity = LocalPortShare::All.capacity(pool);
        for (real, named) in service.real_servers.iter().zip(&named.real_servers) {
            if real.mode != ForwardingMode::FullNat {
                continue;
            }
            let used = workers.sum(|stats| {
                let real = stats.real_server(named.id);
                real.map_or(0, |real| real.active.value() + real.inactive.value())
            });
            let usage = LocalPortUsage { used, capacity };
            if usage.level() > LocalPortLevel::Ample {
                found.insert(name(&service.name, real.address), usage);
            }
        }
    }
    found
}

/// What the log says between two looks: each change of level once.
fn changes(before: &Scarce, now: &Scarce) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, usage) in now {
        let level = usage.level();
        if before.get(name).map(|usage| usage.level()) == Some(level) {
            continue;
        }
        let bites = match level {
            LocalPortLevel::Critical => "; new connections are about to be refused",
            LocalPortLevel::Scarce | LocalPortLevel::Ample => "",
        };
        lines.push(format!("{}{bites}: add `local_addresses`", words(name, *usage)));
    }
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        lines.push(format!("{name}: there are enough local ports again"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rig;

    #[tokio::test]
    async fn real_servers_in_mode_fullnat_alone_run_short() {
        let rig = Rig::standing(
            "  full: {vip: \"192.0.2.10:80\", protocol: tcp, mode: fullnat, local_addresses: \
             [10.0.0.100], real_servers: [{address: 10.0.0.11:80}, {address: 10.0.0.12:80}, \
             {address: 10.0.0.13:80, mode: nat}]}\n  \
             none: {vip: \"192.0.2.11:80\", protocol: tcp, mode: nat, real_servers: \
             [{address: 10.0.0.11:80}]}\n",
        );
        let (in_force, workers) = (rig.state.in_force.load_full(), &rig.state.workers);
        let reals = in_force.named.iter().flat_map(|service| &service.real_servers);
        for (named, used) in reals.zip([60_000, 40_000, 60_000, 60_000]) {
            let seat = workers.iter().next().unwrap();
            let stats = seat.stats.real_server(named.id).unwrap();
            stats.active.add(used - 1);
            stats.inactive.add(1);
        }
        let usage = LocalPortUsage { used: 60_000, capacity: 64_512 };
        let expected = [("service full, 10.0.0.11:80".to_owned(), usage)];
        assert_eq!(scarce(&in_force, workers).await, Scarce::from(expected));
    }

    fn look(used: u64) -> Scarce {
        let usage = LocalPortUsage { used, capacity: 1000 };
        let known = (usage.level() > LocalPortLevel::Ample).then(|| ("a".to_owned(), usage));
        known.into_iter().collect()
    }

    #[test]
    fn each_change_is_said_once() {
        let said = |before, now| changes(&look(before), &look(now)).join("\n");
        assert_eq!(said(0, 700), "");
        assert_eq!(
            said(700, 800),
            "a: 800 of 1000 local ports are in use (80 %): add `local_addresses`"
        );
        assert_eq!(said(800, 900), "");
        assert!(said(900, 960).contains("(96 %); new connections are about to be refused"));
        assert_eq!(said(960, 970), "");
        assert_eq!(said(970, 10), "a: there are enough local ports again");
    }
}
