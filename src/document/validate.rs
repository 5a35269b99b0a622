//! The generic rules of every save (Frappe's `_validate`): mandatory, formats, lengths, constants; all problems at once.

use std::sync::Arc;

use crate::document::formulas;
use crate::document::scope::{Around, DocumentScope};
use crate::document::stored_rows::StoredRows;
use crate::document::{guard, markdown};
use crate::error::{FieldProblem, ProblemKind};
use crate::meta::validation::On;
use crate::meta::{DocField, Document, Fieldtype, Value, fieldtype};

/// Checks a document and its rows. `before` is the stored document, on updates.
pub(super) fn validate(
    around: &Around<'_>,
    about: &[On],
    document: &mut Document,
    before: Option<&Document>,
    problems: &mut Vec<FieldProblem>,
) {
    clean_html(document);
    check_mandatory(around, document, None, problems);
    check_values(document, problems);
    if let Some(before) = before {
        check_constants(around, document, before, None, problems);
    }
    let doctype = Arc::clone(&document.doctype);
    let stored = StoredRows::of(before);
    for (table, field) in doctype.table_fields().enumerate() {
        let mut rows = std::mem::take(&mut document.tables[table]);
        for (index, row) in rows.iter_mut().enumerate() {
            let mut found = Vec::new();
            clean_html(row);
            check_mandatory(around, row, Some(document), &mut found);
            check_values(row, &mut found);
            if let Some(old) = stored.get(table, row) {
                check_constants(around, row, old, Some(document), &mut found);
            }
            problems.extend(found.into_iter().map(|problem| problem.in_row(&field.fieldname, index + 1)));
        }
        document.tables[table] = rows;
    }
    formulas::check_validations(document, about, around, problems);
}

/// Whether a problem of the field is known already, so that a refused value is not called missing too.
fn is_known(problems: &[FieldProblem], field: &DocField) -> bool {
    problems.iter().any(|problem| problem.row.is_none() && problem.field.as_deref() == Some(field.fieldname.as_str()))
}

fn check_mandatory(
    around: &Around<'_>,
    document: &Document,
    parent: Option<&Document>,
    problems: &mut Vec<FieldProblem>,
) {
    let scope = DocumentScope { document, parent, around };
    for field in &document.doctype.fields {
        let required =
            field.reqd || field.mandatory_depends_on.as_ref().is_some_and(|condition| condition.requires(&scope));
        if !required || field.is_virtual || is_known(problems, field) || !is_missing(document, field) {
            continue;
        }
        let message = if field.fieldtype.is_table() {
            format!("{} needs at least one row", field.label)
        } else {
            format!("{} is required", field.label)
        };
        problems.push(FieldProblem::at(ProblemKind::Mandatory, &field.fieldname, &field.label, message));
    }
}

/// A document that is restored may lack its passwords, which are not kept.
pub(super) fn excuse_passwords(document: &Document, problems: &mut Vec<FieldProblem>) {
    let is_password = |table: Option<&str>, field: Option<&str>| {
        let doctype =
            table.map_or(Some(&document.doctype), |table| document.rows(table).first().map(|row| &row.doctype));
        let field = doctype.zip(field).and_then(|(doctype, field)| doctype.field(field));
        field.is_some_and(|field| field.fieldtype == Fieldtype::Password)
    };
    problems.retain(|problem| {
        let table = problem.row.as_ref().map(|(table, _)| table.as_str());
        problem.kind != ProblemKind::Mandatory || !is_password(table, problem.field.as_deref())
    });
}

/// Nothing stored, or only blanks, or HTML without text and pictures. Numbers and Checks are never missing.
fn is_missing(document: &Document, field: &DocField) -> bool {
    if field.fieldtype.is_table() {
        return document.rows(&field.fieldname).is_empty();
    }
    match document.get(&field.fieldname) {
        Value::Null => field.fieldtype.has_column(),
        Value::Text(text) if field.fieldtype == Fieldtype::TextEditor => {
            !text.contains("<img") && strip_tags(text).trim().is_empty()
        }
        Value::Text(text) => text.trim().is_empty(),
        Value::Int(_) | Value::Float(_) => false,
    }
}

fn check_values(document: &mut Document, problems: &mut Vec<FieldProblem>) {
    let doctype = Arc::clone(&document.doctype);
    for (column, value) in doctype.columns.iter().zip(&document.values) {
        let Some(field) = column.field.map(|index| &doctype.fields[index]) else { continue };
        if matches!(value, Value::Null) || is_known(problems, field) || field.fieldname == "naming_series" {
            continue;
        }
        if let Err((kind, message)) = fieldtype::validate(field, column.column_type, value) {
            problems.push(FieldProblem::at(kind, &field.fieldname, &field.label, message));
        }
    }
}

/// `set_only_once`, and fields whose `read_only_depends_on` holds, keep their stored value.
fn check_constants(
    around: &Around<'_>,
    document: &Document,
    before: &Document,
    parent: Option<&Document>,
    problems: &mut Vec<FieldProblem>,
) {
    if before.doctype.columns.len() != document.doctype.columns.len() {
        return;
    }
    let session = around.session;
    let (now, earlier) =
        (DocumentScope { document, parent, around }, DocumentScope { document: before, parent, around });
    let is_fixed = |field: &DocField| {
        field.set_only_once
            || !session.is_system() && document.doctype.is_submittable && field.fieldname == "amended_from"
            || !session.is_system()
                && field.read_only_depends_on.as_ref().is_some_and(|condition| {
                    // What is saved decides, as in the form; of a field that locks itself, what was there before.
                    let locks_itself = condition.fieldnames().contains(field.fieldname.as_str());
                    condition.requires(if locks_itself { &earlier } else { &now })
                })
    };
    for field in guard::changes(document, before).filter(|field| is_fixed(field)) {
        let message = format!("{} cannot be changed once it is set", field.label);
        problems.push(FieldProblem::at(ProblemKind::CannotChangeConstant, &field.fieldname, &field.label, message));
    }
}

/// Equal, where nothing and the empty text are the same.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    a == b || a.is_blank() && b.is_blank()
}

/// HTML that will be shown as HTML is cleaned of what could run (Frappe's `sanitize_html`).
fn clean_html(document: &mut Document) {
    let doctype = Arc::clone(&document.doctype);
    for (column, value) in doctype.columns.iter().zip(&mut document.values) {
        let Some(field) = column.field.map(|index| &doctype.fields[index]) else { continue };
        if field.ignore_xss_filter {
            continue;
        }
        match (field.fieldtype, value) {
            (Fieldtype::TextEditor | Fieldtype::HtmlEditor, Value::Text(text)) if text.contains(['<', '&']) => {
                *text = ammonia::clean(text);
            }
            (Fieldtype::MarkdownEditor, Value::Text(text)) => *text = markdown::clean(std::mem::take(text)),
            _ => {}
        }
    }
}

/// The text of HTML, roughly: for the question whether there is any.
pub(super) fn strip_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.replace("&nbsp;", " ")
}
