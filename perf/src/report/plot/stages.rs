//! Cycles of a packet by stage, a bar for each mode and number of flows.

use plotters::coord::ranged1d::SegmentValue;
use plotters::prelude::*;

use super::sheet::{self, Area, Fault, GREY, Sheet, color, missing};
use crate::bench::catalogue::{Scenario, Short};
use crate::bench::stages::STAGES;
use crate::report::figure::Figure;
use crate::report::run::Run;

/// One scenario.
struct Bar {
    name: String,
    cycles: [f64; STAGES.len()],
}

/// The plot; none where nothing was measured.
pub(super) fn draw(run: &Run) -> Option<Result<String, Fault>> {
    let bars: Vec<Bar> = run.figures.iter().filter_map(bar).collect();
    if bars.is_empty() {
        return None;
    }
    let is_shown = |scenario: &Scenario| matches!(scenario, Scenario::Stages { .. });
    let colors = (0..STAGES.len()).map(stage_color);
    let sheet = Sheet {
        title: "Requests of established flows in memory: cycles by stage".to_owned(),
        note: format!(
            "A stage is a loop with it, less the loop without it. Waits for memory overlap, and \
             count where they first show.{}",
            missing(run, is_shown)
        ),
        legend: colors.zip(STAGES.map(describe)).collect(),
    };
    Some(sheet.svg(run, |area| chart(area, &bars)))
}

fn bar(figure: &Figure) -> Option<Bar> {
    let Scenario::Stages { mode, flows } = figure.scenario else { return None };
    let measured = figure.measured()?;
    // What is within the noise may come out below nothing.
    let cycles = STAGES.map(|stage| measured.remark(stage).unwrap_or(0.0).max(0.0));
    Some(Bar { name: format!("{} {}", mode.name().to_uppercase(), Short(flows)), cycles })
}

/// The first stage is what is not RVS.
fn stage_color(stage: usize) -> RGBColor {
    if stage == 0 { GREY } else { color(stage - 1) }
}

fn describe(stage: &str) -> String {
    match stage {
        "ports" => "ports: rx, MAC swap, tx".to_owned(),
        "forward" => "forward: all the rest".to_owned(),
        other => other.to_owned(),
    }
}

fn chart(area: &Area<'_>, bars: &[Bar]) -> Result<(), Fault> {
    let longest = bars.iter().map(|bar| bar.cycles.iter().sum()).fold(0.0, f64::max);
    // Segments count upwards; the first bar is to be the topmost.
    let rows: Vec<&Bar> = bars.iter().rev().collect();
    // A segmented range has a segment for its end, too, and no height with a single one.
    let last = rows.len().saturating_sub(1).max(1);
    let segments = (0..last).into_segmented();
    let mut chart = sheet::chart(area).build_cartesian_2d(0.0..longest * 1.1, segments)?;
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => rows.get(*place).map(|row| row.name.clone()),
        SegmentValue::Exact(_) | SegmentValue::Last => None,
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_desc("cycles per packet")
        .y_labels(rows.len())
        .y_label_formatter(&|place| name(place).unwrap_or_default())
        .label_style(sheet::text())
        .light_line_style(WHITE)
        .draw()?;
    for stage in 0..STAGES.len() {
        chart.draw_series(rows.iter().enumerate().map(|(place, row)| {
            let from: f64 = row.cycles[..stage].iter().sum();
            let to = from + row.cycles[stage];
            let (low, high) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
            let mut part = Rectangle::new([(from, low), (to, high)], stage_color(stage).filled());
            part.set_margin(6, 6, 0, 0);
            part
        }))?;
    }
    Ok(())
}
