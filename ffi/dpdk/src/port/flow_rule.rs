//! [`FlowRule`]: packets to an address and some L4 ports go into a chosen queue (`rte_flow`).

use std::ffi::c_char;
use std::net::Ipv4Addr;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use dpdk_sys as sys;

use super::{PortShared, StartedPort};
use crate::error::{DpdkError, c_array, check, join};
use crate::log;

/// The protocol of the packets a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum L4Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The IPv4 packets a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowMatch {
    /// Their protocol.
    pub protocol: L4Protocol,
    /// Their destination address.
    pub dst: Ipv4Addr,
    /// Their destination port, as far as the mask goes.
    pub dst_port: u16,
    /// The bits of the destination port that matter; 0 for any port.
    pub dst_port_mask: u16,
}

impl FlowMatch {
    fn raw(&self, queue: u16) -> sys::shim_flow_rule {
        let protocol = match self.protocol {
            L4Protocol::Tcp => libc::IPPROTO_TCP,
            L4Protocol::Udp => libc::IPPROTO_UDP,
        };
        sys::shim_flow_rule {
            protocol: u8::try_from(protocol).unwrap_or_default(),
            dst: self.dst.octets(),
            dst_port: self.dst_port,
            dst_port_mask: self.dst_port_mask,
            queue,
        }
    }
}

type Why = [c_char; sys::SHIM_NAME_SIZE as usize];

impl StartedPort {
    /// Whether the port would take this rule now. `ENOSYS` or `ENOTSUP`: it has no such rules;
    /// `EINVAL`: there is no such queue; others: the driver's reason is in the error's detail.
    pub fn check_flow_rule(&self, packets: &FlowMatch, queue: u16) -> Result<(), DpdkError> {
        const OP: &str = "rte_flow_validate";
        self.check_queue(OP, queue)?;
        let raw = packets.raw(queue);
        let mut why: Why = [0; _];
        let _guard = self.shared.eal.lock();
        let mark = log::mark();
        // SAFETY: the port exists as long as `self`; `raw` and `why` outlive the call, and `why`
        // has SHIM_NAME_SIZE bytes.
        let ret =
            unsafe { sys::shim_flow_validate(self.id().index(), &raw const raw, why.as_mut_ptr()) };
        check(OP, ret).map(drop).map_err(|error| self.explain(error, &why, mark))
    }

    /// Gives the port a rule, which holds until it is dropped. Errors as of
    /// [`Self::check_flow_rule`].
    pub fn add_flow_rule(&self, packets: &FlowMatch, queue: u16) -> Result<FlowRule, DpdkError> {
        const OP: &str = "rte_flow_create";
        self.check_queue(OP, queue)?;
        let raw = packets.raw(queue);
        let mut why: Why = [0; _];
        let mut rule = ptr::null_mut();
        let _guard = self.shared.eal.lock();
        let mark = log::mark();
        // SAFETY: the port exists as long as `self`; `raw`, `rule` and `why` outlive the call, and
        // `why` has SHIM_NAME_SIZE bytes.
        let ret = unsafe {
            sys::shim_flow_create(
                self.id().index(),
                &raw const raw,
                &raw mut rule,
                why.as_mut_ptr(),
            )
        };
        check(OP, ret).map_err(|error| self.explain(error, &why, mark))?;
        let raw = NonNull::new(rule).ok_or_else(|| DpdkError::new(OP, libc::EIO))?;
        Ok(FlowRule { shared: Arc::clone(&self.shared), raw })
    }

    fn check_queue(&self, op: &'static str, queue: u16) -> Result<(), DpdkError> {
        if queue < self.rx_queues {
            return Ok(());
        }
        let detail =
            format!("port {:?}: no queue {queue} among its {}", self.name(), self.rx_queues);
        Err(DpdkError::new(op, libc::EINVAL).with_detail(detail))
    }

    fn explain(&self, error: DpdkError, why: &Why, mark: u64) -> DpdkError {
        let port = format!("port {:?}", self.name());
        let detail = join(&[&port, &c_array(why), &log::since(mark)]);
        error.with_detail(detail)
    }
}

/// A rule of a port, taken back on drop. It keeps its port running.
#[derive(Debug)]
pub struct FlowRule {
    shared: Arc<PortShared>,
    raw: NonNull<sys::rte_flow>,
}

// SAFETY: a rule is an opaque handle that DPDK uses under the lock of the EAL only, on any thread.
unsafe impl Send for FlowRule {}
// SAFETY: nothing can be done with a shared reference to it.
unsafe impl Sync for FlowRule {}

impl Drop for FlowRule {
    fn drop(&mut self) {
        let mut why: Why = [0; _];
        let _guard = self.shared.eal.lock();
        let id = self.shared.id.index();
        // SAFETY: the rule was made on this port, which runs as long as `shared` lives, and is not
        // used again; `why` has SHIM_NAME_SIZE bytes. A rule that cannot be taken back goes with
        // its port.
        unsafe { sys::shim_flow_destroy(id, self.raw.as_ptr(), why.as_mut_ptr()) };
    }
}
