//! What became of packets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ftp;

/// Answer of `/v1/drops`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drops {
    /// Packets received; the sum of the four below. Counters are read while packets pass, so a
    /// few may be between two of them.
    pub received: u64,
    /// Packets forwarded.
    pub forwarded: u64,
    /// Packets that were for the director itself: ARP, echo.
    pub consumed: u64,
    /// Packets dropped, for any reason.
    pub dropped: u64,
    /// Packets held now: for a neighbour or for their first fragment.
    pub held: u64,
    /// Times a packet was handed over from one worker to another; it has its verdict there.
    pub handed_over: u64,
    /// Packets of services of mode dr and tun that were sent on without a flow, since there was no
    /// room for one.
    pub stateless: u64,
    /// Connections of persistent services that got no template, for want of room.
    #[serde(default)]
    pub templates_full: u64,
    /// Flows that ended before their time.
    pub ended: Ended,
    /// Every reason, also those that never occurred.
    pub drops: Vec<Drop>,
    /// Packets that the director made itself.
    pub generated: Generated,
    /// What the FTP helper did.
    #[serde(default)]
    pub ftp: Ftp,
}

/// Packets dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drop {
    /// The reason, in one word.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The reason, in a sentence.
    pub meaning: String,
}

/// Flows that ended before their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Half-open ones, by `drop_entry`.
    pub half_open: u64,
    /// Idle ones that had few packets, by `drop_entry`.
    pub idle: u64,
    /// Those whose real server was removed, by `expire_nodest_conn`.
    pub real_server_removed: u64,
    /// Those that were ended on request.
    #[serde(default)]
    pub on_request: u64,
}

/// Packets that the director made itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generated {
    /// ARP requests.
    pub arp_requests: u64,
    /// ICMP errors.
    pub icmp_errors: u64,
    /// ICMP errors not sent because of their rate limit.
    pub icmp_errors_limited: u64,
    /// TCP resets.
    pub resets: u64,
    /// Further fragments of packets that had to be fragmented.
    pub fragments: u64,
}
