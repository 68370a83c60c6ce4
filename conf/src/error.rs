//! [`ConfErrors`]: everything that is wrong with one file, each error with its place.
//!
//! An error carries its rule (for programs), a message and what to write instead (for people) and
//! the place of the offending text. How it looks on a terminal is decided in `render.rs`.

use std::ops::Range;

use crate::rule::Rule;

/// All errors of one file, in the order of the file; never empty.
///
/// `Display` is the report without colours; [`ConfErrors::render`] can colour it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.render(false))]
pub struct ConfErrors {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) errors: Vec<ConfError>,
    pub(crate) dropped: usize,
}

impl ConfErrors {
    /// The only error of a file: it could not be read, so there is no place to show.
    pub(crate) fn unreadable(file: &str, message: String, help: &str) -> Self {
        let error = ConfError {
            rule: Rule::Unreadable,
            message,
            help: help.to_owned(),
            span: None,
            line: 0,
            column: 0,
            key_path: String::new(),
            related: None,
        };
        Self { file: file.to_owned(), text: String::new(), errors: vec![error], dropped: 0 }
    }

    /// Name of the file as given by the caller.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The errors, in the order of the file.
    #[must_use]
    pub fn errors(&self) -> &[ConfError] {
        &self.errors
    }

    /// How many more errors there were than are kept.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// The offending text of one of the errors, as it stands in the file.
    #[must_use]
    pub fn text_of(&self, error: &ConfError) -> &str {
        error.span.clone().and_then(|span| self.text.get(span)).unwrap_or("")
    }
}

/// One error with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfError {
    pub(crate) rule: Rule,
    pub(crate) message: String,
    pub(crate) help: String,
    pub(crate) span: Option<Range<usize>>,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) key_path: String,
    pub(crate) related: Option<Related>,
}

/// A second place of the file that explains an error, such as the first of two duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Related {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl ConfError {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// What is wrong, in one sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Line and column of the offending text, both from 1, the column in characters; `None` when
    /// the file could not be read at all.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        self.span.as_ref().map(|_| (self.line, self.column))
    }

    /// Keys leading to the offending text, as in `services.web.real_servers[1].weight`.
    #[must_use]
    pub fn key_path(&self) -> &str {
        &self.key_path
    }
}
