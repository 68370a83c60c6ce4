//! What the lab needs from the machine and from the user.

use std::env;
use std::path::{Path, PathBuf};

use super::LabError;

/// Each program the lab starts, with the Debian package that brings it.
const PROGRAMS: [(&str, &str); 8] = [
    ("ip", "iproute2"),
    ("ethtool", "ethtool"),
    ("nginx", "nginx-light"),
    ("vsftpd", "vsftpd"),
    ("curl", "curl"),
    ("ipvsadm", "ipvsadm"),
    ("keepalived", "keepalived"),
    ("sha256sum", "coreutils"),
];

/// Checks that the lab can be built here, before anything is made.
///
/// # Errors
/// [`LabError::Missing`] with one paragraph that says what is missing and what to do.
pub fn check() -> Result<(), LabError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(LabError::Missing(
            "This needs root: it makes network namespaces and virtual Ethernet devices, and the \
             daemon opens packet sockets on them. Run the same command with sudo. Nothing outside \
             its own namespaces is changed, and everything is removed at the end."
                .into(),
        ));
    }
    let missing: Vec<_> =
        PROGRAMS.iter().filter(|(name, _)| find_program(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    Err(LabError::Missing(format!(
        "Not installed: {}. Install with `make deps`, or `apt-get install {}`.",
        names.join(", "),
        packages.join(" ")
    )))
}

/// The `rvs` binary to run: `RVS_BIN` when it is set, else the one that cargo built beside the
/// running program.
///
/// # Errors
/// [`LabError::Missing`] when there is none, with where it was looked for.
pub fn rvs_binary() -> Result<PathBuf, LabError> {
    if let Some(path) = env::var_os("RVS_BIN").filter(|path| !path.is_empty()).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        return Err(LabError::Missing(format!(
            "RVS_BIN is {}, and there is no such file. Set it to the rvs binary, or unset it to \
             use the one that cargo built.",
            path.display()
        )));
    }
    built("rvs", "rvs-ctrl", ", or set RVS_BIN to another")
}

/// `librvs_ipvs.so`, which cargo built beside the running program.
///
/// # Errors
/// [`LabError::Missing`] when there is none, with where it was looked for.
pub fn preload_library() -> Result<PathBuf, LabError> {
    built("librvs_ipvs.so", "rvs-ipvs-preload", "")
}

/// `rvsadm`, which cargo built beside the running program.
///
/// # Errors
/// [`LabError::Missing`] when there is none, with where it was looked for.
pub fn rvsadm_binary() -> Result<PathBuf, LabError> {
    built("rvsadm", "rvs-ipvs-preload", "")
}

/// The file `name` that cargo makes of `package` beside the running program.
fn built(name: &str, package: &str, otherwise: &str) -> Result<PathBuf, LabError> {
    let own = env::current_exe().map_err(LabError::file("/proc/self/exe"))?;
    // Test binaries are in target/<profile>/deps, everything else directly in target/<profile>.
    let beside =
        own.parent().filter(|dir| !dir.ends_with("deps")).or_else(|| own.ancestors().nth(2));
    let file = beside.unwrap_or_else(|| Path::new(".")).join(name);
    if file.is_file() {
        return Ok(file);
    }
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    Err(LabError::Missing(format!(
        "{} is not built. Build it with `cargo build -p {package}{release}`{otherwise}.",
        file.display()
    )))
}

/// Looks `name` up in PATH, and in the directories that hold system programs even when PATH of an
/// `su` shell forgets them.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from);
    let mut places = env::split_paths(&path).chain(usual);
    places.find(|dir| is_executable(&dir.join(name))).map(|dir| dir.join(name))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
