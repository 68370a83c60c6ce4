//! The text, byte by byte, against that of prometheus-client.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::super::encode::Encoder;
use super::super::sheet::{Column, Sheet, Table, Value};

/// A row: a label and a number.
type Row = (&'static str, u64);

const ROWS: [Row; 5] = [
    ("plain", 0),
    ("with \"quotes\"", 1),
    ("back\\slash", 4_711),
    ("two\nlines", u64::MAX >> 1),
    ("ü, {x=\"y\"}", 32),
];
const COUNTS: [u64; 3] = [7, 0, 5];

static SHEET: Sheet<Row> = Sheet {
    title: "Test",
    labels: &["name", "number"],
    columns: &[
        Column::counter("test_things", "Things.", |(_, number)| Value::Int(*number)),
        Column::gauge("test_now", "Now.", |(_, number)| Value::Int(*number)),
        Column::gauge("test_time_seconds", "Time.", |(_, number)| half(*number)),
        Column::counter("test_sent_bytes", "Bytes.", |(_, number)| Value::Int(*number)),
        Column::histogram("test_sizes", "Sizes.", |(_, number)| Value::Histogram {
            bounds: &[1, 2, 32],
            counts: [COUNTS[0], COUNTS[1], COUNTS[2], 0, 0, 0, 0, 0],
            sum: *number >> 20,
        }),
        Column::info("test_what", "What."),
    ],
};

fn half(number: u64) -> Value {
    Value::Real(seconds(number))
}

#[expect(clippy::cast_precision_loss, reason = "both sides show the same float")]
fn seconds(number: u64) -> f64 {
    (number >> 20) as f64 / 2.0
}

/// The same by the crate.
#[derive(Debug)]
struct Theirs;

impl Collector for Theirs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        type OfRow = fn(Row, prometheus_client::encoding::MetricEncoder<'_>) -> fmt::Result;
        let mut each = |name: &str, help: &str, unit: Option<Unit>, kind, encode: OfRow| {
            let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
            ROWS.iter().try_for_each(|row| {
                let labels = [("name", row.0.to_owned()), ("number", row.1.to_string())];
                encode(*row, family.encode_family(&labels)?)
            })
        };
        let counter: OfRow = |row, encoder| ConstCounter::new(row.1).encode(encoder);
        let gauge: OfRow =
            |row, encoder| ConstGauge::new(i64::try_from(row.1).unwrap()).encode(encoder);
        each("test_things", "Things.", None, MetricType::Counter, counter)?;
        each("test_now", "Now.", None, MetricType::Gauge, gauge)?;
        each("test_time", "Time.", Some(Unit::Seconds), MetricType::Gauge, |row, encoder| {
            ConstGauge::new(seconds(row.1)).encode(encoder)
        })?;
        each("test_sent", "Bytes.", Some(Unit::Bytes), MetricType::Counter, counter)?;
        each("test_sizes", "Sizes.", None, MetricType::Histogram, |row, mut encoder| {
            #[expect(clippy::cast_precision_loss, reason = "small enough to be exact")]
            let sum = (row.1 >> 20) as f64;
            let bounds = [1.0, 2.0, 32.0, f64::INFINITY];
            let buckets: Vec<_> = bounds.into_iter().zip(COUNTS.into_iter().chain([0])).collect();
            let count = COUNTS.iter().sum();
            encoder.encode_histogram::<[(String, String); 0]>(sum, count, &buckets, None)
        })?;
        let mut family = encoder.encode_descriptor("test_what", "What.", None, MetricType::Info)?;
        ROWS.iter().try_for_each(|(name, number)| {
            family.encode_info(&[("name", (*name).to_owned()), ("number", number.to_string())])
        })
    }
}

#[test]
fn the_text_is_that_of_prometheus_client() {
    let mut table = Table::new(&SHEET);
    for row in ROWS {
        table.push(row).add("name", row.0).show("number", row.1);
    }
    let mut encoder = Encoder::default();
    encoder.add(table);
    let ours = String::from_utf8(encoder.flatten().collect()).unwrap();

    let mut registry = Registry::default();
    registry.register_collector(Box::new(Theirs));
    let mut theirs = String::new();
    text::encode(&mut theirs, &registry).unwrap();
    assert_eq!(ours, theirs);
    assert!(ours.ends_with("# EOF\n") && ours.contains("le=\"32.0\""), "{ours}");
}
