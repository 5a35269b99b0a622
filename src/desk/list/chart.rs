//! A chart as SVG: where its bars, lines and slices are. Sizes along the width are percentages, so that text keeps its size on
//! every screen; colours are classes.

use serde::Serialize;

use crate::document::report::{ChartKind, Points};
use crate::meta::Value;

/// The height of a bar with its label, in pixels.
const BAR_STEP: f64 = 40.0;
/// The height of the area of a line, and what is above and below it.
const LINE: (f64, f64, f64) = (220.0, 16.0, 34.0);
/// How many labels stand below a line.
const MOST_LABELS: usize = 6;
/// Letters of a label at most.
const LONGEST: usize = 40;
/// How many colours there are for slices.
const COLOURS: usize = 8;

/// What `desk/chart.hbs` places.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct ChartView {
    /// `Sum of Total by Customer`
    pub title: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The height in pixels.
    pub height: f64,
    /// Bars from top to bottom.
    pub bars: Vec<BarView>,
    /// Pieces of a line from left to right.
    pub pieces: Vec<PieceView>,
    /// Its points.
    pub dots: Vec<DotView>,
    /// Lines across, with the value that each stands for.
    pub ticks: Vec<TextView>,
    /// What stands below it.
    pub labels: Vec<TextView>,
    /// Slices of a ring.
    pub slices: Vec<SliceView>,
    /// There is more than is drawn.
    pub is_cut: bool,
}

/// A bar.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct BarView {
    /// Where its label stands.
    pub text_y: f64,
    /// Where it begins from the top.
    pub y: f64,
    /// Where it begins, as a percentage.
    pub x: f64,
    /// How long it is, as a percentage.
    pub width: f64,
    /// Its label.
    pub label: String,
    /// Its number.
    pub value: String,
    /// The number is below zero.
    pub below: bool,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PieceView {
    /// Where it begins, as a percentage.
    pub x1: f64,
    /// The same from the top.
    pub y1: f64,
    /// Where it ends.
    pub x2: f64,
    /// The same from the top.
    pub y2: f64,
}

/// A point of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct DotView {
    /// Where it is, as a percentage.
    pub x: f64,
    /// The same from the top.
    pub y: f64,
    /// Its label and number.
    pub label: String,
}

/// A text at a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TextView {
    /// Where it is, as a percentage.
    pub x: f64,
    /// The same from the top.
    pub y: f64,
    /// The text.
    pub text: String,
    /// `start`, `middle` or `end`.
    pub anchor: &'static str,
}

/// A slice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SliceView {
    /// Its colour, from 1.
    pub colour: usize,
    /// Its share, as a percentage.
    pub share: f64,
    /// What comes before it, as a percentage, below zero.
    pub offset: f64,
    /// Its label.
    pub label: String,
    /// Its number.
    pub value: String,
    /// `12.5%`
    pub percent: String,
}

impl ChartView {
    /// The chart of these points, of which there is at least one.
    pub(super) fn of(kind: ChartKind, points: &Points) -> Self {
        let say = |number: f64| points.column.display(&Value::Float(number));
        let largest = points.values.iter().max_by(|(_, one), (_, other)| one.total_cmp(other));
        let smallest = points.values.iter().min_by(|(_, one), (_, other)| one.total_cmp(other));
        let extreme = |word: &str, point: Option<&(String, f64)>| {
            point.map(|(label, value)| format!(" {word}: {label}, {}.", say(*value))).unwrap_or_default()
        };
        let chart = Self {
            title: format!("{} by {}", points.of, points.by),
            description: format!(
                "{} chart of {} values.{}{} The table below has all numbers.",
                kind.name(),
                points.values.len(),
                extreme("Largest", largest),
                extreme("Smallest", smallest)
            ),
            is_cut: points.is_cut,
            ..Self::default()
        };
        match kind {
            ChartKind::Bar => chart.with_bars(points, &say),
            ChartKind::Line => chart.with_line(points, &say),
            ChartKind::Donut => chart.with_slices(points, &say),
        }
    }

    fn with_bars(mut self, points: &Points, say: &dyn Fn(f64) -> String) -> Self {
        let (low, high) = span(points);
        let share = |value: f64| (value - low) / (high - low) * 100.0;
        let mut top = 0.0;
        for (label, value) in &points.values {
            self.bars.push(BarView {
                text_y: top + 14.0,
                y: top + 20.0,
                x: round(share(value.min(0.0))),
                width: round((share(*value) - share(0.0)).abs()),
                label: short(label),
                value: say(*value),
                below: *value < 0.0,
            });
            top += BAR_STEP;
        }
        self.height = top;
        self
    }

    fn with_line(mut self, points: &Points, say: &dyn Fn(f64) -> String) -> Self {
        let (low, high) = span(points);
        let (area, above, below) = LINE;
        self.height = area + above + below;
        let y = |value: f64| round(above + area - (value - low) / (high - low) * area);
        let last = points.values.len() - 1;
        // A margin of two hundredths on both sides, for the points.
        let x = |at: usize| if last == 0 { 50.0 } else { round(2.0 + ratio(at, last) * 96.0) };
        for quarter in 0..=4 {
            let value = low + (high - low) * ratio(quarter, 4);
            self.ticks.push(TextView { x: 0.0, y: y(value), text: say(rounded(value, high - low)), anchor: "start" });
        }
        let step = points.values.len().div_ceil(MOST_LABELS).max(1);
        for (at, (label, value)) in points.values.iter().enumerate() {
            self.dots.push(DotView { x: x(at), y: y(*value), label: format!("{}: {}", short(label), say(*value)) });
            if at > 0 {
                let before = points.values[at - 1].1;
                self.pieces.push(PieceView { x1: x(at - 1), y1: y(before), x2: x(at), y2: y(*value) });
            }
            if at.is_multiple_of(step) {
                let anchor = if last > 0 && at == 0 {
                    "start"
                } else if last > 0 && at == last {
                    "end"
                } else {
                    "middle"
                };
                self.labels.push(TextView { x: x(at), y: self.height - 10.0, text: short(label), anchor });
            }
        }
        self
    }

    fn with_slices(mut self, points: &Points, say: &dyn Fn(f64) -> String) -> Self {
        let whole: f64 = points.values.iter().map(|(_, value)| value).sum();
        let mut before = 0.0;
        for (at, (label, value)) in points.values.iter().enumerate() {
            let share = value / whole * 100.0;
            self.slices.push(SliceView {
                colour: at % COLOURS + 1,
                share: round(share),
                offset: round(-before),
                label: label.clone(),
                value: say(*value),
                percent: format!("{}%", (share * 10.0).round() / 10.0),
            });
            before += share;
        }
        self
    }
}

/// From the smallest value to the largest, with zero among them.
fn span(points: &Points) -> (f64, f64) {
    let values = || points.values.iter().map(|(_, value)| *value);
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    if high > low { (low, high) } else { (low, low + 1.0) }
}

#[expect(clippy::cast_precision_loss, reason = "a few points")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0 + 0.0
}

/// A value of an axis with as many places as its span makes sense of.
fn rounded(value: f64, span: f64) -> f64 {
    let places = (2.0 - span.abs().log10().floor()).clamp(0.0, 9.0);
    let scale = 10_f64.powf(places);
    (value * scale).round() / scale + 0.0
}

fn short(label: &str) -> String {
    match label.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &label[..end]),
        None => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::report::ReportColumn;

    fn points(values: &[(&str, f64)]) -> Points {
        Points {
            by: "Customer".to_owned(),
            of: "Documents".to_owned(),
            values: values.iter().map(|(label, value)| ((*label).to_owned(), *value)).collect(),
            column: ReportColumn::count(),
            is_cut: false,
        }
    }

    #[test]
    fn bars_begin_at_zero_on_either_side() {
        let chart = ChartView::of(ChartKind::Bar, &points(&[("a", 3.0), ("b", -1.0), ("c", 0.0)]));
        let bars: Vec<(f64, f64, bool)> = chart.bars.iter().map(|bar| (bar.x, bar.width, bar.below)).collect();
        assert_eq!(bars, [(25.0, 75.0, false), (0.0, 25.0, true), (25.0, 0.0, false)]);
        assert!(chart.description.contains("Largest: a, 3. Smallest: b, -1."), "{}", chart.description);
    }

    #[test]
    fn a_line_goes_from_the_first_point_to_the_last() {
        let chart = ChartView::of(ChartKind::Line, &points(&[("a", 0.0), ("b", 10.0), ("c", 5.0)]));
        let dots: Vec<(f64, f64)> = chart.dots.iter().map(|dot| (dot.x, dot.y)).collect();
        assert_eq!(dots, [(2.0, 236.0), (50.0, 16.0), (98.0, 126.0)]);
        assert_eq!(chart.pieces.len(), 2);
        assert_eq!(
            chart.ticks.iter().map(|tick| tick.text.as_str()).collect::<Vec<_>>(),
            ["0", "2.5", "5", "7.5", "10"]
        );
        let one = ChartView::of(ChartKind::Line, &points(&[("a", 0.0)]));
        assert_eq!((one.dots.len(), one.dots[0].x), (1, 50.0));
    }

    #[test]
    fn slices_make_a_whole() {
        let chart = ChartView::of(ChartKind::Donut, &points(&[("a", 3.0), ("b", 1.0)]));
        let slices: Vec<(f64, f64, &str)> =
            chart.slices.iter().map(|slice| (slice.share, slice.offset, slice.percent.as_str())).collect();
        assert_eq!(slices, [(75.0, 0.0, "75%"), (25.0, -75.0, "25%")]);
    }
}
