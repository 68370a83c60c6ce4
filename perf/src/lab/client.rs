//! The client: curl on a machine that knows nothing of the director but the VIP.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{LabError, Namespace, command};

/// What curl prints for each request, and [`read_answer`] reads.
const WRITE_OUT: &str =
    "%{exitcode} %{http_code} %{time_total} %header{x-real-server};%{errormsg}\n";

/// The client's machine.
#[derive(Clone, Debug)]
pub struct Client {
    namespace: Namespace,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status, 0 if there was no answer.
    pub status: u16,
    /// Who answered, by its own account; empty if nobody did.
    pub real_server: String,
    /// From start to end.
    pub seconds: f64,
    /// curl's words if it failed.
    pub error: Option<String>,
}

impl Answer {
    /// Whether the request was answered with status 200.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.error.is_none() && self.status == 200
    }
}

/// A file that was moved, with the checksum of what arrived.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The real server on the other side.
    pub real_server: String,
    /// SHA-256 of the bytes that arrived at the client, in hexadecimal; empty for an upload.
    pub sha256: String,
}

impl Client {
    pub(super) fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    /// The client's namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Makes `count` requests for `url`, `parallel` at a time and each on a connection of its own,
    /// and tells `seen` of each as it ends.
    ///
    /// # Errors
    /// [`LabError`] when curl cannot be run or read. A failed request is no error: its [`Answer`]
    /// says so.
    pub fn get(
        &self,
        url: &str,
        count: usize,
        parallel: usize,
        mut seen: impl FnMut(&Answer),
    ) -> Result<Vec<Answer>, LabError> {
        let mut curl = self.curl();
        curl.args(["--parallel", "--parallel-immediate", "--parallel-max", &parallel.to_string()]);
        curl.args(["--output", "/dev/null", "--write-out", WRITE_OUT]);
        // One pattern instead of many URLs keeps the command line readable.
        curl.arg(format!("{url}?[1-{count}]"));
        curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawn(&mut curl)?;
        let failed = |reason: String| command::failed(&curl, reason);
        let mut answers = Vec::with_capacity(count);
        for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            let answer = read_answer(&line.map_err(|error| failed(error.to_string()))?)?;
            seen(&answer);
            answers.push(answer);
        }
        // Its status only repeats that some request failed.
        child.wait().map_err(|error| failed(error.to_string()))?;
        if answers.len() != count {
            return Err(failed(format!("told of {} requests, not {count}", answers.len())));
        }
        Ok(answers)
    }

    /// Fetches `url` and returns the checksum of what arrived.
    ///
    /// # Errors
    /// [`LabError::Command`] when the transfer breaks off or is refused.
    pub fn download(&self, url: &str) -> Result<Transfer, LabError> {
        self.download_at(url, None)
    }

    /// [`Self::download`], at so many bytes a second.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub fn download_at(&self, url: &str, rate: Option<u32>) -> Result<Transfer, LabError> {
        let mut curl = self.curl();
        if let Some(rate) = rate {
            curl.args(["--limit-rate", &rate.to_string()]);
        }
        curl.args(["--fail", "--show-error", "--write-out", "%{stderr}%header{x-real-server}"]);
        curl.arg(url).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(&mut curl)?;
        let body = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let mut sum = command::program("sha256sum");
        sum.stdin(body).stdout(Stdio::piped());
        let sum = spawn(&mut sum)?.wait_with_output();
        let sum = sum.map_err(|error| command::failed(&curl, error.to_string()))?;
        let ended = child.wait_with_output();
        let ended = ended.map_err(|error| command::failed(&curl, error.to_string()))?;
        let words = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        if !ended.status.success() {
            return Err(command::failed(&curl, format!("{}: {words}", ended.status)));
        }
        Ok(Transfer { real_server: words, sha256: first_word(&sum.stdout) })
    }

    /// Puts `file` to `url`.
    ///
    /// # Errors
    /// [`LabError::Command`] when the transfer breaks off or is refused.
    pub fn upload(&self, file: &Path, url: &str) -> Result<Transfer, LabError> {
        let mut curl = self.curl();
        curl.args(["--fail", "--show-error", "--output", "/dev/null"]);
        curl.args(["--write-out", "%header{x-real-server}", "--upload-file"]).arg(file).arg(url);
        let real_server = command::run(&mut curl)?;
        Ok(Transfer { real_server, sha256: String::new() })
    }

    /// Fetches `url` with further options of curl and returns the SHA-256 of what arrived.
    ///
    /// # Errors
    /// [`LabError::Command`] when the transfer breaks off or is refused.
    pub fn fetch(&self, url: &str, options: &[&str]) -> Result<String, LabError> {
        let file = std::env::temp_dir().join(format!("{}-fetched", self.namespace.name()));
        let mut curl = self.curl();
        curl.arg("--show-error").args(options).arg("--output").arg(&file).arg(url);
        let sum = command::run(&mut curl).and_then(|_| sha256_of(&file));
        // A transfer that failed may have left none.
        let _ = std::fs::remove_file(&file);
        sum
    }

    /// Puts `file` to `url` with further options of curl.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub fn put(&self, file: &Path, url: &str, options: &[&str]) -> Result<(), LabError> {
        let mut curl = self.curl();
        curl.arg("--show-error").args(options).arg("--upload-file").arg(file).arg(url);
        command::run(&mut curl).map(drop)
    }

    /// curl, silent, with a limit on how long it may take.
    fn curl(&self) -> Command {
        let mut curl = self.namespace.command("curl");
        // A proxy of the machine the lab runs on must not catch the lab's requests.
        curl.args(["--silent", "--noproxy", "*", "--connect-timeout", "10", "--max-time", "180"]);
        curl
    }
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// [`LabError::Command`] when it cannot be read.
pub fn sha256_of(file: &Path) -> Result<String, LabError> {
    let printed = command::run(command::program("sha256sum").arg(file))?;
    Ok(first_word(printed.as_bytes()))
}

fn first_word(text: &[u8]) -> String {
    String::from_utf8_lossy(text).split_whitespace().next().unwrap_or_default().to_owned()
}

fn spawn(command: &mut Command) -> Result<Child, LabError> {
    command.spawn().map_err(|error| command::failed(command, error.to_string()))
}

/// Reads a line of [`WRITE_OUT`].
fn read_answer(line: &str) -> Result<Answer, LabError> {
    let read = || -> Option<Answer> {
        let (figures, words) = line.split_once(';')?;
        let mut figures = figures.split(' ');
        let exit_code: u32 = figures.next()?.parse().ok()?;
        let status = figures.next()?.parse().ok()?;
        let seconds = figures.next()?.parse().ok()?;
        let real_server = figures.next()?.to_owned();
        let error = (exit_code != 0).then(|| format!("curl: ({exit_code}) {words}"));
        Some(Answer { status, real_server, seconds, error })
    };
    read().ok_or_else(|| LabError::Unreadable {
        from: "curl".into(),
        why: "not a line of its --write-out".into(),
        text: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = read_answer("0 200 0.012500 rs1;").unwrap();
        assert!(answer.succeeded());
        assert_eq!(answer.real_server, "rs1");
        assert!((answer.seconds - 0.0125).abs() < 1e-9);
    }

    #[test]
    fn a_failure_is_read() {
        let answer = read_answer("7 000 0.001 ;Failed to connect to 192.0.2.10 port 80").unwrap();
        assert!(!answer.succeeded());
        assert_eq!((answer.status, answer.real_server.as_str()), (0, ""));
        assert!(answer.error.unwrap().contains("(7) Failed to connect"));
    }

    #[test]
    fn an_answer_without_success_is_no_success() {
        assert!(!read_answer("0 404 0.001 rs1;").unwrap().succeeded());
    }

    #[test]
    fn anything_else_is_refused() {
        for line in ["", "0 200", "x 200 0.1 rs1;", "0 200 0.1;"] {
            assert!(read_answer(line).is_err(), "{line:?}");
        }
    }
}
