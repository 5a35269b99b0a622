//! The paths of RPC methods.

use serde_json::{Map, Value as Json, json};

use crate::rest::openapi::Document;
use crate::rest::openapi::names::failures;
use crate::web::plugin::{NEEDS, needs};
use crate::web::{Method, Param};

/// Adds a method, unless its path is described by hand.
pub(super) fn add(document: &mut Document, method: &Method) {
    let path = format!("/api/method/{}", method.path);
    if document.has_path(&path) {
        return;
    }
    let id = method.path.replace('.', "_");
    let allows = |verb: &str| method.verbs.0.contains(&verb);
    // One way to read and one to write say all there is to say.
    if allows("GET") {
        document.add_operation(&path, "get", operation(method, format!("{id}_get"), false));
    }
    if allows("POST") {
        document.add_operation(&path, "post", operation(method, id, true));
    }
}

fn operation(method: &Method, id: String, with_body: bool) -> Json {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), Json::from(id));
    operation.insert("summary".to_owned(), Json::from(method.summary));
    operation.insert("tags".to_owned(), json!(["Methods"]));
    if method.guest {
        operation.insert("security".to_owned(), json!([{}, { "session": [] }, { "api_key": [] }, { "bearer": [] }]));
    } else {
        operation.insert(NEEDS.to_owned(), needs(&[vec![method.need()]]));
    }
    if with_body && !method.params.is_empty() {
        operation.insert("requestBody".to_owned(), body(method.params));
    } else if !method.params.is_empty() {
        operation.insert("parameters".to_owned(), method.params.iter().map(in_query).collect());
    }
    let answer = json!({
        "description": "The result",
        "content": { "application/json": { "schema": { "type": "object", "properties": { "message": {} } } } },
    });
    let mut responses = Map::from_iter([("200".to_owned(), answer)]);
    responses.extend(failures(&["400", "401", "403", "404", "417"]));
    operation.insert("responses".to_owned(), Json::Object(responses));
    Json::Object(operation)
}

fn in_query(param: &Param) -> Json {
    let is_json = matches!(param.r#type, "object" | "array" | "any");
    let schema = if is_json { json!({ "type": "string" }) } else { schema(param) };
    let description = if is_json { format!("{} (as JSON)", param.description) } else { param.description.to_owned() };
    json!({
        "name": param.name, "in": "query", "required": param.required,
        "schema": schema, "description": description,
    })
}

fn body(params: &[Param]) -> Json {
    let properties: Map<String, Json> = params
        .iter()
        .map(|param| {
            let mut schema = schema(param);
            schema["description"] = Json::from(param.description);
            (param.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = params.iter().filter(|param| param.required).map(|param| param.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let takes_files = params.iter().any(|param| param.r#type == "file");
    let content_type = if takes_files { "multipart/form-data" } else { "application/json" };
    json!({ "required": !required.is_empty(), "content": { content_type: { "schema": schema } } })
}

fn schema(param: &Param) -> Json {
    let mut schema = match param.r#type {
        "file" => json!({ "type": "string", "format": "binary" }),
        "any" => json!({}),
        "array" => json!({ "type": "array", "items": {} }),
        "boolean" => json!({ "type": "integer", "enum": [0, 1] }),
        other => json!({ "type": other }),
    };
    if let Some(default) = param.default
        && param.r#type == "string"
    {
        schema["default"] = Json::from(default);
    }
    schema
}
