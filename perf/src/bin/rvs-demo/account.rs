//! What the demo says, in colour on a terminal and plain elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use crate::trial::Row;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Where the account goes. A reader that went away is no reason to stop half-way: failures to write
/// are passed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    colour: bool,
}

impl Account {
    pub(crate) fn on_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && io::stdout().is_terminal() }
    }

    /// A line of plain text.
    pub(crate) fn line(self, text: &str) {
        let _ = writeln!(io::stdout(), "{text}");
    }

    /// A heading.
    pub(crate) fn title(self, text: &str) {
        self.line(&self.paint(BOLD, text));
    }

    /// Lines that are quoted from elsewhere: a file, a program's output.
    pub(crate) fn quote(self, text: &str) {
        for line in text.lines() {
            self.line(&format!("  {} {line}", self.paint(DIM, "|")));
        }
    }

    /// A sign for one request as it ends, without a line break.
    pub(crate) fn sign(self, sign: &str, good: bool) {
        let mut out = io::stdout();
        let _ = write!(out, "{}", if good { sign.to_owned() } else { self.paint(RED, sign) });
        let _ = out.flush();
    }

    /// PASS or FAIL, and the reason.
    pub(crate) fn judgement(self, good: bool, reason: &str) {
        let word = if good { self.paint(GREEN, "PASS") } else { self.paint(RED, "FAIL") };
        self.line(&format!("  {word}  {reason}"));
    }

    /// The end of it all.
    pub(crate) fn verdict(self, good: bool) {
        self.line(&if good {
            self.paint(GREEN, "Every request was answered, every share is exact.")
        } else {
            self.paint(RED, "Not everything is as it should be: see the lines marked FAIL.")
        });
    }

    /// The table of who answered how often, and on whose behalf.
    pub(crate) fn rows(self, rows: &[Row]) {
        let heading = ["mode", "real server", "requests", "promised", "client address in its log"];
        let heading = table_line(heading);
        self.line(&self.paint(DIM, &heading));
        for row in rows {
            let requests = row.requests.to_string();
            let promised = row.promised.to_string();
            let mode = row.mode.to_string();
            let line = table_line([&mode, &row.real_server, &requests, &promised, &row.clients]);
            self.line(&if row.as_promised() { line } else { self.paint(RED, &line) });
        }
    }

    /// To standard error.
    pub(crate) fn error(self, text: &str) {
        let _ = writeln!(io::stderr(), "rvs-demo: {text}");
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

fn table_line([mode, real_server, requests, promised, clients]: [&str; 5]) -> String {
    format!("  {mode:8} {real_server:20} {requests:>8} {promised:>9}   {clients}")
}
