//! What a port is, before it runs: its id, what it can do, and how it is asked to run.

use std::ffi::c_char;
use std::fmt;

use dpdk_sys as sys;

use super::Rss;
use crate::error::{DpdkError, c_array, check};
use crate::mbuf::HEADROOM;
use crate::{Eal, Offloads, PktMempool, SocketId};

/// Ethernet header, one VLAN tag and frame check sequence: what a frame may be longer than the MTU.
const FRAME_OVERHEAD: u16 = 14 + 4 + 4;

/// DPDK's number for a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u16);

impl PortId {
    /// The number.
    #[must_use]
    pub fn index(self) -> u16 {
        self.0
    }

    pub(crate) fn from_raw(id: u16) -> Self {
        Self(id)
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a port is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Descriptors per receive queue, adjusted to what the port can do.
    pub rx_descriptors: u16,
    /// Descriptors per transmit queue, adjusted to what the port can do.
    pub tx_descriptors: u16,
    /// The largest IP packet.
    pub mtu: u16,
    /// Whether to receive frames sent to other MAC addresses. Ports that cannot be told, as most
    /// virtual ones, are taken as they are.
    pub promiscuous: bool,
    /// Whether the port shall check IPv4, TCP and UDP checksums, where it can.
    pub rx_checksum: bool,
    /// Whether the port shall be able to fill in IPv4, TCP and UDP checksums, where it can.
    pub tx_checksum: bool,
    /// How packets are spread over several receive queues.
    pub rss: Rss,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: 1500,
            promiscuous: false,
            rx_checksum: true,
            tx_checksum: true,
            rss: Rss::default(),
        }
    }
}

/// What a port is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// The port's name.
    pub name: String,
    /// The driver that serves it, such as `net_af_packet`.
    pub driver: String,
    /// The device it belongs to: a PCI address or the name of a virtual device.
    pub device: String,
    /// The index of the kernel interface it is tied to, if there is one.
    pub kernel_if_index: Option<u32>,
    /// The NUMA node it is attached to.
    pub socket: SocketId,
    /// The most receive queues it can have.
    pub max_rx_queues: u16,
    /// The most transmit queues it can have.
    pub max_tx_queues: u16,
    /// The smallest MTU it can have.
    pub min_mtu: u16,
    /// The largest MTU it can have.
    pub max_mtu: u16,
    /// Entries of its redirection table, by which RSS spreads packets; 0 without RSS.
    pub rss_table_size: u16,
    /// Bytes of its hash key; `None` if the driver does not say, which then is usually 40.
    pub rss_key_len: Option<u16>,
    rx_capa: u64,
    tx_capa: u64,
    pub(super) rss_capa: u64,
}

impl PortInfo {
    /// Asks a port that [`Eal::probe`] found, before it is started.
    pub fn of(eal: &Eal, id: PortId) -> Result<Self, DpdkError> {
        let _guard = eal.shared().lock();
        let mut raw = sys::shim_port_info::default();
        // SAFETY: the EAL is initialised; `raw` outlives the call.
        check("rte_eth_dev_info_get", unsafe { sys::shim_port_info_get(id.0, &raw mut raw) })?;
        let mut name: [c_char; sys::SHIM_NAME_SIZE as usize] = [0; _];
        // SAFETY: the buffer has RTE_ETH_NAME_MAX_LEN (64) bytes.
        let ret = unsafe { sys::rte_eth_dev_get_name_by_port(id.0, name.as_mut_ptr()) };
        check("rte_eth_dev_get_name_by_port", ret)?;
        // SAFETY: rte_eth_dev_socket_id accepts any number.
        let socket = unsafe { sys::rte_eth_dev_socket_id(id.0) };
        Ok(Self {
            name: c_array(&name),
            driver: c_array(&raw.driver),
            device: c_array(&raw.device),
            kernel_if_index: (raw.if_index != 0).then_some(raw.if_index),
            socket: SocketId::from_raw(socket),
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            min_mtu: raw.min_mtu,
            max_mtu: raw.max_mtu,
            rss_table_size: raw.reta_size,
            rss_key_len: Some(raw.rss_key_size).filter(|len| *len > 0),
            rx_capa: raw.rx_offload_capa,
            tx_capa: raw.tx_offload_capa,
            rss_capa: raw.rss_capa,
        })
    }

    /// Refuses what the port cannot do, in words that say what it can.
    pub(super) fn check(&self, config: &PortConfig) -> Result<(), DpdkError> {
        let refuse = |detail| self.refuse(detail);
        for (what, wanted, max) in [
            ("receive", config.rx_queues, self.max_rx_queues),
            ("transmit", config.tx_queues, self.max_tx_queues),
        ] {
            if wanted == 0 {
                return refuse(format!("it needs at least one {what} queue"));
            }
            if wanted > max {
                return refuse(format!(
                    "{wanted} {what} queues were asked for, and it can have {max}"
                ));
            }
        }
        if config.mtu < self.min_mtu || config.mtu > self.max_mtu {
            let (min, max) = (self.min_mtu, self.max_mtu);
            let mtu = config.mtu;
            return refuse(format!("an MTU of {mtu} is outside its range of {min} to {max}"));
        }
        if let Rss::Set(rss) = &config.rss
            && config.rx_queues > 1
        {
            self.check_rss(rss).or_else(refuse)?;
        }
        Ok(())
    }

    /// Refuses a pool whose buffers do not hold a frame.
    pub(super) fn check_pool(
        &self,
        config: &PortConfig,
        pool: &PktMempool,
    ) -> Result<(), DpdkError> {
        let room = pool.data_room().saturating_sub(HEADROOM);
        if room >= config.mtu.saturating_add(FRAME_OVERHEAD) {
            return Ok(());
        }
        self.refuse(format!(
            "frames of an MTU of {} do not fit the pool {:?}, whose buffers hold {room} bytes",
            config.mtu,
            pool.name(),
        ))
    }

    fn refuse(&self, detail: String) -> Result<(), DpdkError> {
        let detail = format!("port {:?}: {detail}", self.name);
        Err(DpdkError::new("rte_eth_dev_configure", libc::EINVAL).with_detail(detail))
    }

    /// What the port gets of the help that is wanted.
    #[must_use]
    pub fn choose_offloads(&self, config: &PortConfig) -> Offloads {
        Offloads::choose(config, self.rx_capa, self.tx_capa, self.rss_capa)
    }
}
