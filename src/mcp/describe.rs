//! What an assistant learns of the DocTypes: those that it may use, and of one the fields, rights and methods.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::document::workflow::APPLY;
use crate::document::{Documents, method};
use crate::error::{Error, Result};
use crate::meta::doctype::unscrub;
use crate::meta::fieldtype::Shape;
use crate::meta::naming_rule::NamingRule;
use crate::meta::workflow::Transition;
use crate::meta::{ColumnType, DocField, DocType, Fieldtype, Registry, Right};
use crate::permissions::{Session, reader};

/// The DocType as the session may know it, or the refusal.
pub(super) fn known(documents: &Documents, session: &Session, name: &str) -> Result<Arc<DocType>> {
    let doctype = documents.doctype(name)?;
    match reader::doctype(&documents.registry(), session, name) {
        Some(known) => Ok(known),
        // The scope that is missing, if it is a scope.
        None => Err(documents
            .check_permission(session, &doctype, None, Right::Read)
            .err()
            .unwrap_or_else(|| Error::Permission(format!("{} may not use documents of {name}", session.user())))),
    }
}

/// Those whose documents the session may read, child tables left out, by name.
pub(super) fn readable(documents: &Documents, session: &Session) -> Vec<Arc<DocType>> {
    let registry = documents.registry();
    let mut readable: Vec<Arc<DocType>> = registry
        .iter()
        .filter(|doctype| !doctype.istable && documents.grant(session, doctype).may(Right::Read))
        .cloned()
        .collect();
    readable.sort_by(|a, b| a.name.cmp(&b.name));
    readable
}

/// A DocType in a line.
pub(super) fn summary(doctype: &DocType) -> Json {
    let mut line = Map::from_iter([
        ("name".to_owned(), Json::from(doctype.name.as_str())),
        ("module".to_owned(), Json::from(doctype.module.as_str())),
    ]);
    let description = first_sentence(&doctype.description);
    if !description.is_empty() {
        line.insert("description".to_owned(), Json::from(description));
    }
    Json::Object(line)
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

/// A DocType whole.
pub(super) async fn doctype(documents: &Documents, session: &Session, doctype: &DocType) -> Result<Json> {
    let workflow = documents.workflow(&doctype.name).await?;
    let registry = documents.registry();
    let grant = documents.grant(session, doctype);
    let rights: Vec<&str> = Right::ALL.into_iter().filter(|right| grant.may(*right)).map(Right::as_str).collect();
    let mut out = Map::new();
    let mut set = |key: &str, value: Json| out.insert(key.to_owned(), value);
    set("name", json!(doctype.name));
    set("description", json!(doctype.description));
    set("you_may", json!(rights));
    set("names", json!(naming(&doctype.naming_rule)));
    if doctype.issingle {
        set("single", json!(format!("There is one document, named {}", doctype.name)));
    }
    if doctype.is_submittable {
        set("drafts", json!("docstatus is 0 draft, 1 submitted, 2 cancelled; `run` with submit or cancel changes it"));
    }
    if let Some(title) = &doctype.title_field {
        set("title_field", json!(title));
    }
    set("schema", schema(&registry, doctype, true));
    let methods = method::of(documents.controllers(), doctype);
    // A comment is a document of its own here.
    let methods: Vec<Json> = methods
        .iter()
        .filter(|method| method.name != "add_comment")
        .map(|method| json!({ "name": method.name, "description": method.description }))
        .collect();
    if !methods.is_empty() {
        set("methods", Json::Array(methods));
    }
    if let Some(workflow) = workflow {
        let way = |way: &Transition| json!({ "from": way.state, "action": way.action, "to": way.next_state, "role": way.allowed, "if": way.condition });
        let how = format!("`run` with the method {APPLY} and the argument action takes a step");
        let ways: Vec<Json> = workflow.declared.transitions.iter().map(way).collect();
        set("workflow", json!({ "state_field": workflow.declared.workflow_state_field, "how": how, "ways": ways }));
    }
    Ok(Json::Object(out))
}

/// How documents get their names, for who creates one.
fn naming(rule: &NamingRule) -> &'static str {
    match rule {
        NamingRule::Prompt => "Send `name` with the values of a new document",
        NamingRule::Uuid => "Made by the site; a UUID in `name` counts",
        _ => "Made by the site from the values",
    }
}

/// The fields as JSON Schema.
fn schema(registry: &Registry, doctype: &DocType, with_rows: bool) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &doctype.fields {
        let Some(property) = property(registry, field, with_rows) else { continue };
        let is_computed = field.read_only || field.is_virtual || field.fetch_from.is_some();
        if field.reqd && field.default.is_none() && !is_computed {
            required.push(Json::from(field.fieldname.as_str()));
        }
        properties.insert(field.fieldname.clone(), property);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = Json::Array(required);
    }
    schema
}

fn property(registry: &Registry, field: &DocField, with_rows: bool) -> Option<Json> {
    if field.secret || field.hidden && !field.reqd {
        return None;
    }
    let mut out = if field.fieldtype.is_table() {
        let rows = registry.get(&field.options).filter(|_| with_rows);
        let items = rows.map_or_else(|| json!({ "type": "object" }), |rows| schema(registry, rows, false));
        json!({ "type": "array", "items": items })
    } else if field.is_virtual {
        json!({ "type": "string" })
    } else {
        of_column(field, field.fieldtype.column_type(field)?)
    };
    let label = if field.label.is_empty() { unscrub(&field.fieldname) } else { field.label.clone() };
    out["title"] = Json::from(label);
    if !field.description.is_empty() {
        out["description"] = Json::from(field.description.as_str());
    }
    if let Some(default) = &field.default {
        out["default"] = Json::from(default.as_str());
    }
    match (field.fieldtype, field.link_target()) {
        (Fieldtype::Link, Some(target)) => out["x-link-to"] = Json::from(target),
        (Fieldtype::DynamicLink, _) => out["x-link-to-doctype-in"] = Json::from(field.options.as_str()),
        _ => {}
    }
    if field.read_only || field.is_virtual || field.fetch_from.is_some() && !field.fetch_if_empty {
        out["readOnly"] = Json::Bool(true);
    }
    if field.fieldtype == Fieldtype::Password {
        out["writeOnly"] = Json::Bool(true);
    }
    Some(out)
}

fn of_column(field: &DocField, column: ColumnType) -> Json {
    match field.fieldtype {
        Fieldtype::Check => return json!({ "type": "integer", "enum": [0, 1] }),
        Fieldtype::Select => {
            let options: Vec<&str> = field.select_options().collect();
            if options.iter().any(|option| !option.is_empty()) {
                return json!({ "enum": options });
            }
        }
        _ => {}
    }
    match column {
        ColumnType::Date => json!({ "type": "string", "format": "date" }),
        ColumnType::Datetime => json!({ "type": "string", "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d" }),
        ColumnType::Time => json!({ "type": "string", "pattern": r"^\d\d:\d\d:\d\d" }),
        ColumnType::Varchar(length) => json!({ "type": "string", "maxLength": length }),
        other => match other.shape() {
            Shape::Int => json!({ "type": "integer" }),
            Shape::Float => json!({ "type": "number" }),
            Shape::Text => json!({ "type": "string" }),
        },
    }
}
