//! `rvs-gen`: the load generator as a process of its own, which `rvs-bench` starts.
//!
//! It answers questions on standard input (`rvs_perf::generator::protocol`) and ends with it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use rvs_perf::generator::serve::{self, Options};

/// Plays clients and real servers for a director behind two memif ports. `rvs-bench` starts it.
#[derive(Debug, Parser)]
#[command(name = "rvs-gen", version)]
struct Arguments {
    /// Name of the abstract socket of both memif ports.
    #[arg(long)]
    socket: String,
    /// The CPU to run on.
    #[arg(long)]
    cpu: usize,
    /// Base-two logarithm of the descriptors of a ring.
    #[arg(long, default_value_t = 10)]
    ring_log2: u8,
}

fn main() -> ExitCode {
    let Arguments { socket, cpu, ring_log2 } = Arguments::parse();
    match serve::run(&Options { socket, cpu, ring_log2 }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rvs-gen: {error}");
            ExitCode::FAILURE
        }
    }
}
