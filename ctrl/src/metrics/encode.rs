//! Tables as OpenMetrics text (version 1.0 of its specification), piece by piece.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::Write as _;

use super::sheet::{Column, Kind, Table, Value};

/// How long a piece is, or little more: a piece takes some 50 us to make.
const PIECE_LEN: usize = 128 << 10;

/// A table of any sheet.
pub(super) trait Block: Debug + Send {
    /// What the table is of, and its labels.
    #[cfg(test)]
    fn title(&self) -> (&'static str, &'static [&'static str]);

    /// Name of its series, kind and meaning of the metric in this column.
    #[cfg(test)]
    fn describe(&self, column: usize) -> Option<(String, Kind, &'static str)>;

    /// Writes the series of a column from `row` on, until there is a piece; where to go on, if
    /// there are more.
    fn write(&self, column: usize, row: usize, out: &mut Vec<u8>) -> Written;
}

/// How far a column was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// There is no such column.
    NoColumn,
    /// To its end.
    All,
    /// Up to this row.
    UpTo(usize),
}

impl<R: Debug + Send> Block for Table<R> {
    #[cfg(test)]
    fn title(&self) -> (&'static str, &'static [&'static str]) {
        (self.sheet.title, self.sheet.labels)
    }

    #[cfg(test)]
    fn describe(&self, column: usize) -> Option<(String, Kind, &'static str)> {
        let Column { name, kind, help, .. } = self.sheet.columns.get(column)?;
        Some((format!("{name}{}", kind.suffix()), *kind, help))
    }

    fn write(&self, column: usize, row: usize, out: &mut Vec<u8>) -> Written {
        let Some(column) = self.sheet.columns.get(column) else { return Written::NoColumn };
        if row == 0 {
            head(column, out);
        }
        for ((labels, values), row) in self.rows(row).zip(row..) {
            if out.len() >= PIECE_LEN {
                return Written::UpTo(row);
            }
            series(column.name, column.kind, labels, (column.read)(values), out);
        }
        Written::All
    }
}

fn head<R>(column: &Column<R>, out: &mut Vec<u8>) {
    let Column { name, kind, help, .. } = column;
    put(out, &["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind.name(), "\n"]);
    if let Some(unit) = column.unit() {
        put(out, &["# UNIT ", name, " ", unit, "\n"]);
    }
}

fn series(name: &str, kind: Kind, labels: &str, value: Value, out: &mut Vec<u8>) {
    match value {
        Value::Absent => {}
        Value::Int(number) => {
            begin(out, name, kind.suffix(), labels);
            whole(out, number);
        }
        Value::Real(number) => {
            begin(out, name, kind.suffix(), labels);
            real(out, number);
        }
        Value::Histogram { bounds, counts, sum } => {
            let all: u64 = counts.iter().take(bounds.len()).sum();
            begin(out, name, "_sum", labels);
            put(out, &[itoa::Buffer::new().format(sum), ".0\n"]);
            begin(out, name, "_count", labels);
            whole(out, all);
            let mut so_far = 0;
            for (bound, count) in bounds.iter().zip(counts) {
                so_far += count;
                bucket(out, (name, labels), &format!("{bound}.0"), so_far);
            }
            bucket(out, (name, labels), "+Inf", all);
        }
    }
}

fn bucket(out: &mut Vec<u8>, (name, labels): (&str, &str), bound: &str, count: u64) {
    let comma = if labels.is_empty() { "" } else { "," };
    put(out, &[name, "_bucket{le=\"", bound, "\"", comma, labels, "} "]);
    whole(out, count);
}

fn begin(out: &mut Vec<u8>, name: &str, suffix: &str, labels: &str) {
    if labels.is_empty() {
        put(out, &[name, suffix, " "]);
    } else {
        put(out, &[name, suffix, "{", labels, "} "]);
    }
}

fn put(out: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

fn whole(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.push(b'\n');
}

fn real(out: &mut Vec<u8>, number: f64) {
    // Debug shows that it is one: `2.0`. Writing to memory does not fail.
    let _ = writeln!(out, "{number:?}");
}

/// Tables that become text, in their order.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    blocks: VecDeque<Box<dyn Block>>,
    column: usize,
    row: usize,
    has_ended: bool,
}

impl Encoder {
    /// Adds a table.
    pub(super) fn add(&mut self, block: impl Block + 'static) {
        self.blocks.push_back(Box::new(block));
    }

    /// The tables that are left.
    #[cfg(test)]
    pub(super) fn blocks(&self) -> impl Iterator<Item = &dyn Block> {
        self.blocks.iter().map(|block| &**block)
    }
}

impl Iterator for Encoder {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.has_ended {
            return None;
        }
        let mut out = Vec::with_capacity(PIECE_LEN + (4 << 10));
        while out.len() < PIECE_LEN {
            let Some(block) = self.blocks.front() else {
                self.has_ended = true;
                out.extend_from_slice(b"# EOF\n");
                break;
            };
            match block.write(self.column, self.row, &mut out) {
                Written::UpTo(row) => self.row = row,
                Written::All => (self.column, self.row) = (self.column + 1, 0),
                Written::NoColumn => {
                    // What is written is not kept.
                    self.blocks.pop_front();
                    (self.column, self.row) = (0, 0);
                }
            }
        }
        Some(out)
    }
}
