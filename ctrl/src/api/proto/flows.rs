//! Flows counted and ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/flows/count`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowCount {
    /// Flows and templates that are meant.
    pub count: u64,
    /// The largest groups of them first; empty if no groups are asked for.
    pub groups: Vec<FlowGroup>,
    /// Those of groups that are not told.
    pub other: u64,
}

/// Flows that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowGroup {
    /// What they have in common, such as the client's address.
    pub value: String,
    /// How many they are.
    pub count: u64,
}

/// Answer of `DELETE /v1/flows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowsEnded {
    /// Flows and templates that have ended.
    pub ended: u64,
}
