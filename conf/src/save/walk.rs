//! What becomes of each value of a text.

use std::collections::HashSet;
use std::ops::Range;

use super::Kept;
use super::children::{Change, Child, Written};
use super::syntax::{Item, Shape, Syntax};
use crate::emit;
use crate::form::Value;

/// A value cannot be changed as it stands; what it belongs to has to be written anew.
#[derive(Debug)]
pub(super) struct Coarse;

/// One way through a text.
#[derive(Debug)]
pub(super) struct Walk<'t> {
    /// The text.
    pub(super) text: &'t str,
    /// Its comments, in order.
    comments: &'t [Range<usize>],
    /// How coarse it is.
    pub(super) kept: Kept,
    /// Anchors whose aliases are to be written out.
    broken: HashSet<usize>,
    /// Anchors that are gone or have another value now.
    pub(super) touched: HashSet<usize>,
}

impl<'t> Walk<'t> {
    pub(super) fn new(
        text: &'t str,
        syntax: &'t Syntax,
        kept: Kept,
        broken: HashSet<usize>,
    ) -> Self {
        Self { text, comments: &syntax.comments, kept, broken, touched: HashSet::new() }
    }

    /// The comments in a part of the text.
    pub(super) fn comments_in(&self, range: &Range<usize>) -> &'t [Range<usize>] {
        let from = self.comments.partition_point(|comment| comment.start < range.start);
        let to = self.comments.partition_point(|comment| comment.start < range.end);
        self.comments.get(from..to).unwrap_or_default()
    }

    /// The whole text, which says `old`, so that it says `new`.
    pub(super) fn document(&mut self, root: &Item, old: &Value, new: &Value) -> Option<String> {
        let Shape::Map { in_brackets, entries } = &root.shape else { return None };
        if *in_brackets {
            let inner = self.inline(root, old, new).ok()?;
            return Some(self.spliced(root.range.clone(), &inner));
        }
        let written = Written::Entries(entries);
        let mut children = self.children(written, old, new).ok()?;
        for child in &mut children {
            if let Child::Old { change: Change::To { anew, .. }, .. } = child {
                *anew |= self.kept >= Kept::Sections;
            }
        }
        let (range, lines) = self.lines(written, children).ok()?;
        Some(self.spliced(range, &lines))
    }

    fn spliced(&self, range: Range<usize>, inner: &str) -> String {
        format!("{}{inner}{}", &self.text[..range.start], &self.text[range.end..])
    }

    /// The text of a value that stands in a line or in brackets.
    pub(super) fn inline(
        &mut self,
        item: &Item,
        old: &Value,
        new: &Value,
    ) -> Result<String, Coarse> {
        self.touched.extend((item.anchor != 0).then_some(item.anchor));
        match (&item.shape, new) {
            (Shape::Scalar(_), Value::Text(text)) => Ok(self.text_like(item, text)),
            (Shape::Scalar(_) | Shape::Alias(_), Value::Plain(_) | Value::Text(_)) => {
                Ok(emit::flow(new))
            }
            (Shape::List { in_brackets: true, items }, _) => {
                self.brackets(&item.range, Written::Items(items), old, new)
            }
            (Shape::Map { in_brackets: true, entries }, _) => {
                self.brackets(&item.range, Written::Entries(entries), old, new)
            }
            _ => Err(Coarse),
        }
    }

    /// A text in the quotes that another one has.
    fn text_like(&self, item: &Item, text: &str) -> String {
        let plain = emit::flow(&Value::Text(text.to_owned()));
        let is_harmless = plain == text;
        match self.text[item.range.clone()].chars().next() {
            Some(quote @ ('"' | '\'')) if is_harmless => format!("{quote}{text}{quote}"),
            _ => plain,
        }
    }

    /// Whether a value repeats, somewhere, what is not there any more.
    pub(super) fn repeats_broken(&self, item: &Item) -> bool {
        let mut found = false;
        if !self.broken.is_empty() {
            item.walk(&mut |item| {
                found |= matches!(item.shape, Shape::Alias(id) if self.broken.contains(&id));
            });
        }
        found
    }

    /// Notes that a value is not in the text any more, and neither are its anchors.
    pub(super) fn forget(&mut self, item: &Item) {
        let touched = &mut self.touched;
        item.walk(&mut |item| touched.extend((item.anchor != 0).then_some(item.anchor)));
    }

    /// Notes that a child is not in the text any more.
    pub(super) fn forget_child(&mut self, written: Written<'_>, index: usize) {
        for item in [written.key(index), written.value(index)].into_iter().flatten() {
            self.forget(item);
        }
    }
}
