//! `rvsadm`: the system's ipvsadm, driving RVS instead of the kernel.
//!
//! Finds `librvs_ipvs.so` and starts ipvsadm with it in `LD_PRELOAD`; all arguments, messages and
//! exit codes are ipvsadm's. It is called by the name that rvsadm was called by, since it says its
//! name in messages; so a link `ipvsadm` to this makes RVS what that command is about.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

const LIBRARY: &str = "librvs_ipvs.so";
/// Where the library is if it is neither beside this program nor in `../lib/rvs`.
const LIBRARY_VARIABLE: &str = "RVS_PRELOAD";
const PRELOAD_VARIABLE: &str = "LD_PRELOAD";
const PROGRAM: &str = "ipvsadm";
/// Where it may be besides `PATH`, in which users often have no directories for administrators.
const DIRECTORIES: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];
/// Exit statuses where there is no ipvsadm that could have one, as shells have them.
const CANNOT_START: u8 = 126;
const NOT_FOUND: u8 = 127;

fn main() -> ExitCode {
    let Some(library) = library() else {
        eprintln!(
            "rvsadm: {LIBRARY} is neither beside this program nor in ../lib/rvs; set \
             {LIBRARY_VARIABLE} to its path"
        );
        return ExitCode::from(CANNOT_START);
    };
    let preload = match preload(&library) {
        Ok(preload) => preload,
        Err(byte) => {
            eprintln!(
                "rvsadm: {} cannot be preloaded, since its path has a `{byte}`",
                library.display()
            );
            return ExitCode::from(CANNOT_START);
        }
    };
    let Some(program) = program() else {
        eprintln!("rvsadm: {PROGRAM} is not installed; on Debian: apt install {PROGRAM}");
        return ExitCode::from(NOT_FOUND);
    };
    let mut args = env::args_os();
    let name = args.next().unwrap_or_else(|| "rvsadm".into());
    let error = Command::new(&program).arg0(name).args(args).env(PRELOAD_VARIABLE, preload).exec();
    eprintln!("rvsadm: {} cannot be started: {error}", program.display());
    ExitCode::from(CANNOT_START)
}

/// The library, with its whole path.
fn library() -> Option<PathBuf> {
    if let Some(path) = env::var_os(LIBRARY_VARIABLE) {
        return fs::canonicalize(path).ok();
    }
    let own = env::current_exe().ok()?;
    let directory = own.parent()?;
    let places = [directory.join(LIBRARY), directory.join("../lib/rvs").join(LIBRARY)];
    places.into_iter().find_map(|place| fs::canonicalize(place).ok())
}

/// The library before all that is preloaded already. Paths in the variable cannot have every
/// character; the one that is in the way is the error.
fn preload(library: &Path) -> Result<OsString, char> {
    let text = library.to_string_lossy();
    if let Some(byte) = [':', ' '].into_iter().find(|&byte| text.contains(byte)) {
        return Err(byte);
    }
    let mut all = library.as_os_str().to_owned();
    if let Some(others) = env::var_os(PRELOAD_VARIABLE).filter(|others| !others.is_empty()) {
        all.push(":");
        all.push(others);
    }
    Ok(all)
}

/// ipvsadm, but not this program under its name.
fn program() -> Option<PathBuf> {
    let own = env::current_exe().and_then(fs::metadata).ok()?;
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(DIRECTORIES.map(PathBuf::from));
    let is_it = |place: &PathBuf| {
        fs::metadata(place).is_ok_and(|found| {
            let is_own = (found.dev(), found.ino()) == (own.dev(), own.ino());
            found.is_file() && found.permissions().mode() & 0o111 != 0 && !is_own
        })
    };
    directories.map(|directory| directory.join(PROGRAM)).find(is_it)
}
