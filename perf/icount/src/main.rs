//! `rvs-icount SCENARIO COUNT`: pushes packets through a real worker on ports in memory.
//!
//! To be run under callgrind, which counts the function [`rvs_icount::COUNTED`] alone.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use rvs_icount::Scenario;

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
    eprintln!("usage: rvs-icount SCENARIO COUNT\nscenarios: {}", names.join(", "));
    ExitCode::from(2)
}
