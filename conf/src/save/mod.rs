//! Changing the text of a file so that it says what a configuration says, and otherwise stays.
//!
//! Values are replaced where they stand, in the style in which they are written; real servers,
//! services and others come and go as whole lines. Comments stay: those behind what stays, those on
//! lines of their own, and those above a real server that goes. Those above a service that goes,
//! without an empty line in between, go with it.
//!
//! What an alias repeats is written out where it is to differ, and so are the other aliases of an
//! anchor whose value changes.
//!
//! The outcome is parsed and compared. Where the fine way does not lead there, a coarser one does:
//! a service is written anew, or a section, or at last the whole file ([`Kept`]).
//!
//! * `syntax.rs`: where everything stands; `walk.rs`: what becomes of each value;
//!   `lines.rs`: values in lines of their own; `brackets.rs`: those in brackets; `children.rs`:
//!   which children stay, come and go.

mod brackets;
mod children;
mod lines;
mod syntax;
mod walk;

use std::collections::{HashMap, HashSet};

use crate::config::{Config, Machine};
use crate::diag::LineIndex;
use crate::emit::emit;
use crate::form::{self, Value};
use crate::load;
use syntax::Syntax;
use walk::Walk;

/// How often aliases are looked at again because others were written out.
const ROUNDS_MAX: usize = 16;

/// A text that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The new text.
    pub text: String,
    /// How much of the old one it is.
    pub kept: Kept,
    /// Comments that are not in the new text, each with its line in the old one, from 1.
    pub lost: Vec<(usize, String)>,
}

/// How much of a text could be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// All but the values that are other ones.
    Values,
    /// All but the services that are other ones, which were written anew.
    Services,
    /// All but the sections (keys at the top) that are other ones, which were written anew.
    Sections,
    /// Nothing.
    Nothing,
}

/// The text of a file, changed so that it says `wanted`. `old` is what it says.
#[must_use]
pub fn save(text: &str, old: &Config, wanted: &Config) -> Saved {
    if old == wanted {
        return Saved { text: text.to_owned(), kept: Kept::Values, lost: Vec::new() };
    }
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let has_returns = body.contains("\r\n");
    let mut body = if has_returns { body.replace("\r\n", "\n") } else { body.to_owned() };
    if !body.ends_with('\n') {
        body.push('\n');
    }
    let (new, kept, lost) = match syntax::read(&body) {
        Some(syntax) => {
            let (new, kept) = changed(&body, &syntax, old, wanted);
            let lost = lost((&body, &syntax), &new);
            (new, kept, lost)
        }
        None => (emit(wanted), Kept::Nothing, Vec::new()),
    };
    let new = if has_returns { new.replace('\n', "\r\n") } else { new };
    Saved { text: format!("{mark}{new}"), kept, lost }
}

/// The finest way that leads to what is wanted.
fn changed(text: &str, syntax: &Syntax, old: &Config, wanted: &Config) -> (String, Kept) {
    let forms = (form::of(old), form::of(wanted));
    for kept in [Kept::Values, Kept::Services, Kept::Sections] {
        let found = attempt(text, syntax, (&forms.0, &forms.1), kept);
        if let Some(found) = found.filter(|found| is_right(found, wanted)) {
            return (found, kept);
        }
    }
    (emit(wanted), Kept::Nothing)
}

/// One way; aliases are written out until none repeats what has become another value.
fn attempt(
    text: &str,
    syntax: &Syntax,
    (old, new): (&Value, &Value),
    kept: Kept,
) -> Option<String> {
    let mut broken = HashSet::new();
    for _ in 0..ROUNDS_MAX {
        let mut walk = Walk::new(text, syntax, kept, broken.clone());
        let found = walk.document(&syntax.root, old, new)?;
        let known = broken.len();
        broken.extend(walk.touched);
        if broken.len() == known {
            return Some(found);
        }
    }
    None
}

fn is_right(text: &str, wanted: &Config) -> bool {
    load::parse("", text, &Machine::default()).is_ok_and(|found| found == *wanted)
}

/// Comments of `old` that `new` does not have.
fn lost((old, before): (&str, &Syntax), new: &str) -> Vec<(usize, String)> {
    let Some(after) = syntax::read(new) else { return Vec::new() };
    let mut left: HashMap<&str, usize> = HashMap::new();
    for comment in after.comments {
        *left.entry(new[comment].trim_end()).or_default() += 1;
    }
    let lines = LineIndex::new(old);
    let is_lost = |range: &std::ops::Range<usize>| {
        let (line, comment) = (lines.line(range.start), old[range.clone()].trim_end());
        match left.get_mut(comment) {
            Some(count) if *count > 0 => {
                *count -= 1;
                None
            }
            _ => Some((line, comment.to_owned())),
        }
    };
    before.comments.iter().filter_map(is_lost).collect()
}

#[cfg(test)]
mod tests;
