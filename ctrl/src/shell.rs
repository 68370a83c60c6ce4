//! `rvs completions` and `rvs man`: what a shell and a manual want to know of the command line.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell as AnyShell;

use crate::cli::{self, Cli};
use crate::error::CtrlError;

/// Which shell.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell, whose way of reading them is in docs/OPERATIONS.md.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Where man pages go.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The directory; it is made if it is not there.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Completions {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let shell = match self.shell {
            Shell::Bash => AnyShell::Bash,
            Shell::Zsh => AnyShell::Zsh,
            Shell::Fish => AnyShell::Fish,
        };
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "rvs", &mut text);
        cli::print(&String::from_utf8_lossy(&text))
    }
}

impl Man {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let command = Cli::command().mut_subcommands(telling_statuses);
        fs::create_dir_all(&self.directory)
            .and_then(|()| clap_mangen::generate_to(command, &self.directory))
            .map_err(CtrlError::Output)
    }
}

/// The command and those under it, with the end that the whole tool's help has on every page.
fn telling_statuses(command: Command) -> Command {
    let exit = crate::exit::help();
    let end = match command.get_after_long_help() {
        Some(own) => format!("{own}\n\n{exit}"),
        None => exit,
    };
    command.after_long_help(end).mut_subcommands(telling_statuses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_tells_exit_statuses() {
        let directory = tempfile::tempdir().unwrap();
        let man = Man { directory: directory.path().join("man1") };
        man.run().unwrap();
        let page = |name: &str| {
            let path = man.directory.join(format!("{name}.1"));
            fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name}.1 is missing"))
        };
        let all = [
            ["rvs", "rvs-show", "rvs-show-flows", "rvs-show-services", "rvs-kill"],
            ["rvs-drain", "rvs-apply", "rvs-plan", "rvs-save", "rvs-doctor"],
        ];
        for name in all.as_flattened() {
            let page = page(name);
            assert!(page.starts_with(".ie") && page.contains(".TH"), "{page}");
            assert_eq!(page.matches("of another release").count(), 1, "{name}: {page}");
        }
        assert!(page("rvs-plan").contains("Nothing is changed."), "its own end");
        assert!(page("rvs-save").contains("replaced in one step"), "its own end");
    }

    #[test]
    fn every_shell_gets_completions() {
        for shell in [AnyShell::Bash, AnyShell::Zsh, AnyShell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rvs", &mut text);
            let text = String::from_utf8(text).unwrap();
            for word in ["undrain", "real-servers", "idle-over"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }
}
