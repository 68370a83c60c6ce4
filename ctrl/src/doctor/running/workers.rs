//! Workers: whether they turn, run the configuration in force, and share the work.

use super::sample::{Change, percent};
use crate::api::proto::Worker;
use crate::doctor::finding::Finding;

/// From this share of turns with packets on, in percent, a worker has nothing left.
const BUSY_MAX: u64 = 95;
/// A worker with this much more than an equal share, in percent, has too much.
const SHARE_MAX: u64 = 150;
/// With fewer packets between two samples, chance decides who gets them.
const PACKETS_MIN: u64 = 10_000;

pub(super) fn check(change: &Change) -> Vec<Finding> {
    let (before, after) = (&change.before.workers, &change.after.workers);
    let pairs = || before.workers.iter().zip(&after.workers);
    let mut findings = Vec::new();
    for (was, is) in pairs() {
        let cpu = is.lcore;
        if was.turns == is.turns {
            findings.push(
                Finding::problem(format!("the worker on CPU {cpu} stands still"))
                    .why("it forwards nothing, and no new configuration is in force everywhere.")
                    .advice("See what has its CPU; a stopped or traced process stands, too.")
                    .now(format!("ps -eLo pid,psr,stat,pcpu,comm | awk '$2 == {cpu}'")),
            );
        } else if is.generation != after.generation && was.generation != before.generation {
            findings.push(
                Finding::problem(format!(
                    "the worker on CPU {cpu} runs generation {}, {} is in force",
                    is.generation, after.generation
                ))
                .why("services, weights and addresses are the old ones there.")
                .now("rvs show workers"),
            );
        }
        findings.extend(busy(was, is));
    }
    let received = pairs().map(|(was, is)| is.received.saturating_sub(was.received));
    findings.extend(imbalance(&after.workers, &received.collect::<Vec<_>>()));
    if findings.is_empty() {
        findings.push(Finding::ok("all workers turn, with the configuration in force"));
    }
    findings
}

fn busy(was: &Worker, is: &Worker) -> Option<Finding> {
    let turns = is.turns.saturating_sub(was.turns);
    let share = percent(is.busy_turns.saturating_sub(was.busy_turns), turns);
    let finding = || {
        Finding::warning(format!(
            "the worker on CPU {} found packets in {share} % of its turns",
            is.lcore
        ))
        .why("it has no time left: with more traffic, packets are lost.")
        .advice("Add workers in `workers`, or see below whether work is shared unequally.")
    };
    (share >= BUSY_MAX).then(finding)
}

fn imbalance(workers: &[Worker], received: &[u64]) -> Option<Finding> {
    let all: u64 = received.iter().sum();
    let count = received.len() as u64;
    let (most, worker) = received.iter().zip(workers).max_by_key(|(count, _)| **count)?;
    let uneven = all >= PACKETS_MIN && most * count * 100 > all * SHARE_MAX;
    let finding = || {
        let share = percent(*most, all);
        Finding::warning(format!(
            "the worker on CPU {} receives {share} % of all packets, of {count} workers",
            worker.lcore
        ))
        .why("the rate of all is that of the one that is full first.")
        .advice(
            "Few clients or one big connection cannot be spread. Otherwise see how the port \
             steers, and whether it has a queue for every worker.",
        )
        .now("rvs show ports && rvs show workers")
    };
    uneven.then(finding)
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::idle;
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::only;

    #[test]
    fn workers_turn_and_run_what_is_in_force() {
        let mut change = idle();
        only(&check(&change), Fine, &["all workers turn"]);
        change.after.workers.workers[1].turns = 1000;
        only(&check(&change), Problem, &["CPU 3 stands still"]);
        let mut change = idle();
        change.after.workers.generation = 2;
        only(&check(&change), Fine, &[]);
        change.before.workers.generation = 2;
        change.after.workers.workers[0].generation = 2;
        only(&check(&change), Problem, &["CPU 3 runs generation 1, 2 is in force"]);
    }

    #[test]
    fn full_and_uneven_workers_are_found() {
        let mut change = idle();
        change.after.workers.workers[0].busy_turns = 7599;
        only(&check(&change), Fine, &[]);
        change.after.workers.workers[0].busy_turns = 7600;
        only(&check(&change), Warning, &["CPU 2 found packets in 95 %"]);

        let mut change = idle();
        change.after.workers.workers[0].received = 30_000;
        change.after.workers.workers[1].received = 10_000;
        only(&check(&change), Fine, &[]);
        change.after.workers.workers[1].received = 9_000;
        only(&check(&change), Warning, &["CPU 2 receives 76 %", "of 2 workers"]);
        change.before.workers.workers[0].received = 29_500;
        only(&check(&change), Fine, &[]);
    }
}
