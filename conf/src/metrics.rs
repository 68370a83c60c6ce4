//! [`Metrics`]: where metrics are served besides the API, and how many series there may be.

use std::net::SocketAddr;

/// What monitoring reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// Where `/metrics` is served to anybody who can connect; `None` for nowhere but the API.
    pub listen: Option<SocketAddr>,
    /// Real servers that have series of their own, at most; `None` for all of them.
    pub real_servers_max: Option<u32>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: None, real_servers_max: Some(10_000) }
    }
}
