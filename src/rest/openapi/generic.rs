//! The paths that are the same for every DocType, and the parameters that all of them share.

use serde_json::{Map, Value as Json, json};

use crate::meta::Right;
use crate::rest::openapi::Document;
use crate::rest::openapi::names::{failures, parameter};
use crate::rest::parameters::IN_QUERY;
use crate::rest::{batch, changes, events, patch, stream};
use crate::web::Param;
use crate::web::plugin::{NEEDS, needs_on_any};

/// Adds them.
pub(super) fn add(document: &mut Document) {
    document.add_components("parameters", parameters());
    for (name, description) in [
        ("Documents", "Documents of any DocType, in the second version of the API"),
        ("Definitions", "What a DocType consists of"),
        ("Discovery", "What can be called here; for the System Manager"),
        ("Methods", "Methods called by their path"),
        ("Files", "Uploaded files"),
    ] {
        document.add_tag(json!({ "name": name, "description": description }));
    }
    documents(document);
    batch(document);
    feed(document);
    definitions(document);
    discovery(document);
    files(document);
}

fn parameters() -> Map<String, Json> {
    let mut out: Map<String, Json> =
        IN_QUERY.iter().map(|param| (param.name.to_owned(), param.parameter("query"))).collect();
    let prefer = Param::optional(
        "Prefer",
        "string",
        "`children=patch`: a row with `name` changes that row, with `_delete: true` removes it, without a name adds one; the others stay. Otherwise the rows sent replace those there are",
    );
    let once = Param::optional(
        "Idempotency-Key",
        "string",
        "A new UUID for each change: sent again with the same one, it is answered again and not made again. Kept for a day",
    );
    let unchanged = Param::optional(
        "If-Match",
        "string",
        "The `ETag` that the document was read with: 412 if somebody has changed it since",
    );
    let known = Param::optional(
        "If-None-Match",
        "string",
        "The `ETag` of the answer that the client has: 304 if it still holds",
    );
    for (param, example) in [
        (prefer, "children=patch"),
        (once, "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (unchanged, "\"2026-01-31T12:00:00.000000-0123456789abcdef\""),
        (known, "\"2026-01-31T12:00:00.000000-0123456789abcdef\""),
    ] {
        out.insert(param.name.to_owned(), param.example(example).parameter("header"));
    }
    for param in [
        Param::required("name", "string", "The name of the document, percent-encoded; it may hold `/`"),
        Param::required("doctype", "string", "The name of the DocType, percent-encoded"),
        Param::required("method", "string", "The name of the method"),
        Param::required("file", "string", "The name of the file"),
    ] {
        out.insert(param.name.to_owned(), param.parameter("path"));
    }
    out
}

/// An operation with the answer under `data`.
fn operation(tag: &str, id: &str, summary: &str, parameters: &[&str], body: Option<&Json>) -> Json {
    let parameters: Vec<Json> = parameters.iter().map(|name| parameter(name)).collect();
    let data = json!({ "type": "object", "properties": { "data": {} } });
    let status = if id.starts_with("delete") { "202" } else { "200" };
    let answer = json!({ "description": "The answer", "content": { "application/json": { "schema": data } } });
    let mut responses = Map::from_iter([(status.to_owned(), answer)]);
    responses.extend(failures(&["400", "401", "403", "404", "417"]));
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "tags": [tag],
        "responses": responses,
    });
    if !parameters.is_empty() {
        operation["parameters"] = Json::Array(parameters);
    }
    if let Some(schema) = body {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn documents(document: &mut Document) {
    let values = json!({ "type": "object", "description": "Fields with their values" });
    let (collection, one) = ("/api/v2/document/{doctype}", "/api/v2/document/{doctype}/{name}");
    let (several_deleted, several_changed) =
        ("/api/v2/document/{doctype}/bulk_delete", "/api/v2/document/{doctype}/bulk_update");
    let array_of = |key: &str, description: &str| {
        let list = json!({ "type": "array", "maxItems": 500, "items": {}, "description": description });
        json!({ "type": "object", "required": [key], "properties": { key: list } })
    };
    let names = array_of("names", "The names of the documents");
    let docs = array_of("docs", "Objects with the `name` of a document and its fields to change");
    let list = ["doctype", "fields", "filters", "order_by", "group_by", "start", "limit", "cursor", "expand", "parent"];
    let name = ["doctype", "name"];
    let changed = ["doctype", "name", "Prefer", "If-Match", "Idempotency-Key"];
    let (copy, method) = (format!("{one}/copy"), format!("{one}/method/{{method}}"));
    let called = ["doctype", "name", "method"];
    let written = ["doctype", "name", "method", "Idempotency-Key"];
    let deleted = ["doctype", "name", "If-Match", "Idempotency-Key"];
    let tag = "Documents";
    for (path, verb, right, id, summary, parameters, body) in [
        (collection, "get", Right::Read, "list_documents", "List documents", &list[..], None),
        (
            collection,
            "post",
            Right::Create,
            "create_document",
            "Create a document",
            &["doctype", "Idempotency-Key"],
            Some(&values),
        ),
        (
            several_deleted,
            "post",
            Right::Delete,
            "bulk_delete",
            "Delete several documents, each by itself",
            &["doctype", "Idempotency-Key"],
            Some(&names),
        ),
        (
            several_changed,
            "post",
            Right::Write,
            "bulk_update",
            "Change several documents, each by itself",
            &["doctype", "Idempotency-Key"],
            Some(&docs),
        ),
        (
            one,
            "get",
            Right::Read,
            "read_document",
            "Read a document",
            &["doctype", "name", "expand_links", "If-None-Match"],
            None,
        ),
        (one, "patch", Right::Write, "patch_document", "Change a document", &changed, Some(&values)),
        (one, "put", Right::Write, "update_document", "Change a document", &changed, Some(&values)),
        (one, "delete", Right::Delete, "delete_document", "Delete a document", &deleted, None),
        (&copy, "get", Right::Create, "copy_document", "Read a copy of a document, which is not stored", &name, None),
        (&method, "get", Right::Read, "read_by_document_method", "Call a method that only reads", &called, None),
        (&method, "post", Right::Write, "call_document_method", "Call a method of a document", &written, Some(&values)),
    ] {
        let mut operation = operation(tag, id, summary, parameters, body);
        operation[NEEDS] = needs_on_any(right);
        if id == "list_documents" {
            let content = &mut operation["responses"]["200"]["content"];
            content["application/json"]["schema"]["properties"]["has_next_page"] = json!({ "type": "boolean" });
            content["application/json"]["schema"]["properties"]["next_cursor"] =
                json!({ "type": "string", "description": "Where the next page begins, if `cursor` was sent" });
            content[stream::LINES] =
                json!({ "schema": { "type": "string", "description": "A row a line: all, without `limit`" } });
            content[stream::CSV] =
                json!({ "schema": { "type": "string", "description": "All rows, without `limit`" } });
        }
        if id == "patch_document" {
            let content = &mut operation["requestBody"]["content"];
            content[patch::MERGE] = json!({ "schema": &values });
            content[patch::OPERATIONS] = json!({ "schema": json_patch() });
            operation["description"] = json!(
                "A merge patch (RFC 7396) empties what is null and replaces tables; a JSON Patch (RFC 6902) is applied to \
                 the document as its reader sees it. 409: it speaks of another state than the document has"
            );
            add_failures(&mut operation, &["409", "412", "415", "422"]);
        }
        if path == method {
            operation["description"] = json!("A few methods take more than that: see the paths of their DocType");
        }
        document.add_operation(path, verb, operation);
    }
}

/// The operations of RFC 6902.
fn json_patch() -> Json {
    let place = json!({ "type": "string", "format": "json-pointer", "examples": ["/title", "/items/0/qty"] });
    let operation = json!({
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": { "type": "string", "enum": ["add", "remove", "replace", "move", "copy", "test"] },
            "path": &place, "from": &place, "value": {},
        },
    });
    json!({ "type": "array", "maxItems": patch::MOST_OPERATIONS, "items": operation })
}

fn batch(document: &mut Document) {
    let of = "The name of the document, or a reference such as `{\"$ref\": \"/0/name\"}` to what an earlier operation answered";
    let one = json!({
        "type": "object",
        "required": ["op", "doctype"],
        "properties": {
            "op": { "type": "string", "enum": ["create", "update", "delete", "submit", "cancel", "call"] },
            "doctype": { "type": "string" },
            "name": { "type": ["string", "integer", "object"], "description": of },
            "values": { "type": "object", "description": "The fields, of `create` and `update`" },
            "children": { "type": "string", "enum": ["replace", "patch"], "description": "How `update` reads rows" },
            "method": { "type": "string", "description": "What `call` calls" },
            "arguments": { "type": "object", "description": "What it is called with" },
            "if_match": { "type": "string", "description": "The `ETag` that the document must have" },
        },
    });
    let list = json!({ "type": "array", "maxItems": batch::MOST_OPERATIONS, "items": one });
    let body = json!({
        "type": "object", "required": ["operations"], "properties": { "operations": list },
        "example": { "operations": [{ "op": "create", "doctype": "ToDo", "values": { "description": "Water the plants" } }] },
    });
    let summary = "Several changes in one transaction: all of them, or none";
    let mut operation = operation("Documents", "batch", summary, &["Idempotency-Key"], Some(&body));
    operation["description"] = json!(
        "The answer holds what each operation answers, in order. A refusal names the operation in `operation`, counted from \
         0, and undoes all of them. Each counts as a request"
    );
    // What it takes is what its operations take.
    let ways = [Right::Create, Right::Write, Right::Delete, Right::Submit, Right::Cancel].map(needs_on_any);
    operation[NEEDS] = ways.into_iter().map(|mut ways| ways[0].take()).collect();
    add_failures(&mut operation, &["409", "412", "413", "422"]);
    document.add_operation(batch::PATH, "post", operation);
}

/// The change feed, as pages and as it happens.
fn feed(document: &mut Document) {
    let query = |name: &'static str, text: &'static str| Param::optional(name, "string", text).parameter("query");
    let since = query("since", "The cursor of the answer before; without it, an answer says where the feed ends now");
    let doctypes = query("doctype", "DocTypes, separated by commas; without it, all that the session may read");
    let limit = Param::optional("limit", "integer", "How many entries are read at most, up to 1000").parameter("query");
    for (path, id, summary) in [
        (changes::PATH, "read_changes", "What has happened to documents since"),
        (events::PATH, "listen_to_changes", "What happens to documents, as Server-Sent Events"),
    ] {
        let mut operation = operation("Documents", id, summary, &["filters"], None);
        operation[NEEDS] = needs_on_any(Right::Read);
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.extend([since.clone(), doctypes.clone()]);
            if path == changes::PATH {
                parameters.push(limit.clone());
            }
        }
        let content = &mut operation["responses"]["200"]["content"];
        if path == changes::PATH {
            let properties = &mut content["application/json"]["schema"]["properties"];
            properties["next_cursor"] = json!({ "type": "string", "description": "The next `since`" });
            properties["has_more"] = json!({ "type": "boolean", "description": "There is more by now" });
        } else {
            *content = json!({ events::MEDIA_TYPE: { "schema": { "type": "string" } } });
        }
        add_failures(&mut operation, &["410"]);
        document.add_operation(path, "get", operation);
    }
}

fn add_failures(operation: &mut Json, statuses: &[&str]) {
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.extend(failures(statuses));
    }
}

fn definitions(document: &mut Document) {
    let tag = "Definitions";
    let asked = json!({
        "type": "object",
        "description": "The parameters of a list, as JSON values",
        "properties": {
            "fields": { "type": "array", "items": {} },
            "filters": {},
            "order_by": { "type": "string" },
            "group_by": { "type": "string" },
            "start": { "type": "integer" },
            "limit": { "type": "integer" },
            "expand": { "type": "array", "items": { "type": "string" } },
        },
    });
    let counted = json!({ "type": "object", "properties": { "filters": {}, "limit": { "type": "integer" } } });
    let path = |last: &str| format!("/api/v2/doctype/{{doctype}}/{last}");
    let meta = operation(tag, "read_doctype", "Read what a DocType consists of", &["doctype"], None);
    document.add_operation(&path("meta"), "get", meta);
    let count = ["doctype", "filters", "limit", "parent"];
    for (last, verb, id, summary, parameters, body) in [
        ("count", "get", "count_documents", "Count documents", &count[..], None),
        ("count", "post", "count_documents_by_body", "Count documents", &["doctype"], Some(&counted)),
        ("list", "post", "list_documents_by_body", "List documents by a body", &["doctype"], Some(&asked)),
    ] {
        let mut operation = operation(tag, id, summary, parameters, body);
        operation[NEEDS] = needs_on_any(Right::Read);
        document.add_operation(&path(last), verb, operation);
    }
}

fn discovery(document: &mut Document) {
    let tag = "Discovery";
    for (path, id, summary, parameters) in [
        ("", "discover", "Where to look for what", &[][..]),
        ("/method", "discover_methods", "The methods there are", &[]),
        ("/method/{method}", "discover_method", "What a method takes", &["method"]),
        ("/doctype/{doctype}", "discover_doctype", "The methods of a DocType's documents", &["doctype"]),
        (
            "/doctype/{doctype}/method/{method}",
            "discover_doctype_method",
            "What a method of a DocType's documents takes",
            &["doctype", "method"],
        ),
    ] {
        let path = format!("/api/v2/discovery{path}");
        document.add_operation(&path, "get", operation(tag, id, summary, parameters, None));
    }
    let mut search = operation(tag, "search_methods", "Look for methods", &[], None);
    search["parameters"] =
        json!([{ "name": "q", "in": "query", "schema": { "type": "string" }, "description": "What to look for" }]);
    document.add_operation("/api/v2/discovery/search", "get", search);
}

fn files(document: &mut Document) {
    for (path, id, summary, is_open) in [
        ("/files/{file}", "read_public_file", "Read a public file", true),
        ("/private/files/{file}", "read_private_file", "Read a private file", false),
    ] {
        let answer = json!({ "description": "The file", "content": { "application/octet-stream": {} } });
        let mut operation = json!({
            "operationId": id,
            "summary": summary,
            "tags": ["Files"],
            "parameters": [parameter("file")],
            "responses": { "200": answer, "404": { "description": "There is no such file" } },
        });
        if is_open {
            operation["security"] = json!([{}]);
        }
        document.add_operation(path, "get", operation);
    }
}
