//! FULLNAT real servers whose local ports run out: said in the log before connections are refused.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use dataplane::forward::{LocalPortLevel, LocalPortUsage};

use crate::api::proto::{RealServer, Services};
use crate::api::view;
use crate::state::State;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(10);

/// Real servers that have few local ports left, as the log names them.
type Scarce = BTreeMap<String, LocalPortUsage>;

/// Looks at the local ports, and says where they become scarce and where that is over.
pub(crate) async fn watch(state: &Arc<State>) -> Infallible {
    let mut before = Scarce::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = scarce(&view::services(state));
        for line in changes(&before, &now) {
            tracing::warn!("{line}");
        }
        before = now;
    }
}

/// Local ports towards a real server over all workers; `None` if it is not of a FULLNAT service.
pub(crate) fn usage(real: &RealServer) -> Option<LocalPortUsage> {
    let used = real.active.saturating_add(real.inactive);
    real.local_ports.map(|capacity| LocalPortUsage { used, capacity })
}

fn scarce(services: &Services) -> Scarce {
    let mut found = Scarce::new();
    for service in &services.services {
        for real in &service.real_servers {
            if let Some(usage) = usage(real)
                && usage.level() > LocalPortLevel::Ample
            {
                let name = format!("service {}, {}:{}", service.name, real.rip, real.rport);
                found.insert(name, usage);
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
        lines.push(format!(
            "{name}: {} of {} local ports are in use ({} %){bites}: add `local_addresses`",
            usage.used,
            usage.capacity,
            usage.percent()
        ));
    }
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        lines.push(format!("{name}: there are enough local ports again"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

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
