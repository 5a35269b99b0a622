//! Child tables as grids: columns, rows, the fields behind a row, spare rows, and the row that the browser copies.

use std::collections::HashMap;

use crate::desk::form::control::{self, label};
use crate::desk::form::draft::Draft;
use crate::desk::form::view::{ColumnHead, Message, RowView, TableView};
use crate::desk::form::{FormInput, Place, carried};
use crate::meta::{DocField, DocType, Document, Fieldtype};

/// Empty rows for browsers without JavaScript.
const SPARE_ROWS: usize = 3;
/// Columns of a grid whose DocType names none.
const DEFAULT_COLUMNS: usize = 4;
/// What the browser replaces by a number when it copies the blank row.
const BLANK_INDEX: &str = "__idx__";

/// The grid of a table field. `place` is that of the table field itself.
pub(crate) fn table_view(input: &FormInput<'_>, draft: &Draft<'_>, field: &DocField, place: &Place<'_>) -> TableView {
    let Some(child) = input.registry.get(&field.options) else { return missing(field) };
    let (columns, rest) = split_fields(input, field, child);
    let editable = !place.fixed
        && input.access.write
        && input.grant.writes_level(field.permlevel)
        && !field.read_only
        && (input.document.docstatus() == 0 || (input.document.docstatus() == 1 && field.allow_on_submit));
    let grid = Grid { input, draft, field, columns: &columns, rest: &rest, editable };
    let empty = Document::new(child.clone());
    let stored = draft.document.rows(&field.fieldname);
    let by_name: HashMap<String, &Document> = stored.iter().map(|row| (row.name(), row)).collect();
    let posted = draft.posted.and_then(|posted| posted.tables.get(&field.fieldname));
    let rows: Vec<RowView> = match posted {
        Some(rows) => rows
            .iter()
            .enumerate()
            .map(|(index, row)| {
                let known = by_name.get(&row.name).copied();
                grid.row(&index.to_string(), known.unwrap_or(&empty), Some(&row.values), Some(index), false)
            })
            .collect(),
        None => stored
            .iter()
            .enumerate()
            .map(|(index, row)| grid.row(&index.to_string(), row, None, Some(index), false))
            .collect(),
    };
    let fresh = if editable { Some(with_defaults(child)) } else { None };
    let spares = fresh.iter().flat_map(|fresh| {
        (rows.len()..rows.len() + SPARE_ROWS).map(|index| grid.row(&index.to_string(), fresh, None, None, true))
    });
    TableView {
        child: child.name.clone(),
        prefix: field.fieldname.clone(),
        columns: columns
            .iter()
            .map(|column| ColumnHead {
                id: format!("h-{}-{}", field.fieldname, column.fieldname),
                fieldname: column.fieldname.clone(),
                label: label(column),
                required: column.reqd,
                adds: matches!(column.fieldtype, Fieldtype::Int | Fieldtype::Float | Fieldtype::Currency),
                help: control::help_of(input, column),
                class: width_class(column),
            })
            .collect(),
        spares: spares.collect(),
        blank: fresh.as_ref().map(|fresh| Box::new(grid.row(BLANK_INDEX, fresh, None, None, false))),
        editable,
        has_rest: !rest.is_empty(),
        empty: rows.is_empty(),
        count: rows.len() + SPARE_ROWS,
        rows,
    }
}

struct Grid<'a> {
    input: &'a FormInput<'a>,
    draft: &'a Draft<'a>,
    field: &'a DocField,
    columns: &'a [&'a DocField],
    rest: &'a [&'a DocField],
    editable: bool,
}

impl Grid<'_> {
    fn row(
        &self,
        index: &str,
        document: &Document,
        typed: Option<&crate::desk::form::posted::Typed>,
        position: Option<usize>,
        spare: bool,
    ) -> RowView {
        let draft = Draft {
            document,
            typed,
            posted: None,
            parent: Some(self.draft),
            session: self.input.session,
            now: self.input.now,
        };
        let number = position.map_or_else(|| index.to_owned(), |position| (position + 1).to_string());
        let row_label = if position.is_some() { format!("row {number}") } else { "new row".to_owned() };
        let row_label = self.input.language.say(&row_label).into_owned();
        let place = Place {
            table: Some((&self.field.fieldname, index)),
            position: position.map(|position| position + 1),
            fixed: !self.editable,
            row_allowed_on_submit: self.field.allow_on_submit,
            in_cell: true,
            row_label: &row_label,
        };
        let beside = Place { in_cell: false, ..place };
        let cells =
            self.columns.iter().filter_map(|field| control::field_view(self.input, &draft, field, &place)).collect();
        let rest: Vec<_> =
            self.rest.iter().filter_map(|field| control::field_view(self.input, &draft, field, &beside)).collect();
        let errors = self.input.problems.iter().filter(|problem| {
            let here = problem.row.as_ref().is_some_and(|(table, row)| {
                *table == self.field.fieldname && position.is_some_and(|position| position + 1 == *row)
            });
            let placed = problem.field.as_ref().is_some_and(|fieldname| {
                self.columns.iter().chain(self.rest).any(|field| field.fieldname == *fieldname)
            });
            here && !placed
        });
        RowView {
            prefix: format!("{}.{index}", self.field.fieldname),
            id: place.id(""),
            label: row_label.clone(),
            number: if position.is_some() { number } else { String::new() },
            name: document.name(),
            errors: errors.map(|problem| Message::new(&self.input.language.say(&problem.message))).collect(),
            open: rest.iter().any(|field| !field.errors.is_empty()),
            cells,
            rest,
            spare,
            editable: self.editable,
            span: self.columns.len() + 2,
            carried: if self.input.carry { carried(self.input, document, &place) } else { Vec::new() },
            index: index.to_owned(),
        }
    }
}

/// Columns, and the fields behind a row.
fn split_fields<'a>(
    input: &FormInput<'_>,
    table: &DocField,
    child: &'a DocType,
) -> (Vec<&'a DocField>, Vec<&'a DocField>) {
    let visible = |field: &&DocField| {
        !field.hidden
            && !field.secret
            && !field.fieldtype.is_layout()
            && !field.fieldtype.is_table()
            && (input.grant.reads_level(field.permlevel)
                || input.document.is_new && input.grant.writes_level(field.permlevel))
    };
    let fields: Vec<&DocField> = child.fields.iter().filter(visible).collect();
    if table.fieldtype == Fieldtype::TableMultiSelect {
        return (fields.into_iter().find(|field| field.fieldtype == Fieldtype::Link).into_iter().collect(), Vec::new());
    }
    let (mut columns, mut rest): (Vec<_>, Vec<_>) =
        fields.iter().copied().partition(|field| field.in_list_view && field.fieldtype.has_column());
    if columns.is_empty() {
        let first: Vec<&str> = fields
            .iter()
            .filter(|field| field.fieldtype.has_column())
            .take(DEFAULT_COLUMNS)
            .map(|field| field.fieldname.as_str())
            .collect();
        (columns, rest) = fields.into_iter().partition(|field| first.contains(&field.fieldname.as_str()));
    }
    (columns, rest)
}

/// A new row as the engine would make it, as far as its defaults need no lookup.
fn with_defaults(child: &std::sync::Arc<DocType>) -> Document {
    let mut row = Document::new(child.clone());
    for field in child.fields.iter().filter(|field| field.has_column()) {
        let written = field.default.as_deref().filter(|default| !default.starts_with(['_', ':']));
        let first_option = || field.select_options().next().filter(|_| field.fieldtype == Fieldtype::Select);
        if let Some(default) = written.or_else(first_option)
            && let Some(column_type) = field.fieldtype.column_type(field)
            && let Ok(value) = crate::meta::fieldtype::parse_text(field, column_type, default)
        {
            row.set(&field.fieldname, value);
        }
    }
    row
}

fn width_class(field: &DocField) -> String {
    match (field.columns, field.fieldtype) {
        (1..=10, _) => format!("width-{}", field.columns),
        (_, Fieldtype::Check) => "narrow".to_owned(),
        _ => String::new(),
    }
}

/// The rows' DocType is not loaded.
fn missing(field: &DocField) -> TableView {
    TableView {
        child: field.options.clone(),
        prefix: field.fieldname.clone(),
        columns: Vec::new(),
        rows: Vec::new(),
        spares: Vec::new(),
        blank: None,
        editable: false,
        has_rest: false,
        empty: true,
        count: 0,
    }
}
