//! The scheduler changed under the director's hands: `rvs apply` with two others.

use std::collections::BTreeSet;

use rvs_perf::lab::addresses::VIP;
use rvs_perf::lab::config::Service;
use rvs_perf::lab::{Director, Lab, LabError};

use crate::account::Account;

/// Requests after each change.
const REQUESTS: usize = 20;
/// Requests under way at once.
const PARALLEL: usize = 4;

/// A scheduler, the weights of rs1 and rs2, and what they promise.
struct Change {
    scheduler: &'static str,
    weights: [u32; 2],
    promise: &'static str,
    is_kept: fn(&BTreeSet<&str>) -> bool,
}

const CHANGES: [Change; 2] = [
    Change {
        scheduler: "fo",
        weights: [3, 1],
        promise: "fo 3:1, the one with the highest weight answers",
        is_kept: |servers| servers.iter().eq(&["rs1"]),
    },
    Change {
        scheduler: "sh",
        weights: [1, 1],
        promise: "sh 1:1, one real server has this client",
        is_kept: |servers| servers.len() == 1,
    },
];

/// Applies each change and makes requests; returns whether all went as promised.
pub(crate) fn run(account: Account, lab: &Lab, director: &Director) -> Result<bool, LabError> {
    let mut all = true;
    for Change { scheduler, weights, promise, is_kept } in CHANGES {
        let applied = director.apply(lab, &[Service::web(lab.mode, scheduler, weights)])?;
        account.line(&format!("\n  rvs apply, scheduler {scheduler}: {}", one_line(&applied)));
        let url = format!("http://{VIP}/");
        let answers = lab.client().get(&url, REQUESTS, PARALLEL, |_| {})?;
        let answered: Vec<_> = answers.iter().filter(|answer| answer.succeeded()).collect();
        let servers: BTreeSet<_> =
            answered.iter().map(|answer| answer.real_server.as_str()).collect();
        let names: Vec<_> = servers.iter().copied().collect();
        let good = answered.len() == REQUESTS && is_kept(&servers);
        let count = format!("{} of {REQUESTS} from {}", answered.len(), names.join(" and "));
        account.judgement(good, &format!("{promise}: {count}"));
        all &= good;
    }
    Ok(all)
}

/// The lines of a command's output in one.
fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("; ")
}
