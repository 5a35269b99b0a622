//! The paths of a DocType: list, create, read, change, delete, and the methods of its documents.

use serde_json::{Map, Value as Json, json};

use crate::document::controller::need_on;
use crate::document::method::{self, DocumentMethod};
use crate::error::Need;
use crate::meta::{DocType, Right};
use crate::permissions::Grant;
use crate::rest::openapi::names::{Names, failures, in_path, parameter};
use crate::rest::openapi::{Document, Parts};
use crate::rest::v1;
use crate::web::openapi::reference as schema;
use crate::web::plugin::{NEEDS, needs};

/// The parameters of every list.
const LIST: [&str; 9] = [
    "fields",
    "filters",
    "or_filters",
    "order_by",
    "group_by",
    "limit_start",
    "limit_page_length",
    "expand",
    "as_dict",
];

/// Adds the paths of a DocType, as far as the reader has the rights.
pub(super) fn add(document: &mut Document, doctype: &DocType, parts: &Parts<'_>, names: &Names) {
    // Rows have the rights of their parents, which are judged where they are called.
    let grant = if doctype.istable { Grant::ALL } else { Grant::of(parts.session, doctype) };
    let Some(key) = names.get(&doctype.name) else { return };
    document.add_tag(json!({ "name": doctype.name, "description": doctype.description }));
    let paths = Paths { doctype, key, collection: format!("{}/{}", v1::PREFIX, in_path(&doctype.name)) };
    if doctype.issingle {
        let path = format!("{}/{}", paths.collection, in_path(&doctype.name));
        for (verb, right, operation) in [("get", Right::Read, paths.read()), ("put", Right::Write, paths.update())] {
            if grant.may(right) {
                document.add_operation(&path, verb, operation);
            }
        }
    } else {
        let path = format!("{}/{{name}}", paths.collection);
        if grant.may(Right::Read) || grant.may(Right::Select) {
            document.add_operation(&paths.collection, "get", paths.list());
        }
        for (path, verb, right, operation) in [
            (&path, "get", Right::Read, paths.read()),
            (&paths.collection, "post", Right::Create, paths.create()),
            (&path, "put", Right::Write, paths.update()),
            (&path, "delete", Right::Delete, paths.delete()),
        ] {
            if grant.may(right) && (right == Right::Read || !doctype.is_virtual) {
                document.add_operation(path, verb, operation);
            }
        }
    }
    let mut methods = method::of(parts.controllers, doctype);
    methods.retain(|method| method.needs.iter().all(|need| is_open(need, doctype, &grant)));
    let name = if doctype.issingle { in_path(&doctype.name) } else { "{name}".to_owned() };
    for method in &methods {
        let path = format!("/api/v2/document/{}/{name}/method/{}", in_path(&doctype.name), method.name);
        document.add_operation(&path, "post", paths.method(method));
    }
    if !methods.is_empty() {
        document.add_operation(&format!("{}/{name}", paths.collection), "post", paths.run_method(&methods));
    }
}

/// Whether the reader has what a method needs of the DocType itself.
fn is_open(need: &Need, doctype: &DocType, grant: &Grant) -> bool {
    match need {
        Need::Right { doctype: of, right } if *of == doctype.name => {
            Right::parse(right).is_none_or(|right| grant.may(right))
        }
        _ => true,
    }
}

struct Paths<'a> {
    doctype: &'a DocType,
    key: &'a str,
    collection: String,
}

impl Paths<'_> {
    fn operation(&self, id: &str, summary: String, parameters: Vec<Json>) -> Map<String, Json> {
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), Json::from(format!("{id}_{}", self.key)));
        operation.insert("summary".to_owned(), Json::from(summary));
        operation.insert("tags".to_owned(), json!([self.doctype.name]));
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), Json::Array(parameters));
        }
        operation
    }

    fn named(&self, more: &[&str]) -> Vec<Json> {
        let name = (!self.doctype.issingle).then_some("name");
        name.into_iter().chain(more.iter().copied()).map(parameter).collect()
    }

    fn data(description: &str, data: &Json) -> Json {
        let body = json!({ "type": "object", "properties": { "data": data }, "required": ["data"] });
        json!({ "description": description, "content": { "application/json": { "schema": body } } })
    }

    fn body(key: &str, example: Option<Json>) -> Json {
        let mut content = json!({ "schema": schema(key) });
        if let Some(example) = example {
            content["example"] = example;
        }
        json!({ "required": true, "content": { "application/json": content } })
    }

    /// Says which right the engine asks for it.
    fn needs(&self, operation: &mut Map<String, Json>, right: Right) {
        operation.insert(NEEDS.to_owned(), needs(&[vec![need_on(self.doctype, right)]]));
    }

    fn finish(mut operation: Map<String, Json>, status: &str, answer: Json, failing: &[&str]) -> Json {
        let mut responses = Map::from_iter([(status.to_owned(), answer)]);
        responses.extend(failures(failing));
        operation.insert("responses".to_owned(), Json::Object(responses));
        Json::Object(operation)
    }

    fn list(&self) -> Json {
        let mut parameters: Vec<Json> = LIST.iter().map(|name| parameter(name)).collect();
        if self.doctype.istable {
            parameters.push(parameter("parent"));
        }
        let mut operation = self.operation("list", format!("List {} documents", self.doctype.name), parameters);
        self.needs(&mut operation, Right::Read);
        let rows = json!({ "type": "array", "items": schema(&format!("{}Partial", self.key)) });
        let answer = Self::data("The rows, with the fields asked for", &rows);
        Self::finish(operation, "200", answer, &["400", "401", "403", "404", "417"])
    }

    fn create(&self) -> Json {
        let summary = format!("Create a {}", self.doctype.name);
        let mut operation = self.operation("create", summary, vec![parameter("Idempotency-Key")]);
        self.needs(&mut operation, Right::Create);
        let example = super::schema::example(self.doctype);
        operation.insert("requestBody".to_owned(), Self::body(self.key, Some(example)));
        let answer = Self::data("The document as it is stored", &schema(self.key));
        Self::finish(operation, "200", answer, &["400", "401", "403", "404", "409", "413", "417", "422"])
    }

    fn read(&self) -> Json {
        let mut operation = self.operation(
            "read",
            format!("Read a {}", self.doctype.name),
            self.named(&["expand_links", "If-None-Match"]),
        );
        self.needs(&mut operation, Right::Read);
        let answer = Self::data("The document", &schema(self.key));
        Self::finish(operation, "200", answer, &["304", "401", "403", "404", "417"])
    }

    fn update(&self) -> Json {
        let summary = format!("Change a {}", self.doctype.name);
        let mut operation = self.operation("update", summary, self.named(&["Prefer", "If-Match", "Idempotency-Key"]));
        self.needs(&mut operation, Right::Write);
        operation.insert("requestBody".to_owned(), Self::body(&format!("{}Partial", self.key), None));
        let answer = Self::data("The document as it is stored now", &schema(self.key));
        Self::finish(operation, "200", answer, &["400", "401", "403", "404", "409", "412", "413", "417", "422"])
    }

    fn delete(&self) -> Json {
        let parameters = self.named(&["If-Match", "Idempotency-Key"]);
        let mut operation = self.operation("delete", format!("Delete a {}", self.doctype.name), parameters);
        self.needs(&mut operation, Right::Delete);
        let answer = Self::data("It is deleted", &json!({ "type": "string", "enum": ["ok"] }));
        Self::finish(operation, "202", answer, &["400", "401", "403", "404", "409", "412", "417", "422"])
    }

    fn method(&self, method: &DocumentMethod) -> Json {
        let mut operation =
            self.operation(method.name, method.description.to_owned(), self.named(&["Idempotency-Key"]));
        operation.insert(NEEDS.to_owned(), needs(std::slice::from_ref(&method.needs)));
        operation.insert("requestBody".to_owned(), Self::arguments());
        let body = json!({
            "type": "object",
            "properties": {
                "data": { "description": "The result" },
                "docs": { "type": "array", "items": schema(self.key), "description": "The document as it is now" },
            },
        });
        let answer =
            json!({ "description": "What the method answers", "content": { "application/json": { "schema": body } } });
        Self::finish(operation, "200", answer, &["400", "401", "403", "404", "409", "417", "422"])
    }

    /// The same methods by the first version of the API.
    fn run_method(&self, methods: &[DocumentMethod]) -> Json {
        let summary = format!("Call a method of a {}", self.doctype.name);
        let mut parameters = self.named(&[]);
        let names: Vec<&str> = methods.iter().map(|method| method.name).collect();
        parameters.push(parameter("Idempotency-Key"));
        parameters.push(json!({
            "name": "run_method", "in": "query", "description": "The name of the method; it may stand in the body as well",
            "schema": { "type": "string", "enum": names },
        }));
        let mut operation = self.operation("run_method", summary, parameters);
        let lines = methods.iter().map(|method| format!("- `{}`: {}.", method.name, method.description));
        let lines = lines.collect::<Vec<_>>().join("\n");
        let description = format!(
            "{lines}\n\nMethods take different rights, so each way in by a token opens some of them only: \
             what one takes stands at its own path below `/api/v2/document`."
        );
        operation.insert("description".to_owned(), Json::from(description));
        let mut ways: Vec<_> = Vec::new();
        for method in methods {
            if !ways.contains(&method.needs) {
                ways.push(method.needs.clone());
            }
        }
        operation.insert(NEEDS.to_owned(), needs(&ways));
        operation.insert("requestBody".to_owned(), Self::arguments());
        let answer = Self::data("The result", &json!({}));
        Self::finish(operation, "200", answer, &["400", "401", "403", "404", "409", "417", "422"])
    }

    fn arguments() -> Json {
        let arguments = json!({ "type": "object", "description": "The arguments of the method" });
        json!({ "content": { "application/json": { "schema": arguments } } })
    }
}
