//! What a new configuration has changed, in words.

use crate::api::proto::{Applied, Tally};
use crate::check::counted;

/// What was changed, in one sentence, then who runs it, then any warnings.
pub(crate) fn summary(applied: &Applied) -> Vec<String> {
    let parts = tallies(applied.services, applied.real_servers, applied.routes, applied.settings);
    let changed = if parts.is_empty() {
        "nothing differs from what runs already".to_owned()
    } else {
        parts.join("; ")
    };
    let generation = applied.generation;
    let running = match applied.workers {
        1 => format!("the worker runs generation {generation}"),
        count => format!("all {count} workers run generation {generation}"),
    };
    let warnings = applied.warnings.iter().map(|warning| format!("warning: {warning}"));
    [changed, running].into_iter().chain(warnings).collect()
}

/// How many were added, removed and changed, where any were.
pub(crate) fn tallies(
    services: Tally,
    real_servers: Tally,
    routes: Tally,
    settings: usize,
) -> Vec<String> {
    let all = [("services", services), ("real servers", real_servers), ("routes", routes)];
    let mut parts: Vec<_> =
        all.into_iter().filter_map(|(noun, tally)| words(noun, tally)).collect();
    if settings > 0 {
        parts.push(format!("{} changed", counted(settings, "setting")));
    }
    parts
}

/// `services: 1 added, 2 changed`; `None` if nothing did.
fn words(noun: &str, tally: Tally) -> Option<String> {
    let counts = [(tally.added, "added"), (tally.removed, "removed"), (tally.changed, "changed")];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!counts.is_empty()).then(|| format!("{noun}: {}", counts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let mut applied = Applied {
            generation: 7,
            workers: 4,
            services: Tally { added: 1, removed: 0, changed: 2 },
            real_servers: Tally { added: 10, removed: 3, changed: 0 },
            routes: Tally::default(),
            settings: 1,
            warnings: vec!["mind the gap".to_owned()],
        };
        let expected = [
            "services: 1 added, 2 changed; real servers: 10 added, 3 removed; 1 setting changed",
            "all 4 workers run generation 7",
            "warning: mind the gap",
        ];
        assert_eq!(summary(&applied), expected);
        applied = Applied {
            workers: 1,
            services: Tally::default(),
            real_servers: Tally::default(),
            settings: 0,
            warnings: Vec::new(),
            ..applied
        };
        let expected = ["nothing differs from what runs already", "the worker runs generation 7"];
        assert_eq!(summary(&applied), expected);
    }
}
