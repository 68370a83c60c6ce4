//! Answers about a changed configuration: what it changed, or why it was refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answer of `/v1/apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// Number of the configuration in force, which all workers run.
    pub generation: u64,
    /// How many workers there are.
    pub workers: usize,
    /// Services that differ from before.
    pub services: Tally,
    /// Real servers that differ from before, over all services.
    pub real_servers: Tally,
    /// Routes that differ from before.
    pub routes: Tally,
    /// Other settings that differ from before: timeouts, addresses of ports.
    pub settings: usize,
    /// What the operator should know about the change.
    pub warnings: Vec<String>,
}

/// How many of a kind were added, removed and changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Only in the new configuration.
    pub added: usize,
    /// Only in the old one.
    pub removed: usize,
    /// In both, with differences of its own.
    pub changed: usize,
}

/// Answer to a request that was refused, with an HTTP status from 400 on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// Why.
    pub error: String,
    /// What is wrong with a configuration, each error by itself; `error` has all of them as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ConfigError>,
}

/// One error of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigError {
    /// The rule that was broken.
    pub rule: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// Keys leading to the place.
    pub key_path: String,
    /// Line, from 1; `null` when the text could not be read at all.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
}
