//! Single values as the file has them.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use super::Value;
use crate::config::Device;

/// Fewest workers in a row that are written as a range.
const RANGE_MIN: usize = 4;

/// A number with the largest of `units` that leaves it whole; the last unit is 1.
fn with_unit(number: u32, units: &[(u32, char)]) -> Value {
    let fits = |(factor, _): &&(u32, char)| number.is_multiple_of(*factor) && number >= *factor;
    let unit = units.iter().find(fits).or_else(|| units.last());
    Value::Plain(
        unit.map_or_else(String::new, |(factor, unit)| format!("{}{unit}", number / factor)),
    )
}

/// A duration.
pub(super) fn seconds(seconds: u32) -> Value {
    with_unit(seconds, &[(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')])
}

/// An amount of memory.
pub(super) fn mib(mib: u32) -> Value {
    with_unit(mib, &[(1024, 'G'), (1, 'M')])
}

/// A sysctl that is on or off.
pub(super) fn switch(is_on: bool) -> Value {
    Value::plain(u32::from(is_on))
}

/// What the key `device` says.
pub(super) fn device(device: &Device) -> Value {
    match device {
        Device::Vdev(text) | Device::Pci(text) => Value::text(text),
    }
}

/// Addresses, with ranges where they follow each other.
pub(super) fn addresses(addresses: &[Ipv4Addr]) -> Value {
    let runs = addresses.chunk_by(|a, b| a.to_bits().checked_add(1) == Some(b.to_bits()));
    let runs = runs.filter_map(|run| match run {
        [] => None,
        [only] => Some(only.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    });
    Value::List(runs.map(Value::Text).collect())
}

/// CPUs in the order of the file, with ranges where many follow each other.
pub(super) fn workers(workers: &[u32]) -> Value {
    let runs = workers.chunk_by(|a, b| a + 1 == *b);
    let texts = runs.flat_map(|run| match run {
        [first, .., last] if run.len() >= RANGE_MIN => vec![Value::Text(format!("{first}-{last}"))],
        run => run.iter().map(Value::plain).collect(),
    });
    Value::List(texts.collect())
}

/// Transport ports, single ones and ranges.
pub(super) fn port_ranges(ranges: &[RangeInclusive<u16>]) -> Value {
    let text = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
        (first, last) if first == last => Value::plain(first),
        (first, last) => Value::Plain(format!("{first}-{last}")),
    };
    Value::List(ranges.iter().map(text).collect())
}
