//! What all plots have in common: size, heading, legend, colours and the way into a document.

use std::io;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

use crate::bench::catalogue::Scenario;
use crate::report::run::Run;

/// A part of a sheet.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Why a plot cannot be drawn.
pub type Fault = DrawingAreaErrorKind<io::Error>;

const SIZE: (u32, u32) = (960, 540);
const HEADING_HEIGHT: u32 = 80;
const LEGEND_WIDTH: u32 = 220;
const LEGEND_LINE_HEIGHT: i32 = 26;
/// Space from the edges.
const MARGIN: i32 = 16;
const FONT: &str = "sans-serif";
const TITLE_SIZE: i32 = 21;
const TEXT_SIZE: i32 = 14;

/// Okabe and Ito's colours, which those with other colour vision can tell apart.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(120, 94, 48),
];

/// The colour of what is not RVS.
pub(super) const GREY: RGBColor = RGBColor(110, 110, 110);

/// The colour of the series at `place`.
pub(super) fn color(place: usize) -> RGBColor {
    COLORS[place % COLORS.len()]
}

/// Text on axes and in legends.
pub(super) fn text() -> TextStyle<'static> {
    (FONT, TEXT_SIZE).into_font().into()
}

/// Heading, and what the legend says: colours and names.
pub(super) struct Sheet {
    /// What is shown.
    pub(super) title: String,
    /// What one has to know to read it.
    pub(super) note: String,
    /// Series by colour and name.
    pub(super) legend: Vec<(RGBColor, String)>,
}

impl Sheet {
    /// Draws the sheet with the facts of the run; `draw` fills the part for the chart.
    pub(super) fn svg(
        &self,
        run: &Run,
        draw: impl FnOnce(&Area<'_>) -> Result<(), Fault>,
    ) -> Result<String, Fault> {
        let mut document = String::new();
        {
            let root = SVGBackend::with_string(&mut document, SIZE).into_drawing_area();
            root.fill(&WHITE)?;
            let (heading, body) = root.split_vertically(HEADING_HEIGHT);
            self.head(&heading, run)?;
            let (chart, legend) = body.split_horizontally(SIZE.0 - LEGEND_WIDTH);
            self.list(&legend)?;
            draw(&chart)?;
            root.present()?;
        }
        Ok(document)
    }

    fn head(&self, area: &Area<'_>, run: &Run) -> Result<(), Fault> {
        let title = TextStyle::from((FONT, TITLE_SIZE).into_font());
        area.draw(&Text::new(self.title.as_str(), (MARGIN, 10), title))?;
        area.draw(&Text::new(self.note.as_str(), (MARGIN, 38), text()))?;
        area.draw(&Text::new(facts(run), (MARGIN, 58), text().color(&GREY)))
    }

    fn list(&self, area: &Area<'_>) -> Result<(), Fault> {
        for (line, (color, name)) in (0..).zip(&self.legend) {
            let y = MARGIN + line * LEGEND_LINE_HEIGHT;
            area.draw(&Rectangle::new([(0, y), (14, y + 14)], color.filled()))?;
            area.draw(&Text::new(name.as_str(), (22, y), text()))?;
        }
        Ok(())
    }
}

/// What the run was measured with.
fn facts(run: &Run) -> String {
    let machine = &run.machine;
    let revision = machine.revision.as_deref().unwrap_or("unknown");
    let quick = if run.settings.quick { ", quick run" } else { "" };
    let day = run.began.split('T').next().unwrap_or_default();
    let (cpu, mhz, dpdk) = (&machine.cpu, machine.tsc_mhz, &machine.dpdk);
    format!("{cpu}, TSC {mhz:.0} MHz, {dpdk}; revision {revision}, {day}{quick}")
}

/// A note on the invalid figures among those that `is_shown` names; empty if there are none.
pub(super) fn missing(run: &Run, is_shown: impl Fn(&Scenario) -> bool) -> String {
    let shown = run.figures.iter().filter(|figure| is_shown(&figure.scenario));
    match shown.filter(|figure| figure.measured().is_none()).count() {
        0 => String::new(),
        1 => " 1 invalid figure is missing.".to_owned(),
        count => format!(" {count} invalid figures are missing."),
    }
}

/// A chart with room for the labels of its axes.
pub(super) fn chart<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin(MARGIN).x_label_area_size(50).y_label_area_size(110);
    chart
}
