//! A checked configuration as the text of a file.
//!
//! The text is canonical: keys in the order of `docs/CONFIG.md`, what has its default left out, one
//! real server, route or port a line as long as it fits, and no comments. What is parsed from it
//! equals what was written, value by value.

mod scalar;

use crate::config::Config;
use crate::form::{self, Field, Member, Value};

/// Longest line, in characters, in which a list or mapping stands in brackets.
const LINE_MAX: usize = 100;
/// How much further in what belongs to a key stands, in characters.
const STEP: usize = 2;

/// `config` as the text of a file.
#[must_use]
pub fn emit(config: &Config) -> String {
    let mut out = String::new();
    block(&mut out, 0, &form::of(config));
    out
}

/// Keys with their values, each on lines of its own that begin after `indent` blanks.
fn fields(out: &mut String, indent: usize, fields: &[Field]) {
    for field in fields.iter().filter(|field| field.is_written()) {
        if let Some(value) = &field.value {
            push_indent(out, indent);
            entry(out, indent, field.key, value);
        }
    }
}

/// A key and its value, whose further lines begin after more than `indent` blanks.
pub(crate) fn entry(out: &mut String, indent: usize, key: &str, value: &Value) {
    let key = scalar::quoted(key);
    out.push_str(&key);
    out.push(':');
    let in_line = in_brackets(value).filter(|text| {
        let length = indent + key.chars().count() + text.chars().count() + ": ".len();
        length <= LINE_MAX || matches!(value, Value::Plain(_) | Value::Text(_))
    });
    if let Some(text) = in_line {
        out.push(' ');
        out.push_str(&text);
        out.push('\n');
    } else {
        out.push('\n');
        block(out, indent + STEP, value);
    }
}

/// A list or mapping on lines of its own, which begin after `indent` blanks.
pub(crate) fn block(out: &mut String, indent: usize, value: &Value) {
    match value {
        Value::Plain(_) | Value::Text(_) => {
            push_indent(out, indent);
            out.push_str(&flow(value));
            out.push('\n');
        }
        Value::List(items) => {
            for item in items {
                push_indent(out, indent);
                out.push_str(&format!("- {}\n", flow(item)));
            }
        }
        Value::Fields(list) => fields(out, indent, list),
        Value::Named(members) => {
            for member in members {
                push_indent(out, indent);
                named(out, indent, member);
            }
        }
        Value::Items(members) => {
            for member in members {
                push_indent(out, indent);
                item(out, indent, member);
            }
        }
    }
}

/// A named mapping.
pub(crate) fn named(out: &mut String, indent: usize, member: &Member) {
    entry(out, indent, &member.name, &member.value);
}

/// An item of a list of mappings, with its dash.
pub(crate) fn item(out: &mut String, indent: usize, member: &Member) {
    let text = flow(&member.value);
    out.push_str("- ");
    if indent + STEP + text.chars().count() <= LINE_MAX {
        out.push_str(&text);
        out.push('\n');
    } else {
        let mut lines = String::new();
        block(&mut lines, indent + STEP, &member.value);
        out.push_str(lines.trim_start());
    }
}

/// A value in one line, if that is how it is written; things with names or lists of mappings in
/// them are not, unless they are empty.
fn in_brackets(value: &Value) -> Option<String> {
    let fits = |field: &Field| match &field.value {
        Some(Value::Named(_) | Value::Items(_)) => false,
        Some(Value::Plain(_) | Value::Text(_) | Value::List(_) | Value::Fields(_)) | None => true,
    };
    let is_small = match value {
        Value::Plain(_) | Value::Text(_) | Value::List(_) => true,
        Value::Fields(fields) => fields.iter().all(fits),
        Value::Named(members) | Value::Items(members) => members.is_empty(),
    };
    is_small.then(|| flow(value))
}

/// A value in one line, lists and mappings in brackets.
pub(crate) fn flow(value: &Value) -> String {
    let joined = |texts: Vec<String>| texts.join(", ");
    match value {
        Value::Plain(text) => text.clone(),
        Value::Text(text) => scalar::quoted(text),
        Value::List(items) => format!("[{}]", joined(items.iter().map(flow).collect())),
        Value::Fields(fields) => flow_fields(fields),
        Value::Named(members) => {
            let member = |one: &Member| format!("{}: {}", key(&one.name), flow(&one.value));
            format!("{{{}}}", joined(members.iter().map(member).collect()))
        }
        Value::Items(members) => {
            format!("[{}]", joined(members.iter().map(|one| flow(&one.value)).collect()))
        }
    }
}

/// A key, with quotes if it needs them.
pub(crate) fn key(name: &str) -> String {
    scalar::quoted(name)
}

/// A mapping in one line.
fn flow_fields(fields: &[Field]) -> String {
    let written = fields.iter().filter(|field| field.is_written());
    let texts =
        written.filter_map(|field| Some(format!("{}: {}", field.key, flow(field.value.as_ref()?))));
    format!("{{{}}}", texts.collect::<Vec<_>>().join(", "))
}

/// Blanks at the beginning of a line.
pub(crate) fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests;
