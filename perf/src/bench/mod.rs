//! Benchmarks of the packet path: the real worker on real mbufs, fed from memory.
//!
//! Every run measures two loops over the same ports and the same frames: the worker, and a loop
//! that only swaps MAC addresses. The second is the ceiling: what the ports, the buffers and the
//! generator cost by themselves. Figures of different machines are compared by the ratio.
//!
//! * [`traffic`]: flows in random order, and their frames;
//! * [`loop_ports`]: ports that make frames from traffic and swallow what is sent;
//! * [`site`]: a director with one service;
//! * [`measure`]: rounds, medians, and the check that every packet was forwarded.

pub mod loop_ports;
pub mod measure;
pub mod site;
pub mod traffic;
