//! Receive-side scaling of a port: what it can be asked for, setting it, and reading it back.
//!
//! Who computes a packet's queue in software must know the key, the hashed fields and the
//! redirection table for certain. [`StartedPort::steer_by_rss`] sets all three and reads them back;
//! when that fails the port runs on, and its packets arrive on queues that nobody can foretell.

use dpdk_sys as sys;

use super::{PortInfo, StartedPort};
use crate::error::{DpdkError, check};

/// Receive-side scaling, for ports with several receive queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rss {
    /// None: which queues packets arrive on is the driver's choice, often the first only.
    Off,
    /// By addresses and L4 ports where the port can, under the driver's key.
    #[default]
    Driver,
    /// Exactly so; a port that cannot is not started.
    Set(RssConfig),
}

/// How a port is to hash IPv4 packets of TCP and UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RssConfig {
    /// The key, of the length that [`PortInfo::rss_key_len`] says.
    pub key: Vec<u8>,
    /// What is hashed.
    pub ends: RssEnds,
}

/// The addresses and L4 ports that are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RssEnds {
    /// Source and destination.
    Both,
    /// The source's alone.
    Source,
    /// The destination's alone.
    Destination,
}

impl RssEnds {
    fn flags(self) -> u64 {
        match self {
            Self::Both => 0,
            Self::Source => sys::SHIM_RSS_SRC_ONLY,
            Self::Destination => sys::SHIM_RSS_DST_ONLY,
        }
    }

    fn of_flags(flags: u64) -> Option<Self> {
        let flags = flags & (sys::SHIM_RSS_SRC_ONLY | sys::SHIM_RSS_DST_ONLY);
        [Self::Both, Self::Source, Self::Destination].into_iter().find(|ends| ends.flags() == flags)
    }
}

impl PortInfo {
    /// Whether the port can hash IPv4 packets of TCP and UDP by these ends.
    #[must_use]
    pub fn hashes(&self, ends: RssEnds) -> bool {
        let wanted = sys::SHIM_RSS_IPV4_PORTS | ends.flags();
        self.rss_capa & wanted == wanted
    }

    /// The packet types and fields to ask for.
    pub(super) fn rss_flags(&self, rss: &Rss) -> u64 {
        let types = self.rss_capa & sys::SHIM_RSS_IP_TCP_UDP;
        match rss {
            Rss::Off => 0,
            Rss::Driver => types,
            Rss::Set(config) => types | config.ends.flags(),
        }
    }

    /// Says in words why the port cannot do this.
    pub(super) fn check_rss(&self, config: &RssConfig) -> Result<(), String> {
        if !self.hashes(RssEnds::Both) {
            return Err("it cannot spread IPv4 packets by addresses and L4 ports".to_owned());
        }
        if !self.hashes(config.ends) {
            let end = if config.ends == RssEnds::Source { "source" } else { "destination" };
            return Err(format!("it cannot spread packets by their {end} alone"));
        }
        let len = config.key.len();
        match self.rss_key_len {
            Some(wanted) if usize::from(wanted) != len => Err(format!(
                "its hash key has {wanted} bytes, and one of {len} bytes was to be set"
            )),
            _ if len > sys::SHIM_RSS_KEY_MAX as usize => {
                Err(format!("a hash key of {len} bytes is longer than any"))
            }
            _ => Ok(()),
        }
    }
}

impl StartedPort {
    /// The key and fields it hashes by; `ENOTSUP` if it cannot tell. An error of `EINVAL` names
    /// fields that no [`RssConfig`] has.
    pub fn rss(&self) -> Result<RssConfig, DpdkError> {
        const OP: &str = "rte_eth_dev_rss_hash_conf_get";
        let raw = self.raw_rss(OP)?;
        let types = raw.rss_hf & sys::SHIM_RSS_IPV4_PORTS == sys::SHIM_RSS_IPV4_PORTS;
        let ends = RssEnds::of_flags(raw.rss_hf).filter(|_| types).ok_or_else(|| {
            let detail = format!(
                "port {:?} hashes by {:#x}, which is not addresses and L4 ports of IPv4",
                self.name(),
                raw.rss_hf
            );
            DpdkError::new(OP, libc::EINVAL).with_detail(detail)
        })?;
        let key = raw.key.get(..usize::from(raw.key_len)).unwrap_or_default().to_vec();
        Ok(RssConfig { key, ends })
    }

    fn raw_rss(&self, op: &'static str) -> Result<sys::shim_rss, DpdkError> {
        let _guard = self.shared.eal.lock();
        // Drivers that do not say how long their key is have the usual 40 bytes.
        let key_len = self.info.rss_key_len.and_then(|len| u8::try_from(len).ok()).unwrap_or(40);
        if u32::from(key_len) > sys::SHIM_RSS_KEY_MAX {
            let detail = format!("port {:?}: a key of {key_len} bytes", self.name());
            return Err(DpdkError::new(op, libc::ENOTSUP).with_detail(detail));
        }
        let mut raw = sys::shim_rss { key_len, ..Default::default() };
        // SAFETY: the port exists as long as `self`; `raw` outlives the call and has room for a key
        // of the length the driver names.
        let ret = unsafe { sys::shim_rss_get(self.id().index(), &raw mut raw) };
        check(op, ret)?;
        Ok(raw)
    }

    /// Changes the key and fields it hashes by.
    pub fn set_rss(&self, config: &RssConfig) -> Result<(), DpdkError> {
        const OP: &str = "rte_eth_dev_rss_hash_update";
        let refuse = |detail: String| {
            DpdkError::new(OP, libc::ENOTSUP)
                .with_detail(format!("port {:?}: {detail}", self.name()))
        };
        self.info.check_rss(config).map_err(refuse)?;
        let mut raw = sys::shim_rss {
            rss_hf: self.info.rss_flags(&Rss::Set(config.clone())),
            key_len: u8::try_from(config.key.len()).unwrap_or(u8::MAX),
            ..Default::default()
        };
        raw.key.iter_mut().zip(&config.key).for_each(|(to, from)| *to = *from);
        let _guard = self.shared.eal.lock();
        // SAFETY: the port exists as long as `self`; `raw` outlives the call, and its key has at
        // least the length it says, as `check_rss` saw to.
        let ret = unsafe { sys::shim_rss_set(self.id().index(), &raw const raw) };
        check(OP, ret).map(drop)
    }

    /// The queue of each value of the hash's low bits; `ENOTSUP` if it has no such table or does
    /// not show it.
    pub fn redirection_table(&self) -> Result<Vec<u16>, DpdkError> {
        const OP: &str = "rte_eth_dev_rss_reta_query";
        let size = self.table_size(OP)?;
        let mut queues = vec![0; usize::from(size)];
        let _guard = self.shared.eal.lock();
        // SAFETY: the port exists as long as `self`; `queues` has room for `size` numbers.
        let ret = unsafe { sys::shim_reta_get(self.id().index(), queues.as_mut_ptr(), size) };
        check(OP, ret)?;
        Ok(queues)
    }

    /// Changes the queue of each value of the hash's low bits. The table must have the size the
    /// port's has, [`PortInfo::rss_table_size`], and name queues that exist (`EINVAL`).
    pub fn set_redirection_table(&self, queues: &[u16]) -> Result<(), DpdkError> {
        const OP: &str = "rte_eth_dev_rss_reta_update";
        let size = self.table_size(OP)?;
        let refuse = |detail: String| {
            let detail = format!("port {:?}: {detail}", self.name());
            Err(DpdkError::new(OP, libc::EINVAL).with_detail(detail))
        };
        if queues.len() != usize::from(size) {
            let len = queues.len();
            return refuse(format!("its redirection table has {size} entries, not {len}"));
        }
        if let Some(queue) = queues.iter().find(|&&queue| queue >= self.rx_queues) {
            return refuse(format!("no queue {queue} among its {}", self.rx_queues));
        }
        let _guard = self.shared.eal.lock();
        // SAFETY: the port exists as long as `self`; `queues` holds `size` numbers.
        let ret = unsafe { sys::shim_reta_set(self.id().index(), queues.as_ptr(), size) };
        check(OP, ret).map(drop)
    }

    fn table_size(&self, op: &'static str) -> Result<u16, DpdkError> {
        let size = self.info.rss_table_size;
        let refuse = |detail: &str| {
            let detail = format!("port {:?}: {detail}", self.name());
            Err(DpdkError::new(op, libc::ENOTSUP).with_detail(detail))
        };
        if size == 0 {
            return refuse("it has no redirection table");
        }
        if u32::from(size) > sys::SHIM_RETA_MAX {
            return refuse(&format!("a redirection table of {size} entries is not supported"));
        }
        Ok(size)
    }

    /// Sees to it that packets are spread exactly like this, and reads back that they are. After an
    /// error the port still receives, but on which queues is not known.
    pub fn steer_by_rss(&self, config: &RssConfig, queues: &[u16]) -> Result<(), DpdkError> {
        // Most drivers took the key when they were configured; some only take it now.
        if self.rss().ok().as_ref() != Some(config) {
            self.set_rss(config)?;
        }
        self.set_redirection_table(queues)?;
        let differs = |op, what: &str| {
            let detail =
                format!("port {:?}: the driver took the {what} but reports another", self.name());
            Err(DpdkError::new(op, libc::EIO).with_detail(detail))
        };
        if self.rss()? != *config {
            return differs("rte_eth_dev_rss_hash_conf_get", "hash key and fields");
        }
        if self.redirection_table()? != queues {
            return differs("rte_eth_dev_rss_reta_query", "redirection table");
        }
        Ok(())
    }
}
