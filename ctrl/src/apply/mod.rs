//! Putting another configuration into force while packets flow: `rvs apply` and SIGHUP.
//!
//! All or nothing: the file is read, checked and compared with what is desired, which is what runs
//! and what commands have changed a moment ago; only when nothing can go wrong any more does it
//! replace that, and is put into force as those changes are ([`crate::edit`]). One configuration is
//! applied at a time; the others wait.

pub(crate) mod command;
mod error;
pub(crate) mod plan;
mod reload;
mod restart;
mod summary;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use conf::diff::{Change, Subject, Tally, diff};
use conf::edit::Desired;
use conf::{Config, Document};
use dataplane::publish::Publisher;
use tokio::time::timeout;

pub(crate) use error::ApplyError;
pub(crate) use reload::reload_on;
pub(crate) use restart::printable;
pub(crate) use summary::{summary, tallies};

use crate::api::proto::{self, Applied};
use crate::check;
use crate::edit::{self, Replacement};
use crate::identity::Registry;
use crate::metrics;
use crate::port::RunningPort;
use crate::serve::{self, Access};
use crate::snapshot::PortFacts;
use crate::state::State;
use crate::steering::{Rules, Steerable};

/// How long a configuration waits for those that are being applied.
const QUEUE_PATIENCE: Duration = Duration::from_secs(20);

/// What is needed to replace the configuration in force. Who has it has the right to.
#[derive(Debug)]
pub(crate) struct Applier {
    pub(crate) publisher: Publisher,
    /// Shared with the thread that builds a snapshot while the applier is held.
    pub(crate) registry: Arc<StdMutex<Registry>>,
    pub(crate) rules: Rules,
}

impl Applier {
    pub(crate) fn new(publisher: Publisher, registry: Registry, rules: Rules) -> Self {
        Self { publisher, registry: Arc::new(StdMutex::new(registry)), rules }
    }
}

/// Puts the configuration `text` of the file `name` into force and waits until all workers run it,
/// whether or not anybody waits for that. `origin` says in the log who wanted it.
pub(crate) async fn apply(
    state: &Arc<State>,
    origin: &str,
    name: String,
    text: Vec<u8>,
) -> Result<Applied, ApplyError> {
    let (state, origin) = (Arc::clone(state), origin.to_owned());
    let task = tokio::spawn(async move {
        let mut outcome = exclusively(&state, &name, text).await;
        if let Ok(applied) = &mut outcome {
            applied.warnings.extend(state.access.read_tokens_again().await);
        }
        match &outcome {
            Ok(applied) => tracing::info!("{origin}: {name}: {}", summary(applied).join("; ")),
            Err(error @ ApplyError::Silent { .. }) => tracing::error!("{origin}: {name}: {error}"),
            Err(error) => tracing::error!("{origin}: {name}: nothing was changed: {error}"),
        }
        // What commands have changed meanwhile.
        edit::see_to(&state);
        outcome
    });
    task.await.unwrap_or(Err(ApplyError::Stopping))
}

async fn exclusively(state: &Arc<State>, name: &str, text: Vec<u8>) -> Result<Applied, ApplyError> {
    let Ok(mut applier) = timeout(QUEUE_PATIENCE, state.applier.lock()).await else {
        return Err(ApplyError::Busy);
    };
    // A large file takes a good part of a second, in which others can be answered.
    let (file, machine) = (name.to_owned(), state.machine.clone());
    let parse = move || check::document(&file, &text, &machine);
    let document = tokio::task::spawn_blocking(parse).await.map_err(|_| ApplyError::Stopping)??;
    applier.free_numbers(state);
    let (desired, revision) = state.desk.desired();
    let (registry, file) = (Arc::clone(&applier.registry), name.to_owned());
    let access = Arc::clone(&state.access);
    let prepare =
        move || prepare(&desired.config(), (document, &file), &edit::lock(&registry), &access);
    let prepared = tokio::task::spawn_blocking(prepare).await;
    let Prepared { changes, warnings, listen, access, read, replacement } =
        prepared.map_err(|_| ApplyError::Stopping)??;

    let generation = state.in_force.load().generation;
    edit::settled(state).await?;
    let is_new = !changes.is_empty() || state.desk.revision() != revision;
    if is_new {
        let door = metrics::open(&state.metrics.door, listen)?;
        state.access.open_socket(&access).map_err(ApplyError::Access)?;
        state.desk.replace(replacement, name.to_owned());
        state.metrics.put_into_use(door);
        state.access.put_into_use(access);
    }
    state.from_file.store(Arc::new(read));
    // Also what commands have changed and nobody has put into force yet.
    let generation =
        if state.desk.is_ahead() { edit::publish(state, &mut applier).await? } else { generation };
    Ok(applied(generation, state.workers.iter().len(), &changes, warnings))
}

/// A configuration that can be put into force, and what that changes.
struct Prepared {
    changes: Vec<Change>,
    warnings: Vec<String>,
    /// Where metrics are to be had.
    listen: Option<SocketAddr>,
    /// Who may use the API.
    access: serve::Prepared,
    /// The configuration as the file has it.
    read: Desired,
    replacement: Replacement,
}

/// Compares `document` of the file `name` with what is desired, and sees whether all of that can be
/// done while the daemon runs.
fn prepare(
    desired: &Config,
    (document, name): (Document, &str),
    registry: &Registry,
    access: &Access,
) -> Result<Prepared, ApplyError> {
    let Document { config, places } = document;
    let changes = diff(desired, &config);
    let needing_restart = restart::listed(&changes, &places);
    if !needing_restart.is_empty() {
        let file = name.to_owned();
        return Err(ApplyError::NeedsRestart { file, changes: needing_restart });
    }
    registry.check(&config).map_err(ApplyError::NoRoom)?;
    let warnings = warnings(desired, &config);
    let listen = config.metrics.listen;
    let access = access.prepare(&config.control).map_err(ApplyError::Access)?;
    let replacement = Replacement::new(config, registry);
    let read = replacement.desired();
    Ok(Prepared { changes, warnings, listen, access, read, replacement })
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

/// What is to be said about `new` and about changing to it.
fn warnings(old: &Config, new: &Config) -> Vec<String> {
    lost(old, new).into_iter().chain(check::warnings(new)).collect()
}

/// The local addresses that a change takes away, which may not be meant.
fn lost(old: &Config, new: &Config) -> Option<String> {
    let locals = |config: &Config| -> std::collections::HashSet<Ipv4Addr> {
        config.services.iter().flat_map(|service| config.pool_of(service)).copied().collect()
    };
    let mut gone: Vec<_> = locals(old).difference(&locals(new)).copied().collect();
    gone.sort_unstable();
    let first = gone.first()?;
    let which = match gone.len() {
        1 => format!("local address {first} was"),
        count => format!("{count} local addresses, {first} among them, were"),
    };
    Some(format!(
        "{which} removed: the director does not answer ARP for it any more, so flows that use it \
         may break when their real server asks"
    ))
}

/// What `changes` come to, in an answer with this generation, workers and warnings.
pub(crate) fn applied(
    generation: u64,
    workers: usize,
    changes: &[Change],
    warnings: Vec<String>,
) -> Applied {
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
