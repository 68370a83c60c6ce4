//! Persistence: all connections of a client, or of a network of clients, go to one real server.
//!
//! What remembers the real server is a template ([`Template`]), as in IPVS: an entry under the
//! client's masked address that lives for the service's persistence time after the last connection
//! that used it, and for as long as it controls flows. Templates of one worker are in a table of
//! their own ([`Templates`]), of fixed size.
//!
//! Flows of a client may belong to any worker, templates belong to one: see `director/lend.rs`.

mod template;
mod templates;

use std::net::Ipv4Addr;

pub use template::{Owner, Template, TemplateKey};
pub use templates::Templates;

use crate::time::Ticks;

/// That a service is persistent, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// How long a template lives after the last connection that used it.
    pub timeout: Ticks,
    /// The bits of a client's address that count (`ipvsadm -M`).
    pub mask: Ipv4Addr,
    /// What tells the connections of a client apart (`ipvsadm --pe`).
    pub engine: Option<Engine>,
}

/// What tells the connections of a client apart that go to one real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The Call-ID of SIP messages ([`crate::sip`]). What has none is not let in.
    Sip,
}

impl Persistence {
    /// The part of a client's address that counts.
    #[inline]
    #[must_use]
    pub const fn network_of(&self, client: Ipv4Addr) -> Ipv4Addr {
        Ipv4Addr::from_bits(client.to_bits() & self.mask.to_bits())
    }
}
