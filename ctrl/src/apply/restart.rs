//! Changes that need a restart, in words.

use conf::Places;
use conf::diff::{Change, Edit, Subject};

/// Those of `changes` that need a restart, with their lines in the new file.
pub(super) fn listed(changes: &[Change], places: &Places) -> Vec<String> {
    let needing = changes.iter().filter(|change| change.needs_restart);
    needing.map(|change| words(change, places)).collect()
}

fn words(change: &Change, places: &Places) -> String {
    let path = change.subject.key_path();
    let line = places.line(&path);
    let what = match &change.edit {
        Edit::Added(_) => "added".to_owned(),
        Edit::Removed(_) => "removed".to_owned(),
        Edit::Changed(fields) => {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            let fields = fields
                .iter()
                .map(|field| format!("{} -> {}", value(&field.old), value(&field.new)));
            let default = if line.is_none() { " (the default)" } else { "" };
            fields.collect::<Vec<_>>().join(", ") + default
        }
    };
    let place = line.map_or_else(String::new, |line| format!("line {line}: "));
    printable(&format!("{place}{}: {what}", path.join(".")))
}

/// Why something takes a restart.
pub(super) fn why(subject: &Subject) -> &'static str {
    let path = subject.key_path();
    match path.first().map(String::as_str) {
        Some("dpdk") => "DPDK takes its memory and arguments when it starts",
        Some("workers") => "workers are started with the daemon",
        Some("limits") => "tables are made when the daemon starts",
        Some("ports") => "devices are opened and set up when the daemon starts",
        Some("control") => "commands and programs find the daemon there for as long as it runs",
        _ => "it is set up when the daemon starts",
    }
}

/// Without what a terminal would take for a command.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
