//! What applying a configuration would change, and whether it could be applied. Nothing is changed.

use std::sync::Arc;

use conf::diff::{Change, Edit, Subject, diff};
use conf::{Config, Document};
use tokio::time::timeout;

use super::{ApplyError, QUEUE_PATIENCE, applied, restart, warnings};
use crate::api::proto::{Applied, Became, Kind, Plan, Planned, PlannedField};
use crate::check;
use crate::edit;
use crate::error::CtrlError;
use crate::state::State;

/// What is to be compared with what runs.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file by its name and text.
    Text(String, Vec<u8>),
    /// The file that the daemon was started with.
    Own,
}

/// Compares `source` with what runs.
pub(crate) async fn plan(state: &Arc<State>, source: Source) -> Result<Plan, ApplyError> {
    let shared = Arc::clone(state);
    // A large file takes a good part of a second, in which others can be answered.
    let compared = tokio::task::spawn_blocking(move || compare(&shared, source));
    let (mut plan, config) = compared.await.map_err(|_| ApplyError::Stopping)??;
    if plan.services.added + plan.real_servers.added > 0 {
        plan.no_room = no_room(state, &config).await?;
    }
    Ok(plan)
}

fn compare(state: &State, source: Source) -> Result<(Plan, Config), ApplyError> {
    let (name, text) = match source {
        Source::Text(name, text) => (name, text),
        Source::Own => {
            let text = conf::read(&state.file).map_err(CtrlError::Conf)?;
            (state.file.display().to_string(), text)
        }
    };
    let Document { config, .. } = check::document(&name, &text, &state.machine)?;
    let generation = state.in_force.load().generation;
    // With what commands have changed, whether the workers run that already or not.
    let running = state.desk.desired().0.config();
    Ok((planned(name, (&running, generation), &config), config))
}

/// Why there is no room for `config`, if there is none.
async fn no_room(state: &State, config: &Config) -> Result<Option<String>, ApplyError> {
    let Ok(applier) = timeout(QUEUE_PATIENCE, state.applier.lock()).await else {
        return Err(ApplyError::Busy);
    };
    // What has ended meanwhile makes room, as it would if this were applied.
    applier.free_numbers(state);
    let shortage = edit::lock(&applier.registry).check(config).err();
    Ok(shortage.map(|shortage| ApplyError::NoRoom(shortage).to_string()))
}

fn planned(file: String, (running, generation): (&Config, u64), config: &Config) -> Plan {
    let changes = diff(running, config);
    let Applied { services, real_servers, routes, settings, warnings, .. } =
        applied(generation, 0, &changes, warnings(running, config));
    Plan {
        file,
        generation,
        services,
        real_servers,
        routes,
        settings,
        restarts: changes.iter().filter(|change| change.needs_restart).count(),
        no_room: None,
        warnings,
        changes: changes.into_iter().map(one).collect(),
    }
}

/// A change as it is sent.
pub(crate) fn one(change: Change) -> Planned {
    let (kind, id) = match &change.subject {
        Subject::Setting(path) => (Kind::Setting, path.join(".")),
        Subject::Port(name) => (Kind::Port, name.clone()),
        Subject::Route(to) => (Kind::Route, to.to_string()),
        Subject::Mark(rule) => (Kind::Mark, rule.clone()),
        Subject::Service(key) => (Kind::Service, key.to_string()),
        Subject::RealServer(_, address) => (Kind::RealServer, address.to_string()),
    };
    let restart = change.needs_restart.then(|| restart::why(&change.subject).to_owned());
    let service = change.subject.service().map(|_| change.name);
    let (became, fields) = match change.edit {
        Edit::Added(fields) => (Became::Added, fields),
        Edit::Removed(fields) => (Became::Removed, fields),
        Edit::Changed(fields) => (Became::Changed, fields),
    };
    let fields = fields.into_iter().map(|conf::diff::Field { name, old, new }| PlannedField {
        name,
        old,
        new,
    });
    Planned { became, kind, id, service, fields: fields.collect(), restart }
}
