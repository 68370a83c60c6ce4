//! Putting another configuration into force while packets flow: `rvs apply` and SIGHUP.
//!
//! All or nothing: the file is read, checked and compared with what runs; only when nothing can go
//! wrong any more is the new snapshot built and published, in one step that nothing interrupts.
//! Then the workers are waited for. One configuration is applied at a time; the others wait.

pub(crate) mod command;
mod error;
pub(crate) mod plan;
mod reload;
mod restart;
mod summary;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use conf::diff::{Change, Subject, Tally, diff};
use conf::{Config, Document};
use dataplane::publish::Publisher;
use tokio::time::{Instant, sleep, timeout};

pub(crate) use error::ApplyError;
pub(crate) use reload::reload_on;
pub(crate) use restart::printable;
pub(crate) use summary::{summary, tallies};

use crate::api::proto::{self, Applied};
use crate::check;
use crate::identity::Registry;
use crate::port::RunningPort;
use crate::snapshot::{self, PortFacts};
use crate::state::{InForce, Seats, State};
use crate::steering::{Rules, Steerable};
use crate::tokens;

/// How long a configuration waits for those that are being applied.
const QUEUE_PATIENCE: Duration = Duration::from_secs(20);
/// How long the workers may take to run a new generation; they look for it at every turn.
const WORKER_PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks at the workers.
const PAUSE: Duration = Duration::from_millis(1);

/// What is needed to replace the configuration in force.
#[derive(Debug)]
pub(crate) struct Applier {
    pub(crate) publisher: Publisher,
    pub(crate) registry: Registry,
    pub(crate) rules: Rules,
}

/// Puts the configuration `text` of the file `name` into force and waits until all workers run it.
/// `origin` says in the log who wanted it.
pub(crate) async fn apply(
    state: &Arc<State>,
    origin: &str,
    name: String,
    text: Vec<u8>,
) -> Result<Applied, ApplyError> {
    let mut outcome = exclusively(state, name.clone(), text).await;
    if let Ok(applied) = &mut outcome {
        applied.warnings.extend(tokens::read_again(state.tokens.as_ref()).await);
    }
    match &outcome {
        Ok(applied) => tracing::info!("{origin}: {name}: {}", summary(applied).join("; ")),
        Err(error @ ApplyError::Silent { .. }) => tracing::error!("{origin}: {name}: {error}"),
        Err(error) => tracing::error!("{origin}: {name}: nothing was changed: {error}"),
    }
    outcome
}

async fn exclusively(
    state: &Arc<State>,
    name: String,
    text: Vec<u8>,
) -> Result<Applied, ApplyError> {
    let Ok(mut applier) = timeout(QUEUE_PATIENCE, state.applier.lock()).await else {
        return Err(ApplyError::Busy);
    };
    // A large file takes a good part of a second, in which others can be answered.
    let (file, machine) = (name.clone(), state.machine.clone());
    let parse = move || check::document(&file, &text, &machine);
    let mut clock = Stages::begin();
    let document = tokio::task::spawn_blocking(parse).await.map_err(|_| ApplyError::Stopping)??;
    clock.end_of("checked");
    let changes = compare(state, &name, &document)?;
    clock.end_of("compared");

    let before = state.in_force.load_full();
    await_workers(&state.workers, before.generation)
        .await
        .map_err(|lcore| ApplyError::Behind { lcore, generation: before.generation })?;
    let read = Arc::new(document.config.clone());
    let generation = if changes.is_empty() {
        before.generation
    } else {
        let door = state.metrics.door.open(document.config.metrics.listen)?;
        let generation = applier.put_into_force(state, name, document.config)?;
        state.metrics.door.put_into_use(door);
        generation
    };
    state.from_file.store(read);
    clock.end_of("built and published");
    let awaited = await_workers(&state.workers, generation).await;
    clock.end_of("taken up by the workers");
    applier.publisher.reclaim();
    clock.end_of("the old one freed");
    awaited.map_err(|lcore| ApplyError::Silent { lcore, generation })?;
    let in_force = state.in_force.load();
    let mut warnings = warnings(&before.config, &in_force.config);
    warnings.extend(check::warnings(&in_force.config));
    Ok(applied(generation, state.workers.iter().len(), &changes, warnings))
}

/// How long each stage of an application takes, for the log at level debug.
#[derive(Debug)]
struct Stages(Instant);

impl Stages {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn end_of(&mut self, stage: &str) {
        let took = self.0.elapsed();
        tracing::debug!("{stage} within {:.1} ms", took.as_secs_f64() * 1000.0);
        self.0 = Instant::now();
    }
}

/// What `document` changes, if all of that can be done while the daemon runs.
fn compare(state: &State, name: &str, document: &Document) -> Result<Vec<Change>, ApplyError> {
    let changes = diff(&state.in_force.load().config, &document.config);
    let needing_restart = restart::listed(&changes, &document.places);
    if needing_restart.is_empty() {
        Ok(changes)
    } else {
        Err(ApplyError::NeedsRestart { file: name.to_owned(), changes: needing_restart })
    }
}

impl Applier {
    /// Builds and publishes what `config` says; returns its generation. The only thing that can be
    /// in the way is found before anything is changed.
    pub(crate) fn put_into_force(
        &mut self,
        state: &State,
        name: String,
        config: Config,
    ) -> Result<u64, ApplyError> {
        self.registry.release(&state.workers);
        self.registry.check(&config).map_err(ApplyError::NoRoom)?;
        let generation = state.in_force.load().generation + 1;
        let named = self.registry.assign(&config, generation, &state.workers);
        let facts = facts(&state.ports);
        let snapshot = snapshot::build(&config, &facts, &named, &mut self.registry, generation);
        // Before the first packet that they are for.
        steer(&mut self.rules, &config, &state.ports);
        self.publisher.publish(snapshot);
        let in_force = InForce { config, named, name, generation, since: StdInstant::now() };
        state.in_force.store(Arc::new(in_force));
        Ok(generation)
    }
}

/// Has ports steer the replies to the local addresses of `config`, as far as they do so by rules.
pub(crate) fn steer(rules: &mut Rules, config: &Config, ports: &[RunningPort]) {
    let ports: Vec<&dyn Steerable> = ports.iter().map(|port| &*port.live as _).collect();
    for refusal in rules.update(config, &ports) {
        tracing::warn!("{refusal}");
    }
}

/// What the running ports add to a configuration.
pub(crate) fn facts(ports: &[RunningPort]) -> Vec<PortFacts> {
    ports.iter().map(|port| port.facts).collect()
}

/// Waits until all workers run `generation`; the lcore of one that does not.
async fn await_workers(workers: &Seats, generation: u64) -> Result<(), u32> {
    let start = Instant::now();
    while let Some(seat) = workers.behind(generation) {
        if start.elapsed() > WORKER_PATIENCE {
            return Err(seat.lcore);
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// What a change does that may not be meant.
fn warnings(old: &Config, new: &Config) -> Vec<String> {
    let locals = |config: &Config| -> std::collections::HashSet<Ipv4Addr> {
        config.services.iter().flat_map(|service| config.pool_of(service)).copied().collect()
    };
    let mut gone: Vec<_> = locals(old).difference(&locals(new)).copied().collect();
    gone.sort_unstable();
    let Some(first) = gone.first() else { return Vec::new() };
    let which = match gone.len() {
        1 => format!("local address {first} was"),
        count => format!("{count} local addresses, {first} among them, were"),
    };
    vec![format!(
        "{which} removed: the director does not answer ARP for it any more, so flows that use it \
         may break when their real server asks"
    )]
}

fn applied(generation: u64, workers: usize, changes: &[Change], warnings: Vec<String>) -> Applied {
    let tally = |is_meant: fn(&Subject) -> bool| proto::Tally::from(Tally::of(changes, is_meant));
    let settings = |subject: &Subject| {
        matches!(subject, Subject::Setting(_) | Subject::Port(_) | Subject::Mark(_))
    };
    Applied {
        generation,
        workers,
        services: tally(|subject| matches!(subject, Subject::Service(_))),
        real_servers: tally(|subject| matches!(subject, Subject::RealServer(..))),
        routes: tally(|subject| matches!(subject, Subject::Route(_))),
        settings: Tally::of(changes, settings).total(),
        warnings,
    }
}

impl From<Tally> for proto::Tally {
    fn from(tally: Tally) -> Self {
        let Tally { added, removed, changed } = tally;
        Self { added, removed, changed }
    }
}

#[cfg(test)]
mod tests;
