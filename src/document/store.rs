//! A document with its rows into the tables, once every rule has had its say.

use std::collections::HashSet;
use std::sync::Arc;

use crate::database::schema::{names, wanted::unique_field};
use crate::database::{Backend, documents, unique_violation};
use crate::document::input;
use crate::document::stored_rows::StoredRows;
use crate::document::work::Work;
use crate::error::{Conflict, Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::doctype::slot;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, DocType, Document, Value};
use crate::pace::breathe;

impl Work<'_> {
    /// Gives rows their parent, position and docstatus; new ones are stamped.
    pub(super) fn adopt_rows(&self, document: &mut Document) {
        let doctype = Arc::clone(&document.doctype);
        let (parent, docstatus) = (document.name(), document.values[slot::DOCSTATUS].clone());
        for (field, rows) in doctype.table_fields().zip(&mut document.tables) {
            for (index, row) in rows.iter_mut().enumerate() {
                if row.is_new && row.values[slot::OWNER].is_blank() {
                    self.stamp_new(row);
                }
                row.values[slot::IDX] = Value::Int(i64::try_from(index + 1).unwrap_or(i64::MAX));
                row.values[slot::DOCSTATUS] = docstatus.clone();
                row.set("parent", parent.as_str());
                row.set("parenttype", doctype.name.as_str());
                row.set("parentfield", field.fieldname.as_str());
            }
        }
    }

    /// Inserts a document and its rows.
    pub(super) async fn insert_rows(&mut self, document: &mut Document) -> Result<()> {
        let doctype = Arc::clone(&document.doctype);
        let is_numbered = doctype.naming_rule == NamingRule::Autoincrement && document.values[slot::NAME].is_blank();
        if is_numbered {
            let number = documents::insert_numbered(self.executor(), document)
                .await
                .map_err(|error| write_error(self.backend(), &doctype, "", error))?;
            document.set_name(number);
            self.adopt_rows(document);
        }
        for (index, row) in document.tables.iter_mut().flatten().enumerate() {
            breathe(index).await;
            input::normalise(row);
            row.is_new = false;
        }
        let own = (!is_numbered).then_some(&*document);
        self.insert_together(own.into_iter().chain(document.tables.iter().flatten()).collect()).await
    }

    async fn insert_together(&mut self, rows: Vec<&Document>) -> Result<()> {
        let inserted = documents::insert(self.executor(), &rows).await;
        inserted.map_err(|error| insert_error(self.backend(), &rows, error))
    }

    /// Writes a document over its stored state: rows that are gone go, new ones come, the others are written if they changed.
    pub(super) async fn update_rows(&mut self, document: &mut Document, before: &Document) -> Result<()> {
        let doctype = Arc::clone(&document.doctype);
        if doctype.issingle {
            documents::save_single(self.executor(), document).await?;
        } else {
            documents::update(self.executor(), document)
                .await
                .map_err(|error| write_error(self.backend(), &doctype, &document.name(), error))?;
        }
        let stored = StoredRows::of(Some(before));
        for table in 0..document.tables.len() {
            let rows = &mut document.tables[table];
            let kept: HashSet<String> = rows.iter().filter(|row| !row.is_new).map(Document::name).collect();
            let rows_before = before.tables.get(table).map_or(&[][..], Vec::as_slice);
            let gone: Vec<String> =
                rows_before.iter().map(Document::name).filter(|name| !kept.contains(name)).collect();
            if let Some(first) = rows_before.first() {
                documents::delete_all(self.executor(), &first.doctype, &gone).await?;
            }
            let mut fresh = Vec::new();
            for (index, row) in rows.iter_mut().enumerate() {
                breathe(index).await;
                input::normalise(row);
                if row.is_new {
                    fresh.push(&*row);
                    continue;
                }
                let old = stored.get(table, row);
                if old.is_none_or(|old| old.values != row.values) {
                    self.stamp_change(row, old.map_or("", Document::modified));
                    documents::update(self.executor(), row)
                        .await
                        .map_err(|error| write_error(self.backend(), &row.doctype, &row.name(), error))?;
                }
            }
            self.insert_together(fresh).await?;
            for row in rows.iter_mut() {
                row.is_new = false;
            }
        }
        Ok(())
    }
}

/// The failed write of one of several rows.
fn insert_error(backend: Backend, rows: &[&Document], error: sea_orm::DbErr) -> Error {
    let Some(violation) = unique_violation(&error) else { return error.into() };
    let mut meant =
        rows.iter().filter(|row| names::physical(backend, &row.doctype.table_name()) == violation.table.as_str());
    match (meant.next(), meant.next()) {
        (Some(row), None) => write_error(backend, &row.doctype, &row.name(), error),
        // Nobody says which one of them it was.
        (Some(row), _) => write_error(backend, &row.doctype, "", error),
        (None, _) => error.into(),
    }
}

/// A failed write in the terms of documents: the name is taken, or a unique field's value is.
pub(super) fn write_error(backend: Backend, doctype: &DocType, name: &str, error: sea_orm::DbErr) -> Error {
    let Some(violation) = unique_violation(&error) else { return error.into() };
    match unique_field(backend, doctype, &violation) {
        // The field that names documents is unique as their name is; either may be what a database tells of.
        Some(field) if !is_naming_field(doctype, field) => Error::Validation(Invalid {
            problems: vec![FieldProblem::at(
                ProblemKind::Unique,
                &field.fieldname,
                &field.label,
                format!("{} must be unique: another {} has this value", field.label, doctype.name),
            )],
        }),
        _ => Error::Conflict(Conflict::DuplicateName { doctype: doctype.name.clone(), name: name.to_owned() }),
    }
}

fn is_naming_field(doctype: &DocType, field: &DocField) -> bool {
    matches!(&doctype.naming_rule, NamingRule::Field(fieldname) if *fieldname == field.fieldname)
}
