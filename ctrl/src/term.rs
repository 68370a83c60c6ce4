//! What standard output is: a terminal with a width and colours, or something that gets all of the
//! text as it is.

use std::io::{self, IsTerminal as _};

use crossterm::style::Stylize as _;
use crossterm::terminal;

/// Words that something is wrong with.
const BAD: [&str; 2] = ["failed", "down"];
/// Words of what is not settled.
const UNSETTLED: [&str; 3] = ["incomplete", "probing", "unknown"];

/// How text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns that a line may take; `None` for any number.
    pub(crate) width: Option<usize>,
    /// Whether there are colours.
    pub(crate) colours: bool,
}

/// Whether a stream that is a terminal, or not, gets colours: never with NO_COLOR.
pub(crate) fn has_colours(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Screen {
    /// Standard output. Lines are cut at the width of a terminal unless they are to be `wide`.
    pub(crate) fn of_output(wide: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let size = if is_terminal && !wide { terminal::size().ok() } else { None };
        let width = size.map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 0);
        Self { width, colours: has_colours(is_terminal) }
    }

    /// A text of whole lines as it is shown.
    pub(crate) fn show(self, text: &str) -> String {
        text.lines().map(|line| self.line(line) + "\n").collect()
    }

    fn line(self, line: &str) -> String {
        let line = match self.width {
            Some(width) if line.chars().count() > width => {
                line.chars().take(width.saturating_sub(1)).chain(['\u{2026}']).collect()
            }
            _ => line.to_owned(),
        };
        if !self.colours {
            line
        } else if is_heading(&line) {
            line.bold().to_string()
        } else {
            line.split_inclusive(' ').map(coloured).collect()
        }
    }
}

/// Headings of tables have neither small letters nor digits, and rows always have some.
fn is_heading(line: &str) -> bool {
    line.chars().any(char::is_uppercase)
        && !line.chars().any(|c| c.is_lowercase() || c.is_ascii_digit())
}

fn coloured(word: &str) -> String {
    let bare = word.trim_end();
    if BAD.contains(&bare) {
        word.red().to_string()
    } else if UNSETTLED.contains(&bare) {
        word.yellow().to_string()
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "PORT  STATE\nwan0  failed\n";

    #[test]
    fn what_is_no_terminal_gets_the_text_as_it_is() {
        assert_eq!(Screen { width: None, colours: false }.show(TABLE), TABLE);
        assert_eq!(Screen { width: None, colours: false }.show(""), "");
    }

    #[test]
    fn lines_that_are_too_long_are_cut_where_it_can_be_seen() {
        let screen = Screen { width: Some(9), colours: false };
        assert_eq!(screen.show(TABLE), "PORT  ST\u{2026}\nwan0  fa\u{2026}\n");
        assert_eq!(Screen { width: Some(12), ..screen }.show(TABLE), TABLE);
    }

    #[test]
    fn headings_and_bad_words_stand_out() {
        let shown = Screen { width: None, colours: true }.show(TABLE);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[0].starts_with("\u{1b}[") && lines[0].contains("PORT  STATE"), "{shown:?}");
        assert!(lines[1].starts_with("wan0  \u{1b}[") && lines[1].contains("failed"), "{shown:?}");
    }
}
