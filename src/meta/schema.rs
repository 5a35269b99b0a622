//! The JSON Schema (draft 2020-12) of a DocType file, for completion and hover help in editors.

use serde_json::{Map, Value as Json, json};

use crate::meta::docfield::FIELD;
use crate::meta::doctype::DOCTYPE;
use crate::meta::fieldtype::{DATA_FORMATS, Fieldtype};
use crate::meta::keys::{self, Key, Kind};
use crate::meta::validation::On;

/// The schema of a DocType file or overlay.
pub(crate) fn json_schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "DocType",
        "description": "A kind of document: its fields, its permissions, how it is named. From it come the table, the REST API and the form.",
        "type": "object",
        "properties": doctype_properties(),
        "additionalProperties": false,
        "if": { "required": ["extends"] },
        "then": {
            "not": { "required": ["name"] },
            "properties": {
                "fields": {
                    "description": "Fields to add, and fields to change: those whose `fieldname` is there already.",
                    "items": { "required": ["fieldname"] }
                },
                "permissions": {
                    "description": "Rows to add, to change or to remove: those of the same role, level and `if_owner` are one."
                }
            }
        },
        "else": {
            "required": ["name"],
            "properties": {
                "fields": { "items": { "allOf": complete_field_rules() } },
                "permissions": { "items": { "required": ["role"] } }
            }
        },
        "$defs": {
            "flag": { "enum": [true, false, 1, 0] },
            "line": { "type": ["string", "number"] },
            "lines": {
                "oneOf": [
                    { "type": ["string", "number"] },
                    { "type": "array", "items": { "type": ["string", "number", "null"] } }
                ]
            },
            "condition": {
                "type": ["string", "number"],
                "examples": ["enabled", "eval:doc.status == 'Open'", "eval:in_list(['Open', 'Draft'], doc.status)"]
            },
            "translations": {
                "type": "object",
                "propertyNames": { "pattern": "^[A-Za-z]{2,3}([_-][A-Za-z0-9]+)*$" },
                "additionalProperties": { "type": "object", "additionalProperties": { "type": "string" } },
                "examples": [{ "de": { "Library Book": "Buch", "Title": "Titel" } }]
            },
            "field": {
                "type": "object",
                "properties": field_properties(),
                "additionalProperties": false
            },
            "validation": {
                "type": "object",
                "properties": {
                    "when": { "type": ["string", "number"], "examples": ["end_date < start_date", "total > customer.credit_limit"] },
                    "message": { "type": "string", "examples": ["{total} is more than the customer may owe"] },
                    "field": { "type": "string" },
                    "on": { "type": ["string", "array"], "examples": On::ALL.map(|(_, name)| name) }
                },
                "required": ["when", "message"],
                "additionalProperties": false
            },
            "permission": {
                "type": "object",
                "properties": properties(keys::PERMISSION),
                "required": ["role"],
                "additionalProperties": false
            }
        }
    })
}

fn doctype_properties() -> Map<String, Json> {
    let mut all = properties(DOCTYPE);
    merge(&mut all, "doctype", json!({ "const": "DocType" }));
    merge(&mut all, "name", json!({ "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_ -]+$", "maxLength": 60 }));
    merge(&mut all, "extends", json!({ "type": "string" }));
    merge(&mut all, "fields", json!({ "type": "array", "items": { "$ref": "#/$defs/field" } }));
    merge(&mut all, "permissions", json!({ "type": "array", "items": { "$ref": "#/$defs/permission" } }));
    merge(&mut all, "validations", json!({ "type": "array", "items": { "$ref": "#/$defs/validation" } }));
    merge(&mut all, "field_order", json!({ "type": "array", "items": { "type": "string" } }));
    merge(&mut all, "sort_order", json!({ "enum": ["ASC", "DESC", "asc", "desc"] }));
    let forms = [
        "hash",
        "Prompt",
        "autoincrement",
        "UUID",
        "field:title",
        "naming_series:",
        "format:INV-{YYYY}-{####}",
        "INV-.YYYY.-.####",
    ];
    merge(&mut all, "autoname", json!({ "examples": forms }));
    all
}

fn field_properties() -> Map<String, Json> {
    let mut all = properties(FIELD);
    let fieldtypes: Vec<&str> = Fieldtype::ALL.iter().map(|(_, name)| *name).collect();
    merge(&mut all, "fieldtype", json!({ "enum": fieldtypes, "default": "Data" }));
    merge(&mut all, "fieldname", json!({ "type": "string", "pattern": "^[A-Za-z0-9_]+$", "maxLength": 63 }));
    merge(&mut all, "default", json!({ "type": ["string", "number", "boolean"] }));
    merge(&mut all, "on_delete", json!({ "enum": ["refuse", "cascade", "ignore"] }));
    merge(&mut all, "permlevel", json!({ "minimum": 0, "maximum": 9 }));
    merge(&mut all, "length", json!({ "minimum": 0, "maximum": 1000 }));
    merge(&mut all, "precision", json!({ "minimum": 0, "maximum": 9 }));
    merge(&mut all, "columns", json!({ "minimum": 0, "maximum": 12 }));
    let formulas = ["qty * rate", "sum(items.amount)", "add_days(posting_date, 30)", "customer.credit_limit - total"];
    merge(&mut all, "formula", json!({ "type": ["string", "number"], "examples": formulas }));
    merge(&mut all, "fetch_from", json!({ "pattern": "^[A-Za-z0-9_]+\\.[A-Za-z0-9_]+$" }));
    all
}

/// What a field needs where it is defined; overlays may leave it out, because it is there already.
fn complete_field_rules() -> Json {
    let layout: Vec<&str> =
        [Fieldtype::SectionBreak, Fieldtype::ColumnBreak, Fieldtype::TabBreak].map(Fieldtype::as_str).into();
    let of_type =
        |fieldtypes: Json| json!({ "properties": { "fieldtype": { "enum": fieldtypes } }, "required": ["fieldtype"] });
    json!([
        { "anyOf": [{ "required": ["fieldname"] }, { "required": ["label"] }, of_type(json!(layout))] },
        {
            "if": of_type(json!(["Link", "Dynamic Link", "Table", "Table MultiSelect"])),
            "then": { "required": ["options"] }
        },
        {
            "if": of_type(json!(["Data"])),
            "then": { "properties": { "options": { "enum": DATA_FORMATS.iter().chain(&[""]).collect::<Vec<_>>() } } }
        },
        {
            "if": of_type(json!(["Check"])),
            "then": { "properties": { "default": { "enum": [0, 1, "0", "1", true, false] } } }
        }
    ])
}

fn properties(keys: &'static [Key]) -> Map<String, Json> {
    let mut all = Map::new();
    for key in keys {
        let mut schema = match key.kind {
            Kind::Text => json!({ "$ref": "#/$defs/line" }),
            Kind::Flag => json!({ "$ref": "#/$defs/flag" }),
            Kind::Whole => json!({ "type": ["integer", "string"], "pattern": "^-?[0-9]*$" }),
            Kind::Lines | Kind::Names => json!({ "$ref": "#/$defs/lines" }),
            Kind::Condition => json!({ "$ref": "#/$defs/condition" }),
            Kind::Filters => json!({ "type": ["string", "array", "object"] }),
            Kind::Rows => json!({ "type": "array", "items": { "type": "object" } }),
            Kind::Translations => json!({ "$ref": "#/$defs/translations" }),
            Kind::Any => json!({}),
        };
        if let Json::Object(schema) = &mut schema {
            let kept = if key.acts { "" } else { " Kept for compatibility: Doctyped does not act on it." };
            schema.insert("description".to_owned(), Json::from(format!("{}{kept}", key.help)));
        }
        all.insert(key.name.to_owned(), schema);
    }
    for name in keys::STORED {
        all.entry(*name).or_insert_with(|| json!({ "description": "Written by Frappe's export; has no effect here." }));
    }
    all
}

/// Adds to the schema of one key what its kind alone does not say.
fn merge(all: &mut Map<String, Json>, key: &str, more: Json) {
    if let (Some(Json::Object(schema)), Json::Object(more)) = (all.get_mut(key), more) {
        if more.contains_key("type") || more.contains_key("enum") || more.contains_key("const") {
            schema.remove("$ref");
            schema.remove("items");
        }
        schema.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_help_and_every_reference_its_target() {
        let schema = json_schema();
        for (path, keys) in [
            ("/properties", DOCTYPE),
            ("/$defs/field/properties", FIELD),
            ("/$defs/permission/properties", keys::PERMISSION),
        ] {
            for key in keys {
                let property = schema.pointer(&format!("{path}/{}", key.name)).unwrap();
                let help = property["description"].as_str().unwrap();
                assert!(help.starts_with(key.help), "{}: {help}", key.name);
            }
        }
        check_references(&schema, &schema);
        assert_eq!(schema.pointer("/$defs/field/properties/fieldtype/enum").unwrap().as_array().unwrap().len(), 44);
    }

    fn check_references(node: &Json, root: &Json) {
        match node {
            Json::Object(map) => {
                if let Some(Json::String(target)) = map.get("$ref") {
                    assert!(root.pointer(target.trim_start_matches('#')).is_some(), "{target}");
                }
                map.values().for_each(|child| check_references(child, root));
            }
            Json::Array(items) => items.iter().for_each(|child| check_references(child, root)),
            _ => {}
        }
    }
}
