//! Reports: the documents of one DocType as columns, or put together by one or two fields with counts and sums, for one reader.

mod json;
mod plan;
mod saved;
mod table;

use serde_json::Value as Json;

pub(crate) use saved::check_runs;
pub(crate) use table::{Points, ReportColumn, ReportTable, is_number};

/// The DocType in which reports are kept.
pub(crate) const REPORT: &str = "Report";
/// The type of reports that run here.
pub(crate) const REPORT_BUILDER: &str = "Report Builder";
/// Fields by which a report puts documents together, at most.
pub(crate) const MOST_GROUPS: usize = 2;
/// Sums and the like of a report, at most.
pub(crate) const MOST_AGGREGATES: usize = 10;
/// Columns of a report, at most.
pub(crate) const MOST_COLUMNS: usize = 60;
/// What stands for the number of documents, where a chart or an order names a column of groups.
pub(crate) const COUNT: &str = "count";

/// What a report shows; everything is checked when it is made.
///
/// Fields are named `field`, `link_field.field`, or `Child DocType.field`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The DocType.
    pub doctype: String,
    /// The columns of rows; without any, the name.
    pub columns: Vec<String>,
    /// The filters, in any shape that lists take.
    pub filters: Json,
    /// Filters of which one must hold.
    pub or_filters: Json,
    /// `"f asc, g desc"`, for rows; groups are in the order of their values or numbers.
    pub order_by: String,
    /// What documents are put together by; nothing for rows.
    pub groups: Vec<String>,
    /// What is computed of each group.
    pub aggregates: Vec<Aggregate>,
    /// A last row with the sums of all.
    pub totals: bool,
    /// The chart.
    pub chart: Option<Chart>,
}

/// Something computed of the documents of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aggregate {
    /// How.
    pub function: Computed,
    /// Of which field.
    pub field: String,
}

/// How a number is computed from several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Computed {
    /// The sum.
    Sum,
    /// The mean.
    Average,
    /// The smallest value.
    Smallest,
    /// The largest value.
    Largest,
}

impl Computed {
    /// Each with its word in addresses and queries, and its label.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Sum, "sum", "Sum"),
        (Self::Average, "avg", "Average"),
        (Self::Smallest, "min", "Smallest"),
        (Self::Largest, "max", "Largest"),
    ];

    /// The word.
    pub(crate) fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(known, ..)| *known == self).map_or("", |(_, word, _)| word)
    }

    /// The label.
    pub(crate) fn label(self) -> &'static str {
        Self::ALL.into_iter().find(|(known, ..)| *known == self).map_or("", |(.., label)| label)
    }

    /// By its word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, known, _)| known.eq_ignore_ascii_case(word.trim()))
            .map(|(computed, ..)| computed)
    }
}

impl Aggregate {
    /// `sum(qty)`
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (function, field) = text.trim().strip_suffix(')')?.split_once('(')?;
        Some(Self { function: Computed::parse(function)?, field: field.trim().to_owned() })
    }
}

impl std::fmt::Display for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.function.word(), self.field)
    }
}

/// The chart of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    /// What it looks like.
    pub kind: ChartKind,
    /// The column of its labels; empty: the groups, or the first column.
    pub by: String,
    /// The column of its numbers: a field, `sum(qty)`, `count`; empty: the first there is.
    pub of: String,
}

/// What a chart looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChartKind {
    /// A bar for each number.
    Bar,
    /// A line from number to number.
    Line,
    /// A slice of a ring for each number.
    Donut,
}

impl ChartKind {
    /// Each with Frappe's name.
    pub(crate) const ALL: [(Self, &'static str); 3] =
        [(Self::Bar, "Bar"), (Self::Line, "Line"), (Self::Donut, "Donut")];

    /// Frappe's name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// By Frappe's name; parts of a whole are a ring here.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = match name.trim().to_lowercase().as_str() {
            "pie" | "percentage" => "donut".to_owned(),
            other => other.to_owned(),
        };
        Self::ALL.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(&name)).map(|(kind, _)| kind)
    }
}
