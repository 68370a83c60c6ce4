//! What the FTP helper counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the FTP helper did, and what it had to leave as it was, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ftp {
    /// Data connections that control connections announced.
    pub announced: u64,
    /// Data connections that have got a flow.
    pub data_flows: u64,
    /// Texts with an address that were replaced.
    pub edited: u64,
    /// Commands and answers over two segments, left as they were.
    pub split: u64,
    /// Commands and answers that could not be understood, left as they were.
    pub garbled: u64,
    /// Addresses of others, and ports below 1024, left as they were.
    pub refused: u64,
    /// Texts that would not have fitted, left as they were.
    pub unfit: u64,
    /// Commands of control connections that there was no room for.
    pub controls_full: u64,
    /// Data connections for which there was no flow or no local port.
    pub no_flow: u64,
    /// Expected data connections given up for others.
    pub given_up: u64,
    /// Notes about data connections lost between workers.
    pub notes_lost: u64,
}
