//! Answers about workers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Worker {
    /// The CPU it polls on.
    pub lcore: u32,
    /// The NUMA node of that CPU; `null` if the kernel does not say.
    pub numa_node: Option<u32>,
    /// Number of the configuration it runs, counted from 1.
    pub generation: u64,
    /// Flows it holds now.
    pub flows: u64,
    /// Flows it can hold.
    pub flow_capacity: u64,
    /// Turns of its loop.
    pub turns: u64,
    /// Turns that found at least one packet.
    pub busy_turns: u64,
    /// Packets it received.
    pub received: u64,
    /// Packets it handed over to other workers.
    pub handed_over: u64,
}

/// Answer of `/v1/workers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Workers {
    /// Number of the configuration in force, counted from 1.
    pub generation: u64,
    /// The workers.
    pub workers: Vec<Worker>,
}
