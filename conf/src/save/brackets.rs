//! Lists and mappings in brackets.

use std::ops::Range;

use super::children::{Change, Child, Fresh, Written};
use super::walk::{Coarse, Walk};
use crate::emit;
use crate::form::{Member, Value};

/// What stands between two values in brackets.
const SEPARATOR: &str = ", ";

impl Walk<'_> {
    /// The text of `range`, a list or mapping in brackets.
    pub(super) fn brackets(
        &mut self,
        range: &Range<usize>,
        written: Written<'_>,
        old: &Value,
        new: &Value,
    ) -> Result<String, Coarse> {
        let children = self.children(written, old, new)?;
        let count = written.len();
        let (Some(first), Some(last)) = (written.range(0), written.range(count.wrapping_sub(1)))
        else {
            // Nothing is there whose style could be kept.
            return Err(Coarse);
        };
        if children.is_empty() {
            return Err(Coarse);
        }
        let mut out = self.text[range.start..first.start].to_owned();
        let stays = self.staying(written, &children);
        let is_as_before = children.len() == count && stays.iter().all(|stays| *stays);
        let mut before = None;
        for (place, child) in children.iter().enumerate() {
            let index = match child {
                Child::Old { index, .. } => Some(*index),
                Child::New(_) => None,
            };
            if place > 0 {
                out.push_str(self.between(written, before, index)?);
            }
            out.push_str(&self.child_in_brackets(written, child)?);
            before = index;
        }
        let tail = &self.text[last.end..range.end];
        // A comment between values that come and go would have nowhere to be.
        if !is_as_before && !self.comments_in(range).is_empty() {
            return Err(Coarse);
        }
        out.push_str(tail);
        Ok(out)
    }

    /// What stands between two children: what did, if they stood beside each other.
    fn between(
        &self,
        written: Written<'_>,
        before: Option<usize>,
        after: Option<usize>,
    ) -> Result<&str, Coarse> {
        let gap = |index: usize| {
            let (left, right) = (written.range(index)?, written.range(index + 1)?);
            self.text.get(left.end..right.start)
        };
        match (before, after) {
            (Some(before), Some(after)) if before + 1 == after => gap(before).ok_or(Coarse),
            _ => Ok(gap(0).unwrap_or(SEPARATOR)),
        }
    }

    fn child_in_brackets(
        &mut self,
        written: Written<'_>,
        child: &Child<'_>,
    ) -> Result<String, Coarse> {
        let (index, name, change) = match child {
            Child::New(fresh) => return Ok(in_brackets(*fresh)),
            Child::Old { index, name, change } => (*index, *name, change),
        };
        let (range, item) =
            (written.range(index).ok_or(Coarse)?, written.value(index).ok_or(Coarse)?);
        let value = match change {
            Change::Stays => self.text[item.range.clone()].to_owned(),
            Change::To { old, fresh, anew } => {
                let fine = match fresh.value() {
                    Some(new) if !*anew => self.inline(item, old, new),
                    _ => Err(Coarse),
                };
                match fine {
                    Ok(text) => text,
                    Err(Coarse) if self.comments_in(&range).is_empty() => {
                        self.forget_child(written, index);
                        return Ok(in_brackets(*fresh));
                    }
                    Err(Coarse) => return Err(Coarse),
                }
            }
        };
        let head = &self.text[range.start..item.range.start];
        Ok(match (name, written.key(index)) {
            (Some(name), Some(key)) => {
                format!("{}{}{value}", emit::key(name), &self.text[key.range.end..item.range.start])
            }
            _ => format!("{head}{value}"),
        })
    }
}

/// A child written anew in brackets.
pub(super) fn in_brackets(fresh: Fresh<'_>) -> String {
    match fresh {
        Fresh::Field(field) => {
            let value = field.value.as_ref().map(emit::flow).unwrap_or_default();
            format!("{}: {value}", field.key)
        }
        Fresh::Member(Member { name, value, .. }) if name.is_empty() => emit::flow(value),
        Fresh::Member(Member { name, value, .. }) => {
            format!("{}: {}", emit::key(name), emit::flow(value))
        }
        Fresh::Single(value) => emit::flow(value),
    }
}
