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

/// What the last look gave, with the base of the counters; 0 for what it did not see, and for what
/// has another base since then.
#[derive(Debug, Default)]
pub(crate) struct RateTable {
    services: HashMap<ServiceId, (Traffic, Rates)>,
    real_servers: HashMap<RealId, (Traffic, Rates)>,
}

impl RateTable {
    /// The rates of a service.
    pub(crate) fn service(&self, named: &NamedService) -> Rates {
        rates_since(&named.base, self.services.get(&named.id))
    }

    /// The rates of a real server.
    pub(crate) fn real_server(&self, named: &NamedRealServer) -> Rates {
        rates_since(&named.base, self.real_servers.get(&named.id))
    }
}

fn rates_since(base: &Traffic, found: Option<&(Traffic, Rates)>) -> Rates {
    found.filter(|(known, _)| known == base).map_or_else(Rates::default, |(_, rates)| *rates)
}

/// Looks at all counters every two seconds.
pub(crate) async fn watch(state: &Arc<State>) -> Infallible {
    let mut all = All::default();
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let in_force = state.in_force.load_full();
        let table = all.look(&in_force.named, &state.workers).await;
        state.rates.store(Arc::new(table));
    }
}

/// The estimators of one kind of thing, by number.
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
    fn sample(&mut self, previous: &Self, id: I, base: Traffic, now: Traffic) -> Rates {
        let known = previous.0.get(&id).filter(|(old_base, _)| *old_base == base);
        // What has come since it is there counts from the first look on.
        let mut estimator = known.map_or_else(|| Estimator::new(base), |(_, known)| *known);
        estimator.sample(now);
        self.0.insert(id, (base, estimator));
        estimator.rates()
    }
}

#[derive(Debug, Default)]
struct All {
    services: Estimators<ServiceId>,
    real_servers: Estimators<RealId>,
}

impl All {
    async fn look(&mut self, named: &Named, workers: &Seats) -> RateTable {
        let (previous, mut table) = (std::mem::take(self), RateTable::default());
        for services in named.chunks(SERVICES_AT_ONCE) {
            for service in services {
                let (id, base) = (service.id, service.base);
                let now = workers.service(id);
                let rates = self.services.sample(&previous.services, id, base, now);
                table.services.insert(id, (base, rates));
                for real in &service.real_servers {
                    let (id, base) = (real.id, real.base);
                    let now = workers.real_server(id);
                    let rates = self.real_servers.sample(&previous.real_servers, id, base, now);
                    table.real_servers.insert(id, (base, rates));
                }
            }
            tokio::task::yield_now().await;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(connections: u64) -> Traffic {
        Traffic { connections, ..Traffic::default() }
    }

    #[test]
    fn a_number_that_goes_over_to_another_one_begins_anew() {
        let none = Estimators::<RealId>::default();
        let (mut first, mut second, mut third) =
            (Estimators::default(), Estimators::default(), Estimators::default());
        let (id, base) = (RealId(7), connections(0));
        assert_eq!(first.sample(&none, id, base, connections(800)).connections, 100);
        assert_eq!(second.sample(&first, id, base, connections(800)).connections, 75);
        let other = third.sample(&second, id, connections(800), connections(808));
        assert_eq!(other.connections, 1);
    }
}
