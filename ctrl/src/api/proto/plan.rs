//! What a configuration would change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tally;

/// Answer of `/v1/plan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The file, as whoever asked called it.
    pub file: String,
    /// Number of the configuration in force, which the file was compared with.
    pub generation: u64,
    /// What applying the file would change, in the order of the file.
    pub changes: Vec<Planned>,
    /// How many services would be added, removed and changed.
    pub services: Tally,
    /// How many real servers, over all services.
    pub real_servers: Tally,
    /// How many routes.
    pub routes: Tally,
    /// How many other settings would change.
    pub settings: usize,
    /// How many changes need a restart. If any do, applying is refused.
    pub restarts: usize,
    /// Why there is no room for what is new, if there is none. Then applying is refused.
    pub no_room: Option<String>,
    /// What the operator should know about the change.
    pub warnings: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Planned {
    /// What would become of it.
    pub became: Became,
    /// What it is.
    pub kind: Kind,
    /// Which one: the keys of a setting with points between, the name of a port, the destination of
    /// a route, the rule for a mark in a line, protocol, address and port (or mark) of a service,
    /// address and port of a real server.
    pub id: String,
    /// The name of the service that it is or belongs to; `null` for others.
    pub service: Option<String>,
    /// What differs. Of what is added or removed, what is no default.
    pub fields: Vec<PlannedField>,
    /// Why it needs a restart of the daemon; `null` if it does not.
    pub restart: Option<String>,
}

/// What would become of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It would be there.
    Added,
    /// It would not be there any more.
    Removed,
    /// It would be another.
    Changed,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A setting.
    Setting,
    /// A port.
    Port,
    /// A route.
    Route,
    /// A rule that gives packets a mark.
    Mark,
    /// A service.
    Service,
    /// A real server.
    RealServer,
}

/// A value that differs, in words of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedField {
    /// The key; `value` of a setting, and `order` for the order in which things stand.
    pub name: String,
    /// What it is; `null` for nothing.
    pub old: Option<String>,
    /// What it would be; `null` for nothing.
    pub new: Option<String>,
}
