//! The columns and rows of a report.

use crate::document::List;
use crate::document::report::plan::{NAME, key};
use crate::document::report::{Aggregate, COUNT, Chart, ChartKind, Computed, Report};
use crate::error::{Error, Result};
use crate::meta::doctype::unscrub;
use crate::meta::{DocField, DocType, Fieldtype, Registry, Value, fieldtype};

/// The types of fields that are summed.
const NUMBER_TYPES: [Fieldtype; 6] = [
    Fieldtype::Int,
    Fieldtype::LongInt,
    Fieldtype::Float,
    Fieldtype::Currency,
    Fieldtype::Percent,
    Fieldtype::Duration,
];

/// Places of a mean as people read it, unless its field says how many.
const MEAN_PLACES: u8 = 3;

/// Whether fields of the type are summed.
pub(crate) fn is_number(fieldtype: Fieldtype) -> bool {
    NUMBER_TYPES.contains(&fieldtype)
}

/// Columns that documents have beside their fields, with their labels and types.
const STANDARD: [(&str, &str, Fieldtype); 6] = [
    ("name", "Name", Fieldtype::Data),
    ("owner", "Created By", Fieldtype::Data),
    ("creation", "Created", Fieldtype::Datetime),
    ("modified", "Changed", Fieldtype::Datetime),
    ("modified_by", "Changed By", Fieldtype::Data),
    ("docstatus", "Document Status", Fieldtype::Int),
];

/// A column of a report.
#[derive(Clone, Debug)]
pub(crate) struct ReportColumn {
    /// What it is called in addresses and charts: a field, `sum(qty)`, `count`.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// The field of its values; none for those that every document has.
    pub field: Option<DocField>,
    /// What its values are.
    pub fieldtype: Fieldtype,
    /// What is computed, if it is.
    pub computed: Option<Computed>,
    /// The child DocType whose rows it shows.
    pub child: Option<String>,
    /// Where it comes from, as a list is asked for it.
    pub(super) query: String,
}

/// A report's field by name: `field`, `link_field.field` or `Child DocType.field`.
pub(super) fn field_of(registry: &Registry, doctype: &DocType, name: &str) -> Option<ReportColumn> {
    let column = |of: &DocType, field: &str, prefix: &str| {
        let own = of.field(field).filter(|field| field.has_column());
        let standard = || STANDARD.into_iter().find(|(known, ..)| *known == field);
        let (label, fieldtype) = match own {
            Some(own) if own.label.is_empty() => (unscrub(field), own.fieldtype),
            Some(own) => (own.label.clone(), own.fieldtype),
            None => standard().map(|(_, label, fieldtype)| (label.to_owned(), fieldtype))?,
        };
        Some(ReportColumn {
            name: name.to_owned(),
            label: if prefix.is_empty() { label } else { format!("{prefix}: {label}") },
            field: own.cloned(),
            fieldtype,
            computed: None,
            child: None,
            query: String::new(),
        })
    };
    let Some((table, field)) = name.split_once('.') else {
        return column(doctype, name, "").map(|column| ReportColumn { query: format!("`{name}`"), ..column });
    };
    if let Some(link) = doctype.field(table).filter(|field| field.fieldtype == Fieldtype::Link) {
        let target = registry.get(link.link_target()?)?;
        let prefix = if link.label.is_empty() { unscrub(table) } else { link.label.clone() };
        return column(target, field, &prefix)
            .map(|column| ReportColumn { query: format!("`{table}`.`{field}`"), ..column });
    }
    let child = doctype.table_fields().find(|field| field.options.trim() == table)?;
    let column = column(registry.get(child.options.trim())?, field, "")?;
    Some(ReportColumn { child: Some(table.to_owned()), query: format!("`tab{table}`.`{field}`"), ..column })
}

impl ReportColumn {
    /// The number of documents.
    pub(crate) fn count() -> Self {
        Self {
            name: COUNT.to_owned(),
            label: "Documents".to_owned(),
            field: None,
            fieldtype: Fieldtype::Int,
            computed: None,
            child: None,
            query: String::new(),
        }
    }

    /// The same, computed.
    pub(super) fn computed(self, aggregate: &Aggregate) -> Self {
        let fieldtype = match (aggregate.function, self.fieldtype) {
            (Computed::Average, Fieldtype::Int | Fieldtype::LongInt | Fieldtype::Check) => Fieldtype::Float,
            (_, Fieldtype::Check) => Fieldtype::Int,
            (_, other) => other,
        };
        Self {
            name: aggregate.to_string(),
            label: format!("{} of {}", aggregate.function.label(), self.label),
            fieldtype,
            computed: Some(aggregate.function),
            query: format!("{}({})", aggregate.function.word(), self.query),
            ..self
        }
    }

    /// Whether the type of its values is one of those.
    pub(crate) fn is_of(&self, holds: impl Fn(Fieldtype) -> bool) -> bool {
        holds(self.fieldtype)
    }

    /// What the row of totals says of it: percentages have no sum that means anything.
    pub(super) fn total(&self) -> Option<Computed> {
        match self.fieldtype {
            Fieldtype::Percent => Some(Computed::Average),
            other => is_number(other).then_some(Computed::Sum),
        }
        .filter(|_| self.field.is_some())
    }

    /// A value as people read it.
    pub(crate) fn display(&self, value: &Value) -> String {
        let Some(field) = &self.field else { return value.to_string() };
        let is_mean = self.computed == Some(Computed::Average);
        if field.fieldtype == self.fieldtype && !is_mean {
            return fieldtype::display(field, value);
        }
        let precision = field.precision.or(is_mean.then_some(MEAN_PLACES));
        fieldtype::display(&DocField { fieldtype: self.fieldtype, precision, ..field.clone() }, value)
    }

    /// Sums of whole numbers are whole, and times come in whole seconds.
    fn settled(&self, value: Value) -> Value {
        let is_whole = matches!(self.fieldtype, Fieldtype::Int | Fieldtype::LongInt);
        match value {
            #[expect(clippy::cast_possible_truncation, reason = "whole numbers that fit")]
            Value::Float(number) if is_whole && number.fract() == 0.0 && number.abs() < 9e15 => {
                Value::Int(number as i64)
            }
            other => other,
        }
    }
}

/// Rows or groups of a report, as far as its reader may see them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportTable {
    /// The columns. Those that the reader may not see are left out.
    pub columns: Vec<ReportColumn>,
    /// How many of them, from the first on, put documents together; none where rows are documents.
    pub groups: usize,
    /// The rows: a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// Of each row that is a document: its name.
    pub names: Vec<String>,
    /// The totals: a value for each column, or nothing; empty where none were asked for.
    pub totals: Vec<Option<Value>>,
    /// There are more rows.
    pub has_next_page: bool,
    /// The place of each column in the list.
    places: Vec<usize>,
}

impl ReportTable {
    /// The table that the rows of a list go into.
    pub(super) fn begin(report: &Report, columns: &[ReportColumn], list: &List) -> Result<Self> {
        let is_seen = |at: &usize| list.keys.contains(&key(*at));
        let places: Vec<usize> = (0..columns.len()).filter(is_seen).collect();
        if places.is_empty() {
            return Err(Error::misuse("This report has no column that you may read"));
        }
        Ok(Self {
            columns: places.iter().map(|at| columns[*at].clone()).collect(),
            groups: report.groups.len(),
            totals: if report.totals { vec![None; places.len()] } else { Vec::new() },
            places,
            ..Self::default()
        })
    }

    /// Takes the rows off.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.names.clear();
    }

    /// Adds the rows of a list.
    pub(super) fn add(&mut self, list: &List) {
        for row in 0..list.rows.len() {
            let value = |(at, column): (&usize, &ReportColumn)| {
                column.settled(Self::value(list, row, &key(*at)).unwrap_or_default())
            };
            self.rows.push(self.places.iter().zip(&self.columns).map(value).collect());
            if self.groups == 0 {
                let name = Self::value(list, row, NAME).unwrap_or_default();
                self.names.push(name.to_string());
            }
        }
    }

    /// Adds the totals of a list of one row.
    pub(super) fn add_totals(&mut self, list: &List) {
        for (total, (at, column)) in self.totals.iter_mut().zip(self.places.iter().zip(&self.columns)) {
            if let Some(value) = Self::value(list, 0, &key(*at)) {
                *total = Some(column.settled(value));
            }
        }
    }
}

/// Points of a chart at most; more could not be told apart.
const MOST_POINTS: usize = 60;
/// Slices of a ring at most; the smallest are put together.
const MOST_SLICES: usize = 8;

/// What a chart draws.
#[derive(Clone, Debug)]
pub(crate) struct Points {
    /// What its labels are.
    pub by: String,
    /// What its numbers are.
    pub of: String,
    /// Labels and numbers.
    pub values: Vec<(String, f64)>,
    /// The column of the numbers.
    pub column: ReportColumn,
    /// There are more than are drawn.
    pub is_cut: bool,
}

impl ReportTable {
    /// What a chart of these rows draws; an error says why it draws nothing.
    pub(crate) fn points(&self, chart: &Chart) -> Result<Points, String> {
        let place = |name: &str| self.columns.iter().position(|column| column.name == name);
        let has_numbers = |column: &ReportColumn| column.is_of(is_number) || column.name == COUNT;
        let of = match chart.of.as_str() {
            "" => (self.groups + 1..self.columns.len())
                .chain(0..self.columns.len())
                .find(|at| *at >= self.groups && has_numbers(&self.columns[*at])),
            name => place(name),
        };
        let of = of.filter(|at| has_numbers(&self.columns[*at])).ok_or("The chart has no column of numbers to draw")?;
        let by: Vec<usize> = match (chart.by.as_str(), self.groups) {
            (_, 1..) => (0..self.groups.min(self.columns.len())).collect(),
            ("", 0) => vec![0],
            (name, 0) => vec![place(name).ok_or_else(|| format!("The chart has no column {name}"))?],
        };
        let label = |row: &Vec<Value>| {
            let parts = by.iter().map(|at| self.columns[*at].display(&row[*at]));
            let parts = parts.map(|part| if part.is_empty() { "Not set".to_owned() } else { part });
            parts.collect::<Vec<_>>().join(" / ")
        };
        let number = |value: &Value| match value {
            Value::Float(number) => *number,
            #[expect(clippy::cast_precision_loss, reason = "a drawing is less exact by far")]
            Value::Int(number) => *number as f64,
            Value::Null | Value::Text(_) => 0.0,
        };
        let mut points: Vec<(String, f64)> = self.rows.iter().map(|row| (label(row), number(&row[of]))).collect();
        if points.is_empty() {
            return Err("There is nothing to draw".to_owned());
        }
        let mut is_cut = self.has_next_page || points.len() > MOST_POINTS;
        if chart.kind == ChartKind::Donut {
            if points.iter().any(|(_, value)| *value < 0.0) {
                return Err("A ring shows parts of a whole, and some numbers are below zero: choose bars".to_owned());
            }
            points.retain(|(_, value)| *value > 0.0);
            points.sort_by(|(_, one), (_, other)| other.total_cmp(one));
            if points.len() > MOST_SLICES {
                let rest: f64 = points.drain(MOST_SLICES - 1..).map(|(_, value)| value).sum();
                points.push(("Others".to_owned(), rest));
            }
            if points.is_empty() {
                return Err("There is nothing to draw".to_owned());
            }
            is_cut = self.has_next_page;
        }
        points.truncate(MOST_POINTS);
        let by: Vec<&str> = by.iter().map(|at| self.columns[*at].label.as_str()).collect();
        let column = self.columns[of].clone();
        Ok(Points { by: by.join(" / "), of: column.label.clone(), values: points, column, is_cut })
    }
}
