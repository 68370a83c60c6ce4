//! [`Rule`]: the name of the rule an error is about.

/// Which rule of the configuration file was broken. The names are stable, so that programs and
/// tests can tell errors apart without reading their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The file cannot be read: it is missing, forbidden, a directory, too large or not UTF-8.
    Unreadable,
    /// The file is not YAML.
    Syntax,
    /// The file is YAML, but larger or deeper than a configuration can be.
    TooComplex,
    /// A key that means nothing at this place.
    UnknownKey,
    /// A required key is absent.
    MissingKey,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// A key without a value.
    NoValue,
    /// A list where a single value belongs, and the like.
    WrongShape,
    /// A value that cannot be understood: not a number, not an address, not a known word.
    BadValue,
    /// A value that is understood but outside its range.
    OutOfRange,
    /// An IPv6 address; only IPv4 is supported.
    Ipv6,
    /// An address that cannot be meant: multicast, a subnet's broadcast address.
    UnusableAddress,
    /// The same thing twice: a worker, device, address, route, local address or real server.
    Duplicate,
    /// Two ports claim the same subnet.
    SubnetOverlap,
    /// Two services claim the same protocol, address and port.
    ServiceOverlap,
    /// One address in two roles that exclude each other.
    AddressConflict,
    /// An address that no port and no route reaches.
    Unreachable,
    /// A DR real server that is not in the subnet of a port.
    NotOnLink,
    /// A DR or TUN real server whose port differs from the service's.
    PortMismatch,
    /// A tunnel in another mode than tun, or with what its type does not have.
    Tunnel,
    /// A flag of another scheduler.
    SchedulerFlags,
    /// A lower threshold above the upper one, or without it.
    Thresholds,
    /// A helper where there is nothing that it could do.
    Helper,
    /// A mark beside an address.
    Marks,
    /// One-packet scheduling of what is not UDP.
    OnePacket,
    /// A mask or an engine for persistence, or a service for all ports, without persistence.
    Persistence,
    /// A timeout of another protocol than the service's.
    ServiceTimeout,
    /// A worker that does not exist on this machine.
    NoSuchCpu,
}

impl Rule {
    /// The name shown in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Syntax => "syntax",
            Self::TooComplex => "too-complex",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::DuplicateKey => "duplicate-key",
            Self::NoValue => "no-value",
            Self::WrongShape => "wrong-shape",
            Self::BadValue => "bad-value",
            Self::OutOfRange => "out-of-range",
            Self::Ipv6 => "ipv6",
            Self::UnusableAddress => "unusable-address",
            Self::Duplicate => "duplicate",
            Self::SubnetOverlap => "subnet-overlap",
            Self::ServiceOverlap => "service-overlap",
            Self::AddressConflict => "address-conflict",
            Self::Unreachable => "unreachable",
            Self::NotOnLink => "not-on-link",
            Self::PortMismatch => "port-mismatch",
            Self::Tunnel => "tunnel",
            Self::SchedulerFlags => "scheduler-flags",
            Self::Thresholds => "thresholds",
            Self::Helper => "helper",
            Self::Marks => "marks",
            Self::OnePacket => "one-packet",
            Self::Persistence => "persistence",
            Self::ServiceTimeout => "service-timeout",
            Self::NoSuchCpu => "no-such-cpu",
        }
    }
}
