//! [`LocalPortShare`]: which local ports a worker may use, so that replies find it and no two
//! workers use the same.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{LOCAL_PORT_COUNT, LOCAL_PORT_MIN};
use crate::rss::RssSteering;
use crate::service::RealServer;

/// The local ports of one worker. Whatever the kind, each port from 1024 on belongs to exactly one
/// worker, for each real server and LIP.
#[derive(Clone, Debug, Default)]
pub enum LocalPortShare {
    /// All of them: there is one worker.
    #[default]
    All,
    /// Those of the worker's classes, for ports where replies are handed over or steered by rules.
    Classes(PortClasses, u16),
    /// Those whose replies the NIC's hash brings to the worker.
    Rss(Arc<RssSteering>),
}

impl LocalPortShare {
    /// How many flows this worker can have at a time towards one real server from the LIPs of
    /// `pool`, for each protocol. With [`Self::Rss`], which ports fall below 1024 depends on
    /// addresses, so that single real servers may have a few more or less.
    #[must_use]
    pub fn capacity(&self, pool: &[Ipv4Addr]) -> u64 {
        let of_lip = |lip: &Ipv4Addr| match self {
            Self::Rss(steering) => {
                (u64::from(steering.port_count()) * u64::from(LOCAL_PORT_COUNT)) >> 16
            }
            Self::All | Self::Classes(..) => u64::from(self.len(*lip)),
        };
        pool.iter().map(of_lip).sum()
    }

    /// The worker that the replies of `real` to a local end belong to; `None` for a well-known
    /// port, which nobody uses, and where there is one worker.
    #[inline]
    #[must_use]
    pub fn owner(&self, real: (Ipv4Addr, u16), local: (Ipv4Addr, u16)) -> Option<u16> {
        match self {
            Self::All => None,
            Self::Classes(classes, _) => classes.owner(local.0, local.1),
            Self::Rss(steering) => Some(steering.queue_of_reply(real, local)),
        }
    }

    /// How many ports of `lip` [`Self::nth_port`] can name.
    #[inline]
    pub(super) fn len(&self, lip: Ipv4Addr) -> u32 {
        match self {
            Self::All => LOCAL_PORT_COUNT,
            Self::Classes(classes, worker) => classes.port_count(lip, *worker),
            Self::Rss(steering) => steering.port_count(),
        }
    }

    /// The `n`-th port of the share, `n` below [`Self::len`], towards `real` from `lip`; `None` if
    /// that is a well-known one.
    #[inline]
    pub(super) fn nth_port(&self, real: &RealServer, lip: Ipv4Addr, n: u32) -> Option<u16> {
        match self {
            // Below 64512, so the sum is a port.
            Self::All => u16::try_from(n).ok()?.checked_add(LOCAL_PORT_MIN),
            Self::Classes(classes, worker) => classes.nth_port(lip, *worker, n),
            Self::Rss(steering) => {
                let base = steering.base((real.address, real.l4_port), lip);
                Some(steering.nth_port(base, n)).filter(|&lport| lport >= LOCAL_PORT_MIN)
            }
        }
    }
}

/// Local ports in classes that belong to workers in turn. Every worker can compute the owner of a
/// reply from its LIP and lport. The LIP decides who begins, so that no worker has one class more
/// on every address.
///
/// Without rules each port is a class of its own, and workers' shares differ by one port at most.
/// A NIC's rules can look at some low bits of a port only; then all ports with the same bits are
/// one class, and shares differ by one class at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortClasses {
    /// A divisor of [`LOCAL_PORT_COUNT`].
    class_count: u32,
    /// At least 1, at most `class_count`.
    worker_count: u16,
}

/// Most classes that rules can tell apart by a mask: 1024 divides the number of local ports.
pub const PORT_CLASSES_MAX: u16 = 1024;

impl PortClasses {
    /// One class per port: any number of workers, as even as can be.
    pub fn by_port(worker_count: u16) -> Result<Self, PortClassesError> {
        Self::new(LOCAL_PORT_COUNT, worker_count)
    }

    /// Classes by the low bits of a port: `class_count` is a power of two up to
    /// [`PORT_CLASSES_MAX`] and not below `worker_count`. It takes a rule per class, LIP and
    /// protocol; the more classes, the more even the shares.
    pub fn by_mask(class_count: u16, worker_count: u16) -> Result<Self, PortClassesError> {
        if !class_count.is_power_of_two() || class_count > PORT_CLASSES_MAX {
            return Err(PortClassesError { class_count: class_count.into(), worker_count });
        }
        Self::new(class_count.into(), worker_count)
    }

    fn new(class_count: u32, worker_count: u16) -> Result<Self, PortClassesError> {
        if worker_count == 0 || u32::from(worker_count) > class_count {
            return Err(PortClassesError { class_count, worker_count });
        }
        Ok(Self { class_count, worker_count })
    }

    /// Whether a mask on an lport tells the classes apart.
    #[must_use]
    pub fn is_by_mask(self) -> bool {
        self.class_count.is_power_of_two()
    }

    /// The worker that uses this local port; `None` for a well-known one, which nobody uses.
    #[inline]
    #[must_use]
    pub fn owner(self, lip: Ipv4Addr, lport: u16) -> Option<u16> {
        let class = u32::from(lport.checked_sub(LOCAL_PORT_MIN)?) % self.class_count;
        Some(self.owner_of_class(lip, class))
    }

    #[inline]
    fn owner_of_class(self, lip: Ipv4Addr, class: u32) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of workers")]
        let worker = ((class + first_turn(lip)) % u32::from(self.worker_count)) as u16;
        worker
    }

    /// The lowest class of a worker; the others follow at a distance of `worker_count`.
    #[inline]
    fn first_class(self, lip: Ipv4Addr, worker: u16) -> u32 {
        let worker_count = u32::from(self.worker_count);
        (u32::from(worker) + worker_count - first_turn(lip) % worker_count) % worker_count
    }

    /// The classes by mask as a NIC's rules for `lip` need them: the mask, and for every value of
    /// `lport & mask` that value and the worker of the ports that have it. `None` if a mask cannot
    /// tell the classes apart.
    pub fn rules(self, lip: Ipv4Addr) -> Option<(u16, impl Iterator<Item = (u16, u16)>)> {
        // The first local port is a multiple of the number of classes, so the low bits of a port
        // are its class.
        let mask = u16::try_from(self.class_count - 1).ok()?;
        let owner = move |class| self.owner_of_class(lip, u32::from(class));
        self.is_by_mask().then(|| (mask, (0..=mask).map(move |class| (class, owner(class)))))
    }

    /// Local ports of a worker, of this LIP.
    #[inline]
    #[must_use]
    pub fn port_count(self, lip: Ipv4Addr, worker: u16) -> u32 {
        let ports_per_class = LOCAL_PORT_COUNT / self.class_count;
        self.class_count_of(lip, worker) * ports_per_class
    }

    #[inline]
    fn class_count_of(self, lip: Ipv4Addr, worker: u16) -> u32 {
        if worker >= self.worker_count {
            return 0;
        }
        (self.class_count - self.first_class(lip, worker)).div_ceil(u32::from(self.worker_count))
    }

    /// The `n`-th local port of a worker.
    #[inline]
    fn nth_port(self, lip: Ipv4Addr, worker: u16, n: u32) -> Option<u16> {
        let own_classes = self.class_count_of(lip, worker);
        let (round, own) = (n.checked_div(own_classes)?, n.checked_rem(own_classes)?);
        let class = self.first_class(lip, worker) + own * u32::from(self.worker_count);
        let place = u16::try_from(round * self.class_count + class).ok()?;
        LOCAL_PORT_MIN.checked_add(place)
    }
}

/// How many places a LIP shifts the turn of the workers.
#[inline]
fn first_turn(lip: Ipv4Addr) -> u32 {
    lip.to_bits() & 0xFFFF
}

/// Local ports that cannot be divided as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortClassesError {
    /// Classes asked for.
    pub class_count: u32,
    /// Workers asked for.
    pub worker_count: u16,
}

impl fmt::Display for PortClassesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class_count, worker_count } = self;
        write!(
            f,
            "local ports in {class_count} classes cannot be divided over {worker_count} workers"
        )
    }
}

impl std::error::Error for PortClassesError {}

const _: () = assert!(LOCAL_PORT_MIN.is_multiple_of(PORT_CLASSES_MAX));
const _: () = assert!(LOCAL_PORT_COUNT.is_multiple_of(PORT_CLASSES_MAX as u32));
