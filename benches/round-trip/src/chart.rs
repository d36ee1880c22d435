//! The chart: round trip over idle clients, both in powers of ten.

use std::path::Path;

use plotters::prelude::*;

use crate::IDLE;
use crate::figures::{Figures, Summary};

/// The colours of Okabe and Ito, which colour-blind people can distinguish.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(204, 121, 167),
    RGBColor(150, 150, 150),
    RGBColor(0, 158, 115),
];

/// Draws the medians.
pub(crate) fn draw(
    path: &Path,
    contestants: &[&Figures],
) -> Result<(), Box<dyn std::error::Error>> {
    let lines: Vec<_> = contestants.iter().map(|figures| (figures.name, line(figures))).collect();
    let times = || lines.iter().flat_map(|(_, points)| points.iter().map(|&(_, time)| time));
    let lowest = times().fold(f64::INFINITY, f64::min) / 1.5;
    let highest = times().fold(0.0, f64::max) * 1.5;
    let area = SVGBackend::new(path, (900, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = "Round trip of 64 bytes beside idle connections (lower is better)";
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d((8.0..13_000.0).log_scale(), (lowest..highest).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("idle connections")
        .y_desc("median round trip, microseconds")
        .x_label_formatter(&|idle| format!("{idle:.0}"))
        .y_label_formatter(&|time| format!("{time:.0}"))
        .label_style(("sans-serif", 14))
        .light_line_style(WHITE)
        .draw()?;
    for ((name, points), colour) in lines.iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(3)));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.4))
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Returns the points of a line: idle clients, and the median round trip.
#[expect(clippy::cast_precision_loss, reason = "there are not that many clients")]
fn line(figures: &Figures) -> Vec<(f64, f64)> {
    IDLE.into_iter()
        .zip(&figures.round_trips)
        .filter_map(|(idle, samples)| {
            Summary::of(samples.clone()).map(|of| (idle as f64, of.median))
        })
        .collect()
}
