//! Rates of one worker and of two, beside twice the one.

use plotters::coord::ranged1d::SegmentValue;
use plotters::prelude::*;

use super::sheet::{self, Area, Fault, GREY, Sheet, color};
use crate::bench::catalogue::Scenario;
use crate::report::run::Run;

/// The plot; none where nothing was measured.
pub(super) fn draw(run: &Run) -> Option<Result<String, Fault>> {
    let rates = rates(run)?;
    let [one, two] = rates;
    let sheet = Sheet {
        title: "FULLNAT in both directions, in memory: packets a second by workers".to_owned(),
        note: format!("Two workers do {:.2} times what one does.", two / one),
        legend: vec![(color(0), "measured".to_owned()), (GREY, "twice one worker".to_owned())],
    };
    Some(sheet.svg(run, |area| chart(area, rates)))
}

/// Of one worker and of two, in millions a second.
fn rates(run: &Run) -> Option<[f64; 2]> {
    let figure = run.figures.iter().find(|figure| figure.scenario == Scenario::TwoWorkers)?;
    let measured = figure.measured()?;
    let one = measured.remark("one worker").filter(|kpps| *kpps > 0.0)? / 1e3;
    Some([one, measured.rate.median])
}

fn chart(area: &Area<'_>, rates: [f64; 2]) -> Result<(), Fault> {
    let [one, two] = rates;
    let most = two.max(2.0 * one);
    // A segmented range has a segment for its end, too.
    let mut chart =
        sheet::chart(area).build_cartesian_2d((1..2_usize).into_segmented(), 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc("workers, each with a CPU, ports and flows of its own")
        .y_desc("million packets a second")
        .x_label_formatter(&|place| match place {
            SegmentValue::CenterOf(count) => count.to_string(),
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        })
        .label_style(sheet::text())
        .light_line_style(WHITE)
        .draw()?;
    chart.draw_series(rates.iter().zip(1..).map(|(rate, count)| {
        let (left, right) = (SegmentValue::Exact(count), SegmentValue::Exact(count + 1));
        let mut bar = Rectangle::new([(left, 0.0), (right, *rate)], color(0).filled());
        bar.set_margin(0, 0, 80, 80);
        bar
    }))?;
    let ideal = [(1, one), (2, 2.0 * one)].map(|(x, y)| (SegmentValue::CenterOf(x), y));
    chart.draw_series(LineSeries::new(ideal, GREY.stroke_width(2)))?;
    Ok(())
}
