//! A plan for people: a line for each change, real servers under their service.

use std::fmt::Write as _;

use crate::api::proto::{Became, Kind, Plan, Planned, PlannedField};
use crate::apply::{printable, tallies};

/// Longest value that is shown whole, in characters, unless everything is.
const VALUE_MAX: usize = 160;

/// How a plan looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether lines have colours.
    pub(crate) in_color: bool,
    /// Most changes that are shown; all of them, with their values whole, for `usize::MAX`.
    pub(crate) changes_max: usize,
}

/// The whole text.
pub(crate) fn text(plan: &Plan, look: Look) -> String {
    let (file, generation) = (printable(&plan.file), plan.generation);
    let mut out = String::new();
    if plan.changes.is_empty() {
        out.push_str(&format!(
            "Applying {file} would change nothing: it says what runs (generation {generation}).\n"
        ));
        return out;
    }
    out.push_str(&format!(
        "Applying {file} would change what runs (generation {generation}) like this:\n\n"
    ));
    out.push_str(&listed(&plan.changes, look, ", which --all shows"));
    let changed = tallies(plan.services, plan.real_servers, plan.routes, plan.settings);
    out.push_str(&format!("\n{}.\n", changed.join("; ")));
    if plan.restarts > 0 {
        let (what, need) = match plan.restarts {
            1 => ("a change that needs".to_owned(), "it"),
            count => (format!("{count} changes that need"), "them"),
        };
        out.push_str(&format!(
            "`rvs apply` refuses it because of {what} a restart of the daemon: take {need} back, \
             or restart with this file.\n"
        ));
    }
    let no_room = plan.no_room.iter().map(|why| format!("`rvs apply` refuses it: {why}\n"));
    let warnings = plan.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    out.extend(no_room.chain(warnings));
    out
}

/// Changes as lines, as many as are to be shown, and how many others there are, with this `hint`.
pub(crate) fn listed(changes: &[Planned], look: Look, hint: &str) -> String {
    let mut out: String = lines(changes.iter().take(look.changes_max), look).collect();
    let left = changes.len().saturating_sub(look.changes_max);
    if left > 0 {
        out.push_str(&format!("  ... and {left} more{hint}\n"));
    }
    out
}

/// Changes in lines, each with its end.
fn lines<'a>(
    changes: impl Iterator<Item = &'a Planned>,
    look: Look,
) -> impl Iterator<Item = String> {
    let mut under: Option<&str> = None;
    changes.map(move |change| {
        let mut out = String::new();
        let service = change.service.as_deref();
        if change.kind == Kind::RealServer && under != service {
            let name = service.unwrap_or_default();
            let _ = writeln!(out, "    service {}", printable(name));
        }
        under = service;
        out.push_str(&line(change, look));
        out.push('\n');
        out
    })
}

fn line(change: &Planned, look: Look) -> String {
    let id = printable(&change.id);
    let name = printable(change.service.as_deref().unwrap_or_default());
    let what = match change.kind {
        Kind::Setting => id,
        Kind::Port => format!("port {id}"),
        Kind::Route => format!("route {id}"),
        Kind::Mark => format!("mark {id}"),
        Kind::Service => format!("service {name} ({id})"),
        Kind::RealServer => format!("  real server {id}"),
    };
    let (sign, color) = match change.became {
        Became::Added => ('+', "\x1b[32m"),
        Became::Removed => ('-', "\x1b[31m"),
        Became::Changed => ('~', "\x1b[33m"),
    };
    let fields: Vec<_> =
        change.fields.iter().filter_map(|field| told(change, field, look)).collect();
    let colon = if fields.is_empty() { "" } else { ": " };
    let restart = change.restart.as_ref().map(|why| format!("  (restart: {why})"));
    let text = format!(
        "  {sign} {what}{colon}{}{}",
        fields.join(", "),
        restart.as_deref().unwrap_or_default()
    );
    if look.in_color { format!("{color}{text}\x1b[0m") } else { text }
}

/// A field, unless the change is told by what it is about already.
fn told(change: &Planned, field: &PlannedField, look: Look) -> Option<String> {
    let name = &field.name;
    let shown = |value: &Option<String>| match value {
        Some(value) => shortened(&printable(value), look),
        None => "none".to_owned(),
    };
    if change.became == Became::Changed {
        let (old, new) = (shown(&field.old), shown(&field.new));
        let key = if name == "value" { String::new() } else { format!("{name} ") };
        return Some(format!("{key}{old} -> {new}"));
    }
    let is_id = matches!(name.as_str(), "vip" | "protocol" | "mark" | "to" | "address");
    let value = field.new.as_ref().or(field.old.as_ref());
    value.filter(|_| !is_id).map(|value| format!("{name} {}", shortened(&printable(value), look)))
}

fn shortened(value: &str, look: Look) -> String {
    match value.char_indices().nth(VALUE_MAX) {
        Some((end, _)) if look.changes_max < usize::MAX => format!("{}...", &value[..end]),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests;
