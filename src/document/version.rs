//! What changed between two states of a document, as Frappe's Version rows say it.

use serde_json::{Value as Json, json};

use crate::document::validate::{same, same_row};
use crate::meta::{Document, Fieldtype, fieldtype};

/// The `data` of a Version; `None` if nothing worth a Version changed.
pub(super) fn diff(before: &Document, after: &Document) -> Option<Json> {
    let changed = changed_fields(before, after);
    let (mut added, mut removed, mut row_changed) = (Vec::new(), Vec::new(), Vec::new());
    for (table, field) in after.doctype.table_fields().enumerate() {
        for (index, row) in after.tables[table].iter().enumerate() {
            match same_row(before, table, row) {
                None => added.push(json!([field.fieldname, row.to_json_whole()])),
                Some(old) => {
                    let fields = changed_fields(old, row);
                    if !fields.is_empty() {
                        row_changed.push(json!([field.fieldname, index, row.name(), fields]));
                    }
                }
            }
        }
        for row in before.tables.get(table).into_iter().flatten() {
            if same_row(after, table, row).is_none() {
                removed.push(json!([field.fieldname, row.to_json_whole()]));
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

/// `[fieldname, old, new]` as people read the values; secrets only as having changed.
fn changed_fields(before: &Document, after: &Document) -> Vec<Json> {
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
                changed.push(json!([field.fieldname, fieldtype::display(field, old), fieldtype::display(field, new)]));
            }
            None if column.name == "docstatus" => changed.push(json!(["docstatus", old.to_json(), new.to_json()])),
            None => {}
        }
    }
    changed
}
