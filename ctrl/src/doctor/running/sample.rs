//! [`Sample`]: what a daemon answers at one time; [`Change`]: two of them.

use std::path::Path;
use std::time::Instant;

use crate::api::proto::{Drops, Neighbors, Ports, Services, Workers};
use crate::client::Daemon;
use crate::error::CtrlError;

/// What a daemon answers at one time.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    at: Instant,
    pub(super) workers: Workers,
    pub(super) ports: Ports,
    pub(super) drops: Drops,
    pub(super) services: Services,
    pub(super) neighbors: Neighbors,
}

impl Sample {
    /// Asks the daemon at `socket` for all of it.
    pub(super) fn take(socket: &Path) -> Result<Self, CtrlError> {
        let daemon = Daemon::at(socket.to_path_buf());
        Ok(Self {
            at: Instant::now(),
            workers: daemon.ask("/v1/workers", &[])?,
            ports: daemon.ask("/v1/ports", &[])?,
            drops: daemon.ask("/v1/drops", &[])?,
            services: daemon.ask("/v1/services", &[])?,
            neighbors: daemon.ask("/v1/neighbors", &[])?,
        })
    }
}

/// Two samples of a daemon.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) before: Sample,
    pub(super) after: Sample,
}

impl Change {
    /// How often something was counted between the two, in words; `None` if it was not. Counters
    /// that went down are those of a daemon that was started anew.
    pub(super) fn rate(&self, before: u64, after: u64) -> Option<String> {
        let count = after.checked_sub(before).filter(|count| *count > 0)?;
        let millis = self.after.at.saturating_duration_since(self.before.at).as_millis().max(1);
        let rate = u128::from(count) * 1000 / millis;
        Some(if rate == 0 { "less than 1/s".to_owned() } else { format!("{rate}/s") })
    }
}

/// `part` of `all` in percent, 0 of nothing.
pub(super) fn percent(part: u64, all: u64) -> u64 {
    part.saturating_mul(100).checked_div(all).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::proto::{Drop, Neighbor, Port, RealServer, Service, Worker};

    /// A second between two samples of a daemon with two idle workers, which has nothing to do.
    pub(in crate::doctor::running) fn idle() -> Change {
        let sample = |at, turns| Sample {
            at,
            workers: Workers { generation: 1, workers: vec![worker(2, turns), worker(3, turns)] },
            ports: Ports { ports: vec![port("wan")] },
            drops: drops(&[]),
            services: Services { services: Vec::new() },
            neighbors: Neighbors { neighbors: Vec::new() },
        };
        let now = Instant::now();
        Change { before: sample(now, 1000), after: sample(now + Duration::from_secs(1), 9000) }
    }

    fn worker(lcore: u32, turns: u64) -> Worker {
        serde_json::from_value(serde_json::json!({
            "lcore": lcore, "numa_node": 0, "generation": 1, "flows": 0, "flow_capacity": 1000,
            "turns": turns, "busy_turns": 0, "received": 0, "handed_over": 0
        }))
        .unwrap()
    }

    pub(in crate::doctor::running) fn port(name: &str) -> Port {
        serde_json::from_value(serde_json::json!({
            "name": name, "device": "0000:3b:00.0", "driver": "net_i40e", "numa_node": 0,
            "mac": "02:00:00:00:00:01", "addresses": [], "mtu": 1500, "link_up": true,
            "speed_mbps": 10000, "rx_queues": 2, "tx_queues": 2, "steering": "rss",
            "steering_notes": [], "offloads": ["rss"], "rx_packets": 0, "rx_bytes": 0,
            "tx_packets": 0, "tx_bytes": 0, "rx_missed": 0, "rx_errors": 0, "rx_no_mbuf": 0,
            "tx_errors": 0, "tx_refused": 0, "handed_over": 0
        }))
        .unwrap()
    }

    pub(in crate::doctor::running) fn drops(counts: &[(&str, u64)]) -> Drops {
        let mut drops: Drops = serde_json::from_value(serde_json::json!({
            "received": 0, "forwarded": 0, "consumed": 0, "dropped": 0, "held": 0,
            "handed_over": 0, "stateless": 0, "drops": [],
            "ended": {"half_open": 0, "idle": 0, "real_server_removed": 0},
            "generated": {"arp_requests": 0, "icmp_errors": 0, "icmp_errors_limited": 0,
                          "resets": 0, "fragments": 0}
        }))
        .unwrap();
        let drop = |(reason, count): &(&str, u64)| Drop {
            reason: (*reason).to_owned(),
            count: *count,
            meaning: format!("Meaning of {reason}."),
        };
        drops.drops = counts.iter().map(drop).collect();
        drops
    }

    pub(in crate::doctor::running) fn service(
        name: &str,
        real_servers: Vec<RealServer>,
    ) -> Service {
        serde_json::from_value(serde_json::json!({
            "name": name, "protocol": "tcp", "vip": "192.0.2.10", "vport": 80, "mark": null,
            "mode": "fullnat", "scheduler": "wlc", "scheduler_flags": [], "ops": false,
            "local_addresses": ["10.0.0.2"], "connections": 0, "in_packets": 0, "in_bytes": 0,
            "out_packets": 0, "out_bytes": 0, "rates": rates(),
            "real_servers": real_servers
        }))
        .unwrap()
    }

    pub(in crate::doctor::running) fn real_server(
        rip: &str,
        weight: u32,
        active: u64,
    ) -> RealServer {
        serde_json::from_value(serde_json::json!({
            "rip": rip, "rport": 80, "weight": weight, "upper_threshold": 0, "lower_threshold": 0,
            "active": active, "inactive": 0, "local_ports": 1000, "connections": 0,
            "in_packets": 0, "in_bytes": 0, "out_packets": 0, "out_bytes": 0, "rates": rates()
        }))
        .unwrap()
    }

    fn rates() -> serde_json::Value {
        serde_json::json!({
            "connections": 0, "in_packets": 0, "out_packets": 0, "in_bytes": 0, "out_bytes": 0
        })
    }

    pub(in crate::doctor::running) fn neighbor(address: &str, state: &str) -> Neighbor {
        serde_json::from_value(serde_json::json!({
            "worker": 2, "port": "lan", "address": address, "mac": null, "state": state,
            "confirmed_s_ago": null, "waiting": 0
        }))
        .unwrap()
    }

    #[test]
    fn rates_are_those_of_a_second() {
        let mut change = idle();
        assert_eq!(change.rate(10, 10), None);
        assert_eq!(change.rate(10, 5), None, "another daemon");
        assert_eq!(change.rate(10, 25).unwrap(), "15/s");
        change.after.at += Duration::from_secs(9);
        assert_eq!(change.rate(0, 20).unwrap(), "2/s");
        assert_eq!(change.rate(0, 9).unwrap(), "less than 1/s");
        assert_eq!((percent(1, 3), percent(1, 0)), (33, 0));
    }
}
