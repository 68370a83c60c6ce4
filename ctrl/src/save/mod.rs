//! `rvs save`: writes what runs into a configuration file.
//!
//! The file keeps its comments and style as far as can be (`rvs_conf::save`). What was written into
//! it and never put into force is not undone: then nothing is written, unless it is forced.

mod replace;

use std::fs;
use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};

use clap::Args;
use conf::diff::{Change, diff};
use conf::{Config, Kept, Machine, Saved};
use similar::TextDiff;

use crate::api::proto;
use crate::apply::{self, plan, tallies};
use crate::cli;
use crate::client::{Connection, Daemon};
use crate::error::CtrlError;
use crate::plan::text::{Look, listed};

/// Most changes of a file that are listed when they are in the way.
const CHANGES_MAX: usize = 20;

/// Where to, and how.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The file is replaced in one step; its owner and mode stay, and a symbolic link stays one. If it \
has changes that the daemon has not read, they are listed and nothing is written.")]
pub(crate) struct Save {
    /// The configuration file [default: the one the daemon was started with].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
    /// Write nothing; show what would be written, line by line.
    #[arg(long)]
    dry_run: bool,
    /// Overwrite changes of the file that the daemon has not read, and a file with errors.
    #[arg(long)]
    force: bool,
}

/// A file and what becomes of it.
struct Work {
    /// The file, links followed.
    path: PathBuf,
    /// What it says; `None` if there is none.
    before: Option<String>,
    /// What it is to say.
    saved: Saved,
    /// What differs.
    changes: Vec<Change>,
}

impl Save {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let daemon = self.connection.daemon()?;
        let path = match &self.file {
            Some(file) => file.clone(),
            None => own_file(&daemon)?,
        };
        let running = configuration(&daemon, "running")?;
        let work = self.work(&daemon, &path, &running)?;
        if self.dry_run {
            return cli::print(&work.as_diff());
        }
        if work.before.as_deref() == Some(&work.saved.text) {
            return cli::print(&format!("{}: says what runs already\n", path.display()));
        }
        replace::replace(&work.path, work.before.as_deref(), &work.saved.text)?;
        cli::print(&work.report(&path))
    }

    /// Finds out what is to be written.
    fn work(&self, daemon: &Daemon, path: &Path, running: &Config) -> Result<Work, CtrlError> {
        let name = path.display().to_string();
        let anew = || Saved { text: conf::emit(running), kept: Kept::Nothing, lost: Vec::new() };
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            // A link that leads nowhere is there.
            Err(error) if error.kind() == NotFound && fs::symlink_metadata(path).is_err() => {
                let (path, changes) = (path.to_path_buf(), Vec::new());
                return Ok(Work { path, before: None, saved: anew(), changes });
            }
            Err(error) => {
                return Err(CtrlError::Save { file: path.to_path_buf(), why: error.to_string() });
            }
        };
        let bytes = conf::read(&path)?;
        let before = String::from_utf8_lossy(&bytes).into_owned();
        let file = match conf::parse_bytes(&name, &bytes, &Machine::default()) {
            Ok(file) => file,
            Err(_) if self.force => {
                return Ok(Work { path, before: Some(before), saved: anew(), changes: Vec::new() });
            }
            Err(errors) => return Err(errors.into()),
        };
        let changes = diff(&file, running);
        if !self.force && !changes.is_empty() {
            let read = configuration(daemon, "file")?;
            let unread = diff(&read, &file);
            if !unread.is_empty() {
                return Err(not_in_force(&path, unread));
            }
        }
        let saved = conf::save(&before, &file, running);
        Ok(Work { path, before: Some(before), saved, changes })
    }
}

/// The file that the daemon was started with.
fn own_file(daemon: &Daemon) -> Result<PathBuf, CtrlError> {
    if !daemon.is_here() {
        let what = "the daemon's own file is on its machine: name a FILE of this one to save to.";
        return Err(CtrlError::Usage(what.to_owned()));
    }
    let status: proto::Status = daemon.ask("/v1/status", &[])?;
    Ok(PathBuf::from(status.config))
}

/// One of the daemon's configurations.
fn configuration(daemon: &Daemon, which: &str) -> Result<Config, CtrlError> {
    let which = [("of".to_owned(), which.to_owned())];
    let text = daemon.fetch("/v1/config", &which)?;
    let name = format!("the configuration of the daemon at {daemon}");
    Ok(conf::parse_bytes(&name, &text, &Machine::default())?)
}

fn not_in_force(file: &Path, unread: Vec<Change>) -> CtrlError {
    let unread: Vec<_> = unread.into_iter().map(plan::one).collect();
    let look = Look { in_color: false, changes_max: CHANGES_MAX };
    CtrlError::NotInForce { file: file.to_path_buf(), changes: listed(&unread, look, "") }
}

impl Work {
    fn as_diff(&self) -> String {
        let before = self.before.as_deref().unwrap_or_default();
        let name = self.path.display().to_string();
        let diff = TextDiff::from_lines(before, &self.saved.text);
        diff.unified_diff().header(&name, &format!("{name} (saved)")).to_string()
    }

    /// What was done, and what could not be kept.
    fn report(&self, file: &Path) -> String {
        // Nothing is put into force, so no generation and no workers count.
        let changed = apply::applied(0, 0, &self.changes, Vec::new());
        let proto::Applied { services, real_servers, routes, settings, .. } = changed;
        let parts = tallies(services, real_servers, routes, settings);
        let what = match (&self.before, parts.is_empty()) {
            (None, _) => "written anew".to_owned(),
            (Some(_), true) => "saved".to_owned(),
            (Some(_), false) => format!("saved: {}", parts.join("; ")),
        };
        let mut out = format!("{}: {what}\n", file.display());
        let kept = match self.saved.kept {
            Kept::Values => None,
            Kept::Services => Some("services that differ were written anew"),
            Kept::Sections => Some("sections that differ were written anew"),
            Kept::Nothing if self.before.is_some() => Some("all of it was written anew"),
            Kept::Nothing => None,
        };
        out.extend(kept.map(|kept| format!("note: {kept}, in the style of RVS\n")));
        for (line, comment) in &self.saved.lost {
            let comment = crate::apply::printable(comment);
            out.push_str(&format!("note: the comment of line {line} went away: {comment}\n"));
        }
        out
    }
}

#[cfg(test)]
mod tests;
