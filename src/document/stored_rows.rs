//! The stored child rows of a document by name: finding one costs the same however many there are.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::meta::doctype::slot;
use crate::meta::{Document, Value};

/// The rows of every table field, by name.
pub(super) struct StoredRows<'d>(Vec<HashMap<Cow<'d, str>, &'d Document>>);

impl<'d> StoredRows<'d> {
    /// The rows of a document; none if there is no document.
    pub(super) fn of(document: Option<&'d Document>) -> Self {
        let tables = document.map_or(&[][..], |document| &document.tables);
        Self(tables.iter().map(|rows| rows.iter().rev().map(|row| (name(row), row)).collect()).collect())
    }

    /// The row of that name in that table field.
    pub(super) fn named(&self, table: usize, name: &str) -> Option<&'d Document> {
        self.0.get(table)?.get(name).copied()
    }

    /// The stored state of a row of that table field.
    pub(super) fn get(&self, table: usize, row: &Document) -> Option<&'d Document> {
        self.0.get(table)?.get(&name(row)).copied()
    }
}

/// The name of a row, as text.
fn name(row: &Document) -> Cow<'_, str> {
    match &row.values[slot::NAME] {
        Value::Text(name) => Cow::Borrowed(name),
        number => Cow::Owned(number.to_string()),
    }
}
