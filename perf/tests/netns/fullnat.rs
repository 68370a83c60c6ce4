//! FULLNAT: both addresses are replaced, and back.

use rvs_perf::lab::Mode;

use crate::{Body, checks};

const MODE: Mode = Mode::FullNat;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 6] = [
    ("concurrent_requests", || checks::concurrent_requests(MODE)),
    ("weighted_split", || checks::weighted_split(MODE)),
    ("large_transfers", || checks::large_transfers(MODE)),
    ("udp_echo", || checks::udp_echo(MODE)),
    ("killed_server", || checks::killed_server(MODE)),
    ("stops_in_time", || checks::stops_in_time(MODE)),
];
