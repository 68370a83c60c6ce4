//! The file as written: which keys there are, which of them must be there, and their shapes.
//!
//! One definition gives both the reader and the JSON Schema, so the two cannot disagree about a
//! key. The documentation of a field is its description in the schema, which editors show. What a
//! value means, and whether it is sensible, is decided in `check/`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::diag::Diags;
use crate::node::Node;
use crate::read::{Fields, List, Named, Owner, Read, Text};

/// Defines a mapping with fixed keys. Each field says `required` or `optional`; both are an
/// `Option`, because a required one may have been reported as missing.
macro_rules! mapping {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $need:ident $type:ty,)*
    }) => {
        #[derive(Debug, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        pub(crate) struct $name<'a> {
            $($(#[$field_meta])* pub(crate) $field: Option<$type>,)*
        }

        impl<'a> Read<'a> for $name<'a> {
            fn read(node: &'a Node, owner: Owner<'a>, diags: &mut Diags) -> Option<Self> {
                let fields = Fields::open(node, owner, &[$(bare(stringify!($field))),*], diags)?;
                Some(Self { $($field: fields.$need(bare(stringify!($field)), diags),)* })
            }
        }
    };
}

/// A field's key: keywords of Rust are written with `r#` here.
fn bare(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Defines the schema of a single value that stands in lists or in several places.
macro_rules! text_schema {
    ($($name:ident: $schema:tt;)*) => {$(
        /// Stands for a value in the schema; never constructed.
        struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}

mod control;
mod metrics;
mod service;

pub(crate) use control::{RawControl, RawTcp};
pub(crate) use metrics::RawMetrics;
pub(crate) use service::{RawRealServer, RawService, RawServiceTimeouts, RawTunnel};

mapping! {
    /// Configuration of an RVS director: its ports, routes and virtual services.
    #[schemars(rename = "RVS configuration")]
    RawConfig {
        /// Version of the file format; always 1.
        #[schemars(with = "u32", extend("const" = 1))]
        version: required Text<'a>,
        /// Settings of DPDK's environment layer.
        #[schemars(with = "RawDpdk<'a>", default)]
        dpdk: optional RawDpdk<'a>,
        /// Lcores (CPU numbers) that forward packets, such as `[1, 2]` or `["1-3", 8]`.
        #[schemars(with = "Vec<LcoreItem>", length(min = 1))]
        workers: required List<Text<'a>>,
        /// DPDK ports by name.
        #[schemars(with = "BTreeMap<String, RawPort<'a>>", extend("minProperties" = 1))]
        ports: required Named<'a, RawPort<'a>>,
        /// Static routes; subnets of the ports are reached without one.
        #[schemars(with = "Vec<RawRoute<'a>>", default)]
        routes: optional List<RawRoute<'a>>,
        /// Which packets get a mark, for services by mark; the first rule that fits counts.
        #[schemars(with = "Vec<RawMark<'a>>", default)]
        marks: optional List<RawMark<'a>>,
        /// Source addresses towards real servers in mode fullnat, single or as a range
        /// `FIRST-LAST`, for services that name none themselves.
        #[schemars(with = "Vec<AddressRangeText>", default)]
        local_addresses: optional List<Text<'a>>,
        /// Virtual services by name.
        #[schemars(with = "BTreeMap<String, RawService<'a>>")]
        services: required Named<'a, RawService<'a>>,
        /// Sizes fixed at start.
        #[schemars(with = "RawLimits<'a>", default)]
        limits: optional RawLimits<'a>,
        /// Idle times after which a flow is forgotten.
        #[schemars(with = "RawTimeouts<'a>", default)]
        timeouts: optional RawTimeouts<'a>,
        /// IPVS' sysctls (`net.ipv4.vs.*`) by their names.
        #[schemars(with = "RawIpvs<'a>", default)]
        ipvs: optional RawIpvs<'a>,
        /// How tools reach the running daemon.
        #[schemars(with = "RawControl<'a>", default)]
        control: optional RawControl<'a>,
        /// What monitoring reads.
        #[schemars(with = "RawMetrics<'a>", default)]
        metrics: optional RawMetrics<'a>,
    }
}

mapping! {
    /// Settings of DPDK's environment layer.
    #[schemars(rename = "Dpdk")]
    RawDpdk {
        /// Memory for packet buffers and tables, 64M to 1024G; suffix M or G.
        #[schemars(with = "String", default, regex(pattern = r"^[0-9]+[MG]$"))]
        #[schemars(extend("default" = "1G"))]
        memory: optional Text<'a>,
        /// Extra EAL arguments, passed on as they are.
        #[schemars(with = "Vec<EalArg>", default)]
        eal_args: optional List<Text<'a>>,
    }
}

mapping! {
    /// A DPDK port with the director's addresses on it.
    #[schemars(rename = "Port")]
    RawPort {
        /// A DPDK virtual device with its arguments, such as `net_af_packet0,iface=eth0`, or a
        /// PCI address, such as `0000:3b:00.0`.
        #[schemars(with = "String", length(min = 1))]
        device: required Text<'a>,
        /// The director's own IPv4 addresses with prefix length, such as `[192.0.2.2/24]`.
        #[schemars(with = "Vec<InterfaceText>", default)]
        addresses: optional List<Text<'a>>,
        /// Largest IP packet on this port, in bytes.
        #[schemars(with = "u16", default, range(min = 576, max = 9000))]
        #[schemars(extend("default" = 1500))]
        mtu: optional Text<'a>,
        /// Receive descriptors per queue, a power of two.
        #[schemars(with = "u16", default, range(min = 64, max = 8192))]
        #[schemars(extend("default" = 1024))]
        rx_descriptors: optional Text<'a>,
        /// Transmit descriptors per queue, a power of two.
        #[schemars(with = "u16", default, range(min = 64, max = 8192))]
        #[schemars(extend("default" = 1024))]
        tx_descriptors: optional Text<'a>,
    }
}

mapping! {
    /// A static route.
    #[schemars(rename = "Route")]
    RawRoute {
        /// Destination prefix, such as `0.0.0.0/0`.
        #[schemars(with = "InterfaceText")]
        to: required Text<'a>,
        /// Gateway, an address in the subnet of a port.
        #[schemars(with = "AddressText")]
        via: required Text<'a>,
    }
}

mapping! {
    /// Which packets of new flows get a mark: those that fit all of this.
    #[schemars(rename = "Mark")]
    RawMark {
        /// The mark, which a service has.
        #[schemars(with = "u32", range(min = 1))]
        mark: required Text<'a>,
        /// Transport protocol; any if left out.
        #[schemars(with = "String", default, extend("enum" = ["tcp", "udp", "sctp"]))]
        protocol: optional Text<'a>,
        /// Where the packet goes: an address, which becomes a VIP, or a prefix whose packets are
        /// routed to the director.
        #[schemars(with = "NetworkText")]
        destination: required Text<'a>,
        /// Ports it goes to, such as `[80, 443, 8000-8099]`; any if left out.
        #[schemars(with = "Vec<PortRangeItem>", default)]
        destination_ports: optional List<Text<'a>>,
        /// Where the packet comes from: an address or a prefix; anywhere if left out.
        #[schemars(with = "NetworkText", default)]
        source: optional Text<'a>,
        /// Ports it comes from; any if left out.
        #[schemars(with = "Vec<PortRangeItem>", default)]
        source_ports: optional List<Text<'a>>,
        /// Name of the port that it is received at; any if left out.
        #[schemars(with = "String", default)]
        port: optional Text<'a>,
    }
}

mapping! {
    /// Sizes fixed at start.
    #[schemars(rename = "Limits")]
    RawLimits {
        /// Flows each worker can hold.
        #[schemars(with = "u32", default, range(min = 1, max = 100_000_000))]
        #[schemars(extend("default" = 1_000_000))]
        flows: optional Text<'a>,
        /// Persistence templates each worker can hold.
        #[schemars(with = "u32", default, range(min = 1, max = 100_000_000))]
        #[schemars(extend("default" = 65_536))]
        templates: optional Text<'a>,
        /// Services there can be, while the daemon runs.
        #[schemars(with = "u32", default, range(min = 1, max = 1_000_000))]
        #[schemars(extend("default" = 16_384))]
        services: optional Text<'a>,
        /// Real servers there can be over all services, while the daemon runs.
        #[schemars(with = "u32", default, range(min = 1, max = 10_000_000))]
        #[schemars(extend("default" = 131_072))]
        real_servers: optional Text<'a>,
    }
}

mapping! {
    /// Idle times after which a flow is forgotten, 1s to 31d; suffix s, m, h or d.
    #[schemars(rename = "Timeouts")]
    RawTimeouts {
        /// An established TCP flow.
        #[schemars(with = "DurationText", default, extend("default" = "15m"))]
        tcp: optional Text<'a>,
        /// A TCP flow after a FIN.
        #[schemars(with = "DurationText", default, extend("default" = "2m"))]
        tcp_fin: optional Text<'a>,
        /// A UDP flow.
        #[schemars(with = "DurationText", default, extend("default" = "5m"))]
        udp: optional Text<'a>,
    }
}

mapping! {
    /// IPVS' sysctls (`net.ipv4.vs.*`) by their names; all of them apply live.
    #[schemars(rename = "Ipvs")]
    RawIpvs {
        /// Which connections a SYN from the same client port replaces by a new one: 0 none, 1 those
        /// in TIME_WAIT or CLOSE, 2 and 3 also those in FIN_WAIT in modes dr and tun.
        #[schemars(with = "u8", default, range(min = 0, max = 3), extend("default" = 1))]
        conn_reuse_mode: optional Text<'a>,
        /// Whether flows end when their real server is removed, and a SYN to a real server of
        /// weight 0 is scheduled anew.
        #[schemars(with = "SwitchText", default, extend("default" = 0))]
        expire_nodest_conn: optional Text<'a>,
        /// Whether persistence does not hold clients at a real server of weight 0.
        #[schemars(with = "SwitchText", default, extend("default" = 0))]
        expire_quiescent_template: optional Text<'a>,
        /// Whether TCP segments without SYN may open a flow.
        #[schemars(with = "SwitchText", default, extend("default" = 0))]
        sloppy_tcp: optional Text<'a>,
        /// Whether SCTP packets without INIT may open a flow.
        #[schemars(with = "SwitchText", default, extend("default" = 0))]
        sloppy_sctp: optional Text<'a>,
        /// When half-open and long idle flows are dropped: 0 never, 1 (or 2) while the flow table
        /// is nearly full, 3 always.
        #[schemars(with = "u8", default, range(min = 0, max = 3), extend("default" = 1))]
        drop_entry: optional Text<'a>,
        /// When every n-th new connection is refused: 0 never, 1 (or 2) while the flow table is
        /// nearly full, the more the fuller, 3 always, by `am_droprate`.
        #[schemars(with = "u8", default, range(min = 0, max = 3), extend("default" = 0))]
        drop_packet: optional Text<'a>,
        /// When a TCP connection is not established before its real server has answered: 0 never,
        /// 1 (or 2) while the flow table is nearly full, 3 always.
        #[schemars(with = "u8", default, range(min = 0, max = 3), extend("default" = 0))]
        secure_tcp: optional Text<'a>,
        /// With `drop_packet: 3`, which new connection is refused: every n-th.
        #[schemars(with = "u32", default, range(min = 1, max = 1_000_000))]
        #[schemars(extend("default" = 10))]
        am_droprate: optional Text<'a>,
        /// The flow table is nearly full while less than this share of `limits.flows` is free at a
        /// worker, 1% to 50%.
        #[schemars(with = "PercentText", default, extend("default" = "10%"))]
        amemthresh: optional Text<'a>,
    }
}

text_schema! {
    LcoreItem: {"anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 1023},
        {"type": "string", "pattern": "^[0-9]+(-[0-9]+)?$"},
    ]};
    EalArg: {"type": ["string", "number"]};
    SchedulerFlagText: {"enum": [
        "flag-1", "flag-2", "flag-3", "sh-fallback", "sh-port", "mh-fallback", "mh-port",
    ]};
    InterfaceText: {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+){3}/[0-9]+$"};
    NetworkText: {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+){3}(/[0-9]+)?$"};
    PortRangeItem: {"anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": "^[0-9]+(-[0-9]+)?$"},
    ]};
    AddressText: {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+){3}$"};
    AddressRangeText: {
        "type": "string",
        "pattern": "^[0-9]+(\\.[0-9]+){3}(-[0-9]+(\\.[0-9]+){3})?$",
    };
    PercentText: {"type": "string", "pattern": "^[0-9]+%$"};
    RealServersText: {"anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 10_000_000},
        {"enum": ["all", "none"]},
    ]};
    SwitchText: {"enum": [0, 1, false, true]};
    DurationText: {"type": "string", "pattern": "^[0-9]+[smhd]$"};
}
