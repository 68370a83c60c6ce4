//! [`Ability`]: what a port can do to bring packets to their worker.

use dataplane::rss::{RSS_KEY_LEN_MIN, RedirectionTable, RssKey};
use dpdk::{PortInfo, RssEnds};

/// What a port can do, in plain values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ability {
    /// Receive queues it can have.
    pub(crate) rx_queues_max: u16,
    /// Whether it can hash IPv4 packets by addresses and L4 ports.
    pub(crate) hashes_both: bool,
    /// Whether it can by the source's alone.
    pub(crate) hashes_source: bool,
    /// Whether it can by the destination's alone.
    pub(crate) hashes_destination: bool,
    /// Entries of its redirection table; 0 without one.
    pub(crate) table_size: u16,
    /// Bytes of its hash key, if the driver says.
    pub(crate) key_len: Option<u16>,
    /// What the driver answered when it was to hash exactly these ends, where it did not.
    pub(crate) refused_rss: Vec<(RssEnds, String)>,
    /// Whether it takes rules with a mask on the destination port, or what the driver answered.
    pub(crate) flow_rules: Result<(), String>,
}

impl Ability {
    /// Of a port that is not started yet.
    pub(crate) fn of(info: &PortInfo) -> Self {
        Self {
            rx_queues_max: info.max_rx_queues,
            hashes_both: info.hashes(RssEnds::Both),
            hashes_source: info.hashes(RssEnds::Source),
            hashes_destination: info.hashes(RssEnds::Destination),
            table_size: info.rss_table_size,
            key_len: info.rss_key_len,
            refused_rss: Vec::new(),
            flow_rules: Err("the port has not been asked yet".to_owned()),
        }
    }

    /// Bytes of the key to give it.
    pub(crate) fn key_len_to_set(&self) -> usize {
        self.key_len.map_or(RSS_KEY_LEN_MIN, usize::from)
    }

    /// Whether its driver can spread packets over a queue for each worker, somehow; else why not.
    pub(super) fn spreads(&self, worker_count: u16) -> Result<(), String> {
        if self.rx_queues_max < worker_count {
            let max = self.rx_queues_max;
            return Err(format!("it has {max} receive queues for {worker_count} workers"));
        }
        if !self.hashes_both {
            return Err("it cannot hash IPv4 packets by addresses and L4 ports".to_owned());
        }
        Ok(())
    }

    /// Whether the queue of its packets can be computed when it hashes these ends; else why not.
    pub(super) fn exact_rss(&self, ends: RssEnds, worker_count: u16) -> Result<(), String> {
        self.spreads(worker_count)?;
        let (can, end) = match ends {
            RssEnds::Both => (self.hashes_both, "both ends"),
            RssEnds::Source => (self.hashes_source, "source alone"),
            RssEnds::Destination => (self.hashes_destination, "destination alone"),
        };
        if !can {
            return Err(format!("it cannot hash packets by their {end}"));
        }
        if self.table_size == 0 {
            return Err("it has no redirection table that can be set".to_owned());
        }
        let size = usize::from(self.table_size);
        RedirectionTable::even(size, worker_count).map_err(|error| error.to_string())?;
        let len = self.key_len_to_set();
        // Both keys have the same length.
        RssKey::ONE_END.with_len(len).map_err(|error| error.to_string())?;
        let refusal = self.refused_rss.iter().find(|(refused, _)| *refused == ends);
        refusal.map_or(Ok(()), |(_, why)| Err(why.clone()))
    }
}
