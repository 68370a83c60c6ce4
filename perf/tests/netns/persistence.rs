//! Persistence: real clients stay at their real server, whatever the scheduler would have chosen.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use rvs_perf::lab::Mode;
use rvs_perf::lab::config::{Service, Workers};

use crate::Body;
use crate::daemon::{drops_agree, items};
use crate::setup::{Setup, all_answered, split, with_workers};

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 3] = [
    ("nat_client_stays", || client_stays(Mode::Nat, Workers::one())),
    ("dr_client_stays", || client_stays(Mode::Dr, Workers::one())),
    ("fullnat_client_stays_over_two_workers", || {
        client_stays(Mode::FullNat, Workers { lcores: &[0, 1], wan_queues: 2 })
    }),
];

const REQUESTS: usize = 20;

/// All requests go to one real server, also when its weight has become 0; and to both, in turn,
/// once the service is not persistent any more.
fn client_stays(mode: Mode, workers: Workers) -> Result<(), Failed> {
    let web = |persistence, weights| Service { persistence, ..Service::web(mode, "rr", weights) };
    with_workers(mode, &[web(Some(300), [1, 1])], workers, |setup| {
        // Of requests that come at once, each worker asks for the first.
        let first = all_answered(setup, REQUESTS, 4)?;
        assert_eq!(first.len(), 1, "one real server has this client: {first:?}");
        assert_eq!(templates(setup)?, BTreeMap::from([(first_of(&first), 1)]));

        let is_first = first.contains_key("rs1");
        let weights = if is_first { [0, 1] } else { [1, 0] };
        setup.director.apply(&setup.lab, &[web(Some(300), weights)])?;
        assert_eq!(all_answered(setup, REQUESTS, 4)?, first, "with weight 0");

        setup.director.apply(&setup.lab, &[web(None, [1, 1])])?;
        let both = all_answered(setup, REQUESTS, 4)?;
        assert_eq!(both.len(), 2, "without persistence: {both:?}");
        if workers.lcores.len() == 1 {
            assert_eq!(both, split(REQUESTS / 2, REQUESTS / 2), "without persistence");
        }
        drops_agree(setup)
    })
}

fn first_of(answers: &BTreeMap<String, usize>) -> String {
    answers.keys().next().cloned().unwrap_or_default()
}

/// Templates of each real server that has any, as `rvs show services` tells.
fn templates(setup: &Setup) -> Result<BTreeMap<String, u64>, Failed> {
    let services = setup.director.show("services")?;
    let mut counts = BTreeMap::new();
    for real in items(&services["services"][0]["real_servers"]) {
        let rip = real["rip"].as_str().unwrap_or_default();
        let server = setup.lab.real_servers.iter().find(|one| one.address().to_string() == rip);
        let name = server.map(|server| server.name().to_owned()).unwrap_or_default();
        let count = real["persistent"].as_u64().ok_or("no count of templates")?;
        if count > 0 {
            counts.insert(name, count);
        }
    }
    Ok(counts)
}
