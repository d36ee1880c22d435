//! Drawing: both axes in powers of ten, and a line that says where and how it was measured.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use plotters::coord::Shift;
use plotters::prelude::*;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The colours of Okabe and Ito, which colour-blind people can distinguish.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 0, 0), RGBColor(0, 158, 115)];

/// The least value that is drawn: a logarithm of 0 is no number.
const LEAST: f64 = 1e-4;

/// A line of a picture: values over a count, both above 0.
#[derive(Debug)]
pub(crate) struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

impl Line {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }

    #[expect(clippy::cast_precision_loss, reason = "there are not that many sources")]
    pub(crate) fn add(&mut self, count: usize, value: f64) {
        self.points.push((count as f64, value));
    }

    /// Prints the line as a row.
    pub(crate) fn print(&self) {
        let points: Vec<_> =
            self.points.iter().map(|(count, value)| format!("{count}: {value:.3}")).collect();
        println!("{}: {}", self.name, points.join(", "));
    }
}

/// Returns the line below a picture: machine, date and command.
pub(crate) fn footer(command: &str) -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let load = read("/proc/loadavg");
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default();
    let shared = if load > 0.7 {
        format!("shared machine of {cores} cores (load {load:.0} by others)")
    } else {
        format!("machine of {cores} cores")
    };
    format!("{model}, {shared}, Linux {kernel}, {}; {command}", today())
}

/// Returns the date, by the calendar of days since 1970.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (mut days, mut year) = (seconds / 86_400, 1970);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

/// Draws the cost of an event over idle sources.
pub(crate) fn draw_sources(path: &Path, lines: &[Line], footer: &str) -> Drawn {
    let area = SVGBackend::new(path, (900, 580)).into_drawing_area();
    area.fill(&WHITE)?;
    let (upper, lower) = area.split_vertically(548);
    let title = "Cost of an event beside idle sources (lower is better)";
    panel(&upper, title, ("idle sources", Some("nanoseconds of CPU time an event")), lines)?;
    note(&lower, footer)?;
    area.present()?;
    Ok(())
}

/// Draws three panels beside each other.
pub(crate) fn draw_panels(
    path: &Path,
    titles: &[&str; 3],
    panels: &[[Line; 2]; 3],
    footer: &str,
) -> Drawn {
    let area = SVGBackend::new(path, (1200, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let (upper, lower) = area.split_vertically(428);
    for ((part, title), lines) in upper.split_evenly((1, 3)).iter().zip(titles).zip(panels) {
        panel(part, title, ("connections", None), lines)?;
    }
    note(&lower, footer)?;
    area.present()?;
    Ok(())
}

/// Writes the line below a picture.
fn note(area: &Area<'_>, text: &str) -> Drawn {
    let style = ("sans-serif", 12).into_font().color(&BLACK.mix(0.7));
    area.draw(&Text::new(text.to_owned(), (16, 8), style))?;
    Ok(())
}

/// Returns the least and the greatest value.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let range = values
        .fold((f64::INFINITY, LEAST), |(least, most), value| (least.min(value), most.max(value)));
    (range.0.max(LEAST), range.1)
}

/// Returns the factor by which an axis goes beyond its lines, for their names.
fn room_for_names(least: f64, most: f64) -> f64 {
    (most / least).powf(0.3).max(2.5)
}

/// Draws some lines, with room around them.
fn panel(
    area: &Area<'_>,
    title: &str,
    (count, value): (&str, Option<&str>),
    lines: &[Line],
) -> Drawn {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (least, most) = range(points().map(|(count, _)| count));
    let horizontal = (least / 1.2)..(most * 1.2);
    let (least, most) = range(points().map(|(_, value)| value));
    let vertical = (least / 1.6)..(most * room_for_names(least, most));
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(if value.is_some() { 72 } else { 56 })
        .build_cartesian_2d(horizontal.log_scale(), vertical.log_scale())?;
    chart
        .configure_mesh()
        .x_desc(count)
        .y_desc(value.unwrap_or_default())
        .x_label_formatter(&|count| format!("{count:.0}"))
        .y_label_formatter(&|value| value.to_string())
        .label_style(("sans-serif", 14))
        .light_line_style(WHITE)
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS) {
        let points = line.points.iter().map(|&(count, value)| (count, value.max(LEAST)));
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(3)));
        chart.draw_series(points.map(|point| Circle::new(point, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.4))
        .label_font(("sans-serif", 14))
        .draw()?;
    Ok(())
}
