//! Services, their real servers and what these have.

use schemars::JsonSchema;

use super::{AddressRangeText, AddressText, DurationText, SchedulerFlagText, bare};
use crate::diag::Diags;
use crate::node::Node;
use crate::read::{Fields, List, Owner, Read, Text};

mapping! {
    /// A virtual service and its real servers.
    #[schemars(rename = "Service")]
    #[schemars(extend("oneOf" = [{"required": ["vip", "protocol"]}, {"required": ["mark"]}]))]
    RawService {
        /// Virtual IPv4 address and port that clients connect to, such as `192.0.2.10:80`.
        #[schemars(with = "String", default, regex(pattern = r"^[0-9]+(\.[0-9]+){3}:[0-9]+$"))]
        vip: required_without_mark Text<'a>,
        /// Transport protocol.
        #[schemars(with = "String", default, extend("enum" = ["tcp", "udp", "sctp"]))]
        protocol: required_without_mark Text<'a>,
        /// Instead of `vip` and `protocol`: all packets with this mark.
        #[schemars(with = "u32", default, range(min = 1))]
        mark: optional Text<'a>,
        /// How packets reach the real servers that do not say it themselves: direct routing, NAT,
        /// tunnel or full NAT.
        #[schemars(with = "String", extend("enum" = ["dr", "nat", "tun", "fullnat"]))]
        mode: required Text<'a>,
        /// Source addresses towards real servers in mode fullnat, single or as a range
        /// `FIRST-LAST`; those at the top of the file if left out.
        #[schemars(with = "Vec<AddressRangeText>", default)]
        local_addresses: optional List<Text<'a>>,
        /// How a real server is chosen for a new flow, by the names of IPVS.
        #[schemars(with = "String", default)]
        #[schemars(extend("enum" = [
            "rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr", "twos", "dh", "sh",
            "mh"
        ]))]
        #[schemars(extend("default" = "wlc"))]
        scheduler: optional Text<'a>,
        /// Flags of the scheduler. Those of sh and mh: look for another real server where the one
        /// hashed to takes nothing; hash the source port, too. Others mean nothing.
        #[schemars(with = "Vec<SchedulerFlagText>", default)]
        scheduler_flags: optional List<Text<'a>>,
        /// Reads the payload of control connections, so that data connections find their way:
        /// `ftp`, in modes nat and fullnat; on port 21 it does unless this is `none`.
        #[schemars(with = "String", default, extend("enum" = ["ftp", "none"]))]
        helper: optional Text<'a>,
        /// One-packet scheduling: every UDP datagram is scheduled by itself, without a flow.
        #[schemars(with = "bool", default, extend("default" = false))]
        ops: optional Text<'a>,
        /// Persistence: all connections of a client go to one real server for as long as this
        /// since its last new connection; 1s to 31d, suffix s, m, h or d.
        #[schemars(with = "DurationText", default)]
        persistence: optional Text<'a>,
        /// Netmask of the clients that go together, such as `255.255.255.0`.
        #[schemars(with = "AddressText", default, extend("default" = "255.255.255.255"))]
        persistence_mask: optional Text<'a>,
        /// What tells the connections of a client apart: `sip`, the Call-ID of UDP datagrams; one
        /// real server for each call then, instead of each client.
        #[schemars(with = "String", default, extend("enum" = ["sip"]))]
        persistence_engine: optional Text<'a>,
        /// Idle times of this service, instead of those of the whole director.
        #[schemars(with = "RawServiceTimeouts<'a>", default)]
        timeouts: optional RawServiceTimeouts<'a>,
        /// The pool of real servers, in the order the scheduler uses.
        #[schemars(with = "Vec<RawRealServer<'a>>")]
        real_servers: required List<RawRealServer<'a>>,
    }
}

mapping! {
    /// A real server of a service.
    #[schemars(rename = "RealServer")]
    RawRealServer {
        /// IPv4 address and port, such as `10.0.0.11:8080`; without a port, the service's port.
        #[schemars(with = "String", regex(pattern = r"^[0-9]+(\.[0-9]+){3}(:[0-9]+)?$"))]
        address: required Text<'a>,
        /// How packets reach it; the mode of the service if left out.
        #[schemars(with = "String", default, extend("enum" = ["dr", "nat", "tun", "fullnat"]))]
        mode: optional Text<'a>,
        /// How packets are wrapped in mode tun; IP in IP if left out.
        #[schemars(with = "RawTunnel<'a>", default)]
        tunnel: optional RawTunnel<'a>,
        /// Share of new flows; 0 takes no new flows and keeps the existing ones.
        #[schemars(with = "u32", default, range(min = 0, max = 2_147_483_647))]
        #[schemars(extend("default" = 1))]
        weight: optional Text<'a>,
        /// Takes no new flows, as with weight 0, and keeps the weight for later.
        #[schemars(with = "bool", default, extend("default" = false))]
        drain: optional Text<'a>,
        /// Flows at which it takes no new ones; 0 for no limit.
        #[schemars(with = "u32", default, extend("default" = 0))]
        upper_threshold: optional Text<'a>,
        /// Flows below which it takes new ones again; 0 for three quarters of the upper threshold.
        #[schemars(with = "u32", default, extend("default" = 0))]
        lower_threshold: optional Text<'a>,
    }
}

mapping! {
    /// How packets are wrapped in mode tun. Types gue and gre are not forwarded yet.
    #[schemars(rename = "Tunnel")]
    RawTunnel {
        /// IP in IP, generic UDP encapsulation, or generic routing encapsulation.
        #[schemars(with = "String", extend("enum" = ["ipip", "gue", "gre"]))]
        r#type: required Text<'a>,
        /// UDP port of the real server; for gue, which needs it.
        #[schemars(with = "u16", default, range(min = 1))]
        port: optional Text<'a>,
        /// Checksum of the outer header: none, the ordinary one, or (gue only) that with the
        /// inner one left to the receiver.
        #[schemars(with = "String", default, extend("enum" = ["none", "csum", "remcsum"]))]
        #[schemars(extend("default" = "none"))]
        checksum: optional Text<'a>,
    }
}

mapping! {
    /// Idle times after which a flow of a service is forgotten, 1s to 31d; suffix s, m, h or d.
    /// Those that are not named are the director's.
    #[schemars(rename = "ServiceTimeouts")]
    RawServiceTimeouts {
        /// An established TCP flow; for TCP services.
        #[schemars(with = "DurationText", default)]
        tcp: optional Text<'a>,
        /// A TCP flow after a FIN; for TCP services.
        #[schemars(with = "DurationText", default)]
        tcp_fin: optional Text<'a>,
        /// A UDP flow; for UDP services.
        #[schemars(with = "DurationText", default)]
        udp: optional Text<'a>,
    }
}
