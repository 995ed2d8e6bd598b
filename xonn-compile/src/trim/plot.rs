//! The curve of a trimming: accuracy against AND gates, as SVG.

use plotters::prelude::*;

use super::report::{Report, State};

/// Size in pixels.
const SIZE: (u32, u32) = (760, 460);

/// Dark enough on white, and apart for people who see few colours.
const RANKING: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const VERIFICATION: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const GRAY: RGBColor = RGBColor(0x66, 0x66, 0x66);

/// The drawing could not be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the curve cannot be drawn: {reason}")]
pub struct PlotError {
    /// Why.
    pub reason: String,
}

/// Draws the curve: the model as it came, the exact phase, every step of the ranked phase; the floor is
/// dashed.
///
/// # Errors
/// [`PlotError`].
pub fn svg(report: &Report) -> Result<String, PlotError> {
    let mut text = String::new();
    draw(report, &mut text).map_err(|e| PlotError { reason: e.to_string() })?;
    Ok(text)
}

/// AND gates in thousands, and accuracy in per cent.
type Point = (f64, f64);

fn points(report: &Report, accuracy: impl Fn(&State) -> f64) -> Vec<Point> {
    let ranked = report.steps.iter().map(|step| State {
        ands: step.ands,
        bytes: 0,
        ranking: step.ranking,
        verification: step.verification,
    });
    let states = [report.before, report.exact].into_iter().chain(ranked);
    states.map(|state| (state.ands as f64 / 1e3, 100.0 * accuracy(&state))).collect()
}

fn draw(report: &Report, out: &mut String) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let curves = [
        ("ranking half", RANKING, points(report, |state| state.ranking)),
        ("verification half", VERIFICATION, points(report, |state| state.verification)),
    ];
    let all: Vec<Point> = curves.iter().flat_map(|(.., points)| points.clone()).collect();
    let floor = report.floor.map(|floor| 100.0 * floor);
    let ands = bounds(all.iter().map(|p| p.0), 0.04);
    let accuracies = bounds(all.iter().map(|p| p.1).chain(floor), 0.08);
    // No more than all are right; the line at the top keeps its width.
    let accuracies = (accuracies.0, accuracies.1.min(100.005));
    let (ands_span, accuracy_span) = (ands.1 - ands.0, accuracies.1 - accuracies.0);
    let root = SVGBackend::with_string(out, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(18)
        .caption("accuracy and cost while trimming", ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(62)
        // Trimming goes to the right: from the large network to the small one.
        .build_cartesian_2d(ands.1..ands.0, accuracies.0..accuracies.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xe2, 0xe2, 0xe2))
        .axis_style(GRAY)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .x_desc("AND gates, thousands")
        .y_desc("accuracy, %")
        .x_labels(8)
        .x_label_formatter(&|ands| figure(*ands, ticks(ands_span, 8)))
        .y_label_formatter(&|accuracy| figure(*accuracy, ticks(accuracy_span, 8)))
        .y_labels(8)
        .draw()?;
    if let Some(floor) = floor {
        let line = [(ands.1, floor), (ands.0, floor)];
        chart
            .draw_series(DashedLineSeries::new(line, 6, 5, GRAY.stroke_width(1)))?
            .label(format!("floor, {floor:.2} %"))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], GRAY.stroke_width(1)));
    }
    for (name, colour, points) in curves {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|&p| Circle::new(p, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(0xc8, 0xc8, 0xc8))
        .label_font(("sans-serif", 13))
        .draw()?;
    root.present()
}

/// Decimals that keep `count` labels over a span apart.
fn ticks(span: f64, count: u32) -> usize {
    (-(span / f64::from(count)).log10().floor()).clamp(0.0, 6.0) as usize
}

fn figure(number: f64, decimals: usize) -> String {
    format!("{number:.decimals$}")
}

/// The smallest and largest number, with a margin; never empty.
fn bounds(numbers: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (lo, hi) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| (lo.min(x), hi.max(x)));
    let space = ((hi - lo) * margin).max(0.05);
    (lo - space, hi + space)
}
