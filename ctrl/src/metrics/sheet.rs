//! What a metric is ([`Column`]), and tables of them: a column for each metric, a row for each set
//! of labels.
//!
//! Labels are made once for a row, as they stand in the text, and serve all its columns.

use std::fmt::{Display, Write as _};

/// How the values of a metric behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is always 1; the labels tell.
    Info,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// The word of OpenMetrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Info => "info",
            Self::Histogram => "histogram",
        }
    }

    /// What the name of a series has behind the name of the metric.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// The value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// There is none: the series is left out.
    Absent,
    /// A whole number.
    Int(u64),
    /// Another number.
    Real(f64),
    /// Counts by size, from the smallest on.
    Histogram {
        /// Largest size of each class.
        bounds: &'static [u64],
        /// How many of each class; those beyond `bounds` are not used.
        counts: [u64; CLASSES_MAX],
        /// All sizes together.
        sum: u64,
    },
}

/// Most classes of a histogram.
pub(super) const CLASSES_MAX: usize = 8;

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Absent, Self::Int)
    }
}

/// A metric, whose values are read in rows of this type.
#[derive(Debug)]
pub(super) struct Column<R> {
    /// Its name, without the suffix of its kind.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it means: a sentence.
    pub(super) help: &'static str,
    pub(super) read: fn(&R) -> Value,
}

impl<R> Column<R> {
    pub(super) const fn counter(
        name: &'static str,
        help: &'static str,
        read: fn(&R) -> Value,
    ) -> Self {
        Self { name, kind: Kind::Counter, help, read }
    }

    pub(super) const fn gauge(
        name: &'static str,
        help: &'static str,
        read: fn(&R) -> Value,
    ) -> Self {
        Self { name, kind: Kind::Gauge, help, read }
    }

    pub(super) const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Info, help, read: |_| Value::Int(1) }
    }

    pub(super) const fn histogram(
        name: &'static str,
        help: &'static str,
        read: fn(&R) -> Value,
    ) -> Self {
        Self { name, kind: Kind::Histogram, help, read }
    }

    /// The base unit, which ends its name.
    pub(super) fn unit(&self) -> Option<&'static str> {
        let ending = self.name.rsplit_once('_').map(|(_, ending)| ending);
        ending.filter(|unit| ["seconds", "bytes", "ratio"].contains(unit))
    }
}

/// Metrics with the same labels.
#[derive(Debug)]
pub(super) struct Sheet<R: 'static> {
    /// What they are about.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the list in docs/METRICS.md"))]
    pub(super) title: &'static str,
    /// Names of their labels; several that stand together as `a, b`.
    pub(super) labels: &'static [&'static str],
    pub(super) columns: &'static [Column<R>],
}

/// A sheet with its rows.
#[derive(Debug)]
pub(super) struct Table<R: 'static> {
    pub(super) sheet: &'static Sheet<R>,
    rows: Vec<(usize, R)>,
    /// The labels of all rows; each row knows where its own begin.
    labels: String,
}

impl<R> Table<R> {
    /// Without rows.
    pub(super) fn new(sheet: &'static Sheet<R>) -> Self {
        Self { sheet, rows: Vec::new(), labels: String::new() }
    }

    /// With one row that has no labels.
    pub(super) fn single(sheet: &'static Sheet<R>, row: R) -> Self {
        Self { sheet, rows: vec![(0, row)], labels: String::new() }
    }

    /// Adds a row; its labels are to be added to what is returned.
    pub(super) fn push(&mut self, row: R) -> Labels<'_> {
        let start = self.labels.len();
        self.rows.push((start, row));
        Labels { text: &mut self.labels, start }
    }

    /// The rows from `first` on, with their labels.
    pub(super) fn rows(&self, first: usize) -> impl Iterator<Item = (&str, &R)> {
        let rows = self.rows.get(first..).unwrap_or_default();
        let next = rows.iter().skip(1).map(|(start, _)| *start).chain([self.labels.len()]);
        let labels = |start, end| self.labels.get(start..end).unwrap_or_default();
        rows.iter().zip(next).map(move |((start, row), end)| (labels(*start, end), row))
    }
}

/// Where the labels of a row are written.
#[derive(Debug)]
pub(super) struct Labels<'a> {
    text: &'a mut String,
    start: usize,
}

impl Labels<'_> {
    /// Adds labels that were written before.
    pub(super) fn copy(&mut self, labels: &str) -> &mut Self {
        self.separate();
        self.text.push_str(labels);
        self
    }

    /// Adds a label with any text.
    pub(super) fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.begin(name);
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
        self.text.push('"');
        self
    }

    /// Adds a label whose value needs no escapes: a number, an address.
    pub(super) fn show(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.begin(name);
        // Writing to a string does not fail.
        let _ = write!(self.text, "{value}");
        self.text.push('"');
        self
    }

    fn begin(&mut self, name: &str) {
        self.separate();
        self.text.push_str(name);
        self.text.push_str("=\"");
    }

    fn separate(&mut self) {
        if self.text.len() > self.start {
            self.text.push(',');
        }
    }
}

/// Labels by themselves, to be copied to several rows.
pub(super) fn labels(write: impl FnOnce(&mut Labels<'_>)) -> String {
    let mut text = String::new();
    write(&mut Labels { start: 0, text: &mut text });
    text
}
