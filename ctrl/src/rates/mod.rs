//! Rates of services and real servers, estimated as IPVS estimates them.

mod estimator;

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dataplane::service::{RealId, ServiceId};
use tokio::time::MissedTickBehavior;

use crate::api::proto::{Rates, Traffic};
use crate::identity::{Named, NamedRealServer, NamedService, Usage as _};
use crate::state::{Seats, State};
use estimator::Estimator;

/// Time between two looks, as in IPVS.
const INTERVAL: Duration = Duration::from_secs(2);
/// Services that are looked at before others on the control thread have their turn.
const SERVICES_AT_ONCE: usize = 256;

/// What the last look gave; 0 for what it did not see, and for what has another base since then.
#[derive(Debug, Default)]
pub(crate) struct RateTable {
    services: Estimators<ServiceId>,
    real_servers: Estimators<RealId>,
}

impl RateTable {
    /// The rates of a service.
    pub(crate) fn service(&self, named: &NamedService) -> Rates {
        self.services.rates(named.id, named.base)
    }

    /// The rates of a real server.
    pub(crate) fn real_server(&self, named: &NamedRealServer) -> Rates {
        self.real_servers.rates(named.id, named.base)
    }
}

/// Looks at all counters every two seconds.
pub(crate) async fn watch(state: &Arc<State>) -> Infallible {
    let mut last = Arc::<RateTable>::default();
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let in_force = state.in_force.load_full();
        last = Arc::new(look(&last, &in_force.named, &state.workers).await);
        state.rates.store(Arc::clone(&last));
    }
}

/// The estimators of one kind of thing, by number, each with the base of its counters.
///
/// A number that has gone over to another one has another base, and begins anew.
#[derive(Debug)]
struct Estimators<I>(HashMap<I, (Traffic, Estimator)>);

impl<I> Default for Estimators<I> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<I: Hash + Eq + Copy> Estimators<I> {
    /// Takes in what has been counted; `previous` are the estimators of the last look.
    fn sample(&mut self, previous: &Self, id: I, base: Traffic, now: Traffic) {
        // What has come since it is there counts from the first look on.
        let known = previous.known(id, base).copied();
        let mut estimator = known.unwrap_or_else(|| Estimator::new(base));
        estimator.sample(now);
        self.0.insert(id, (base, estimator));
    }

    fn rates(&self, id: I, base: Traffic) -> Rates {
        self.known(id, base).map(Estimator::rates).unwrap_or_default()
    }

    fn known(&self, id: I, base: Traffic) -> Option<&Estimator> {
        self.0.get(&id).filter(|(known, _)| *known == base).map(|(_, estimator)| estimator)
    }
}

/// Looks at all counters, two seconds after `previous`.
async fn look(previous: &RateTable, named: &Named, workers: &Seats) -> RateTable {
    let mut table = RateTable::default();
    for services in named.chunks(SERVICES_AT_ONCE) {
        for service in services {
            let now = workers.service(service.id);
            table.services.sample(&previous.services, service.id, service.base, now);
            for real in &service.real_servers {
                let now = workers.real_server(real.id);
                table.real_servers.sample(&previous.real_servers, real.id, real.base, now);
            }
        }
        tokio::task::yield_now().await;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(connections: u64) -> Traffic {
        Traffic { connections, ..Traffic::default() }
    }

    #[test]
    fn a_number_that_goes_over_to_another_one_begins_anew() {
        let look = |previous: &Estimators<RealId>, base, now| {
            let mut estimators = Estimators::default();
            estimators.sample(previous, RealId(7), base, now);
            let rates = estimators.rates(RealId(7), base);
            (estimators, rates.connections)
        };
        let base = connections(0);
        let (first, rate) = look(&Estimators::default(), base, connections(800));
        assert_eq!(rate, 100);
        let (second, rate) = look(&first, base, connections(800));
        assert_eq!(rate, 75);
        let (third, rate) = look(&second, connections(800), connections(808));
        assert_eq!(rate, 1);
        assert_eq!(third.rates(RealId(7), base), Rates::default());
    }
}
