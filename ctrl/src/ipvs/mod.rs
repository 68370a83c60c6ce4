//! IPVS' control interface, for programs that know no other: ipvsadm and keepalived, unmodified,
//! with `librvs_ipvs.so` (`ffi/ipvs-preload`) in `LD_PRELOAD`.
//!
//! The library hands over what a program would send to the kernel: netlink datagrams and socket
//! options, each a packet on the socket beside the control socket, and names of files in /proc/net.
//!
//! * `listener.rs`, `client.rs`: the socket, and one client after the other's packets;
//! * `netlink.rs`, `attr.rs`, `genl.rs`, `legacy.rs`, `private.rs`: bytes, read into `request.rs`;
//! * `meaning.rs`, `change.rs`: requests become edits of the configuration (`crate::edit`);
//! * `listing.rs`, `answer.rs`, `proc.rs`: what is there, in the forms that Linux gives it;
//! * `sync.rs`: daemons for synchronisation, of which only the state is kept.
//!
//! Errno values and the order of checks are those of Linux 6.1; what differs is in
//! `docs/IPVS-COMPATIBILITY.md`.

mod answer;
mod attr;
mod change;
mod client;
mod genl;
mod legacy;
mod listener;
mod listing;
mod meaning;
mod netlink;
mod private;
mod proc;
mod request;
mod sync;
mod uapi;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conf::Service;
use nix::errno::Errno;

pub(crate) use listener::IpvsSocket;

use crate::state::State;
use request::ServiceId;
use sync::Daemons;

/// What all clients share.
#[derive(Debug)]
struct Front {
    state: Arc<State>,
    daemons: Mutex<Daemons>,
}

impl Front {
    fn daemons(&self) -> MutexGuard<'_, Daemons> {
        // Nothing that is done under the lock leaves things half done when it panics.
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service that is meant, commands included; ESRCH if there is none.
    fn service(&self, of: &ServiceId) -> Result<Arc<Service>, Errno> {
        let key = meaning::key(of)?;
        self.state.desk.read(|draft| draft.service(key).cloned()).ok_or(Errno::ESRCH)
    }
}

#[cfg(test)]
mod tests;
