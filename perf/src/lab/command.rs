//! Running a program of the system, and saying plainly what went wrong.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{LabError, requirements};

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

fn stdout_of(command: &Command, output: &Output) -> Result<String, LabError> {
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(failed(command, format!("{}: {}", output.status, stderr.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
