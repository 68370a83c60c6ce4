//! [`Report`]: all findings, as text for people and as JSON.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use serde::Serialize;

use super::finding::{Finding, Group, Severity};
use crate::check::counted;
use crate::term::has_colours;

/// Where a line of prose ends.
const COLUMNS: usize = 96;
/// Where what is said about a finding begins.
const INDENT: usize = 11;

/// All findings, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Report {
    entries: Vec<Entry>,
}

/// A finding and the check that made it.
#[derive(Debug, Serialize)]
struct Entry {
    group: Group,
    check: &'static str,
    #[serde(flatten)]
    finding: Finding,
}

/// The report as JSON.
#[derive(Serialize)]
struct Message<'a> {
    version: &'static str,
    dpdk: String,
    problems: usize,
    warnings: usize,
    unknown: usize,
    findings: &'a [Entry],
}

/// Whether words are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    On,
    Off,
}

impl Colours {
    pub(super) fn of_stdout() -> Self {
        if has_colours(io::stdout().is_terminal()) { Self::On } else { Self::Off }
    }

    /// A word between the terminal's codes for a colour.
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

/// The terminal's code for a severity.
const fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "32",
        Severity::Note => "36",
        Severity::Unknown => "35",
        Severity::Warning => "33",
        Severity::Problem => "1;31",
    }
}

impl Report {
    pub(super) fn add(&mut self, group: Group, check: &'static str, finding: Finding) {
        self.entries.push(Entry { group, check, finding });
    }

    pub(super) fn add_all(&mut self, group: Group, check: &'static str, findings: Vec<Finding>) {
        self.entries.extend(findings.into_iter().map(|finding| Entry { group, check, finding }));
    }

    pub(super) fn problems(&self) -> usize {
        self.count(Severity::Problem)
    }

    pub(super) fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.entries.iter().filter(|entry| entry.finding.severity == severity).count()
    }

    /// One object and the end of a line.
    pub(super) fn json(&self) -> String {
        let message = Message {
            version: env!("CARGO_PKG_VERSION"),
            dpdk: dpdk::version(),
            problems: self.problems(),
            warnings: self.warnings(),
            unknown: self.count(Severity::Unknown),
            findings: &self.entries,
        };
        // Nothing in it can fail to be written as JSON: its keys are strings.
        serde_json::to_string(&message).unwrap_or_default() + "\n"
    }

    pub(super) fn text(&self, colours: Colours) -> String {
        let mut text = String::new();
        let mut groups: Vec<_> = self.entries.iter().map(|entry| entry.group).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            text += &colours.paint("1", group.title());
            text.push('\n');
            for entry in self.entries.iter().filter(|entry| entry.group == group) {
                write(&mut text, &entry.finding, colours);
            }
            text.push('\n');
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (severity, noun) in [
            (Severity::Problem, "problem"),
            (Severity::Warning, "warning"),
            (Severity::Note, "note"),
        ] {
            match self.count(severity) {
                0 if severity != Severity::Problem => {}
                0 => parts.push("no problems".to_owned()),
                count => parts.push(counted(count, noun)),
            }
        }
        match self.count(Severity::Unknown) {
            0 => {}
            count => parts.push(format!("{count} unknown")),
        }
        format!("{}; {} ok\n", parts.join(", "), self.count(Severity::Ok))
    }
}

/// Writes a finding; commands stand alone on their lines, to be copied.
fn write(text: &mut String, finding: &Finding, colours: Colours) {
    let word = finding.severity.word();
    let pad = " ".repeat(INDENT.saturating_sub(2 + word.len()));
    let _ = write!(text, "  {}{pad}", colours.paint(colour(finding.severity), word));
    prose(text, &finding.found, INDENT);
    for sentence in [&finding.why, &finding.fix.advice] {
        if !sentence.is_empty() {
            let mut letters = sentence.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            *text += &" ".repeat(INDENT);
            prose(text, &first.chain(letters).collect::<String>(), INDENT);
        }
    }
    for (when, commands) in [("now", &finding.fix.now), ("at boot", &finding.fix.boot)] {
        if !commands.is_empty() {
            let _ = writeln!(text, "{}{when}:", " ".repeat(INDENT));
        }
        for command in commands {
            let _ = writeln!(text, "{}{command}", " ".repeat(INDENT + 4));
        }
    }
}

/// Writes words, from column `indent` on, over as many lines as they need.
fn prose(text: &mut String, words: &str, indent: usize) {
    let mut column = indent;
    for (index, word) in words.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > COLUMNS {
            text.push('\n');
            *text += &" ".repeat(indent);
            column = indent;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        *text += word;
        column += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        let long = "a fact that is long enough that it does not fit in one line of ninety-six \
                    columns and goes on";
        report.add(Group::Cpus, "clock", Finding::ok("tsc"));
        let bad = Finding::problem(long).why("it matters.").advice("Do this.").now("echo 1 > /x");
        report.add(Group::Memory, "huge-pages", bad.boot("hugepages=1"));
        report.add(Group::Cpus, "smt", Finding::warning("two on a core"));
        report.add(Group::Cpus, "steal", Finding::unknown("/proc/stat is not there"));
        report
    }

    #[test]
    fn findings_stand_in_groups_with_commands_on_lines_of_their_own() {
        let expected = "\
Memory
  problem  a fact that is long enough that it does not fit in one line of ninety-six columns and
           goes on
           It matters.
           Do this.
           now:
               echo 1 > /x
           at boot:
               hugepages=1

CPUs
  ok       tsc
  warning  two on a core
  unknown  /proc/stat is not there

1 problem, 1 warning, 1 unknown; 1 ok
";
        assert_eq!(report().text(Colours::Off), expected);
        assert_eq!((report().problems(), report().warnings()), (1, 1));
        assert_eq!(Report::default().text(Colours::Off), "no problems; 0 ok\n");
    }

    #[test]
    fn colours_change_nothing_else() {
        let mut plain = report().text(Colours::On);
        assert!(plain.contains("\x1b[1;31mproblem\x1b[0m  a fact"), "{plain}");
        for code in ["1;31", "1", "0", "32", "33", "35", "36"] {
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(plain, report().text(Colours::Off));
    }

    #[test]
    fn json_has_every_finding_with_its_check() {
        let value: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!((&value["problems"], &value["warnings"]), (&1.into(), &1.into()));
        let finding = &value["findings"][1];
        assert_eq!(finding["group"], "memory");
        assert_eq!(finding["check"], "huge-pages");
        assert_eq!(finding["severity"], "problem");
        assert_eq!(finding["why"], "it matters.");
        assert_eq!(finding["fix"]["now"][0], "echo 1 > /x");
        assert_eq!(value["findings"][0].get("fix"), None);
    }
}
