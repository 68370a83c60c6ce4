//! Running a program of the system, and saying plainly what went wrong.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{LabError, requirements, wait};

/// A command for the system program `name`, found even when PATH lacks the `sbin` directories, as
/// it does in a root shell opened with plain `su`.
#[must_use]
pub fn program(name: &str) -> Command {
    requirements::find_program(name).map_or_else(|| Command::new(name), Command::new)
}

/// The command as it could be typed.
#[must_use]
pub fn describe(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name();
    let words = name.into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Runs `command` to its end and returns what it printed on standard output.
///
/// # Errors
/// [`LabError::Command`] when it cannot start or its exit status is not 0.
pub fn run(command: &mut Command) -> Result<String, LabError> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(command, error.to_string()))?;
    stdout_of(command, &output)
}

/// Like [`run`], with `input` as its standard input.
///
/// # Errors
/// [`LabError::Command`] when it cannot start or its exit status is not 0.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String, LabError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(command, error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that stops reading early says why by its exit status, read below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output();
    let output = output.map_err(|error| failed(command, error.to_string()))?;
    stdout_of(command, &output)
}

/// The error for a `command` that did not do its work.
pub(crate) fn failed(command: &Command, reason: impl Into<String>) -> LabError {
    LabError::Command { command: describe(command), reason: reason.into() }
}

/// Asks a program that has not been waited for to end.
pub fn terminate(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may have ended this moment; waiting for it tells.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

/// How a program has ended; `None` while it runs.
///
/// # Errors
/// [`LabError::File`] when the system does not tell.
pub fn exit_status(child: &mut Child) -> Result<Option<ExitStatus>, LabError> {
    child.try_wait().map_err(LabError::file("/proc/self"))
}

/// Has a program end that may have ended already: asks it to, and kills it after `limit`.
pub fn end(child: &mut Child, limit: Duration) {
    if matches!(exit_status(child), Ok(Some(_))) {
        return;
    }
    terminate(child);
    if wait::until(limit, String::new, || exit_status(child)).is_err() {
        let _ = child.kill().and_then(|()| child.wait());
    }
}

fn stdout_of(command: &Command, output: &Output) -> Result<String, LabError> {
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(failed(command, format!("{}: {}", output.status, stderr.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
