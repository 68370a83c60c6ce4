//! How [`ConfErrors`] look: one block per error with the place, the line of the file, an underline
//! and what to write instead.
//!
//! Text from the file is shown with control characters replaced, so that a file cannot send
//! escape sequences to the terminal of whoever checks it.

use std::fmt::Write as _;
use std::ops::Range;

use crate::error::{ConfError, ConfErrors};
use crate::span::char_start;

/// Widest excerpt shown of one line, in characters.
const EXCERPT_MAX: usize = 160;

/// ANSI styles, or empty strings.
struct Paint {
    error: &'static str,
    frame: &'static str,
    help: &'static str,
    bold: &'static str,
    reset: &'static str,
}

const PLAIN: Paint = Paint { error: "", frame: "", help: "", bold: "", reset: "" };
const COLOR: Paint = Paint {
    error: "\x1b[1;31m",
    frame: "\x1b[34m",
    help: "\x1b[32m",
    bold: "\x1b[1m",
    reset: "\x1b[0m",
};

impl ConfErrors {
    /// The report of all errors. Pass `color` only when writing to a terminal.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let paint = if color { &COLOR } else { &PLAIN };
        let mut out = String::new();
        for error in &self.errors {
            self.render_one(error, paint, &mut out);
            out.push('\n');
        }
        let count = self.errors.len() + self.dropped;
        let noun = if count == 1 { "error" } else { "errors" };
        let _ = write!(out, "{count} {noun} in {}", printable(&self.file));
        if self.dropped > 0 {
            let _ = write!(out, " ({} more than shown)", self.dropped);
        }
        out
    }

    /// One error's block.
    fn render_one(&self, error: &ConfError, paint: &Paint, out: &mut String) {
        let Paint { error: red, frame, help, bold, reset } = paint;
        let rule = error.rule.as_str();
        let message = printable(&error.message);
        let _ = writeln!(out, "{red}error[{rule}]{reset}{bold}: {message}{reset}");
        let file = printable(&self.file);
        let related_line = error.related.as_ref().map_or(0, |related| related.line);
        let gutter = error.line.max(related_line).to_string().len();
        if let Some(span) = &error.span {
            let path = match error.key_path.as_str() {
                "" => String::new(),
                path => format!(" ({})", printable(path)),
            };
            let _ = writeln!(
                out,
                "{:gutter$}{frame}-->{reset} {file}:{}:{}{path}",
                "", error.line, error.column
            );
            self.excerpt(span, error.line, gutter, ("^", "", red), paint, out);
        }
        if let Some(related) = &error.related {
            let text = printable(&related.text);
            let _ = writeln!(
                out,
                "{:gutter$}{frame}:::{reset} {file}:{}:{}",
                "", related.line, related.column
            );
            self.excerpt(&related.span, related.line, gutter, ("-", &text, frame), paint, out);
        }
        if !error.help.is_empty() {
            let text = printable(&error.help);
            let _ = writeln!(out, "{:gutter$} {help}= help:{reset} {text}", "");
        }
    }

    /// The line that holds the start of `span`, and below it the underline: `mark` is its
    /// character, the label behind it and its colour.
    fn excerpt(
        &self,
        span: &Range<usize>,
        line: usize,
        gutter: usize,
        (mark, label, color): (&str, &str, &str),
        paint: &Paint,
        out: &mut String,
    ) {
        let Paint { frame, reset, .. } = paint;
        let start = char_start(&self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_len = self.text[start..].find(['\n', '\r']);
        let line_end = line_len.map_or(self.text.len(), |len| start + len);
        let end = char_start(&self.text, span.end).clamp(start, line_end);

        let before = self.text[line_start..start].chars().count();
        let whole = self.text[line_start..line_end].chars().count() <= EXCERPT_MAX;
        let skip = if whole { 0 } else { before.saturating_sub(EXCERPT_MAX / 2) };
        let shown: String =
            self.text[line_start..line_end].chars().skip(skip).take(EXCERPT_MAX).collect();
        // Tabs stay, so that the underline is as far to the right as the text above it.
        let pad: String = self.text[line_start..start]
            .chars()
            .skip(skip)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let width = self.text[start..end].trim_end().chars().count();
        let marks = mark.repeat(width.clamp(1, EXCERPT_MAX / 2));

        let _ = writeln!(out, "{:gutter$} {frame}|{reset}", "");
        let shown = printable(&shown);
        let _ = writeln!(out, "{frame}{line:>gutter$} |{reset} {}", shown.trim_end());
        let marked = format!("{marks} {label}");
        let _ = writeln!(
            out,
            "{:gutter$} {frame}|{reset} {pad}{color}{}{reset}",
            "",
            marked.trim_end()
        );
    }
}

/// `text` without control characters, tabs excepted, and without the marks that reorder text.
fn printable(text: &str) -> String {
    let reorders = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if (c.is_control() && c != '\t') || reorders(c) { '\u{fffd}' } else { c })
        .collect()
}
