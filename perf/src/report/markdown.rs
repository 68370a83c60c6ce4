//! The tables of a run as Markdown: what `docs/PERFORMANCE.md` shows of a results file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::figure::{Figure, Finding, Measured, packets};
use super::run::Run;
use crate::bench::catalogue::{LinkKind, Scenario, Short};
use crate::bench::stages::STAGES;
use crate::generator::sizes::FrameSizes;

/// What the run was measured with, and all its tables, each under its heading. What was not
/// measured has no table.
#[must_use]
pub fn page(run: &Run) -> String {
    let parts = [
        facts(run),
        established(run, LinkKind::Memory, "The packet path alone"),
        established(run, LinkKind::Memif, "Between two processes"),
        stages(run),
        others(run),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// What one has to know of the run.
fn facts(run: &Run) -> String {
    let (machine, settings) = (&run.machine, &run.settings);
    let pages = if machine.huge_pages { "huge pages" } else { "ordinary pages" };
    let pinned = if machine.pinned { "" } else { ", not pinned" };
    let revision = machine.revision.as_deref().unwrap_or("unknown");
    let mut text = format!(
        "{}, {} CPUs, TSC {:.0} MHz, {} MiB; Linux {}, {}; buffers and tables in {pages}{pinned}; \
         revision {revision}, {}, {} rounds.\n",
        escape(&machine.cpu),
        machine.cpus,
        machine.tsc_mhz,
        machine.memory_mib,
        escape(&machine.kernel),
        escape(&machine.dpdk),
        escape(&run.began),
        settings.rounds,
    );
    for note in &run.notes {
        let _ = writeln!(text, "{}", escape(note));
    }
    if !run.is_complete() {
        let (done, planned) = (run.figures.len(), run.planned);
        let _ = writeln!(text, "The run ended after {done} of {planned} scenarios.");
    }
    text
}

/// Established flows over one link: kinds of packets down, numbers of flows across.
fn established(run: &Run, link: LinkKind, heading: &str) -> String {
    let mut cells: Vec<(String, u32, &Figure)> = Vec::new();
    for figure in &run.figures {
        if let Scenario::Established { link: place, mode, kind, flows } = figure.scenario
            && place == link
        {
            cells.push((packets(mode, kind), flows, figure));
        }
    }
    let numbers: BTreeSet<u32> = cells.iter().map(|(_, flows, _)| *flows).collect();
    let mut kinds: Vec<&str> = Vec::new();
    for (kind, ..) in &cells {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return String::new();
    }
    let sizes = match link {
        LinkKind::Memif => run.settings.frame_size,
        LinkKind::Memory => FrameSizes::SHORTEST,
    };
    let frames = sizes.describe();
    let mut text = format!(
        "### {heading}\n\nEstablished flows, {link}, {frames}. Millions of packets a \
         second (least to most), cycles for each, and the share of the MAC swap.\n\n"
    );
    let names = numbers.iter().map(|flows| match flows {
        1 => "1 flow".to_owned(),
        flows => format!("{} flows", Short(*flows)),
    });
    head(&mut text, std::iter::once("packets".to_owned()).chain(names));
    for kind in kinds {
        let cell = |flows: &u32| {
            let known = cells.iter().find(|(name, number, _)| name == kind && number == flows);
            known.map_or_else(|| "-".to_owned(), |(.., figure)| cell(figure))
        };
        row(&mut text, std::iter::once(kind.to_owned()).chain(numbers.iter().map(cell)));
    }
    text.push_str(&reasons(cells.iter().map(|(.., figure)| *figure)));
    text
}

fn cell(figure: &Figure) -> String {
    let Some(measured) = figure.measured() else { return "invalid".to_owned() };
    let Measured { rate, cycles, .. } = measured;
    let share =
        measured.share.map_or_else(String::new, |share| format!(", {:.0} %", share * 100.0));
    format!("**{:.2}** ({:.2}-{:.2}), {cycles:.0}{share}", rate.median, rate.least, rate.most)
}

/// Cycles of each stage.
fn stages(run: &Run) -> String {
    let is_shown = |figure: &&Figure| matches!(figure.scenario, Scenario::Stages { .. });
    let figures: Vec<&Figure> = run.figures.iter().filter(is_shown).collect();
    if figures.is_empty() {
        return String::new();
    }
    let mut text = "### Cycles by stage\n\nRequests of established flows in memory; cycles per \
                    packet.\n\n"
        .to_owned();
    let names = ["requests"].into_iter().chain(STAGES).chain(["all"]);
    head(&mut text, names.map(str::to_owned));
    for figure in &figures {
        let Scenario::Stages { mode, flows } = figure.scenario else { continue };
        let name = format!("{}, {} flows", mode.name().to_uppercase(), Short(flows));
        let number = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
        };
        let measured = figure.measured();
        let parts = STAGES.map(|stage| number(measured.and_then(|found| found.remark(stage))));
        let whole =
            measured.map_or_else(|| "invalid".to_owned(), |found| number(Some(found.cycles)));
        row(&mut text, std::iter::once(name).chain(parts).chain([whole]));
    }
    text.push_str(&reasons(figures.into_iter()));
    text
}

/// One row for each of the other scenarios.
fn others(run: &Run) -> String {
    let is_other = |figure: &&Figure| {
        !matches!(figure.scenario, Scenario::Established { .. } | Scenario::Stages { .. })
    };
    let mut text = String::new();
    for figure in run.figures.iter().filter(is_other) {
        if text.is_empty() {
            text.push_str(
                "### New flows, connections, floods, tables, workers, reload, scrape\n\n",
            );
            let names = ["scenario", "median", "least to most", "cycles", "besides"];
            head(&mut text, names.map(str::to_owned).into_iter());
        }
        let name = figure.scenario.to_string();
        let cells = match &figure.finding {
            Finding::Invalid(why) => {
                [name, "invalid".to_owned(), "-".to_owned(), "-".to_owned(), escape(why)]
            }
            Finding::Measured(measured) => {
                let (rate, unit) = (measured.rate, measured.unit.name());
                let remarks: Vec<String> =
                    measured.remarks.iter().map(ToString::to_string).collect();
                [
                    name,
                    format!("**{:.2}** {unit}", rate.median),
                    format!("{:.2}-{:.2}", rate.least, rate.most),
                    format!("{:.0}", measured.cycles),
                    escape(&remarks.join("; ")),
                ]
            }
        };
        row(&mut text, cells.into_iter());
    }
    text
}

/// Why figures of a table are invalid.
fn reasons<'a>(figures: impl Iterator<Item = &'a Figure>) -> String {
    let mut text = String::new();
    for figure in figures {
        if let Finding::Invalid(why) = &figure.finding {
            let _ = write!(text, "\n`{}` is invalid: {}\n", figure.scenario, escape(why));
        }
    }
    text
}

fn head(text: &mut String, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    let rules = "---|".repeat(names.len());
    row(text, names.into_iter());
    let _ = writeln!(text, "|{rules}");
}

fn row(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// Text from elsewhere that must stay text: it neither ends a cell nor becomes markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => escaped.push(' '),
            '|' | '*' | '_' | '`' | '<' | '>' | '\\' | '[' | ']' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::tests::example;

    /// Columns of a line of a table.
    fn columns(line: &str) -> usize {
        line.replace("\\|", "").matches('|').count()
    }

    #[test]
    fn every_figure_has_its_place_in_a_table() {
        let text = page(&example());
        for part in [
            "Example CPU \\<x\\> & Co",
            "### The packet path alone\n\nEstablished flows, memory, 64-byte frames.",
            "### Between two processes\n\nEstablished flows, memif, 64-byte frames.",
            "| packets | 1 flow | 10k flows | 1M flows |\n|---|---|---|---|\n| DR requests |",
            "| FULLNAT both | **20.00** (18.00-22.00), 135, 50 % | **18.00** (16.20-19.80), 150,",
            "| requests | ports | parse | look up | forward | all |",
            "| FULLNAT, 1M flows | 45 | 15 | 70 | 55 | 169 |",
            "| memory/connections/fullnat | **1.50** Mpps | 1.35-1.65 | 1800 |  |",
            "| memory/two-workers | **17.80** Mpps | 16.02-19.58 | 152 | one worker 9000 kpps |",
            "| memory/fill/100 | invalid | - | - | 3 of 10 packets were lost |",
            "revision abcdef0",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
    }

    #[test]
    fn all_rows_of_a_table_have_the_same_columns() {
        let mut run = example();
        for figure in &mut run.figures {
            if figure.scenario.to_string() == "memory/connections/fullnat" {
                figure.finding = Finding::Invalid("a | b\nc".to_owned());
            }
        }
        let (mut known, mut rows) = (None, 0);
        for line in page(&run).lines() {
            if !line.starts_with('|') {
                known = None;
                continue;
            }
            rows += 1;
            assert_eq!(*known.get_or_insert_with(|| columns(line)), columns(line), "{line}");
        }
        assert!(rows > 15, "{rows}");
    }

    #[test]
    fn an_invalid_figure_says_why_below_its_table() {
        let mut run = example();
        run.figures[0].finding = Finding::Invalid("2 of 9 were lost".to_owned());
        let name = run.figures[0].scenario.to_string();
        let text = page(&run);
        assert!(text.contains("| DR requests | invalid |"), "{text}");
        assert!(text.contains(&format!("`{name}` is invalid: 2 of 9 were lost\n")), "{text}");
    }

    #[test]
    fn what_was_not_measured_has_no_table_and_an_interrupted_run_says_so() {
        let mut run = example();
        run.figures.retain(|figure| figure.scenario == Scenario::TwoWorkers);
        let text = page(&run);
        assert_eq!(text.matches("###").count(), 1, "{text}");
        assert!(text.contains(&format!("The run ended after 1 of {} scenarios.", run.planned)));
    }
}
