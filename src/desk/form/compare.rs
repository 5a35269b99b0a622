//! What somebody else saved beside what was typed meanwhile, field by field.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use crate::desk::form::activity::Reading;
use crate::desk::form::posted::{Posted, Typed, native_moment};
use crate::desk::form::view::Change;
use crate::meta::{Document, Fieldtype};

/// The fields that differ, from the value that is stored to the one that was typed.
pub(super) fn differences(read: &Reading<'_>, stored: &Document, posted: &Posted) -> Vec<Change> {
    let doctype = &stored.doctype;
    let mut found = fields(read, stored, &posted.fields, "");
    for field in doctype.table_fields() {
        let Some(mine) = posted.tables.get(&field.fieldname) else { continue };
        let theirs = stored.rows(&field.fieldname);
        let by_name: HashMap<String, &Document> = theirs.iter().map(|row| (row.name(), row)).collect();
        let kept: HashSet<&str> = mine.iter().map(|row| row.name.as_str()).collect();
        for (at, row) in mine.iter().enumerate() {
            if let Some(stored) = by_name.get(&row.name) {
                let Some((label, _)) = read.table(&json!([field.fieldname]), doctype) else { continue };
                found.extend(fields(read, stored, &row.values, &format!("{label} row {}: ", at + 1)));
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
    }
    found
}

fn fields(read: &Reading<'_>, stored: &Document, typed: &Typed, before: &str) -> Vec<Change> {
    let fields = stored.doctype.fields.iter().filter(|field| field.has_column());
    let compared = fields.filter_map(|field| {
        let (mut theirs, mut mine) = (stored.get(&field.fieldname).to_json(), typed.get(&field.fieldname)?.clone());
        if matches!(field.fieldtype, Fieldtype::Datetime | Fieldtype::Time) {
            // As exact as inputs are.
            theirs = theirs.as_str().map_or(Json::Null, |text| Json::from(native_moment(text)));
            mine = if mine.is_empty() { mine } else { native_moment(&mine) };
        }
        read.change(&json!([field.fieldname, theirs, mine]), &stored.doctype, before)
    });
    compared.filter(|change| change.from != change.to).collect()
}
