//! Permission levels and masks of what is written: what the session may not write stays as it was.

use std::sync::Arc;

use crate::document::defaults;
use crate::document::stored_rows::StoredRows;
use crate::document::work::Work;
use crate::meta::Document;
use crate::permissions::Grant;

impl Work<'_> {
    /// Fields of levels that the session may not write keep their stored value, or their default; masked ones their stored value.
    pub(super) fn reset_levels(&self, document: &mut Document, before: Option<&Document>) {
        if self.session.is_system() {
            return;
        }
        let doctype = Arc::clone(&document.doctype);
        let grant = self.documents.grant(&self.session, &doctype);
        reset(document, before, &grant);
        let stored = StoredRows::of(before);
        for (table, field) in doctype.table_fields().enumerate() {
            if field.permlevel > 0 && !grant.writes_level(field.permlevel) {
                document.tables[table] = before.map(|before| before.tables[table].clone()).unwrap_or_default();
                continue;
            }
            for row in &mut document.tables[table] {
                let old = stored.get(table, row);
                reset(row, old, &grant);
            }
        }
    }
}

/// The same for one row of a table, the document's own or a child's.
fn reset(row: &mut Document, old: Option<&Document>, grant: &Grant) {
    let doctype = Arc::clone(&row.doctype);
    for (index, column) in doctype.columns.iter().enumerate() {
        let Some(field) = column.field.map(|field| &doctype.fields[field]) else { continue };
        let is_masked = old.is_some() && grant.masks(field);
        if is_masked || field.permlevel > 0 && !grant.writes_level(field.permlevel) {
            row.values[index] = match old {
                Some(old) => old.values[index].clone(),
                None => defaults::static_default(field, column.column_type).unwrap_or_default(),
            };
        }
    }
}
