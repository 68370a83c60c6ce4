//! One template: which real server a client has, and until when.

use std::fmt;
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr};

use crate::flow::entry::Record;
use crate::flow::expire::WheelLink;
use crate::flow::tally::NoTally;
use crate::flow::{Direction, Entry, FlowKey, Key};
use crate::service::{RealId, RealServer, ServiceId, ServiceKey, VirtualService};
use crate::time::{Tick, Ticks};

use super::Persistence;

/// FTP's control port. As in IPVS its templates cover all ports, because the client connects to
/// others for data.
const FTP: u16 = 21;

/// The protocol of templates of services by mark.
const ANY_PROTOCOL: u8 = 0;

/// What a template is found by: protocol, network of the client, VIP, and the vport or 0 for all
/// ports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TemplateKey {
    /// From the network's address and port 0 to VIP and vport.
    ends: FlowKey,
    /// What else tells connections of a client apart; 0 if nothing does.
    call: u64,
}

impl TemplateKey {
    /// The key for connections of `client` to `service`.
    #[must_use]
    pub fn of(service: &VirtualService, persistence: &Persistence, client: Ipv4Addr) -> Self {
        Self::of_network(service, persistence.network_of(client))
    }

    /// The key for connections of the network with this address to `service`.
    #[must_use]
    pub fn of_network(service: &VirtualService, network: Ipv4Addr) -> Self {
        let ends = match service.key {
            ServiceKey::Endpoint { protocol, vip, vport } => {
                let vport = if vport == FTP { 0 } else { vport };
                FlowKey::ipv4(protocol, network, 0, vip, vport)
            }
            // One for all protocols, addresses and ports, as IPVS has and lists it.
            ServiceKey::Mark(mark) => {
                let mark = Ipv4Addr::from_bits(mark.get());
                FlowKey::ipv4(ANY_PROTOCOL, network, 0, mark, 0)
            }
        };
        Self { ends, call: 0 }
    }

    /// The same for connections of one call only; `call` is a hash of what names it.
    #[must_use]
    pub fn of_call(self, call: u64) -> Self {
        Self { call, ..self }
    }

    /// What else tells connections of the client apart; 0 if nothing does.
    #[must_use]
    pub fn call(&self) -> u64 {
        self.call
    }

    /// The address of the client's network.
    #[must_use]
    pub fn network(&self) -> Ipv4Addr {
        self.ends.src_ipv4()
    }

    /// The port it is for; 0 for all.
    #[must_use]
    pub fn vport(&self) -> u16 {
        self.ends.dst_port()
    }

    /// Whether it is one for connections to `service`.
    #[must_use]
    pub fn is_of(&self, service: &VirtualService) -> bool {
        self.ends == Self::of_network(service, self.network()).ends
    }

    /// All of it in one number, to tell whose it is.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let [a, b, c, d, e, f, g, h] = self.ends.wire_addresses();
        let addresses = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let port = u64::from(self.vport()) << 16 | u64::from(self.ends.protocol());
        addresses.rotate_left(17) ^ port ^ self.call
    }
}

impl Key for TemplateKey {
    type Tally = NoTally;

    #[inline]
    fn feed(&self, hasher: &mut impl Hasher) {
        self.ends.feed(hasher);
        hasher.write_u64(self.call);
    }

    fn ends(&self) -> (u8, (IpAddr, u16), (IpAddr, u16)) {
        self.ends.ends()
    }
}

impl fmt::Debug for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} call {:x}", self.ends, self.call)
    }
}

/// Whose a template is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This worker's.
    Me,
    /// Another worker's, who is to be told when it is used: this is a copy.
    Other,
}

/// One template, or a worker's copy of it.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    key: TemplateKey,
    service: ServiceId,
    real: RealId,
    rip: Ipv4Addr,
    /// When it was used last, or looked at when it should have ended.
    pub(super) last_used: Tick,
    /// How long after that it ends.
    pub(super) timeout: Ticks,
    /// Flows of this worker that it controls.
    pub(super) flows: u32,
    /// The owner's: until when it controls flows of other workers, as far as they told.
    /// A copy's: when the owner was told last.
    pub(super) told: Tick,
    wheel: WheelLink,
    rport: u16,
    pub(super) owner: Owner,
    pub(super) standing: Standing,
}

/// What a template is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No connection that used it got through yet.
    New,
    /// One did.
    Assured,
    /// New, and its real server may not be used any more. It is not found then, and stays until
    /// it ends.
    VoidNew,
    /// Assured, and its real server may not be used any more.
    VoidAssured,
}

// One cache line in the table.
const _: () = assert!(size_of::<Record<Template>>() == 64);

impl Template {
    /// A template for `key` used first at `now`.
    #[must_use]
    pub fn new(
        key: TemplateKey,
        real: &RealServer,
        owner: Owner,
        (now, timeout): (Tick, Ticks),
    ) -> Self {
        Self {
            key,
            service: real.service,
            real: real.id,
            rip: real.address,
            last_used: now,
            timeout,
            flows: 0,
            told: now,
            wheel: WheelLink::default(),
            // As IPVS lists it.
            rport: if key.vport() == 0 { 0 } else { real.l4_port },
            owner,
            standing: Standing::New,
        }
    }

    /// What it is found by.
    #[must_use]
    pub const fn key(&self) -> &TemplateKey {
        &self.key
    }

    /// The service that the real server belongs to.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// The real server.
    #[must_use]
    pub const fn real(&self) -> RealId {
        self.real
    }

    /// Whose it is.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// Flows of this worker that it controls.
    #[must_use]
    pub const fn flows(&self) -> u32 {
        self.flows
    }

    /// Whether a connection that used it got through.
    #[must_use]
    pub fn is_assured(&self) -> bool {
        matches!(self.standing, Standing::Assured | Standing::VoidAssured)
    }

    /// Whether it may not be used any more.
    #[must_use]
    pub fn is_void(&self) -> bool {
        matches!(self.standing, Standing::VoidNew | Standing::VoidAssured)
    }

    /// The name of its state in listings.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        if self.is_assured() { "ASSURED" } else { "NONE" }
    }

    /// When it ends if nothing happens.
    #[must_use]
    pub const fn deadline(&self) -> Tick {
        self.last_used.after(self.timeout)
    }

    /// Whether it has ended at `now`, though it may still stand in the table.
    #[must_use]
    pub fn is_over(&self, now: Tick) -> bool {
        self.deadline().is_due(now) && !self.controls(now)
    }

    /// How long ago it was used last, or outlived its deadline as it controls flows.
    #[must_use]
    pub const fn idle(&self, now: Tick) -> Ticks {
        now.since(self.last_used)
    }

    /// VIP and vport, and the real server with its port, as IPVS lists them.
    #[must_use]
    pub fn listed_ends(&self) -> [(IpAddr, u16); 2] {
        let (_, _, (vip, vport)) = self.key.ends();
        let (vport, rport) =
            if self.is_void() { (u16::MAX, u16::MAX) } else { (vport, self.rport) };
        [(vip, vport), (self.rip.into(), rport)]
    }

    pub(super) fn assure(&mut self) {
        self.standing = match self.standing {
            Standing::New | Standing::Assured => Standing::Assured,
            Standing::VoidNew | Standing::VoidAssured => Standing::VoidAssured,
        };
    }

    pub(super) fn void(&mut self) {
        self.standing = match self.standing {
            Standing::New | Standing::VoidNew => Standing::VoidNew,
            Standing::Assured | Standing::VoidAssured => Standing::VoidAssured,
        };
    }

    /// Whether it controls flows, of whomever.
    #[must_use]
    pub fn controls(&self, now: Tick) -> bool {
        self.flows > 0 || self.owner == Owner::Me && !self.told.is_due(now)
    }
}

impl Entry for Template {
    type Key = TemplateKey;

    const KEYS_MAX: usize = 1;

    #[inline]
    fn key_of(&self, _: Direction) -> &TemplateKey {
        &self.key
    }

    #[inline]
    fn has_reply_key(&self) -> bool {
        false
    }

    #[inline]
    fn ends_at(&self) -> Tick {
        self.deadline()
    }

    #[inline]
    fn link(&self) -> WheelLink {
        self.wheel
    }

    #[inline]
    fn link_mut(&mut self) -> &mut WheelLink {
        &mut self.wheel
    }
}
