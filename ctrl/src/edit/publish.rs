//! Putting what is desired into force: snapshots are built beside the control thread, published on
//! it, and waited for.
//!
//! One snapshot is built at a time. What is accepted meanwhile gathers and goes out with the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conf::Config;
use conf::edit::Subject;
use dataplane::snapshot::Snapshot;
use tokio::time::{Instant, sleep};

use super::BRIEF;
use super::desk::Job;
use crate::apply::{Applier, ApplyError, facts, steer};
use crate::check::counted;
use crate::identity::{Named, Registry, Usage};
use crate::snapshot::{self, PortFacts};
use crate::state::{InForce, Seats, State};

/// How long the workers may take to run a new generation; they look for it at every turn.
const WORKER_PATIENCE: Duration = Duration::from_secs(5);
/// Looks at the workers without a pause; they usually take microseconds.
const QUICK_LOOKS: u32 = 200;
/// Time between two looks after that.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);
/// Longest pause after something large was put into force, unless somebody waits.
const CALM_MAX: Duration = Duration::from_secs(1);
/// Time between two attempts while a worker stands still.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// A configuration that is ready to be put into force.
pub(crate) struct Built {
    config: Config,
    named: Named,
    snapshot: Snapshot,
    freed: Vec<Subject>,
}

/// Builds the snapshot of `config`, for which there is room.
pub(crate) fn build(
    registry: &mut Registry,
    config: Config,
    ports: &[PortFacts],
    usage: &dyn Usage,
    generation: u64,
) -> Built {
    let mut freed = registry.release(usage);
    let named = registry.assign(&config, generation, usage);
    let snapshot = snapshot::build(&config, ports, &named, registry, generation);
    // What has come back has a number again.
    freed.retain(|subject| !registry.has(subject));
    Built { config, named, snapshot, freed }
}

impl Applier {
    /// Has the registry free the numbers of what has no flows any more; whether there were any.
    pub(crate) fn free_numbers(&self, state: &State) -> bool {
        let freed = lock(&self.registry).release(&state.workers);
        state.desk.freed(&freed);
        !freed.is_empty()
    }

    /// Puts what was built for `job` into force.
    pub(crate) fn put_into_force(&mut self, state: &State, job: Job, built: Built) {
        let Built { config, named, snapshot, freed } = built;
        let Job { revision, file: name, commands } = job;
        let generation = snapshot.generation;
        // Before the first packet that they are for.
        steer(&mut self.rules, &config, &state.ports);
        self.publisher.publish(snapshot);
        let mut in_force = InForce::new(config, named, name, generation);
        (in_force.revision, in_force.commands) = (revision, commands);
        state.in_force.store(Arc::new(in_force));
        state.desk.freed(&freed);
    }
}

/// Puts what is desired into force and waits until the workers run it; its generation.
pub(crate) async fn publish(state: &Arc<State>, applier: &mut Applier) -> Result<u64, ApplyError> {
    let start = Instant::now();
    let (desired, job) = state.desk.begin();
    let before = state.in_force.load_full();
    let generation = before.generation + 1;
    let revision = job.revision;
    let (workers, facts) = (state.workers.clone(), facts(&state.ports));
    let registry = Arc::clone(&applier.registry);
    let build = move || build(&mut lock(&registry), desired.config(), &facts, &workers, generation);
    let built = tokio::task::spawn_blocking(build).await.map_err(|_| ApplyError::Stopping)?;
    tracing::debug!("generation {generation} built within {:?}", start.elapsed());
    applier.put_into_force(state, job, built);
    // It is large, and nobody has to wait until it is freed.
    drop(tokio::task::spawn_blocking(move || drop(before)));
    let awaited = await_workers(&state.workers, generation).await;
    applier.publisher.reclaim();
    tracing::debug!("generation {generation} runs within {:?}", start.elapsed());
    state.desk.took(start.elapsed());
    awaited.map_err(|lcore| ApplyError::Silent { lcore, generation })?;
    state.desk.is_running(revision);
    Ok(generation)
}

/// The registry, to whom nobody else talks while the applier is held.
pub(crate) fn lock(registry: &Mutex<Registry>) -> std::sync::MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees to it that what is accepted is put into force, now or after what is under way.
pub(crate) fn see_to(state: &Arc<State>) {
    if state.desk.wants_publisher() {
        tokio::spawn(publish_all(Arc::clone(state)));
    }
}

/// Puts into force what is accepted, until nothing is left.
async fn publish_all(state: Arc<State>) {
    let mut behind = None;
    while !state.desk.publisher_goes() {
        // Held for one generation at a time, so that others who want it have their turn.
        let mut applier = state.applier.lock().await;
        if let Err(lcore) = settle(&state).await {
            if behind.replace(lcore) != Some(lcore) {
                tracing::error!(
                    "worker {lcore} does not run the configuration in force yet, so what commands \
                     change waits: see `rvs show workers`"
                );
            }
            drop(applier);
            sleep(LONG_PAUSE).await;
            continue;
        }
        behind = None;
        if !state.desk.is_ahead() {
            continue;
        }
        let outcome = publish(&state, &mut applier).await;
        drop(applier);
        match outcome {
            Ok(generation) => {
                let changes = counted(state.in_force.load().commands, "change");
                let origin = state.desk.origin();
                tracing::info!(
                    "generation {generation} runs: {changes} by commands, the last by {origin}"
                );
            }
            Err(error) => tracing::error!("changes by commands: {error}"),
        }
        let took = state.desk.last_took();
        if took > BRIEF {
            // When many changes come one after the other, half the time is for who makes them.
            state.desk.calm(took.min(CALM_MAX)).await;
        }
    }
}

/// Waits until the workers run what is in force, after which something else may be; the lcore of
/// one that does not.
async fn settle(state: &State) -> Result<(), u32> {
    let in_force = state.in_force.load_full();
    await_workers(&state.workers, in_force.generation).await?;
    state.desk.is_running(in_force.revision);
    Ok(())
}

/// [`settle`], for who does not try again.
pub(crate) async fn settled(state: &State) -> Result<(), ApplyError> {
    settle(state).await.map_err(|lcore| {
        let generation = state.in_force.load().generation;
        ApplyError::Behind { lcore, generation }
    })
}

/// Waits until all workers run `generation`; the lcore of one that does not.
async fn await_workers(workers: &Seats, generation: u64) -> Result<(), u32> {
    let start = Instant::now();
    let mut looks = 0;
    while let Some(seat) = workers.behind(generation) {
        if start.elapsed() > WORKER_PATIENCE {
            return Err(seat.lcore);
        }
        looks += 1;
        if looks < QUICK_LOOKS {
            tokio::task::yield_now().await;
        } else {
            sleep(PAUSE).await;
        }
    }
    Ok(())
}
