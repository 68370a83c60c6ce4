//! Ports: [`PortId`] names one, [`StartedPort`] is one that runs.
//!
//! A port is stopped and closed when its [`StartedPort`] and all its queues are gone, in any order
//! and on any thread; closing returns the mbufs it held to their pools. A closed port is gone for
//! the rest of the process.

mod flow_rule;
mod info;
mod rss;

use std::ptr;
use std::sync::Arc;

pub use flow_rule::{FlowMatch, FlowRule, L4Protocol};
pub use info::{PortConfig, PortId, PortInfo};
pub use rss::{Rss, RssConfig, RssEnds};

use dpdk_sys as sys;

use crate::eal::{Eal, EalShared};
use crate::error::{DpdkError, c_array, check, join};
use crate::{Link, Offloads, PktMempool, PortStats, RxQueue, SocketId, TxQueue, log};

/// A configured port; closed when the last reference is dropped.
#[derive(Debug)]
pub(crate) struct PortShared {
    id: PortId,
    eal: Arc<EalShared>,
    /// Receive queues allocate from it until the port is closed.
    _pool: PktMempool,
}

impl PortShared {
    pub(crate) fn id(&self) -> PortId {
        self.id
    }
}

impl Drop for PortShared {
    fn drop(&mut self) {
        let mut state = self.eal.lock();
        // SAFETY: the port was reserved by this object, and no queue is left that could poll it. A
        // port that did not get as far as starting refuses to stop, which is harmless.
        unsafe { sys::rte_eth_dev_stop(self.id.index()) };
        // SAFETY: as above; a stopped port may be closed.
        unsafe { sys::rte_eth_dev_close(self.id.index()) };
        state.started.retain(|&id| id != self.id.index());
    }
}

/// A running port. Its queues are separate: see [`start`](Self::start).
#[derive(Debug)]
pub struct StartedPort {
    shared: Arc<PortShared>,
    info: PortInfo,
    offloads: Offloads,
    mac: [u8; 6],
    mtu: u16,
    rx_queues: u16,
}

impl StartedPort {
    /// Configures and starts a port whose receive queues take their buffers from `pool`, and hands
    /// out its queues. A port can be started once at a time (`EBUSY`). If the port refuses, after
    /// the request was found sensible, it is closed and gone.
    pub fn start(
        eal: &Eal,
        id: PortId,
        config: &PortConfig,
        pool: &PktMempool,
    ) -> Result<(Self, Vec<RxQueue>, Vec<TxQueue>), DpdkError> {
        const OP: &str = "rte_eth_dev_configure";
        let info = PortInfo::of(eal, id)?;
        info.check(config, pool)?;
        if !pool.belongs_to(eal.shared()) {
            return Err(DpdkError::new(OP, libc::EINVAL).with_detail("a pool of another EAL"));
        }
        let offloads = info.choose_offloads(config);

        let shared = {
            let mut state = eal.shared().lock();
            if state.started.contains(&id.index()) {
                let detail = format!("port {:?} is in use already", info.name);
                return Err(DpdkError::new(OP, libc::EBUSY).with_detail(detail));
            }
            state.started.push(id.index());
            let eal = Arc::clone(eal.shared());
            Arc::new(PortShared { id, eal, _pool: pool.clone() })
        };
        let mark = log::mark();
        let (mac, mtu) = bring_up(&shared, &info, config, offloads, pool).map_err(|e| {
            let detail = join(&[&format!("port {:?}", info.name), &e.detail, &log::since(mark)]);
            e.with_detail(detail)
        })?;
        // Some drivers tell the size of their redirection table only when they are configured.
        let info = PortInfo::of(eal, id)?;
        let prepare = offloads.tx_flags() != 0;
        let rx = (0..config.rx_queues).map(|q| RxQueue::new(&shared, q)).collect();
        let tx = (0..config.tx_queues).map(|q| TxQueue::new(&shared, q, prepare)).collect();
        let rx_queues = config.rx_queues;
        Ok((Self { shared, info, offloads, mac, mtu, rx_queues }, rx, tx))
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> PortId {
        self.shared.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The driver that serves it.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.info.driver
    }

    /// The device it belongs to.
    #[must_use]
    pub fn device_name(&self) -> &str {
        &self.info.device
    }

    /// What it is and can do.
    #[must_use]
    pub fn info(&self) -> &PortInfo {
        &self.info
    }

    /// The checksum and RSS work that is switched on.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        self.offloads
    }

    /// The MAC address it had when it was started.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The largest IP packet it sends and receives.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// The NUMA node it is attached to.
    #[must_use]
    pub fn socket(&self) -> SocketId {
        self.info.socket
    }

    /// The state of its link, without waiting for it. This is what the driver says: that of a
    /// virtual device may report a link that is always up, as net_af_packet does in DPDK 22.11.
    pub fn link(&self) -> Result<Link, DpdkError> {
        let _guard = self.shared.eal.lock();
        let mut raw = sys::shim_link::default();
        // SAFETY: the port exists as long as `self`; `raw` outlives the call.
        let ret = unsafe { sys::shim_port_link(self.shared.id.index(), &raw mut raw) };
        check("rte_eth_link_get_nowait", ret)?;
        Ok(Link { up: raw.up != 0, speed_mbps: raw.speed_mbps, full_duplex: raw.full_duplex != 0 })
    }

    /// Its counters since it was started.
    pub fn stats(&self) -> Result<PortStats, DpdkError> {
        let _guard = self.shared.eal.lock();
        let mut raw = sys::shim_port_stats::default();
        // SAFETY: the port exists as long as `self`; `raw` outlives the call.
        let ret = unsafe { sys::shim_port_stats(self.shared.id.index(), &raw mut raw) };
        check("rte_eth_stats_get", ret)?;
        Ok(raw.into())
    }

    /// The driver's own counters, by the driver's names.
    pub fn xstats(&self) -> Result<Vec<(String, u64)>, DpdkError> {
        const OP: &str = "rte_eth_xstats_get";
        let _guard = self.shared.eal.lock();
        let id = self.shared.id.index();
        // SAFETY: the port exists as long as `self`; with no array, the call only counts.
        let count = check(OP, unsafe { sys::rte_eth_xstats_get_names(id, ptr::null_mut(), 0) })?;
        let len = count as usize;
        let mut names = vec![sys::rte_eth_xstat_name::default(); len];
        // SAFETY: `names` has room for `count` entries.
        let ret = unsafe { sys::rte_eth_xstats_get_names(id, names.as_mut_ptr(), count) };
        names.truncate(check(OP, ret)? as usize);
        let mut values = vec![sys::rte_eth_xstat::default(); len];
        // SAFETY: `values` has room for `count` entries.
        let ret = unsafe { sys::rte_eth_xstats_get(id, values.as_mut_ptr(), count) };
        values.truncate(check(OP, ret)? as usize);
        // A value refers to its name by index.
        let named = values.iter().filter_map(|v| {
            let name = names.get(usize::try_from(v.id).ok()?)?;
            Some((c_array(&name.name), v.value))
        });
        Ok(named.collect())
    }

    /// Whether it receives frames sent to other MAC addresses.
    #[must_use]
    pub fn promiscuous(&self) -> bool {
        let _guard = self.shared.eal.lock();
        // SAFETY: the port exists as long as `self`.
        unsafe { sys::rte_eth_promiscuous_get(self.shared.id.index()) == 1 }
    }

    /// Switches the reception of frames sent to other MAC addresses on or off.
    pub fn set_promiscuous(&self, on: bool) -> Result<(), DpdkError> {
        let _guard = self.shared.eal.lock();
        set_promiscuous(self.shared.id, on)
    }
}

/// Everything between reserving a port and polling it; returns its MAC address and MTU.
fn bring_up(
    shared: &PortShared,
    info: &PortInfo,
    config: &PortConfig,
    offloads: Offloads,
    pool: &PktMempool,
) -> Result<([u8; 6], u16), DpdkError> {
    let _guard = shared.eal.lock();
    let id = shared.id.index();
    let mtu_before = mtu(id)?;
    let rss_key = match &config.rss {
        Rss::Set(rss) if offloads.rss => rss.key.as_slice(),
        Rss::Set(_) | Rss::Driver | Rss::Off => &[],
    };
    let conf = sys::shim_port_conf {
        rx_offloads: offloads.rx_flags(),
        tx_offloads: offloads.tx_flags(),
        rss_hf: if offloads.rss { info.rss_flags(&config.rss) } else { 0 },
        rss_key: if rss_key.is_empty() { ptr::null() } else { rss_key.as_ptr() },
        rss_key_len: u8::try_from(rss_key.len()).unwrap_or(u8::MAX),
        mtu: u32::from(config.mtu),
        rx_queues: config.rx_queues,
        tx_queues: config.tx_queues,
    };
    // SAFETY: the port is reserved for this object and not started; `conf` and the key it points to
    // outlive the call.
    check("rte_eth_dev_configure", unsafe { sys::shim_port_configure(id, &raw const conf) })?;
    set_up_queues(id, info, config, pool)?;
    if config.mtu != mtu_before {
        // SAFETY: the port is configured and stopped.
        let ret = unsafe { sys::rte_eth_dev_set_mtu(id, config.mtu) };
        // Drivers without this function learned the MTU from the configuration.
        if ret != -libc::ENOTSUP {
            check("rte_eth_dev_set_mtu", ret)?;
        }
    }
    // SAFETY: the port is configured and its queues are set up.
    check("rte_eth_dev_start", unsafe { sys::rte_eth_dev_start(id) })?;
    match set_promiscuous(shared.id, config.promiscuous) {
        Err(e) if e.errno == libc::ENOTSUP => {}
        result => result?,
    }
    let mut mac = sys::rte_ether_addr::default();
    // SAFETY: the port exists; `mac` outlives the call.
    check("rte_eth_macaddr_get", unsafe { sys::rte_eth_macaddr_get(id, &raw mut mac) })?;
    Ok((mac.addr_bytes, mtu(id)?))
}

fn set_up_queues(
    id: u16,
    info: &PortInfo,
    config: &PortConfig,
    pool: &PktMempool,
) -> Result<(), DpdkError> {
    let (mut rx_len, mut tx_len) = (config.rx_descriptors, config.tx_descriptors);
    // SAFETY: the port exists; both numbers outlive the call.
    let ret =
        unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &raw mut rx_len, &raw mut tx_len) };
    check("rte_eth_dev_adjust_nb_rx_tx_desc", ret)?;
    // Unsigned -1 (SOCKET_ID_ANY) for a port without a NUMA node, as DPDK wants it.
    let socket = info.socket.node().unwrap_or(u32::MAX);
    for queue in 0..config.rx_queues {
        // SAFETY: the port is configured with this queue; null asks for the driver's defaults; the
        // pool outlives the port, which holds a handle to it.
        let ret = unsafe {
            sys::rte_eth_rx_queue_setup(id, queue, rx_len, socket, ptr::null(), pool.as_ptr())
        };
        check("rte_eth_rx_queue_setup", ret)?;
    }
    for queue in 0..config.tx_queues {
        // SAFETY: the port is configured with this queue; null asks for the driver's defaults.
        let ret = unsafe { sys::rte_eth_tx_queue_setup(id, queue, tx_len, socket, ptr::null()) };
        check("rte_eth_tx_queue_setup", ret)?;
    }
    Ok(())
}

fn mtu(id: u16) -> Result<u16, DpdkError> {
    let mut mtu = 0;
    // SAFETY: `mtu` outlives the call, which accepts any port number.
    check("rte_eth_dev_get_mtu", unsafe { sys::rte_eth_dev_get_mtu(id, &raw mut mtu) })?;
    Ok(mtu)
}

fn set_promiscuous(id: PortId, on: bool) -> Result<(), DpdkError> {
    if on {
        // SAFETY: the call accepts any port number.
        let ret = unsafe { sys::rte_eth_promiscuous_enable(id.index()) };
        check("rte_eth_promiscuous_enable", ret).map(drop)
    } else {
        // SAFETY: the call accepts any port number.
        let ret = unsafe { sys::rte_eth_promiscuous_disable(id.index()) };
        check("rte_eth_promiscuous_disable", ret).map(drop)
    }
}
