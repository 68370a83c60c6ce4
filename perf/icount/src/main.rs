//! `rvs-icount SCENARIO PACKETS`: pushes packets through a real worker on ports in memory.
//!
//! To be run under callgrind, which counts the function `counted` alone. Everything is the same in
//! every run: seeds, flows, clock. `tests/baseline.rs` compares the counts with
//! `perf/baseline/instructions.json`.

#![forbid(unsafe_code)]

mod buf;
mod frames;
mod scenario;
mod site;
mod wires;

use std::process::ExitCode;

use scenario::Scenario;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = arguments.as_slice() else { return usage() };
    let (Some(scenario), Ok(count)) = (Scenario::named(name), count.parse()) else {
        return usage();
    };
    match scenario.run(count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("rvs-icount: {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let names: Vec<_> = Scenario::ALL.iter().map(|(name, _)| *name).collect();
    eprintln!("usage: rvs-icount SCENARIO PACKETS\nscenarios: {}", names.join(", "));
    ExitCode::from(2)
}
