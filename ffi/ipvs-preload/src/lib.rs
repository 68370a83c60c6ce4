//! `librvs_ipvs.so`: with it in `LD_PRELOAD`, a program that talks to the kernel's IPVS talks to
//! RVS, unmodified.
//!
//! It stands before some functions of the C library and looks at what passes:
//!
//! * a netlink socket belongs to the kernel until the program asks it for the generic family
//!   `IPVS`; then a connection to the daemon takes its place under the same file descriptor
//!   (`place.rs`), so that polling and not blocking work as they are;
//! * the socket options of IPVS are answered by the daemon over a connection of their own
//!   (`options.rs`), and so are the files `/proc/net/ip_vs*`, which are opened as files in memory
//!   (`files.rs`);
//! * modprobe is not started for the kernel's own IPVS (`programs.rs`).
//!
//! All else goes to the C library as it came. Without a daemon, the answers are those of a kernel
//! without IPVS; the kernel's own is never asked.
//!
//! Written as absences: no state but one flag, since what a descriptor is can be asked of the
//! kernel, so that `dup`, `fork` and threads need no care; no allocation, no thread, no lock; and
//! `errno` is as the C library would have left it.

#![cfg_attr(test, allow(dead_code, reason = "what stands before the C library is not exported"))]
#![allow(
    clippy::cast_possible_truncation,
    reason = "lengths of C structures and constants of C headers, which fit where C wants them"
)]

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("open() and openat() are taken to get their third argument as if it were named");

mod daemon;
mod errno;
mod files;
mod message;
mod options;
mod place;
mod programs;
mod real;
mod sockets;
