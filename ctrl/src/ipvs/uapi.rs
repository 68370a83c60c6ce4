//! Numbers of the interfaces of Linux: netlink (linux/netlink.h, linux/genetlink.h) and IPVS
//! (linux/ip_vs.h).

/// Netlink's own message types and flags.
pub(super) mod nl {
    pub(in crate::ipvs) const NOOP_MAX: u16 = 0x0f;
    pub(in crate::ipvs) const ERROR: u16 = 2;
    pub(in crate::ipvs) const DONE: u16 = 3;
    pub(in crate::ipvs) const F_REQUEST: u16 = 0x1;
    pub(in crate::ipvs) const F_MULTI: u16 = 0x2;
    pub(in crate::ipvs) const F_ACK: u16 = 0x4;
    pub(in crate::ipvs) const F_DUMP: u16 = 0x300;
    /// In an answer: of the request, only the header is repeated.
    pub(in crate::ipvs) const F_CAPPED: u16 = 0x100;
    pub(in crate::ipvs) const HEADER_LEN: usize = 16;
}

/// nlctrl, which tells the numbers of families.
pub(super) mod ctrl {
    pub(in crate::ipvs) const FAMILY: u16 = 0x10;
    pub(in crate::ipvs) const NEW_FAMILY: u8 = 1;
    pub(in crate::ipvs) const GET_FAMILY: u8 = 3;
    pub(in crate::ipvs) const A_FAMILY_ID: u16 = 1;
    pub(in crate::ipvs) const A_FAMILY_NAME: u16 = 2;
    pub(in crate::ipvs) const A_VERSION: u16 = 3;
    pub(in crate::ipvs) const A_HEADER_SIZE: u16 = 4;
    pub(in crate::ipvs) const A_MAX_ATTRIBUTE: u16 = 5;
}

/// The family, by the number it has with RVS. It stays the same over all releases, since programs
/// keep it when the daemon is started anew.
pub(super) const FAMILY: u16 = 0x3f5;
pub(super) const FAMILY_NAME: &str = "IPVS";
pub(super) const FAMILY_VERSION: u8 = 1;
/// What is reported as IPVS' version: 1.2.1.
pub(super) const IPVS_VERSION: u32 = 0x01_02_01;

/// Commands.
pub(super) mod cmd {
    pub(in crate::ipvs) const NEW_SERVICE: u8 = 1;
    pub(in crate::ipvs) const SET_SERVICE: u8 = 2;
    pub(in crate::ipvs) const DEL_SERVICE: u8 = 3;
    pub(in crate::ipvs) const GET_SERVICE: u8 = 4;
    pub(in crate::ipvs) const NEW_DEST: u8 = 5;
    pub(in crate::ipvs) const SET_DEST: u8 = 6;
    pub(in crate::ipvs) const DEL_DEST: u8 = 7;
    pub(in crate::ipvs) const GET_DEST: u8 = 8;
    pub(in crate::ipvs) const NEW_DAEMON: u8 = 9;
    pub(in crate::ipvs) const DEL_DAEMON: u8 = 10;
    pub(in crate::ipvs) const GET_DAEMON: u8 = 11;
    pub(in crate::ipvs) const SET_CONFIG: u8 = 12;
    pub(in crate::ipvs) const GET_CONFIG: u8 = 13;
    pub(in crate::ipvs) const SET_INFO: u8 = 14;
    pub(in crate::ipvs) const GET_INFO: u8 = 15;
    pub(in crate::ipvs) const ZERO: u8 = 16;
    pub(in crate::ipvs) const FLUSH: u8 = 17;
}

/// Attributes of commands.
pub(super) mod attr {
    pub(in crate::ipvs) const SERVICE: u16 = 1;
    pub(in crate::ipvs) const DEST: u16 = 2;
    pub(in crate::ipvs) const DAEMON: u16 = 3;
    pub(in crate::ipvs) const TIMEOUT_TCP: u16 = 4;
    pub(in crate::ipvs) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(in crate::ipvs) const TIMEOUT_UDP: u16 = 6;
    pub(in crate::ipvs) const MAX: u32 = 6;
}

/// Attributes of GET_INFO's answer.
pub(super) mod info {
    pub(in crate::ipvs) const VERSION: u16 = 1;
    pub(in crate::ipvs) const CONNECTION_TABLE_SIZE: u16 = 2;
}

/// Attributes of a service.
pub(super) mod svc {
    pub(in crate::ipvs) const AF: u16 = 1;
    pub(in crate::ipvs) const PROTOCOL: u16 = 2;
    pub(in crate::ipvs) const ADDR: u16 = 3;
    pub(in crate::ipvs) const PORT: u16 = 4;
    pub(in crate::ipvs) const FWMARK: u16 = 5;
    pub(in crate::ipvs) const SCHED_NAME: u16 = 6;
    pub(in crate::ipvs) const FLAGS: u16 = 7;
    pub(in crate::ipvs) const TIMEOUT: u16 = 8;
    pub(in crate::ipvs) const NETMASK: u16 = 9;
    pub(in crate::ipvs) const STATS: u16 = 10;
    pub(in crate::ipvs) const PE_NAME: u16 = 11;
    pub(in crate::ipvs) const STATS64: u16 = 12;
    /// Longest name of a scheduler, and of a persistence engine.
    pub(in crate::ipvs) const SCHED_NAME_LEN_MAX: usize = 15;
    pub(in crate::ipvs) const PE_NAME_LEN_MAX: usize = 16;
}

/// Flags of a service.
pub(super) mod flag {
    pub(in crate::ipvs) const PERSISTENT: u32 = 0x1;
    pub(in crate::ipvs) const HASHED: u32 = 0x2;
    pub(in crate::ipvs) const ONE_PACKET: u32 = 0x4;
    pub(in crate::ipvs) const SCHED_1: u32 = 0x8;
    pub(in crate::ipvs) const SCHED_2: u32 = 0x10;
    pub(in crate::ipvs) const SCHED_3: u32 = 0x20;
}

/// Attributes of a real server.
pub(super) mod dest {
    pub(in crate::ipvs) const ADDR: u16 = 1;
    pub(in crate::ipvs) const PORT: u16 = 2;
    pub(in crate::ipvs) const FWD_METHOD: u16 = 3;
    pub(in crate::ipvs) const WEIGHT: u16 = 4;
    pub(in crate::ipvs) const U_THRESH: u16 = 5;
    pub(in crate::ipvs) const L_THRESH: u16 = 6;
    pub(in crate::ipvs) const ACTIVE_CONNS: u16 = 7;
    pub(in crate::ipvs) const INACT_CONNS: u16 = 8;
    pub(in crate::ipvs) const PERSIST_CONNS: u16 = 9;
    pub(in crate::ipvs) const STATS: u16 = 10;
    pub(in crate::ipvs) const ADDR_FAMILY: u16 = 11;
    pub(in crate::ipvs) const STATS64: u16 = 12;
    pub(in crate::ipvs) const TUN_TYPE: u16 = 13;
    pub(in crate::ipvs) const TUN_PORT: u16 = 14;
    pub(in crate::ipvs) const TUN_FLAGS: u16 = 15;
}

/// Forwarding methods, and flags that legacy listings have beside them.
pub(super) mod method {
    pub(in crate::ipvs) const MASQ: u32 = 0;
    pub(in crate::ipvs) const LOCAL: u32 = 1;
    pub(in crate::ipvs) const TUNNEL: u32 = 2;
    pub(in crate::ipvs) const DIRECT_ROUTE: u32 = 3;
    pub(in crate::ipvs) const BITS: u32 = 7;
    pub(in crate::ipvs) const NO_OUTPUT: u32 = 0x80;
    pub(in crate::ipvs) const INACTIVE: u32 = 0x100;
}

/// Tunnel types and their flags.
pub(super) mod tunnel {
    pub(in crate::ipvs) const IPIP: u8 = 0;
    pub(in crate::ipvs) const GUE: u8 = 1;
    pub(in crate::ipvs) const GRE: u8 = 2;
    pub(in crate::ipvs) const CSUM: u16 = 1;
    pub(in crate::ipvs) const REMCSUM: u16 = 2;
}

/// Attributes of counters.
pub(super) mod stats {
    pub(in crate::ipvs) const CONNS: u16 = 1;
    pub(in crate::ipvs) const INPKTS: u16 = 2;
    pub(in crate::ipvs) const OUTPKTS: u16 = 3;
    pub(in crate::ipvs) const INBYTES: u16 = 4;
    pub(in crate::ipvs) const OUTBYTES: u16 = 5;
    pub(in crate::ipvs) const CPS: u16 = 6;
    pub(in crate::ipvs) const INPPS: u16 = 7;
    pub(in crate::ipvs) const OUTPPS: u16 = 8;
    pub(in crate::ipvs) const INBPS: u16 = 9;
    pub(in crate::ipvs) const OUTBPS: u16 = 10;
}

/// Attributes of a synchronisation daemon.
pub(super) mod daemon {
    pub(in crate::ipvs) const STATE: u16 = 1;
    pub(in crate::ipvs) const MCAST_IFN: u16 = 2;
    pub(in crate::ipvs) const SYNC_ID: u16 = 3;
    pub(in crate::ipvs) const SYNC_MAXLEN: u16 = 4;
    pub(in crate::ipvs) const MCAST_GROUP: u16 = 5;
    pub(in crate::ipvs) const MCAST_GROUP6: u16 = 6;
    pub(in crate::ipvs) const MCAST_PORT: u16 = 7;
    pub(in crate::ipvs) const MCAST_TTL: u16 = 8;
    pub(in crate::ipvs) const IFN_LEN_MAX: usize = 15;
    pub(in crate::ipvs) const MASTER: u32 = 1;
    pub(in crate::ipvs) const BACKUP: u32 = 2;
}

/// Socket options.
pub(super) mod so {
    pub(in crate::ipvs) const SET_ADD: u32 = 1154;
    pub(in crate::ipvs) const SET_EDIT: u32 = 1155;
    pub(in crate::ipvs) const SET_DEL: u32 = 1156;
    pub(in crate::ipvs) const SET_FLUSH: u32 = 1157;
    pub(in crate::ipvs) const SET_ADD_DEST: u32 = 1159;
    pub(in crate::ipvs) const SET_DEL_DEST: u32 = 1160;
    pub(in crate::ipvs) const SET_EDIT_DEST: u32 = 1161;
    pub(in crate::ipvs) const SET_TIMEOUT: u32 = 1162;
    pub(in crate::ipvs) const SET_START_DAEMON: u32 = 1163;
    pub(in crate::ipvs) const SET_STOP_DAEMON: u32 = 1164;
    pub(in crate::ipvs) const SET_ZERO: u32 = 1167;
    pub(in crate::ipvs) const GET_VERSION: u32 = 1152;
    pub(in crate::ipvs) const GET_INFO: u32 = 1153;
    pub(in crate::ipvs) const GET_SERVICES: u32 = 1154;
    pub(in crate::ipvs) const GET_SERVICE: u32 = 1155;
    pub(in crate::ipvs) const GET_DESTS: u32 = 1156;
    pub(in crate::ipvs) const GET_TIMEOUT: u32 = 1158;
    pub(in crate::ipvs) const GET_DAEMON: u32 = 1159;
}

pub(super) const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 10;
