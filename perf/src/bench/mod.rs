//! Benchmarks of the packet path: the real worker on real mbufs.
//!
//! Most runs measure two loops over the same ports and the same frames: the worker, and a loop that
//! only swaps MAC addresses. The second is the ceiling: what the ports, the buffers and the
//! generator cost by themselves. Figures of different machines are compared by the ratio.
//!
//! What is measured:
//!
//! * [`catalogue`]: all scenarios by name;
//! * [`in_memory`]: established flows, fed from memory in one process;
//! * [`stages`]: the same packets through more and more of the way;
//! * [`over_link`]: established and new flows, and TCP connections, between two processes;
//! * [`played`]: new flows, TCP connections and floods in memory;
//! * [`fill`]: a table that fills up;
//! * [`workers`]: one worker and two;
//! * [`reload`]: snapshots published under load; [`scrape`]: metrics scraped under load.
//!
//! With what:
//!
//! * [`beside`]: a load to look at while another CPU does something;
//! * [`site`]: a director with one service;
//! * [`traffic`]: flows in random order, and their frames;
//! * [`loop_ports`]: ports that make frames from traffic and swallow what is sent;
//! * [`memif`]: ports in shared memory, with the generator process behind them;
//! * [`mac_swap`]: the ceiling;
//! * [`outcome`]: rates with their spread, and the check that nothing was lost;
//! * [`effort`]: how long; [`pages`]: huge pages for the time of a run.

pub mod beside;
pub mod catalogue;
pub mod effort;
pub mod fill;
pub mod in_memory;
pub mod loop_ports;
pub mod mac_swap;
pub mod memif;
pub mod outcome;
pub mod over_link;
pub mod pages;
pub mod played;
pub mod reload;
pub mod scrape;
pub mod site;
pub mod stages;
pub mod traffic;
pub mod workers;
