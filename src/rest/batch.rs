//! `POST /api/v2/batch`: several changes in one transaction. All of them happen, or none.

use poem::Response;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::document::{Children, Work};
use crate::error::{Error, Result};
use crate::rest::etag::Precondition;
use crate::rest::{comment, envelope, resource};
use crate::web::Exchange;

/// Where it is.
pub(super) const PATH: &str = "/api/v2/batch";
/// How many operations a batch has at most: they hold their documents until the last is done.
pub(super) const MOST_OPERATIONS: usize = 100;
/// What an object consists of that stands for a value of an earlier result.
const REFERENCE: &str = "$ref";

/// What a batch does to one document.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Operation {
    /// As `POST /api/v2/document/{doctype}`.
    Create { doctype: String, values: Map<String, Json> },
    /// As `PATCH /api/v2/document/{doctype}/{name}`.
    Update {
        doctype: String,
        name: Json,
        values: Map<String, Json>,
        #[serde(default)]
        children: ChildRows,
        if_match: Option<String>,
    },
    /// As `DELETE /api/v2/document/{doctype}/{name}`.
    Delete { doctype: String, name: Json, if_match: Option<String> },
    /// As the method of that name.
    Submit { doctype: String, name: Json, if_match: Option<String> },
    /// As the method of that name.
    Cancel { doctype: String, name: Json, if_match: Option<String> },
    /// As `POST /api/v2/document/{doctype}/{name}/method/{method}`.
    Call {
        doctype: String,
        name: Json,
        method: String,
        #[serde(default)]
        arguments: Map<String, Json>,
        if_match: Option<String>,
    },
}

/// How the rows of a table are read; see [`Children`].
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChildRows {
    #[default]
    Replace,
    Patch,
}

/// Answers with what each operation answers, in order. A refusal says whose it is, and undoes them all.
pub(super) async fn answer(mut exchange: Exchange) -> Result<Response> {
    let operations = operations(exchange.values().await?)?;
    if let Some(limited) = &exchange.context.limited {
        // The request itself was counted at the door.
        limited.count_more(&exchange.site.documents, operations.len().saturating_sub(1))?;
    }
    let context = &exchange.context;
    let mut read = Vec::with_capacity(operations.len());
    for (index, operation) in operations.into_iter().enumerate() {
        context.set_operation(Some(index));
        let operation = serde_json::from_value::<Operation>(operation);
        read.push(operation.map_err(|error| Error::BadRequest(format!("The operation does not parse: {error}")))?);
    }
    let mut work = exchange.site.documents.begin(exchange.session()).await?;
    let mut results = Json::Array(Vec::with_capacity(read.len()));
    for (index, operation) in read.into_iter().enumerate() {
        context.set_operation(Some(index));
        let result = Box::pin(operation.run(&mut work, &results)).await?;
        if let Json::Array(results) = &mut results {
            results.push(result);
        }
    }
    context.set_operation(None);
    work.commit().await?;
    Ok(envelope::data(context, results))
}

fn operations(mut values: Map<String, Json>) -> Result<Vec<Json>> {
    let operations = values.shift_remove("operations");
    if let Some(other) = values.keys().next() {
        return Err(Error::misuse(format!("{other} is not part of a batch: send operations alone")));
    }
    match operations {
        Some(Json::Array(operations)) if operations.len() > MOST_OPERATIONS => {
            Err(Error::TooLarge(format!("A batch has at most {MOST_OPERATIONS} operations: send several")))
        }
        Some(Json::Array(operations)) => Ok(operations),
        _ => Err(Error::misuse(
            "Send operations: a list of objects such as {\"op\": \"create\", \"doctype\": …, \"values\": …}",
        )),
    }
}

impl Operation {
    /// Carries it out; answers what a request of its own would.
    async fn run(self, work: &mut Work<'_>, results: &Json) -> Result<Json> {
        match self {
            Self::Create { doctype, mut values } => {
                resolve_all(&mut values, results)?;
                if resource::brings_content(&doctype, &values) {
                    return Err(Error::misuse("A file with content cannot be part of a batch: upload it first"));
                }
                let doctype = work.doctype(&doctype)?;
                let document = work.insert_json(&doctype, &values, true).await?;
                Ok(work.seen(&document))
            }
            Self::Update { doctype, name, mut values, children, if_match } => {
                let name = named(work, &doctype, name, if_match, results).await?;
                resolve_all(&mut values, results)?;
                // The operation says which document it is.
                values.shift_remove("doctype");
                values.shift_remove("name");
                let children = match children {
                    ChildRows::Replace => Children::Replace,
                    ChildRows::Patch => Children::Patch,
                };
                let document = work.update_json(&doctype, &name, &values, children).await?;
                Ok(work.seen(&document))
            }
            Self::Delete { doctype, name, if_match } => {
                let name = named(work, &doctype, name, if_match, results).await?;
                work.remove(&doctype, &name).await?;
                Ok(Json::from("ok"))
            }
            Self::Submit { doctype, name, if_match } => {
                let name = named(work, &doctype, name, if_match, results).await?;
                call(work, (&doctype, &name), "submit", &Map::new()).await
            }
            Self::Cancel { doctype, name, if_match } => {
                let name = named(work, &doctype, name, if_match, results).await?;
                call(work, (&doctype, &name), "cancel", &Map::new()).await
            }
            Self::Call { doctype, name, method, mut arguments, if_match } => {
                let name = named(work, &doctype, name, if_match, results).await?;
                resolve_all(&mut arguments, results)?;
                call(work, (&doctype, &name), &method, &arguments).await
            }
        }
    }
}

async fn call(work: &mut Work<'_>, target: (&str, &str), method: &str, arguments: &Map<String, Json>) -> Result<Json> {
    if method == comment::ADD {
        return comment::add_by_method(work, target, arguments).await;
    }
    match work.call(target, method, arguments, true).await? {
        Some(result) => Ok(result),
        None => Err(resource::no_such_method(work.documents, target.0, method, true)),
    }
}

/// The name of the document that is meant, which nobody has changed where the operation says so.
async fn named(
    work: &mut Work<'_>,
    doctype: &str,
    mut name: Json,
    if_match: Option<String>,
    results: &Json,
) -> Result<String> {
    resolve(&mut name, results)?;
    let name = match name {
        Json::String(name) if !name.is_empty() => name,
        Json::Number(number) => number.to_string(),
        _ => {
            return Err(Error::misuse(
                "name is the name of a document, or a reference to one such as {\"$ref\": \"/0/name\"}",
            ));
        }
    };
    if let Some(if_match) = if_match {
        Precondition::parse(&if_match)?.check(work, doctype, &name).await?;
    }
    Ok(name)
}

fn resolve_all(values: &mut Map<String, Json>, results: &Json) -> Result<()> {
    values.values_mut().try_for_each(|value| resolve(value, results))
}

/// Puts values of earlier results in the place of what refers to them: `{"$ref": "/0/name"}` is a JSON Pointer (RFC 6901)
/// into the list of results. One value each: what is larger would grow with every reference.
fn resolve(value: &mut Json, results: &Json) -> Result<()> {
    match value {
        Json::Object(object) if object.len() == 1 && object.contains_key(REFERENCE) => {
            let pointer = object.get(REFERENCE).and_then(Json::as_str).unwrap_or_default();
            let found = results.pointer(pointer).filter(|found| !found.is_array() && !found.is_object());
            let found = found.cloned().ok_or_else(|| {
                let message =
                    format!("No earlier operation answered a value at {pointer:?}: name one such as \"/0/name\"");
                Error::misuse(message)
            })?;
            *value = found;
            Ok(())
        }
        Json::Object(object) => resolve_all(object, results),
        Json::Array(values) => values.iter_mut().try_for_each(|value| resolve(value, results)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_replaced_by_values_of_earlier_results() {
        let results = json!([{"name": "A-1", "lines": [{"name": 7}]}, "ok"]);
        let mut value = json!({"a": {"$ref": "/0/name"}, "b": [{"c": {"$ref": "/0/lines/0/name"}}, {"$ref": "/1"}]});
        resolve(&mut value, &results).unwrap();
        assert_eq!(value, json!({"a": "A-1", "b": [{"c": 7}, "ok"]}));
        for pointer in ["/2/name", "/0", "/0/lines", "name", ""] {
            assert!(resolve(&mut json!({"$ref": pointer}), &results).is_err(), "{pointer}");
        }
        let mut other = json!({"$ref": "/0/name", "and": 1});
        resolve(&mut other, &results).unwrap();
        assert_eq!(other["and"], 1, "an object with more is a value");
    }
}
