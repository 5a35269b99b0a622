//! DocType, DocField and DocPerm as virtual DocTypes: definitions readable like any document.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::document::{Controller, Work};
use crate::error::Result;
use crate::meta::doctype::slot;
use crate::meta::fieldtype::Shape;
use crate::meta::{DocType, Document, Registry, Value};
use crate::permissions::reader;
use crate::permissions::session::ADMINISTRATOR;
use crate::rest::definition;

/// The definitions come with the program or with files, not from somebody's hand at some time.
const NO_TIME: &str = "1970-01-01 00:00:00.000000";

/// Every DocType.
pub(super) struct DocTypes;

/// The fields of every DocType.
pub(super) struct DocFields;

/// The permission rows of every DocType.
pub(super) struct DocPerms;

#[async_trait]
impl Controller for DocTypes {
    async fn virtual_get(&self, work: &mut Work<'_>, name: &str) -> Result<Option<Document>> {
        let registry = Arc::clone(work.registry());
        let Some(doctype) = registry.get(name) else { return Ok(None) };
        let mut document = row(&work.doctype("DocType")?, &definition::doctype_row(doctype));
        for (table, child, rows) in [
            ("fields", "DocField", definition::fields(doctype)),
            ("permissions", "DocPerm", definition::permissions(doctype)),
        ] {
            let Some(child) = registry.get(child) else { continue };
            if let Some(into) = document.rows_mut(table) {
                *into = rows.iter().map(|values| row(child, values)).collect();
            }
        }
        Ok(Some(document))
    }

    async fn virtual_list(&self, work: &mut Work<'_>) -> Result<Vec<Document>> {
        let shown = work.doctype("DocType")?;
        let registry = Arc::clone(work.registry());
        // Whoever only chooses among them chooses among those that they may use.
        let known = registry.iter().filter_map(|doctype| reader::doctype(&registry, &work.session, &doctype.name));
        Ok(known.map(|doctype| row(&shown, &definition::doctype_row(&doctype))).collect())
    }
}

#[async_trait]
impl Controller for DocFields {
    async fn virtual_get(&self, work: &mut Work<'_>, name: &str) -> Result<Option<Document>> {
        find(work, "DocField", name, definition::fields)
    }

    async fn virtual_list(&self, work: &mut Work<'_>) -> Result<Vec<Document>> {
        all(work, "DocField", definition::fields)
    }
}

#[async_trait]
impl Controller for DocPerms {
    async fn virtual_get(&self, work: &mut Work<'_>, name: &str) -> Result<Option<Document>> {
        find(work, "DocPerm", name, definition::permissions)
    }

    async fn virtual_list(&self, work: &mut Work<'_>) -> Result<Vec<Document>> {
        all(work, "DocPerm", definition::permissions)
    }
}

type Rows = fn(&DocType) -> Vec<Map<String, Json>>;

fn find(work: &Work<'_>, child: &str, name: &str, rows: Rows) -> Result<Option<Document>> {
    let shown = work.doctype(child)?;
    let registry: &Registry = work.registry();
    // The name begins with that of the DocType, which may hold hyphens itself.
    let found = registry
        .iter()
        .filter(|doctype| name.strip_prefix(&doctype.name).is_some_and(|rest| rest.starts_with('-')))
        .flat_map(|doctype| rows(doctype))
        .find(|values| values.get("name").and_then(Json::as_str) == Some(name));
    Ok(found.map(|values| row(&shown, &values)))
}

fn all(work: &Work<'_>, child: &str, rows: Rows) -> Result<Vec<Document>> {
    let shown = work.doctype(child)?;
    Ok(work.registry().iter().flat_map(|doctype| rows(doctype)).map(|values| row(&shown, &values)).collect())
}

/// A document of a DocType that shows definitions, from what a definition says.
fn row(shown: &Arc<DocType>, values: &Map<String, Json>) -> Document {
    let mut document = Document::new(Arc::clone(shown));
    document.is_new = false;
    document.values[slot::OWNER] = Value::from(ADMINISTRATOR);
    document.values[slot::MODIFIED_BY] = Value::from(ADMINISTRATOR);
    document.values[slot::CREATION] = Value::from(NO_TIME);
    document.values[slot::MODIFIED] = Value::from(NO_TIME);
    for (index, column) in shown.columns.iter().enumerate() {
        let Some(value) = values.get(&column.name) else { continue };
        let shape = column.column_type.shape();
        document.values[index] = match (shape, value) {
            (_, Json::Null) => Value::Null,
            (Shape::Int, Json::Bool(on)) => Value::from(*on),
            (Shape::Int, value) => value.as_i64().map_or(Value::Null, Value::Int),
            (Shape::Float, value) => value.as_f64().map_or(Value::Null, Value::Float),
            (Shape::Text, Json::String(text)) if text.is_empty() => Value::Null,
            (Shape::Text, Json::String(text)) => Value::from(text.as_str()),
            (Shape::Text, other) => Value::Text(other.to_string()),
        };
    }
    document
}
