//! Rates of established flows by how many there are, a line for each kind of packets, and the
//! ceiling.

use std::collections::BTreeMap;

use plotters::prelude::*;

use super::sheet::{self, Area, Fault, GREY, Sheet, color, missing};
use crate::bench::catalogue::{LinkKind, Scenario, Short};
use crate::bench::outcome::Spread;
use crate::report::figure::packets;
use crate::report::run::Run;

/// Room beside the first and the last point, as factors since the axis is logarithmic.
const ROOM: (f64, f64) = (0.6, 1.7);

/// One kind of packets.
struct Line {
    name: String,
    color: RGBColor,
    /// By the number of flows.
    rates: BTreeMap<u32, Spread>,
}

/// The plot of one link; none where nothing was measured.
pub(super) fn draw(run: &Run, link: LinkKind) -> Option<Result<String, Fault>> {
    let lines = lines(run, link);
    if lines.is_empty() {
        return None;
    }
    let is_shown = |scenario: &Scenario| {
        let established = matches!(scenario, Scenario::Established { .. });
        established && scenario.link() == link
    };
    let sheet = Sheet {
        title: format!("Established flows, {link}: packets a second of one worker"),
        note: format!(
            "Medians, with least and most of {} rounds; grey: the MAC swap in the same \
             rounds, median of all.{}",
            run.settings.rounds,
            missing(run, is_shown)
        ),
        legend: lines.iter().map(|line| (line.color, line.name.clone())).collect(),
    };
    Some(sheet.svg(run, |area| chart(area, &lines)))
}

/// The ceiling first, then all kinds of packets; empty if there are none.
fn lines(run: &Run, link: LinkKind) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut ceilings: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for figure in &run.figures {
        let Scenario::Established { link: place, mode, kind, flows } = figure.scenario else {
            continue;
        };
        let Some(measured) = figure.measured().filter(|_| place == link) else { continue };
        let name = packets(mode, kind);
        if let Some(ceiling) = measured.ceiling {
            ceilings.entry(flows).or_default().push(ceiling.median);
        }
        if let Some(line) = lines.iter_mut().find(|line| line.name == name) {
            line.rates.insert(flows, measured.rate);
        } else {
            let (color, rates) = (color(lines.len()), BTreeMap::from([(flows, measured.rate)]));
            lines.push(Line { name, color, rates });
        }
    }
    let ceilings = ceilings.into_iter().filter_map(|(flows, rates)| {
        let median = Spread::of(rates)?.median;
        Some((flows, Spread { median, least: median, most: median }))
    });
    if !lines.is_empty() {
        let ceiling = Line { name: "MAC swap".to_owned(), color: GREY, rates: ceilings.collect() };
        lines.insert(0, ceiling);
    }
    lines
}

fn chart(area: &Area<'_>, lines: &[Line]) -> Result<(), Fault> {
    let all = || lines.iter().flat_map(|line| &line.rates);
    let flows = || all().map(|(flows, _)| f64::from(*flows));
    let (fewest, most_flows) = (flows().fold(f64::INFINITY, f64::min), flows().fold(1.0, f64::max));
    let most = all().map(|(_, rate)| rate.most).fold(0.0, f64::max);
    let x = (fewest * ROOM.0..most_flows * ROOM.1).log_scale();
    let mut chart = sheet::chart(area).build_cartesian_2d(x, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("flows, in random order")
        .y_desc("million packets a second")
        .x_label_formatter(&|flows| short(*flows))
        .label_style(sheet::text())
        .light_line_style(WHITE)
        .draw()?;
    for Line { color, rates, .. } in lines {
        let style = color.stroke_width(2);
        let points = || rates.iter().map(|(flows, rate)| (f64::from(*flows), rate));
        let medians = points().map(|(flows, rate)| (flows, rate.median));
        chart.draw_series(LineSeries::new(medians.clone(), style))?;
        chart.draw_series(medians.map(|point| Circle::new(point, 4, color.filled())))?;
        chart.draw_series(points().map(|(flows, rate)| {
            PathElement::new([(flows, rate.least), (flows, rate.most)], color.stroke_width(1))
        }))?;
    }
    Ok(())
}

/// Flows as on an axis: 10k, 1M.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "powers of ten")]
fn short(flows: f64) -> String {
    Short(flows.round() as u32).to_string()
}
