//! What somebody else saved beside what was typed meanwhile: a field, or a table row by row.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use crate::desk::form::activity::Reading;
use crate::desk::form::posted::{Posted, Typed, native_moment};
use crate::desk::form::view::Change;
use crate::meta::{DocField, Document, Fieldtype};

/// A field, from the value that is stored to the one that was typed.
pub(super) fn field(read: &Reading<'_>, stored: &Document, posted: &Posted, field: &DocField) -> Option<Change> {
    change(read, stored, &posted.fields, field, "")
}

/// The rows of a table that differ.
pub(super) fn table(read: &Reading<'_>, stored: &Document, posted: &Posted, field: &DocField) -> Vec<Change> {
    let doctype = &stored.doctype;
    let mut found = Vec::new();
    let Some(mine) = posted.tables.get(&field.fieldname) else { return found };
    let theirs = stored.rows(&field.fieldname);
    let by_name: HashMap<String, &Document> = theirs.iter().map(|row| (row.name(), row)).collect();
    let kept: HashSet<&str> = mine.iter().map(|row| row.name.as_str()).collect();
    for (at, row) in mine.iter().enumerate() {
        if let Some(stored) = by_name.get(&row.name) {
            let Some((label, _)) = read.table(&json!([field.fieldname]), doctype) else { continue };
            let before = format!("{label} row {}: ", at + 1);
            let fields = stored.doctype.fields.iter().filter(|field| field.has_column());
            found.extend(fields.filter_map(|field| change(read, stored, &row.values, field, &before)));
        } else if let Some((label, to)) = read.row(&json!([field.fieldname, row.values]), doctype) {
            found.push(Change { label: format!("{label} row {}", at + 1), from: String::new(), to });
        }
    }
    for (at, row) in theirs.iter().enumerate().filter(|(_, row)| !kept.contains(row.name().as_str())) {
        let entry = json!([field.fieldname, Json::Object(row.to_json_whole())]);
        if let Some((label, from)) = read.row(&entry, doctype) {
            found.push(Change { label: format!("{label} row {}", at + 1), from, to: String::new() });
        }
    }
    found
}

fn change(read: &Reading<'_>, stored: &Document, typed: &Typed, field: &DocField, before: &str) -> Option<Change> {
    let (mut theirs, mut mine) = (stored.get(&field.fieldname).to_json(), typed.get(&field.fieldname)?.clone());
    if matches!(field.fieldtype, Fieldtype::Datetime | Fieldtype::Time) {
        // As exact as inputs are.
        theirs = theirs.as_str().map_or(Json::Null, |text| Json::from(native_moment(text)));
        mine = if mine.is_empty() { mine } else { native_moment(&mine) };
    }
    let change = read.change(&json!([field.fieldname, theirs, mine]), &stored.doctype, before)?;
    (change.from != change.to).then_some(change)
}
