//! Numbers that can be read at a glance: three digits and a unit.

const STEPS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// A count: `999`, `1.23 k`, `45.6 M`.
pub(super) fn count(number: u64) -> String {
    let (digits, step) = rounded(number);
    if step.is_empty() { digits } else { format!("{digits} {step}") }
}

/// Bytes: `999 B`, `1.23 kB`, `45.6 MB`, in steps of a thousand.
pub(super) fn bytes(number: u64) -> String {
    let (digits, step) = rounded(number);
    format!("{digits} {step}B")
}

/// Three digits, rounded down, and the step of a thousand that they are of.
fn rounded(number: u64) -> (String, &'static str) {
    let (mut unit, mut step) = (1_u64, 0);
    while number / unit >= 1000 {
        unit *= 1000;
        step += 1;
    }
    let step = STEPS.get(step).copied().unwrap_or_default();
    let (whole, rest) = (number / unit, number % unit);
    let digits = match whole {
        _ if unit == 1 => whole.to_string(),
        0..10 => format!("{whole}.{:02}", rest / (unit / 100)),
        10..100 => format!("{whole}.{}", rest / (unit / 10)),
        _ => whole.to_string(),
    };
    (digits, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_kept_and_never_more_is_said_than_there_is() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 k"),
            (1_239, "1.23 k"),
            (45_699, "45.6 k"),
            (999_999, "999 k"),
            (1_000_000, "1.00 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(count(number), expected);
        }
        assert_eq!((bytes(7), bytes(1_500_000)), ("7 B".to_owned(), "1.50 MB".to_owned()));
    }
}
