//! NUMA: packet memory on the node of the worker that uses it.
//!
//! A CPU reaches the memory of its own node sooner than that of others, and a NIC is attached to
//! one node. [`topology`] reads from `/sys` which CPUs and devices are on which node, [`layout`]
//! decides which worker takes its memory where and how `dpdk.memory` is divided, [`pools`] sizes
//! and makes the pools of packet buffers, and [`distance`] says which ports are far from their
//! workers. Deciding is apart from reading, so that it is tested for machines we do not have.
//!
//! On a machine with one node, and with ordinary memory, which EAL cannot place, there is one pool
//! for all.

mod distance;
mod layout;
mod pools;
mod topology;

use std::thread;

use core_affinity::CoreId;

pub(crate) use distance::warnings;
pub(crate) use layout::Layout;
pub(crate) use pools::{PoolSize, Pools, buffers};
pub(crate) use topology::{Topology, of_device, of_device_below};

#[cfg(test)]
pub(crate) use layout::tests::two_nodes;

/// Does `make` on a CPU, so that the memory it touches first is of that CPU's node. Where the CPU
/// cannot be had it is done on this thread: whoever needs the CPU itself will say so.
pub(crate) fn made_on<T: Send>(cpu: u32, make: impl Fn() -> T + Sync) -> T {
    let pinned = || {
        core_affinity::set_for_current(CoreId { id: usize::try_from(cpu).unwrap_or(usize::MAX) });
        make()
    };
    let made = thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, pinned).ok()?;
        thread.join().ok()
    });
    made.unwrap_or_else(make)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_made_on_the_cpu_and_this_thread_stays_where_it_is() {
        let mine = core_affinity::get_core_ids().unwrap();
        for cpu in &mine {
            let there = made_on(u32::try_from(cpu.id).unwrap(), core_affinity::get_core_ids);
            assert_eq!(there.unwrap(), [*cpu]);
        }
        assert_eq!(core_affinity::get_core_ids().unwrap(), mine);
        // The last CPU that a configuration can name, which hardly any machine has.
        assert_eq!(made_on(1023, || 7), 7);
    }
}
