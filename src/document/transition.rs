//! What a write does to the docstatus, and what each such change leaves as it is.

use crate::document::guard::changes;
use crate::document::stored_rows::StoredRows;
use crate::document::validate;
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{DocType, Document, Right};

/// What a save does to the docstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Save,
    Submit,
    UpdateAfterSubmit,
    Cancel,
}

impl Transition {
    /// Of a document that is new.
    pub(super) fn of_insert(document: &Document) -> Result<Self> {
        match document.docstatus() {
            0 => Ok(Self::Save),
            1 if document.doctype.is_submittable => Ok(Self::Submit),
            _ => Err(not_a_transition(&document.doctype, "A new document is a draft")),
        }
    }

    /// Of a stored document that is written over.
    pub(super) fn of_update(before: &Document, document: &Document) -> Result<Self> {
        Self::between(&document.doctype, &document.name(), before.docstatus(), document.docstatus())
    }

    /// The right that it takes.
    pub(super) fn right(self) -> Right {
        match self {
            Self::Save => Right::Write,
            Self::Submit | Self::UpdateAfterSubmit => Right::Submit,
            Self::Cancel => Right::Cancel,
        }
    }

    /// What leads from one docstatus to another.
    fn between(doctype: &DocType, name: &str, from: i64, to: i64) -> Result<Self> {
        match (from, to) {
            (0, 0) => Ok(Self::Save),
            (0, 1) if doctype.is_submittable => Ok(Self::Submit),
            (1, 1) => Ok(Self::UpdateAfterSubmit),
            (1, 2) => Ok(Self::Cancel),
            (2, _) => Err(Error::invalid(
                ProblemKind::Validation,
                format!("Cannot edit cancelled document {} {name}: amend it", doctype.name),
            )),
            (0, 2) => Err(not_a_transition(doctype, "A draft cannot be cancelled: submit it first, or discard it")),
            (1, 0) => {
                Err(not_a_transition(doctype, "A submitted document cannot become a draft again: cancel and amend it"))
            }
            _ => Err(not_a_transition(doctype, "docstatus is 0 (draft), 1 (submitted) or 2 (cancelled)")),
        }
    }
}

/// The right that doing that to a stored document takes in its docstatus, or why it cannot be done in it.
pub(super) fn right_for(document: &Document, right: Right) -> Result<Right> {
    let (doctype, now) = (&*document.doctype, document.docstatus());
    let to = |docstatus| Transition::between(doctype, &document.name(), now, docstatus).map(Transition::right);
    match right {
        Right::Write => check_saves(doctype).and_then(|()| to(now)),
        Right::Submit => to(1),
        Right::Cancel => to(2),
        Right::Delete => check_deletes(document).map(|()| right),
        Right::Amend => check_cancelled(document).map(|()| right),
        _ => Ok(right),
    }
}

/// Documents of virtual DocTypes are elsewhere.
pub(super) fn check_saves(doctype: &DocType) -> Result<()> {
    if doctype.is_virtual {
        return Err(Error::misuse(format!("{} is virtual: its documents cannot be saved here", doctype.name)));
    }
    Ok(())
}

/// What is submitted stays, and so do documents that are not rows of a table of their own.
pub(super) fn check_deletes(document: &Document) -> Result<()> {
    let doctype = &document.doctype;
    if doctype.issingle || doctype.is_virtual {
        return Err(Error::misuse(format!("{} cannot be deleted", doctype.name)));
    }
    if document.docstatus() == 1 {
        let message = format!("{} {} is submitted: cancel it first", doctype.name, document.name());
        return Err(Error::invalid(ProblemKind::Validation, message));
    }
    Ok(())
}

/// Only what is cancelled is amended.
pub(super) fn check_cancelled(source: &Document) -> Result<()> {
    if source.docstatus() == 2 {
        return Ok(());
    }
    Err(Error::invalid(ProblemKind::Validation, "Only a cancelled document can be amended: cancel it first"))
}

fn not_a_transition(doctype: &DocType, message: &str) -> Error {
    let message = if doctype.is_submittable {
        message.to_owned()
    } else {
        format!("{} is not submittable: its documents have no docstatus but 0", doctype.name)
    };
    Error::invalid(ProblemKind::DocstatusTransition, message)
}

/// Nothing validates what is cancelled, so that nothing else may change with it.
pub(super) fn check_cancels_only(document: &Document, before: &Document) -> Result<()> {
    let mut invalid = Invalid::default();
    for field in changes(document, before) {
        let message = format!("{} cannot be changed by cancelling: save it first", field.label);
        invalid.push(FieldProblem::at(ProblemKind::UpdateAfterSubmit, &field.fieldname, &field.label, message));
    }
    invalid.into_result()
}

/// A submitted document changes only in fields that say `allow_on_submit`; its rows stay the ones they were.
pub(super) fn check_update_after_submit(document: &Document, before: &Document, problems: &mut Vec<FieldProblem>) {
    let doctype = &document.doctype;
    let refused = |label: &str| format!("{label} cannot be changed after the document is submitted");
    for (index, column) in doctype.columns.iter().enumerate() {
        let Some(field) = column.field.map(|field| &doctype.fields[field]) else { continue };
        if !field.allow_on_submit && !validate::same(&document.values[index], &before.values[index]) {
            let message = refused(&field.label);
            problems.push(FieldProblem::at(ProblemKind::UpdateAfterSubmit, &field.fieldname, &field.label, message));
        }
    }
    let stored = StoredRows::of(Some(before));
    for (table, field) in doctype.table_fields().enumerate() {
        if field.allow_on_submit {
            continue;
        }
        let rows = &document.tables[table];
        let olds: Vec<Option<&Document>> = rows.iter().map(|row| stored.get(table, row)).collect();
        // A row under another name is another row, whatever it says.
        if rows.len() != before.tables[table].len() || olds.iter().any(Option::is_none) {
            let message = refused(&field.label);
            problems.push(FieldProblem::at(ProblemKind::UpdateAfterSubmit, &field.fieldname, &field.label, message));
            continue;
        }
        for (index, (row, old)) in rows.iter().zip(olds.into_iter().flatten()).enumerate() {
            let mut found = Vec::new();
            check_update_after_submit(row, old, &mut found);
            problems.extend(found.into_iter().map(|problem| problem.in_row(&field.fieldname, index + 1)));
        }
    }
}
