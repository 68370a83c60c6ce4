//! Scripts of ipvsadm through RVS, compared byte for byte with what a real IPVS made of them.
//!
//! The scripts and what Linux answers are in `perf/oracle/cases` (`make oracle`). Lines that end in
//! `# differs` are left out of the comparison; what RVS answers to the whole script, them included,
//! is in `*-rvs.txt`, so that a difference is one between two files. `UPDATE=1` writes the latter.

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Failed;
use rvs_perf::lab::Mode;

use super::{preloaded, with_empty_director};

/// The size of Linux' table of connections by default; RVS says the size of its own.
const SIZE: &str = "(size=4096)";

/// As far as Linux' answers are RVS', they are the same.
pub(super) fn commands() -> Result<(), Failed> {
    as_recorded("ipvsadm-cli")
}

/// As [`commands`].
pub(super) fn refusals() -> Result<(), Failed> {
    as_recorded("ipvsadm-errors")
}

/// All answers, those that differ included.
pub(super) fn all_commands() -> Result<(), Failed> {
    as_known("ipvsadm-cli")
}

/// As [`all_commands`].
pub(super) fn all_refusals() -> Result<(), Failed> {
    as_known("ipvsadm-errors")
}

fn case(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("oracle/cases").join(name)
}

fn as_recorded(name: &str) -> Result<(), Failed> {
    let script = fs::read_to_string(case(&format!("{name}.sh")))?;
    let same = script.lines().filter(|line| !line.contains("# differs"));
    let same: String = same.flat_map(|line| [line, "\n"]).collect();
    assert!(same.len() < script.len(), "{name} has no line that differs");
    let recorded = fs::read_to_string(case(&format!("{name}.txt")))?;
    compare(&recorded, &played(&same)?)
}

fn as_known(name: &str) -> Result<(), Failed> {
    let script = fs::read_to_string(case(&format!("{name}.sh")))?;
    let answers = played(&script)?;
    let known = case(&format!("{name}-rvs.txt"));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&known, &answers)?;
    }
    compare(&fs::read_to_string(&known)?, &answers)
}

/// What the programs in a script print, on the director's machine.
fn played(script: &str) -> Result<String, Failed> {
    let mut played = String::new();
    with_empty_director(Mode::Nat, |setup| {
        let lab = &setup.lab;
        // The interface that the scripts name, as the recorded kernel has it.
        lab.director_namespace().ip("link add d0 type veth peer name d1\nlink set d0 up")?;
        let file = lab.write("script.sh", script)?;
        let mut bash = preloaded(lab, lab.director_namespace(), "bash")?;
        let directory = lab.directory();
        bash.args(["-c", "T=\"$1\" exec bash \"$0\" 2>&1"]).arg(file).arg(directory);
        let output = bash.output()?;
        assert!(output.status.code().is_some(), "the script did not end: {}", output.status);
        played = String::from_utf8(output.stdout)?;
        setup.director.check_alive()?;
        Ok(())
    })?;
    Ok(with_the_size_of_linux(&played))
}

fn with_the_size_of_linux(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let Some((before, rest)) = line.split_once("(size=") else { return line.to_owned() };
        let after = rest.split_once(')').map_or("", |(_, after)| after);
        format!("{before}{SIZE}{after}")
    });
    lines.collect()
}

/// Fails with the first line that differs, and the command that it belongs to.
fn compare(expected: &str, actual: &str) -> Result<(), Failed> {
    let mut command = "";
    let (mut expected, mut actual) = (expected.lines(), actual.lines());
    for number in 1.. {
        match (expected.next(), actual.next()) {
            (None, None) => break,
            (wanted, found) if wanted == found => {
                let line = wanted.unwrap_or_default();
                command = if line.starts_with('$') { line } else { command };
            }
            (wanted, found) => {
                let [wanted, found] = [wanted, found].map(|line| line.unwrap_or("(the end)"));
                let after = format!("line {number}, after {command}");
                return Err(format!("{after}:\n  {wanted}\nis meant, but it is\n  {found}").into());
            }
        }
    }
    Ok(())
}
