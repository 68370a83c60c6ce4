//! [`Diags`]: where the checks put what they find, so that one mistake does not hide the next.

use std::collections::HashSet;

use crate::error::{ConfError, ConfErrors, Related};
use crate::node::{Kind, Node};
use crate::rule::Rule;
use crate::span::{Span, char_start};

/// Errors kept per file. A file with more is broken in one place that repeats; keeping them all
/// would let a hostile file fill the memory.
const ERRORS_MAX: usize = 1000;

/// One finding.
#[derive(Debug)]
pub(crate) struct Diag {
    rule: Rule,
    span: Span,
    message: String,
    help: String,
    related: Option<(Span, String)>,
}

impl Diag {
    /// Adds a second place that explains the first.
    pub(crate) fn see(&mut self, span: Span, text: impl Into<String>) {
        self.related = Some((span, text.into()));
    }

    /// The keys that lead to the place. A key missing at the top of the file is reported at the
    /// first key, which is no part of its path.
    fn key_path(&self, root: &Node) -> String {
        let first_key = match &root.kind {
            Kind::Map(entries) => entries.first().map(|(key, _)| key.span),
            Kind::Null | Kind::Scalar { .. } | Kind::List(_) => None,
        };
        if self.rule == Rule::MissingKey && Some(self.span) == first_key {
            return String::new();
        }
        key_path(root, self.span)
    }
}

/// Longest message or help text, in characters; what is longer quotes a value that is.
const TEXT_MAX: usize = 400;

/// The beginning of a text that is too long.
fn shortened(text: String) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// All findings of one file.
#[derive(Debug, Default)]
pub(crate) struct Diags {
    found: Vec<Diag>,
    dropped: usize,
}

impl Diags {
    /// Records an error. `message` says what is wrong, `help` what to write instead.
    pub(crate) fn error(
        &mut self,
        rule: Rule,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Diag {
        let (message, help) = (shortened(message.into()), shortened(help.into()));
        let diag = Diag { rule, span, message, help, related: None };
        if self.found.len() > ERRORS_MAX {
            self.dropped += 1;
            self.found.pop();
        }
        self.found.push(diag);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Whether nothing was found.
    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Turns the findings into the public form, in the order of the file. `root` gives the key
    /// paths.
    pub(crate) fn into_errors(
        mut self,
        file: &str,
        source: &str,
        root: Option<&Node>,
    ) -> ConfErrors {
        if self.found.len() > ERRORS_MAX {
            self.dropped += 1;
            self.found.pop();
        }
        // What an alias repeats is wrong in every copy, but stands in the file once.
        let mut seen = HashSet::new();
        self.found.retain(|diag| seen.insert((diag.span, diag.message.clone())));
        self.found.sort_by_key(|diag| diag.span.start);
        let lines = LineIndex::new(source);
        let errors = self.found.into_iter().map(|diag| {
            let (line, column) = lines.position(source, diag.span.start as usize);
            let key_path = root.map(|root| diag.key_path(root)).unwrap_or_default();
            ConfError {
                rule: diag.rule,
                message: diag.message,
                help: diag.help,
                span: Some(diag.span.range()),
                line,
                column,
                key_path,
                related: diag.related.map(|(span, text)| {
                    let (line, column) = lines.position(source, span.start as usize);
                    Related { text, span: span.range(), line, column }
                }),
            }
        });
        ConfErrors {
            file: file.to_owned(),
            text: source.to_owned(),
            errors: errors.collect(),
            dropped: self.dropped,
        }
    }
}

/// Byte offsets at which lines start.
#[derive(Debug)]
pub(crate) struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    /// Finds the lines of `source`.
    pub(crate) fn new(source: &str) -> Self {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    /// Line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub(crate) fn position(&self, source: &str, offset: usize) -> (usize, usize) {
        let offset = char_start(source, offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, source[start..offset].chars().count() + 1)
    }

    /// Byte offset of a line and column, both from 1.
    pub(crate) fn offset(&self, source: &str, line: u64, column: u64) -> usize {
        let line = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        let start = self.starts.get(line).copied().unwrap_or(source.len());
        let rest = &source[start..];
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }
}

/// The path of keys to the innermost value that holds `span`, as in
/// `services.web.real_servers[1].weight`.
fn key_path(root: &Node, span: Span) -> String {
    let mut path = String::new();
    let mut node = root;
    loop {
        match &node.kind {
            Kind::Null | Kind::Scalar { .. } => return path,
            Kind::List(items) => {
                let Some((index, item)) =
                    items.iter().enumerate().find(|(_, item)| item.span.holds(span))
                else {
                    return path;
                };
                path.push_str(&format!("[{index}]"));
                node = item;
            }
            Kind::Map(entries) => {
                let Some((key, value)) = entries
                    .iter()
                    .find(|(key, value)| key.span.holds(span) || value.span.holds(span))
                else {
                    return path;
                };
                if !path.is_empty() {
                    path.push('.');
                }
                if let Kind::Scalar { text, .. } = &key.kind {
                    path.push_str(text);
                }
                if key.span.holds(span) {
                    return path;
                }
                node = value;
            }
        }
    }
}
