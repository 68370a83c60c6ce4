//! Changes that need a restart, in words.

use conf::Places;
use conf::diff::{Change, Edit};

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

/// Without what a terminal would take for a command.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
