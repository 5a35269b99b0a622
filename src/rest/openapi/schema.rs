//! Schemas: what is common to all answers, and what a DocType's documents hold.

use serde_json::{Map, Value as Json, json};

use crate::meta::docfield::DocField;
use crate::meta::doctype::{CHILD_COLUMNS, STANDARD_COLUMNS, unscrub};
use crate::meta::naming_rule::NamingRule;
use crate::meta::{ColumnType, DocType, Fieldtype, Registry};
use crate::rest::openapi::Document;
use crate::rest::openapi::names::Names;
use crate::web::openapi::reference as schema;

/// Adds schemas, answers and security schemes that everything refers to.
pub(super) fn add_common(document: &mut Document) {
    let problem = json!({
        "type": "object",
        "description": "One thing that is wrong, at its field where it has one.",
        "properties": {
            "field": { "type": ["string", "null"], "description": "The fieldname" },
            "label": { "type": ["string", "null"], "description": "The field's label" },
            "table": { "type": ["string", "null"], "description": "The table field, for problems in a row" },
            "row": { "type": ["integer", "null"], "description": "The row, counted from 1" },
            "kind": { "type": "string", "description": "The class of the problem, such as `MandatoryError`" },
            "message": { "type": "string", "description": "What is wrong and how to fix it" },
        },
        "required": ["kind", "message"],
    });
    let error = json!({
        "type": "object",
        "description": "What is wrong, as Frappe's first API says it.",
        "properties": {
            "exc_type": { "type": "string", "description": "The class of the error, such as `ValidationError`" },
            "exc": { "type": "string", "description": "The same as `exception`, in a JSON list: there is no traceback" },
            "exception": { "type": "string", "description": "The class with its module in Frappe, and the message" },
            "_server_messages": { "type": "string", "description": "The messages to people: a JSON list of JSON texts" },
            "message": { "type": "string", "description": "Why somebody is not logged in" },
            "problems": { "type": "array", "items": schema("Problem") },
        },
        "required": ["exc_type"],
        "example": {
            "exc_type": "MandatoryError",
            "_server_messages": "[\"{\\\"message\\\":\\\"Title is required\\\"}\"]",
            "problems": [{
                "field": "title", "label": "Title", "table": null, "row": null,
                "kind": "MandatoryError", "message": "Title is required",
            }],
        },
    });
    let error_v2 = json!({
        "type": "object",
        "description": "What is wrong, as Frappe's second API says it.",
        "properties": {
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "type": { "type": "string", "description": "The class of the error" },
                        "message": { "type": "string" },
                        "title": { "type": "string" },
                        "indicator": { "type": "string" },
                        "exception": { "type": ["string", "null"] },
                        "problems": { "type": "array", "items": schema("Problem") },
                        "operation": { "type": "integer", "description": "Which operation of a batch, counted from 0" },
                    },
                    "required": ["type", "message"],
                },
            },
        },
        "required": ["errors"],
    });
    for (key, value) in [("Problem", problem), ("Error", error), ("ErrorV2", error_v2)] {
        document.schemas.insert(key.to_owned(), value);
    }
    let answers = [
        ("400", "The request does not parse"),
        ("401", "Nobody is logged in, or the credentials are not valid"),
        ("403", "The right is missing"),
        ("404", "There is no such document, or none that you may know of"),
        (
            "409",
            "The name is taken, a patch speaks of another state, or a request with the same Idempotency-Key is under way",
        ),
        ("410", "What has changed since is not kept any more: read all documents again, and begin with a new cursor"),
        ("412", "Somebody has changed the document since"),
        ("413", "The body is too large"),
        ("415", "The kind of patch is not read here: `Accept-Patch` names those that are"),
        ("417", "What was sent breaks rules; all problems come at once"),
        ("422", "The Idempotency-Key was used for another request"),
        ("429", "Too many requests: `Retry-After` says when to try again"),
    ];
    let answers = answers.map(|(status, description)| {
        let body = json!({ "anyOf": [schema("Error"), schema("ErrorV2")] });
        let answer = json!({ "description": description, "content": { "application/json": { "schema": body } } });
        (format!("Error{status}"), answer)
    });
    let mut answers = answers;
    if let Some((_, limited)) = answers.last_mut() {
        limited["headers"] = limit_headers();
    }
    let known = ("Error304".to_owned(), json!({ "description": "The answer that the client has still holds" }));
    document.add_components("responses", answers.into_iter().chain([known]).collect());
    document.add_components("securitySchemes", security_schemes());
}

/// What an answer says of the limit that was reached.
fn limit_headers() -> Json {
    let headers = [
        ("Retry-After", "integer", "After how many seconds to try again"),
        (
            "RateLimit-Policy",
            "string",
            "How much is allowed, `\"credentials\";q=60000;w=60`: 60000 requests in 60 seconds",
        ),
        ("RateLimit", "string", "What is left of it, `\"credentials\";r=0;t=12`: nothing for the next 12 seconds"),
    ];
    let header = |(name, kind, text): (&str, &str, &str)| {
        (name.to_owned(), json!({ "description": text, "schema": { "type": kind } }))
    };
    Json::Object(headers.map(header).into_iter().collect())
}

fn security_schemes() -> Map<String, Json> {
    let schemes = json!({
        "session": {
            "type": "apiKey", "in": "cookie", "name": "sid",
            "description": "The session of a browser: log in by POST to `/api/method/login`",
        },
        "api_key": {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "`token <id>:<secret>` of an API Key, which may be limited by scopes, addresses and time, or the pair of a User",
        },
        "basic": { "type": "http", "scheme": "basic", "description": "Id and secret of an API Key, or the pair of a User" },
        "bearer": { "type": "http", "scheme": "bearer", "description": "An OAuth access token" },
    });
    match schemes {
        Json::Object(schemes) => schemes,
        _ => Map::new(),
    }
}

/// Adds the schemas of a DocType: whole documents, and the same without anything required, for changes and lists.
pub(super) fn add(document: &mut Document, doctype: &DocType, registry: &Registry, names: &Names) {
    let Some(key) = names.get(&doctype.name) else { return };
    let mut properties = standard_properties(doctype);
    for field in &doctype.fields {
        if let Some(property) = property(field, registry, names) {
            properties.insert(field.fieldname.clone(), property);
        }
    }
    let partial: Map<String, Json> = properties.iter().map(|(name, value)| (name.clone(), bare(value))).collect();
    let mut required: Vec<&str> = doctype
        .fields
        .iter()
        .filter(|field| is_required(field) && properties.contains_key(&field.fieldname))
        .map(|field| field.fieldname.as_str())
        .collect();
    if doctype.naming_rule == NamingRule::Prompt && !doctype.istable && !doctype.issingle && !doctype.is_virtual {
        required.insert(0, "name");
    }
    let mut whole = json!({
        "type": "object",
        "title": doctype.name,
        "description": doctype.description,
        "properties": properties,
        "example": example(doctype),
    });
    if !required.is_empty() {
        whole["required"] = json!(required);
    }
    let partial = json!({
        "type": "object",
        "title": format!("{} (in part)", doctype.name),
        "description": format!("Some fields of {}; what is left out stays as it is, or was not asked for.", doctype.name),
        "properties": partial,
    });
    document.schemas.insert(key.to_owned(), whole);
    document.schemas.insert(format!("{key}Partial"), partial);
}

/// A field that has to be sent with a new document.
fn is_required(field: &DocField) -> bool {
    field.reqd && field.default.is_none() && !field.is_virtual && field.fetch_from.is_none() && !field.read_only
}

fn standard_properties(doctype: &DocType) -> Map<String, Json> {
    let mut properties = Map::new();
    let own_name = doctype.columns.first().map(|column| column.column_type);
    let people_choose = matches!(doctype.naming_rule, NamingRule::Prompt | NamingRule::Uuid);
    let trailing = if doctype.istable { &CHILD_COLUMNS[..] } else { &[] };
    for (name, column_type) in STANDARD_COLUMNS.iter().chain(trailing) {
        let column_type = if *name == "name" { own_name.unwrap_or(*column_type) } else { *column_type };
        let mut property = column_schema(column_type);
        property.insert("description".to_owned(), Json::from(standard_description(name)));
        let is_open = matches!(*name, "docstatus" | "modified" | "idx") || (*name == "name" && people_choose);
        if !is_open || (*name == "docstatus" && !doctype.is_submittable) {
            property.insert("readOnly".to_owned(), Json::Bool(true));
        }
        if *name == "docstatus" {
            property.insert("enum".to_owned(), json!([0, 1, 2]));
        }
        properties.insert((*name).to_owned(), Json::Object(property));
    }
    let only = json!({ "type": "string", "enum": [doctype.name], "readOnly": true, "description": "The DocType" });
    properties.insert("doctype".to_owned(), only);
    properties
}

fn standard_description(name: &str) -> &'static str {
    match name {
        "name" => "The name, by which other documents refer to this one",
        "owner" => "The user who made it",
        "creation" => "When it was made",
        "modified" => "When it was last changed; sent along with a change, it keeps that from undoing somebody else's",
        "modified_by" => "The user who last changed it",
        "docstatus" => "0 draft, 1 submitted, 2 cancelled",
        "idx" => "The position of a row, counted from 1",
        "parent" => "The name of the document that the row belongs to",
        "parentfield" => "The table field that the row belongs to",
        "parenttype" => "The DocType of the document that the row belongs to",
        _ => "",
    }
}

/// The schema of a column's values.
fn column_schema(column_type: ColumnType) -> Map<String, Json> {
    let schema = match column_type {
        ColumnType::Varchar(length) => json!({ "type": "string", "maxLength": length }),
        ColumnType::Text | ColumnType::LongText | ColumnType::Json => json!({ "type": "string" }),
        ColumnType::Int => json!({ "type": "integer", "format": "int32" }),
        ColumnType::BigInt => json!({ "type": "integer", "format": "int64" }),
        ColumnType::SmallInt => json!({ "type": "integer" }),
        ColumnType::Decimal => json!({ "type": "number", "format": "double" }),
        ColumnType::Rating => json!({ "type": "number", "format": "double", "minimum": 0, "maximum": 1 }),
        ColumnType::Date => json!({ "type": "string", "format": "date", "example": "2026-01-31" }),
        // Not RFC 3339, hence no `date-time`.
        ColumnType::Datetime => json!({ "type": "string", "example": "2026-01-31 13:45:00.000000" }),
        ColumnType::Time => json!({ "type": "string", "example": "13:45:00" }),
    };
    match schema {
        Json::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// The schema of a field; `None` for those that documents hold no value for, and for secrets.
fn property(field: &DocField, registry: &Registry, names: &Names) -> Option<Json> {
    if field.secret {
        return None;
    }
    let label = if field.label.is_empty() { unscrub(&field.fieldname) } else { field.label.clone() };
    let mut out = if field.fieldtype.is_table() {
        let items = names.get(&field.options).map_or_else(|| json!({ "type": "object" }), schema);
        Map::from_iter([("type".to_owned(), json!("array")), ("items".to_owned(), items)])
    } else if field.is_virtual {
        Map::from_iter([("type".to_owned(), json!("string"))])
    } else {
        let mut out = column_schema(field.fieldtype.column_type(field)?);
        refine(&mut out, field, registry);
        out
    };
    out.insert("title".to_owned(), Json::from(label.as_str()));
    let mut description = if field.description.is_empty() { label } else { field.description.clone() };
    if let (Fieldtype::Link, Some(target)) = (field.fieldtype, field.link_target()) {
        description.push_str(" (the name of a ");
        description.push_str(target);
        description.push(')');
    }
    out.insert("description".to_owned(), Json::from(description));
    if field.read_only || field.is_virtual || (field.fetch_from.is_some() && !field.fetch_if_empty) {
        out.insert("readOnly".to_owned(), Json::Bool(true));
    }
    let is_text = out.get("type").is_some_and(|of| *of == "string" || *of == json!(["string", "null"]));
    if !field.placeholder.is_empty() && is_text && !out.contains_key("enum") {
        out.insert("example".to_owned(), Json::from(field.placeholder.as_str()));
    }
    Some(Json::Object(out))
}

/// What the fieldtype and the properties of a field add to its column.
fn refine(out: &mut Map<String, Json>, field: &DocField, registry: &Registry) {
    let mut set = |key: &str, value: Json| out.insert(key.to_owned(), value);
    let is_never_null = matches!(
        field.fieldtype,
        Fieldtype::Check
            | Fieldtype::Int
            | Fieldtype::LongInt
            | Fieldtype::Float
            | Fieldtype::Currency
            | Fieldtype::Percent
    );
    let nullable = !is_never_null && !field.not_nullable && !field.reqd;
    match field.fieldtype {
        Fieldtype::Check => {
            set("enum", json!([0, 1]));
        }
        Fieldtype::Select => {
            let mut options: Vec<Json> = Vec::new();
            let empty = (!field.reqd).then_some("");
            for option in empty.into_iter().chain(field.select_options().filter(|option| !option.is_empty())) {
                let option = Json::from(option);
                if !options.contains(&option) {
                    options.push(option);
                }
            }
            // A list of values that is nullable must hold null itself.
            if nullable {
                options.push(Json::Null);
            }
            if options.iter().any(|option| option.as_str().is_some_and(|option| !option.is_empty())) {
                set("enum", Json::Array(options));
            }
        }
        Fieldtype::Link if registry.get(&field.options).is_some() => {
            set("x-link-to", Json::from(field.options.as_str()));
        }
        Fieldtype::Data => match field.options.as_str() {
            "Email" => {
                set("example", json!("ada@example.com"));
            }
            "URL" => {
                set("example", json!("https://example.com"));
            }
            _ => {}
        },
        Fieldtype::Password => {
            set("format", json!("password"));
        }
        _ => {}
    }
    if field.non_negative {
        set("minimum", json!(0));
    }
    if nullable && let Some(r#type) = out.get_mut("type") {
        *r#type = json!([r#type.take(), "null"]);
    }
    let default = field.default.as_deref().and_then(|default| static_default(field.fieldtype, default));
    if let Some(default) = default {
        out.insert("default".to_owned(), default);
    }
}

/// A default that is a value; `None` for those that are worked out, such as `Today`.
fn static_default(fieldtype: Fieldtype, default: &str) -> Option<Json> {
    const WORKED_OUT: [&str; 8] = ["__user", "_Login", "user", "_Full Name", "Today", "__today", "now", "Now"];
    if default.is_empty() || default.starts_with(':') || WORKED_OUT.contains(&default) {
        return None;
    }
    match fieldtype {
        Fieldtype::Check | Fieldtype::Int | Fieldtype::LongInt => default.parse::<i64>().ok().map(Json::from),
        Fieldtype::Float | Fieldtype::Currency | Fieldtype::Percent | Fieldtype::Rating | Fieldtype::Duration => {
            default.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Json::Number)
        }
        Fieldtype::Date | Fieldtype::Datetime | Fieldtype::Time => None,
        _ => Some(Json::from(default)),
    }
}

/// A property without what is said about it in the whole document already.
fn bare(property: &Json) -> Json {
    let mut bare = property.clone();
    if let Some(bare) = bare.as_object_mut() {
        for key in ["title", "description", "example", "default"] {
            bare.shift_remove(key);
        }
    }
    bare
}

/// A new document, as somebody might send it.
pub(super) fn example(doctype: &DocType) -> Json {
    let mut out = Map::new();
    if doctype.naming_rule == NamingRule::Prompt && !doctype.istable {
        out.insert("name".to_owned(), Json::from(format!("My {}", doctype.name)));
    }
    for field in &doctype.fields {
        let shown = field.reqd || field.in_list_view || field.bold;
        if !shown || field.secret || field.read_only || field.is_virtual || !field.has_column() {
            continue;
        }
        if let Some(value) = example_value(field) {
            out.insert(field.fieldname.clone(), value);
        }
    }
    Json::Object(out)
}

fn example_value(field: &DocField) -> Option<Json> {
    if let Some(default) = field.default.as_deref().and_then(|default| static_default(field.fieldtype, default)) {
        return Some(default);
    }
    Some(match field.fieldtype {
        Fieldtype::Check | Fieldtype::Int | Fieldtype::LongInt => json!(1),
        Fieldtype::Float | Fieldtype::Currency | Fieldtype::Percent => json!(12.5),
        Fieldtype::Rating => json!(0.8),
        Fieldtype::Duration => json!(3600),
        Fieldtype::Date => json!("2026-01-31"),
        Fieldtype::Datetime => json!("2026-01-31 13:45:00"),
        Fieldtype::Time => json!("13:45:00"),
        Fieldtype::Select => Json::from(field.select_options().find(|option| !option.is_empty())?),
        Fieldtype::Data if field.options == "Email" => json!("ada@example.com"),
        Fieldtype::Data if field.options == "URL" => json!("https://example.com"),
        Fieldtype::Phone => json!("+49-30123456"),
        Fieldtype::Color => json!("#4463ee"),
        Fieldtype::Json => json!("{}"),
        Fieldtype::Link => Json::from(format!("a {}", field.options)),
        Fieldtype::Data
        | Fieldtype::SmallText
        | Fieldtype::Text
        | Fieldtype::LongText
        | Fieldtype::TextEditor
        | Fieldtype::MarkdownEditor
            if !field.placeholder.is_empty() =>
        {
            Json::from(field.placeholder.as_str())
        }
        Fieldtype::Data | Fieldtype::SmallText | Fieldtype::Text | Fieldtype::LongText => {
            Json::from(field.label.as_str())
        }
        _ => return None,
    })
}
