//! The `rvs` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rvs_ctrl::main()
}
