//! What changed between two states of a document, as Frappe's Version rows say it, and the way back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::document::stored_rows::StoredRows;
use crate::document::validate::same;
use crate::document::work::Work;
use crate::error::Result;
use crate::meta::{Document, Fieldtype, Value, View, fieldtype};

/// The `data` of a Version, and the same without masks where some are in it; `None` if nothing worth a Version changed.
pub(super) fn diff(before: &Document, after: &Document) -> Option<(String, Option<String>)> {
    let shown = diff_seen(before, after, View::MASKED)?.to_string();
    let has_masks = before.has_masks() || after.has_masks();
    let kept = has_masks.then(|| diff_seen(before, after, View::WHOLE)).flatten();
    Some((shown, kept.map(|kept| kept.to_string())))
}

fn diff_seen(before: &Document, after: &Document, view: View) -> Option<Json> {
    let changed = changed_fields(before, after, view);
    let (mut added, mut removed, mut row_changed) = (Vec::new(), Vec::new(), Vec::new());
    let (stored, kept) = (StoredRows::of(Some(before)), StoredRows::of(Some(after)));
    for (table, field) in after.doctype.table_fields().enumerate() {
        for (index, row) in after.tables[table].iter().enumerate() {
            match stored.get(table, row) {
                None => added.push(json!([field.fieldname, row.to_json(view)])),
                Some(old) => {
                    let fields = changed_fields(old, row, view);
                    if !fields.is_empty() {
                        row_changed.push(json!([field.fieldname, index, row.name(), fields]));
                    }
                }
            }
        }
        for row in before.tables.get(table).into_iter().flatten() {
            if kept.get(table, row).is_none() {
                removed.push(json!([field.fieldname, row.to_json(view)]));
            }
        }
    }
    if changed.is_empty() && added.is_empty() && removed.is_empty() && row_changed.is_empty() {
        return None;
    }
    Some(json!({
        "changed": changed,
        "added": added,
        "removed": removed,
        "row_changed": row_changed,
        "data_import": Json::Null,
        "updater_reference": Json::Null,
    }))
}

/// `[fieldname, old, new]` with the values as they are stored; secrets only as having changed.
fn changed_fields(before: &Document, after: &Document, view: View) -> Vec<Json> {
    let mut changed = Vec::new();
    for (index, column) in after.doctype.columns.iter().enumerate() {
        let (Some(old), new) = (before.values.get(index), &after.values[index]) else { continue };
        if same(old, new) {
            continue;
        }
        match column.field.map(|field| &after.doctype.fields[field]) {
            Some(field) if field.secret => {}
            Some(field) if field.fieldtype == Fieldtype::Password => {
                changed.push(json!([field.fieldname, "*", "*"]));
            }
            Some(field) => {
                let column_type = column.column_type;
                let seen = |value| view.value(value, column_type, Some(field)).to_json();
                changed.push(json!([field.fieldname, seen(old), seen(new)]));
            }
            None if column.name == "docstatus" => changed.push(json!(["docstatus", old.to_json(), new.to_json()])),
            None => {}
        }
    }
    changed
}

/// Takes a change, the `data` of a Version, back out of the document. What cannot be undone is noted.
///
/// `stored` is the document as it is stored, whose rows keep their names even if they went and came back in between.
pub(super) async fn undo(
    work: &mut Work<'_>,
    (document, stored): (&mut Document, &Document),
    data: &Json,
    notes: &mut Vec<String>,
) -> Result<()> {
    for entry in entries(data, "changed") {
        set_old(document, entry, notes);
    }
    let places: Vec<HashMap<String, usize>> =
        document.tables.iter().map(|rows| rows.iter().map(Document::name).zip(0..).collect()).collect();
    for entry in entries(data, "row_changed") {
        let Some(table) = entry[0].as_str().and_then(|table| document.doctype.table(table)) else {
            note_missing(document, &entry[0], notes);
            continue;
        };
        if let Some(place) = entry[2].as_str().and_then(|name| places[table].get(name)) {
            let row = &mut document.tables[table][*place];
            for change in entry[3].as_array().into_iter().flatten() {
                set_old(row, change, notes);
            }
        }
    }
    let mut added: HashSet<(usize, &str)> = HashSet::new();
    for entry in entries(data, "added") {
        match entry[0].as_str().and_then(|table| document.doctype.table(table)) {
            Some(table) => added.extend(entry[1]["name"].as_str().map(|name| (table, name))),
            None => note_missing(document, &entry[0], notes),
        }
    }
    for (table, rows) in document.tables.iter_mut().enumerate() {
        rows.retain(|row| !added.contains(&(table, row.name().as_str())));
    }
    let mut there: Vec<HashSet<String>> =
        document.tables.iter().map(|rows| rows.iter().map(Document::name).collect()).collect();
    let stored_rows = StoredRows::of(Some(stored));
    // In the order that they had, so that each finds its place.
    let mut removed: Vec<&Json> = entries(data, "removed").collect();
    removed.sort_by_key(|entry| entry[1]["idx"].as_i64());
    for entry in removed {
        let table = entry[0].as_str().and_then(|table| document.doctype.table(table));
        let (Some(table), Some(values)) = (table, entry[1].as_object()) else {
            note_missing(document, &entry[0], notes);
            continue;
        };
        let name = values.get("name").and_then(Json::as_str).unwrap_or_default();
        if !there[table].insert(name.to_owned()) {
            continue;
        }
        let row = row_again(work, stored, stored_rows.named(table, name), table, values, notes).await?;
        let at = values.get("idx").and_then(Json::as_u64).map_or(usize::MAX, |idx| usize::try_from(idx).unwrap_or(1));
        let rows = &mut document.tables[table];
        rows.insert(at.saturating_sub(1).min(rows.len()), row);
    }
    Ok(())
}

fn entries<'a>(data: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> {
    data.get(key).and_then(Json::as_array).into_iter().flatten()
}

/// `[fieldname, old, new]`: the old value comes back.
fn set_old(document: &mut Document, entry: &Json, notes: &mut Vec<String>) {
    let doctype = Arc::clone(&document.doctype);
    let Some(fieldname) = entry[0].as_str().filter(|name| *name != "docstatus") else { return };
    let (Some(field), Some(column)) = (doctype.field(fieldname), doctype.column(fieldname)) else {
        note_missing(document, &entry[0], notes);
        return;
    };
    if field.fieldtype == Fieldtype::Password {
        notes.push(format!("{} stays as it is now: passwords are not kept", field.label));
        return;
    }
    match fieldtype::parse(field, doctype.columns[column].column_type, &entry[1]) {
        Ok(value) => document.values[column] = value,
        Err(_) => notes.push(format!("{} stays as it is now: {} no longer fits it", field.label, entry[1])),
    }
}

fn note_missing(document: &Document, fieldname: &Json, notes: &mut Vec<String>) {
    notes.push(format!("{} no longer has the field {}", document.doctype.name, fieldname.as_str().unwrap_or("?")));
}

/// A row that was removed, with its name if that is still free.
async fn row_again(
    work: &mut Work<'_>,
    stored: &Document,
    stored_row: Option<&Document>,
    table: usize,
    values: &Map<String, Json>,
    notes: &mut Vec<String>,
) -> Result<Document> {
    let name = values.get("name").and_then(Json::as_str).unwrap_or_default();
    let mut row = if let Some(row) = stored_row {
        row.clone()
    } else {
        let field = stored.doctype.table_fields().nth(table);
        let mut row = work.new_document(&field.map(|field| field.options.clone()).unwrap_or_default())?;
        work.name_rows(std::slice::from_mut(&mut row), &[name]).await?;
        row
    };
    let doctype = Arc::clone(&row.doctype);
    for (key, value) in values {
        if let (Some(field), Some(column)) = (doctype.field(key), doctype.column(key)) {
            if field.fieldtype != Fieldtype::Password {
                set_old(&mut row, &json!([key, value]), notes);
            } else if row.is_new {
                row.values[column] = Value::Null;
            }
        }
    }
    Ok(row)
}
