//! The values that a new document starts with.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::clock::{Clock, Zone};
use crate::meta::fieldtype::{self, ColumnType};
use crate::meta::{DocField, DocType, Document, Fieldtype, Value};
use crate::permissions::Session;

/// What the shortcuts in `default` stand for.
pub(super) struct Surroundings<'a> {
    /// Whose defaults.
    pub session: &'a Session,
    /// Now.
    pub clock: &'a Clock,
    /// Where.
    pub zone: Zone,
}

/// A new document of the DocType with every default filled in (`docs/frappe/model.md`: Life of a document).
pub(super) fn new_document(doctype: &Arc<DocType>, surroundings: &Surroundings<'_>) -> Document {
    let mut document = Document::new(Arc::clone(doctype));
    for (column, value) in doctype.columns.iter().zip(&mut document.values) {
        if let Some(field) = column.field.map(|index| &doctype.fields[index]) {
            *value = default_of(field, column.column_type, surroundings);
        }
    }
    document
}

/// The default of one field; Null if it has none.
fn default_of(field: &DocField, column_type: ColumnType, surroundings: &Surroundings<'_>) -> Value {
    let permitted = surroundings.session.access.user_permissions.iter();
    if field.fieldtype == Fieldtype::Link
        && !field.ignore_user_permissions
        && let Some(permission) = permitted.clone().find(|row| row.is_default && row.allow == field.options)
    {
        return Value::Text(permission.for_value.clone());
    }
    let now = || surroundings.clock.now_in(surroundings.zone);
    match field.default.as_deref().map(str::trim) {
        Some("__user" | "_Login") => Value::Text(surroundings.session.user().to_owned()),
        Some("_Full Name") => Value::Text(surroundings.session.access.full_name.clone()),
        Some("Today" | "today" | "__today") if field.fieldtype == Fieldtype::Date => {
            Value::Text(now().date().to_string())
        }
        Some("Today" | "today" | "__today" | "Now" | "now") if field.fieldtype == Fieldtype::Datetime => {
            Value::Text(surroundings.clock.now_text())
        }
        Some("Today" | "today" | "__today" | "Now" | "now") => match field.fieldtype {
            Fieldtype::Date => Value::Text(now().date().to_string()),
            Fieldtype::Time => Value::Text(now().time().format("%H:%M:%S").to_string()),
            _ => static_default(field, column_type).unwrap_or_default(),
        },
        _ => static_default(field, column_type).unwrap_or_default(),
    }
}

/// A default that is a value of its own; `None` where it is a shortcut, or does not fit the field.
pub(super) fn static_default(field: &DocField, column_type: ColumnType) -> Option<Value> {
    let default = match field.default.as_deref() {
        Some(default) if !default.is_empty() => default,
        // Frappe: a Select without a default starts at its first line.
        _ if field.fieldtype == Fieldtype::Select => field.select_options().next().unwrap_or(""),
        _ => return empty(field),
    };
    if default.starts_with(':') || default.is_empty() {
        return empty(field);
    }
    fieldtype::parse(field, column_type, &Json::String(default.to_owned())).ok()
}

/// The value of a column that is never null, and nothing for the others.
fn empty(field: &DocField) -> Option<Value> {
    match field.fieldtype {
        Fieldtype::Check | Fieldtype::Int | Fieldtype::LongInt => Some(Value::Int(0)),
        Fieldtype::Currency | Fieldtype::Float | Fieldtype::Percent => Some(Value::Float(0.0)),
        _ => None,
    }
}

/// Fills in the defaults that need no surroundings: for Singles that were never saved, and rows from elsewhere.
pub(crate) fn fill_static(document: &mut Document) {
    let doctype = Arc::clone(&document.doctype);
    for (column, value) in doctype.columns.iter().zip(&mut document.values) {
        if let Some(field) = column.field.map(|index| &doctype.fields[index]) {
            *value = static_default(field, column.column_type).unwrap_or_default();
        }
    }
}
