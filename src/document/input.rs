//! JSON into documents: every value parsed by its fieldtype, every problem collected.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::database::schema::wanted::value_for_null;
use crate::document::Children;
use crate::document::defaults::{self, Surroundings};
use crate::error::{FieldProblem, ProblemKind};
use crate::meta::fieldtype::ColumnType;
use crate::meta::{DocField, DocType, Document, Registry, Value, fieldtype};
use crate::pace;
use crate::permissions::Grant;

/// How many child rows one piece of work takes, so that none keeps others from their own for long.
pub(super) struct RowLimit {
    most: usize,
    left: usize,
}

impl RowLimit {
    /// At most so many rows, in a document and in all documents of one work together.
    pub(super) fn new(most: usize) -> Self {
        Self { most, left: most }
    }

    /// As many as there are: what was stored before comes back whole.
    pub(super) fn none() -> Self {
        Self::new(usize::MAX)
    }

    /// Whether so many rows may come for a table field. As many as are stored may always come: limits can be lowered.
    fn take(&mut self, field: &DocField, sent: usize, stored: usize) -> Result<(), FieldProblem> {
        if sent > self.left.max(stored) {
            return Err(self.exceeded(field, &format!("{sent} rows are sent, and a request may bring {}", self.left)));
        }
        self.left = self.left.saturating_sub(sent);
        Ok(())
    }

    /// Whether a document that had `before` rows may have as many as it has now; `field` is the one that was written.
    fn check(&self, field: &DocField, document: &Document, before: usize) -> Result<(), FieldProblem> {
        let now = document.count_rows();
        if now <= self.most.max(before) {
            return Ok(());
        }
        Err(self.exceeded(field, &format!("the document would have {now} rows, and may have {}", self.most)))
    }

    fn exceeded(&self, field: &DocField, message: &str) -> FieldProblem {
        let message = format!("{}: {message} (the limit is {} rows)", field.label, self.most);
        FieldProblem::at(ProblemKind::Validation, &field.fieldname, &field.label, message)
    }
}

/// Who sends values.
pub(super) struct Reading<'a> {
    /// When and where.
    pub surroundings: &'a Surroundings<'a>,
    /// What they may do with the document.
    pub grant: Grant,
}

/// Merges `values` into the document. Unknown keys and standard columns are ignored, as Frappe does;
/// `docstatus` and `name` are the lifecycle's.
pub(super) fn apply(
    document: &mut Document,
    values: &Map<String, Json>,
    children: Children,
    registry: &Registry,
    reading: &Reading<'_>,
    limit: &mut RowLimit,
    problems: &mut Vec<FieldProblem>,
) {
    let rows_before = document.count_rows();
    let doctype = Arc::clone(&document.doctype);
    for (key, input) in values {
        let Some(field) = doctype.field(key) else { continue };
        if let Some(table) = doctype.table(key) {
            let Some(child) = registry.get(&field.options) else { continue };
            let sent = input.as_array().map_or(0, Vec::len);
            if let Err(problem) = limit.take(field, sent, document.tables[table].len()) {
                problems.push(problem);
                continue;
            }
            let stored = std::mem::take(&mut document.tables[table]);
            document.tables[table] = pace::aside(stored.len() + sent > pace::MANY_ROWS, || {
                apply_rows(stored, field, child, input, children, reading, problems)
            });
            problems.extend(limit.check(field, document, rows_before).err());
        } else if let Some(column) = doctype.column(key) {
            apply_value(document, column, field, input, reading, problems);
        }
    }
}

fn apply_value(
    document: &mut Document,
    column: usize,
    field: &DocField,
    input: &Json,
    reading: &Reading<'_>,
    problems: &mut Vec<FieldProblem>,
) {
    // What somebody saw masked comes back masked, and stays as it is.
    // What is computed is nobody's to say.
    if field.secret || field.formula.is_some() || !document.is_new && reading.grant.masks(field) {
        return;
    }
    let zone = reading.surroundings.zone;
    let column_type = document.doctype.columns[column].column_type;
    match fieldtype::parse_in(zone, field, column_type, input) {
        // What clocks show twice stays the one of the two that it was.
        Ok(value)
            if column_type == ColumnType::Datetime
                && !zone.is_utc()
                && zone.shown(value.text()) == zone.shown(document.values[column].text()) => {}
        Ok(value) => document.values[column] = value,
        Err((kind, message)) => problems.push(FieldProblem::at(kind, &field.fieldname, &field.label, message)),
    }
}

/// The rows of a table field. A row that names a stored one updates it; the others are new.
fn apply_rows(
    stored: Vec<Document>,
    field: &DocField,
    child: &Arc<DocType>,
    input: &Json,
    children: Children,
    reading: &Reading<'_>,
    problems: &mut Vec<FieldProblem>,
) -> Vec<Document> {
    let rows = match input {
        Json::Null => &[][..],
        Json::Array(rows) => rows,
        _ => {
            let message = format!("{} takes a list of rows", field.label);
            problems.push(FieldProblem::at(ProblemKind::Validation, &field.fieldname, &field.label, message));
            return stored;
        }
    };
    let names: HashMap<String, usize> = stored.iter().map(Document::name).zip(0..).collect();
    // A row that was taken out or used leaves its place empty.
    let mut stored: Vec<Option<Document>> = stored.into_iter().map(Some).collect();
    let mut result = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let Some(values) = row_values(row, child) else {
            let message = format!("A row of {} must be an object such as {{\"fieldname\": value}}", field.label);
            let problem = FieldProblem::at(ProblemKind::Validation, &field.fieldname, &field.label, message);
            problems.push(problem.in_row(&field.fieldname, index + 1));
            continue;
        };
        let known = values
            .get("name")
            .map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned))
            .and_then(|name| names.get(&name).copied())
            .filter(|position| stored[*position].is_some());
        let deleted = values.get("_delete").is_some_and(|flag| flag.as_bool().unwrap_or(flag == 1));
        if children == Children::Patch && deleted {
            if let Some(position) = known {
                stored[position] = None;
            }
            continue;
        }
        let mut document = known
            .and_then(|position| stored[position].take())
            .unwrap_or_else(|| defaults::new_document(child, reading.surroundings));
        let mut row_problems = Vec::new();
        for (key, input) in &*values {
            if let (Some(child_field), Some(column)) = (child.field(key), child.column(key)) {
                apply_value(&mut document, column, child_field, input, reading, &mut row_problems);
            }
        }
        problems.extend(row_problems.into_iter().map(|problem| problem.in_row(&field.fieldname, index + 1)));
        match known {
            Some(position) if children == Children::Patch => stored[position] = Some(document),
            _ => result.push(document),
        }
    }
    if children == Children::Patch {
        return stored.into_iter().flatten().chain(result).collect();
    }
    result
}

/// A row as an object; Table MultiSelect also takes the bare value of its Link.
fn row_values<'j>(row: &'j Json, child: &DocType) -> Option<std::borrow::Cow<'j, Map<String, Json>>> {
    match row {
        Json::Object(values) => Some(std::borrow::Cow::Borrowed(values)),
        Json::String(_) => {
            let link = child.fields.iter().find(|field| field.link_target().is_some())?;
            Some(std::borrow::Cow::Owned(Map::from_iter([(link.fieldname.clone(), row.clone())])))
        }
        _ => None,
    }
}

/// Stored text of a unique or time field that is empty is nothing at all; nothing is 0 or "" where the column refuses nulls.
pub(super) fn normalise(document: &mut Document) {
    let doctype = Arc::clone(&document.doctype);
    for (index, (column, value)) in doctype.columns.iter().zip(&mut document.values).enumerate() {
        let unique = column.field.is_some_and(|field| doctype.fields[field].unique);
        if (unique || column.column_type.is_moment()) && value.as_str() == Some("") {
            *value = Value::Null;
        }
        if matches!(value, Value::Null)
            && let Some(empty) = value_for_null(&doctype, index)
        {
            *value = empty;
        }
    }
}
