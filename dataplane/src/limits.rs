//! Every bound of the packet path in one place.
//!
//! Bounds that an operator sets (flows per worker) arrive through [`crate::director::Sizes`]; the
//! ones here are properties of the code.

/// Packets taken from a queue at once, and the size of every per-burst array.
pub const BURST_LEN_MAX: usize = 32;

/// Ports one director can have.
pub const PORT_COUNT_MAX: usize = 16;

/// Flows one worker can hold at most: an index must fit in 31 bits beside its direction bit.
pub const FLOW_COUNT_MAX: u32 = 100_000_000;

/// Most persistence templates of a worker.
pub const TEMPLATE_COUNT_MAX: u32 = 100_000_000;

/// Flows the timer wheel looks at in one tick.
pub const EXPIRE_PER_TICK: usize = 256;

/// Persistence templates the timer wheel looks at in one turn.
pub const TEMPLATES_PER_TURN: usize = 64;
/// Records of the flow table that are looked at in one turn, for flows to end before their time.
pub const SWEEP_PER_TURN: usize = 32;

/// Flows that end before their time in one turn.
pub const SWEEP_ENDS_PER_TURN: usize = 16;

/// Real servers that are looked at in one turn, for those that were removed and have flows.
pub const REAL_SERVERS_SEARCHED_PER_TURN: usize = 32;

/// Real servers of a service whose connections at other workers are read anew with the first pick
/// in a tick.
pub const LOOKS_PER_TICK: usize = 32;

/// Neighbours one worker knows at most.
pub const NEIGHBOR_COUNT_MAX: usize = 4096;

/// Packets that wait for one unresolved neighbour.
pub const NEIGHBOR_QUEUE_LEN: usize = 32;

/// Neighbours that may have waiting packets at the same time.
pub const NEIGHBOR_QUEUE_COUNT: usize = 64;

/// Neighbours looked at in one tick for ageing and probing.
pub const NEIGHBOR_PER_TICK: usize = 64;

/// Next hops of a new snapshot looked at in one turn, to pin them.
pub const PINS_PER_TURN: usize = 16;

/// Places of VIPs looked at in one turn, to announce those that are new.
pub const VIP_PLACES_PER_TURN: usize = 16;

/// ARP requests and announcements that taking up a snapshot may send in one tick.
pub const ADOPTION_FRAMES_PER_TICK: usize = 64;

/// Local address and port pairs tried for a new FULLNAT flow before it is refused.
pub const LOCAL_PORT_TRIES: u32 = 1024;

/// Fragmented datagrams followed at the same time by one worker.
pub const FRAGMENT_TRAIN_COUNT: usize = 1024;

/// Fragments that wait for the first fragment of their datagram, over all datagrams.
pub const FRAGMENT_HELD_COUNT: usize = 256;

/// Fragments of one datagram that wait for its first: 45 fragments of 1480 bytes make 64 KiB.
pub const FRAGMENT_HELD_PER_TRAIN: usize = 45;

/// Records looked at and reports written in one turn of a worker's loop, for the control thread.
pub const CONTROL_PER_TURN: usize = 64;

/// Records after which a worker that has nothing to report says that it is still looking.
pub const CONTROL_SIGN_OF_LIFE: usize = 1 << 16;

/// Packets and notes that can be under way from one worker to one other.
pub const HANDOVER_RING_LEN: usize = 1024;

/// Packets and notes of other workers taken in one turn.
pub const HANDOVER_PER_TURN: usize = 256;

/// Inboxes looked into in one turn; with more workers they take turns.
pub const HANDOVER_INBOXES_PER_TURN: usize = 16;

/// Longest IPv4 packet an ICMP error of ours has, quote included (RFC 1812 section 4.3.2.3).
pub const ICMP_ERROR_LEN_MAX: usize = 576;

/// ICMP errors a worker sends per second at most, as Linux' `icmp_msgs_per_sec`.
pub const ICMP_ERRORS_PER_SECOND: u32 = 1000;

/// ICMP errors a worker may send at once, as Linux' `icmp_msgs_burst`.
pub const ICMP_ERROR_BURST: u32 = 50;

/// FTP control connections of a worker that have said anything about data connections.
pub const FTP_CONTROL_COUNT_MAX: u32 = 8192;

/// FTP data connections that clients of a worker are about to open.
pub const FTP_EXPECTATION_COUNT_MAX: u32 = 4096;

/// Places of expected FTP data connections looked at in one tick.
pub const FTP_EXPECTATIONS_PER_TICK: usize = 16;

const _: () = assert!(FLOW_COUNT_MAX < 1 << 31);
const _: () = assert!(CONTROL_SIGN_OF_LIFE.is_power_of_two());
const _: () = assert!(FRAGMENT_HELD_PER_TRAIN <= FRAGMENT_HELD_COUNT);
