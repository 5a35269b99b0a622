//! [`Checked`]: holds real answers to what the document says of them.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::support::client::Response;

/// A document, and which of its operations have answered as it says.
pub struct Checked {
    document: Json,
    succeeded: BTreeSet<(String, String)>,
}

impl Checked {
    /// Nothing has answered yet.
    pub fn new(document: Json) -> Self {
        Self { document, succeeded: BTreeSet::new() }
    }

    /// The answer is one that the operation may give: its status, headers, media type and body. Returns the body.
    #[track_caller]
    pub fn answer(&mut self, verb: &str, path: &str, answer: &Response) -> Json {
        let what = format!("{verb} {path}: {} {}", answer.status, answer.body);
        let operation = &self.document["paths"][path][verb];
        assert!(operation.is_object(), "not described: {what}");
        let described = operation["responses"].get(answer.status.as_str());
        let described = described.unwrap_or_else(|| panic!("such a status is not described: {what}"));
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            assert!(header["required"] != true || !answer.header(name).is_empty(), "no {name}: {what}");
        }
        for (name, _) in
            answer.headers.iter().filter(|(name, _)| ["www-authenticate", "location"].contains(&name.as_str()))
        {
            let headers = described["headers"].as_object().unwrap_or_else(|| panic!("{name} is not described: {what}"));
            assert!(headers.keys().any(|known| known.eq_ignore_ascii_case(name.as_str())), "{name}: {what}");
        }
        if answer.status.is_success() || answer.status.is_redirection() {
            self.succeeded.insert((verb.to_owned(), path.to_owned()));
        }
        let Some(content) = described["content"].as_object() else {
            assert!(answer.body.is_empty(), "a body is not described: {what}");
            return Json::Null;
        };
        let sent = answer.header("content-type").to_owned();
        let schema = content.get(&sent).unwrap_or_else(|| panic!("{sent} is not described: {what}"));
        if !sent.contains("json") {
            return Json::Null;
        }
        let body = answer.json();
        let problems = problems(&self.document, &schema["schema"], &body, "$");
        assert!(problems.is_empty(), "{problems:?}: {what}");
        body
    }

    /// The operations with this tag that nobody has seen succeed.
    pub fn left(&self, tag: &str) -> Vec<(String, String)> {
        let paths = self.document["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(verb, operation)| (verb, path, operation))
        });
        let tagged = all.filter(|(_, _, operation)| operation["tags"][0] == tag);
        tagged
            .map(|(verb, path, _)| (verb.clone(), path.clone()))
            .filter(|operation| !self.succeeded.contains(operation))
            .collect()
    }
}

/// What is wrong with a value by its schema, as far as this document uses JSON Schema. What a schema with properties
/// does not name is wrong too: the document is to be complete.
fn problems(document: &Json, schema: &Json, value: &Json, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return problems(document, target.unwrap_or_else(|| panic!("{reference} leads nowhere")), value, at);
    }
    let mut found = Vec::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(problems(document, part, value, at));
    }
    let is_of = |r#type: &Json| match r#type.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the type {other}"),
    };
    let fits = match &schema["type"] {
        Json::Null => true,
        Json::Array(types) => types.iter().any(is_of),
        one => is_of(one),
    };
    if !fits {
        found.push(format!("{at} is no {}: {value}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        found.push(format!("{at} is none of {}: {value}", schema["enum"]));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if value.get(required).is_none() {
            found.push(format!("{at}.{required} is missing"));
        }
    }
    if let (Some(known), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, member) in members {
            match known.get(name) {
                Some(property) => found.extend(problems(document, property, member, &format!("{at}.{name}"))),
                None => found.push(format!("{at}.{name} is not described")),
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(problems(document, &schema["items"], item, &format!("{at}[{index}]")));
    }
    found
}

#[test]
fn what_does_not_fit_is_found() {
    let document = serde_json::json!({"components": {"schemas": {"A": {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer"},
            "kind": {"allOf": [{"type": "string", "enum": ["x"]}, {"description": "Kind"}]},
            "all": {"type": "array", "items": {"$ref": "#/components/schemas/A"}},
        },
    }}}});
    let schema = serde_json::json!({"$ref": "#/components/schemas/A"});
    let count = |value: Json| problems(&document, &schema, &value, "$").len();
    assert_eq!(count(serde_json::json!({"id": 1, "kind": "x", "all": [{"id": 2}]})), 0);
    for wrong in [
        serde_json::json!([]),
        serde_json::json!({"id": "1"}),
        serde_json::json!({"id": 1, "kind": "y"}),
        serde_json::json!({"id": 1, "more": 1}),
        serde_json::json!({"id": 1, "all": [{}]}),
    ] {
        assert!(count(wrong.clone()) > 0, "{wrong}");
    }
}
