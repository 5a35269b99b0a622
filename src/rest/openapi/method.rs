//! The paths of RPC methods.

use serde_json::{Map, Value as Json, json};

use crate::rest::openapi::Document;
use crate::rest::openapi::names::failures;
use crate::web::openapi::object;
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
        operation.insert("parameters".to_owned(), method.params.iter().map(|param| param.parameter("query")).collect());
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

fn body(params: &[Param]) -> Json {
    let schema = object(params.iter());
    let takes_files = params.iter().any(|param| param.r#type == "file");
    let content_type = if takes_files { "multipart/form-data" } else { "application/json" };
    let required = schema.get("required").is_some();
    json!({ "required": required, "content": { content_type: { "schema": schema } } })
}
