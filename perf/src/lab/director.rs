//! The `rvs` daemon on the director's machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::command::exit_status;
use super::config::{self, Service, Workers};
use super::{Lab, LabError, command, requirements, wait};

/// How long the daemon may take until it answers on its socket.
const START_LIMIT: Duration = Duration::from_secs(20);
/// When a daemon that does not stop after SIGTERM is taken for hung, and killed. It takes a tenth
/// of a second; a busy machine may take twenty times as long to give its memory back.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How much of the log an error shows.
const LOG_LINES: usize = 40;

/// A running daemon. Dropping it ends the daemon; [`Director::stop`] also judges how it ended.
#[derive(Debug)]
pub struct Director {
    rvs: PathBuf,
    config: PathBuf,
    socket: PathBuf,
    workers: Workers,
    log: PathBuf,
    child: Child,
}

impl Director {
    /// Starts `rvs run` with `services` in the lab's director namespace, and waits until it answers
    /// on its control socket.
    ///
    /// # Errors
    /// [`LabError::Director`] with the daemon's log when it ends before that or never answers.
    pub fn start(lab: &Lab, services: &[Service]) -> Result<Self, LabError> {
        Self::start_on(lab, services, Workers::one())
    }

    /// [`Self::start`] with these workers.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(lab: &Lab, services: &[Service], workers: Workers) -> Result<Self, LabError> {
        let text = config::write(services, &Self::socket_in(lab), workers);
        Self::start_with(lab, &text, workers)
    }

    /// [`Self::start`] with this configuration, whose control socket is [`Self::socket_in`] the lab
    /// and whose workers are these.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(lab: &Lab, text: &str, workers: Workers) -> Result<Self, LabError> {
        let rvs = requirements::rvs_binary()?;
        let socket = Self::socket_in(lab);
        let config = lab.write("rvs.yaml", text)?;
        let log = lab.directory().join("director.log");
        let child = spawn(lab, &rvs, &config, &log)?;
        let mut director = Self { rvs, config, socket, workers, log, child };
        let answers =
            wait::until(START_LIMIT, String::new, || match exit_status(&mut director.child)? {
                Some(status) => Err(director.failed(format!("ended at its start ({status})"))),
                None => Ok(director.show("ports").ok()),
            });
        match answers {
            Ok(_) => Ok(director),
            Err(LabError::Timeout { .. }) => {
                let seconds = START_LIMIT.as_secs();
                let what = format!("did not answer on its control socket for {seconds} s");
                Err(director.failed(what))
            }
            Err(error) => Err(error),
        }
    }

    /// Where daemons of a lab have their control socket.
    #[must_use]
    pub fn socket_in(lab: &Lab) -> PathBuf {
        lab.directory().join("rvs.sock")
    }

    /// The configuration file it runs.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The binary that runs.
    #[must_use]
    pub fn rvs(&self) -> &Path {
        &self.rvs
    }

    /// Puts a configuration with `services` into force by `rvs apply`; returns what it prints.
    ///
    /// # Errors
    /// [`LabError::Command`] when it is refused.
    pub fn apply(&self, lab: &Lab, services: &[Service]) -> Result<String, LabError> {
        let file =
            lab.write("applied.yaml", &config::write(services, &self.socket, self.workers))?;
        command::run(
            Command::new(&self.rvs).args(["apply", "--socket"]).arg(&self.socket).arg(file),
        )
    }

    /// `rvs show <what> --json`.
    ///
    /// # Errors
    /// [`LabError`] when the command fails or prints no JSON.
    pub fn show(&self, what: &str) -> Result<Value, LabError> {
        let text = command::run(self.show_command(what).arg("--json"))?;
        serde_json::from_str(&text).map_err(|error| LabError::Unreadable {
            from: format!("rvs show {what} --json"),
            why: error.to_string(),
            text,
        })
    }

    /// `rvs show <what>`, as people see it.
    ///
    /// # Errors
    /// [`LabError::Command`] when the command fails.
    pub fn show_table(&self, what: &str) -> Result<String, LabError> {
        command::run(&mut self.show_command(what))
    }

    fn show_command(&self, what: &str) -> Command {
        let mut show = Command::new(&self.rvs);
        show.args(["show", what, "--socket"]).arg(&self.socket);
        show
    }

    /// Starts another daemon with the same configuration, waits for its end, and returns its status
    /// and what it logged.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when it does not end; it is killed then.
    pub fn start_second(&self, lab: &Lab) -> Result<(ExitStatus, String), LabError> {
        let log = lab.directory().join("second.log");
        let mut child = spawn(lab, &self.rvs, &self.config, &log)?;
        let what = || "a second daemon on the same socket did not end".to_owned();
        let ended = wait::until(START_LIMIT, what, || exit_status(&mut child));
        if ended.is_err() {
            let _ = child.kill().and_then(|()| child.wait());
        }
        Ok((ended?, fs::read_to_string(&log).map_err(LabError::file(log))?))
    }

    /// Finds out whether it still runs.
    ///
    /// # Errors
    /// [`LabError::Director`] with its log when it has ended.
    pub fn check_alive(&mut self) -> Result<(), LabError> {
        match exit_status(&mut self.child)? {
            None => Ok(()),
            Some(status) => Err(self.failed(format!("ended by itself ({status})"))),
        }
    }

    /// The end of what it has logged.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Sends SIGTERM and waits for the end; returns how long that took.
    ///
    /// # Errors
    /// [`LabError::Director`] when it ends with another status than 0 or had ended before,
    /// [`LabError::Timeout`] when it does not end within ten seconds.
    pub fn stop(mut self) -> Result<Duration, LabError> {
        if let Some(status) = exit_status(&mut self.child)? {
            return Err(self.failed(format!("had already ended ({status})")));
        }
        let start = Instant::now();
        command::terminate(&self.child);
        let what = || String::from("the director did not end after SIGTERM");
        let status = wait::until(STOP_LIMIT, what, || exit_status(&mut self.child))?;
        let took = start.elapsed();
        if !status.success() {
            return Err(self.failed(format!("ended with {status} after SIGTERM")));
        }
        Ok(took)
    }

    fn failed(&self, what: String) -> LabError {
        LabError::Director { what, path: self.log.clone(), log: self.log_end() }
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        command::end(&mut self.child, STOP_LIMIT);
    }
}

fn spawn(lab: &Lab, rvs: &Path, config: &Path, log: &Path) -> Result<Child, LabError> {
    let out = File::create(log).map_err(LabError::file(log))?;
    let err = out.try_clone().map_err(LabError::file(log))?;
    let mut run = lab.director_namespace().command(&rvs.to_string_lossy());
    run.args(["run", "--config"]).arg(config).stdin(Stdio::null()).stdout(out).stderr(err);
    run.spawn().map_err(|error| command::failed(&run, error.to_string()))
}
