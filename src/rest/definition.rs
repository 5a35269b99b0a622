//! DocType definitions as JSON, in Frappe's keys: for `/meta`, `getdoctype`, and the DocTypes that show DocTypes.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::meta::doctype::Order;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, DocType};
use crate::permissions::Session;
use crate::permissions::reader;
use crate::web::Site;

/// A DocType as the session may know it, or the refusal.
pub(super) fn known(site: &Site, session: &Session, name: &str) -> Result<Arc<DocType>> {
    let registry = site.documents.registry();
    registry.get(name).ok_or_else(|| Error::does_not_exist("DocType", name))?;
    let refused = || Error::Permission(format!("{} may not use documents of {name}", session.user()));
    reader::doctype(&registry, session, name).ok_or_else(refused)
}

/// A DocType with its fields and permissions.
pub(super) fn doctype(doctype: &DocType) -> Map<String, Json> {
    let mut out = Map::new();
    out.insert("doctype".to_owned(), Json::from("DocType"));
    for (key, value) in &doctype.raw {
        // Lists of parts are written out below, or are not rows of their own.
        if !matches!(key.as_str(), "fields" | "permissions" | "extends" | "field_order") {
            out.insert(key.clone(), plain(value));
        }
    }
    out.extend(doctype_row(doctype));
    out.insert("fields".to_owned(), fields(doctype).into_iter().map(Json::Object).collect());
    out.insert("permissions".to_owned(), permissions(doctype).into_iter().map(Json::Object).collect());
    out
}

/// The properties of a DocType itself.
pub(super) fn doctype_row(doctype: &DocType) -> Map<String, Json> {
    let (sort_field, sort_order) = match doctype.sort.as_slice() {
        [] => ("creation".to_owned(), Order::Desc.as_str().to_uppercase()),
        [(field, order)] => (field.clone(), order.as_str().to_uppercase()),
        several => {
            let parts: Vec<String> =
                several.iter().map(|(field, order)| format!("{field} {}", order.as_str())).collect();
            (parts.join(", "), String::new())
        }
    };
    let mut row = doctype.to_keys();
    row.extend(object(json!({
        "naming_rule": naming_label(&doctype.naming_rule),
        "sort_field": sort_field,
        "sort_order": sort_order,
    })));
    row
}

/// The fields of a DocType, each a row of DocField.
pub(super) fn fields(doctype: &DocType) -> Vec<Map<String, Json>> {
    doctype
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let mut row = field_row(field);
            let name = format!("{}-{}", doctype.name, field.fieldname);
            place(&mut row, "DocField", &name, &doctype.name, "fields", index);
            row
        })
        .collect()
}

/// The permission rows of a DocType, each a row of DocPerm.
pub(super) fn permissions(doctype: &DocType) -> Vec<Map<String, Json>> {
    doctype
        .permissions
        .iter()
        .enumerate()
        .map(|(index, permission)| {
            let mut row = permission.to_keys();
            let name = format!("{}-permission-{}", doctype.name, index + 1);
            place(&mut row, "DocPerm", &name, &doctype.name, "permissions", index);
            row
        })
        .collect()
}

fn field_row(field: &DocField) -> Map<String, Json> {
    let mut out: Map<String, Json> = field.raw.iter().map(|(key, value)| (key.clone(), plain(value))).collect();
    out.extend(field.to_keys());
    out
}

fn place(row: &mut Map<String, Json>, doctype: &str, name: &str, parent: &str, parentfield: &str, index: usize) {
    row.extend(object(json!({
        "doctype": doctype,
        "name": name,
        "parent": parent,
        "parenttype": "DocType",
        "parentfield": parentfield,
        "idx": index + 1,
        "docstatus": 0,
    })));
}

/// The naming rule in the words of the DocType form.
pub(super) fn naming_label(rule: &NamingRule) -> &'static str {
    match rule {
        NamingRule::Prompt => "Set by user",
        NamingRule::Autoincrement => "Autoincrement",
        NamingRule::Field(_) => "By fieldname",
        NamingRule::NamingSeries => "By \"Naming Series\" field",
        NamingRule::Series(_) => "Expression",
        NamingRule::Hash => "Random",
        NamingRule::Uuid => "UUID",
        NamingRule::Controller => "By script",
    }
}

/// A property as Frappe writes it: 1 and 0 for flags, text with line breaks for lists of text.
fn plain(value: &Json) -> Json {
    match value {
        Json::Bool(on) => Json::from(u8::from(*on)),
        Json::Array(list) if !list.is_empty() && list.iter().all(Json::is_string) => {
            let lines: Vec<&str> = list.iter().filter_map(Json::as_str).collect();
            Json::from(lines.join("\n"))
        }
        other => other.clone(),
    }
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}
