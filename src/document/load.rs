//! Reading whole documents: the row, its child rows, Singles and virtual ones.

use std::collections::HashMap;
use std::sync::Arc;

use crate::database::{Executor, documents};
use crate::document::defaults;
use crate::error::Result;
use crate::meta::doctype::slot;
use crate::meta::fieldtype::Shape;
use crate::meta::{DocType, Document, Registry, Value};

/// A stored document with its child rows. Virtual DocTypes have none here.
pub(super) async fn find(
    exec: &dyn Executor,
    registry: &Registry,
    doctype: &Arc<DocType>,
    name: &str,
    for_update: bool,
) -> Result<Option<Document>> {
    let mut document = if doctype.issingle {
        if for_update {
            documents::lock_single(exec, doctype).await?;
        }
        single(exec, doctype).await?
    } else {
        match documents::find(exec, doctype, name, for_update).await? {
            Some(document) => document,
            None => return Ok(None),
        }
    };
    load_children(exec, registry, &mut document).await?;
    Ok(Some(document))
}

/// Fills in the child rows, with one query for every child DocType.
async fn load_children(exec: &dyn Executor, registry: &Registry, document: &mut Document) -> Result<()> {
    let doctype = Arc::clone(&document.doctype);
    let mut loaded: HashMap<String, Vec<Document>> = HashMap::new();
    for (table, field) in doctype.table_fields().enumerate() {
        let Some(child) = registry.get(&field.options) else { continue };
        if !loaded.contains_key(&child.name) {
            let rows = documents::children(exec, child, &doctype.name, &document.name()).await?;
            loaded.insert(child.name.clone(), rows);
        }
        if let Some(rows) = loaded.get_mut(&child.name) {
            let (own, others) =
                std::mem::take(rows).into_iter().partition(|row| row.text("parentfield") == field.fieldname);
            document.tables[table] = own;
            *rows = others;
        }
    }
    Ok(())
}

/// A Single: the stored rows, cast to the types of their columns; defaults if nothing was ever saved.
async fn single(exec: &dyn Executor, doctype: &Arc<DocType>) -> Result<Document> {
    let stored = documents::single(exec, &doctype.name).await?;
    let mut document = Document::new(Arc::clone(doctype));
    document.is_new = stored.is_empty();
    if stored.is_empty() {
        defaults::fill_static(&mut document);
    }
    for (column, value) in doctype.columns.iter().zip(&mut document.values) {
        let Some(text) = stored.get(&column.name) else {
            // A field added since the last save has its default, as a new column would.
            if let Some(field) = column.field.map(|index| &doctype.fields[index])
                && !stored.is_empty()
            {
                *value = defaults::static_default(field, column.column_type).unwrap_or_default();
            }
            continue;
        };
        *value = match (column.column_type.shape(), text) {
            (_, Value::Null) => Value::Null,
            (Shape::Int, text) => Value::Int(text.as_int().unwrap_or(0)),
            (Shape::Float, text) => text.text().parse().map_or(Value::Null, Value::Float),
            (Shape::Text, text) => text.clone(),
        };
    }
    document.values[slot::NAME] = Value::Text(doctype.name.clone());
    Ok(document)
}
