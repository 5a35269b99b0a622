//! Changes by patch: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902), applied to a document as its reader sees it.
//!
//! What a patch makes of the document is held against what it was, and what differs is saved as any change is: rights,
//! levels and rules are those of every other door.

use json_patch::jsonptr::Pointer;
use json_patch::{PatchErrorKind, PatchOperation};
use poem::Request;
use serde_json::{Map, Value as Json};

use crate::document::{Children, Work};
use crate::error::{Conflict, Error, Result};
use crate::meta::{DocType, Document};
use crate::web::arguments::read_json;

/// RFC 7396.
pub(super) const MERGE: &str = "application/merge-patch+json";
/// RFC 6902.
pub(super) const OPERATIONS: &str = "application/json-patch+json";
/// What `Accept-Patch` says (RFC 5789 §3.1); `application/json` merges fields as a `PUT` does.
pub(super) const ACCEPT: &str = "application/json, application/merge-patch+json, application/json-patch+json";
/// How many operations a JSON Patch has at most.
pub(super) const MOST_OPERATIONS: usize = 1000;
/// How many values its operations copy at most.
const MOST_COPIED: usize = 100_000;
/// How deep something lies in a document: a table, a row, a field.
const DEEPEST: usize = 3;

/// A patch of a document.
pub(super) enum Patch {
    /// Fields with their values; null empties one.
    Merge(Map<String, Json>),
    /// What is done, one after the other.
    Operations(Vec<PatchOperation>),
}

impl Patch {
    /// The patch that a request brings; takes its body. `None`: it brings fields with values.
    pub(super) async fn of(request: &mut Request) -> Result<Option<Self>> {
        let content_type = request.content_type().unwrap_or_default().to_ascii_lowercase();
        match content_type.split(';').next().unwrap_or_default().trim() {
            MERGE => match read_json(request).await? {
                Json::Object(values) => Ok(Some(Self::Merge(values))),
                _ => Err(Error::BadRequest("A merge patch of a document is a JSON object of its fields".to_owned())),
            },
            OPERATIONS => match read_json(request).await? {
                Json::Array(operations) => operations_of(operations).map(|found| Some(Self::Operations(found))),
                _ => Err(Error::BadRequest("A JSON Patch is a JSON array of operations".to_owned())),
            },
            other if other.contains("patch") => Err(Error::UnsupportedPatch { accept: ACCEPT }),
            _ => Ok(None),
        }
    }

    /// Saves what it makes of a document that the session may read.
    pub(super) async fn apply(self, work: &mut Work<'_>, doctype: &str, name: &str) -> Result<Document> {
        let document = locked(work, doctype, name).await?;
        let before = work.seen(&document);
        let values = self.changes(&document.doctype, before)?;
        work.update_json(doctype, name, &values, Children::Replace).await
    }

    /// The fields that it changes, with what they become.
    fn changes(self, doctype: &DocType, mut before: Json) -> Result<Map<String, Json>> {
        whole_numbers(&mut before);
        let mut after = before.clone();
        match self {
            Self::Merge(values) => json_patch::merge(&mut after, &Json::Object(values)),
            Self::Operations(operations) => apply(&operations, &mut after)?,
        }
        let (Json::Object(before), Json::Object(mut after)) = (before, after) else { return Ok(Map::new()) };
        for key in before.keys() {
            after.entry(key).or_insert(Json::Null);
        }
        after.retain(|key, value| before.get(key).unwrap_or(&Json::Null) != value);
        for key in after.keys() {
            check_field(doctype, key)?;
        }
        Ok(after)
    }
}

/// A document that the session may read, locked until the work ends; a child row with its parent.
async fn locked(work: &mut Work<'_>, doctype: &str, name: &str) -> Result<Document> {
    if !work.doctype(doctype)?.istable {
        return work.get_for_update(doctype, name).await;
    }
    let row = work.documents.get(&work.session, doctype, name).await?;
    let parent = work.get_for_update(row.text("parenttype"), row.text("parent")).await?;
    let row = parent.rows(row.text("parentfield")).iter().find(|row| row.name() == name);
    row.cloned().ok_or_else(|| Error::does_not_exist(doctype, name))
}

/// Refuses what no patch changes.
fn check_field(doctype: &DocType, key: &str) -> Result<()> {
    if doctype.field(key).is_some() || matches!(key, "docstatus" | "modified" | "owner" | "creation") {
        return Ok(());
    }
    Err(Error::misuse(match key {
        "name" => "A patch cannot change the name: call the method rename".to_owned(),
        "doctype" | "modified_by" | "idx" => format!("A patch cannot change {key}: the site sets it"),
        _ => format!("{} has no field {key}: leave it out of the patch", doctype.name),
    }))
}

fn operations_of(operations: Vec<Json>) -> Result<Vec<PatchOperation>> {
    if operations.len() > MOST_OPERATIONS {
        return Err(Error::TooLarge(format!("A JSON Patch has at most {MOST_OPERATIONS} operations")));
    }
    let read = |(index, mut operation): (usize, Json)| {
        whole_numbers(&mut operation);
        let operation: PatchOperation = serde_json::from_value(operation)
            .map_err(|error| Error::BadRequest(format!("Operation {index} of the patch does not parse: {error}")))?;
        let from = match &operation {
            PatchOperation::Move(operation) => Some(&*operation.from),
            PatchOperation::Copy(operation) => Some(&*operation.from),
            _ => None,
        };
        let is_field = |place: &Pointer| (1..=DEEPEST).contains(&place.count());
        if [Some(operation.path()), from].into_iter().flatten().all(is_field) {
            return Ok(operation);
        }
        let example = "a field such as `/title`, or one in a row such as `/items/0/qty`";
        Err(Error::BadRequest(format!("Operation {index} of the patch must name {example}")))
    };
    operations.into_iter().enumerate().map(read).collect()
}

fn apply(operations: &[PatchOperation], document: &mut Json) -> Result<()> {
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        if let PatchOperation::Copy(copy) = operation {
            copied += document.pointer(copy.from.as_str()).map_or(0, count);
            if copied > MOST_COPIED {
                return Err(Error::TooLarge(format!("A JSON Patch copies at most {MOST_COPIED} values")));
            }
        }
        json_patch::patch_unsafe(document, std::slice::from_ref(operation)).map_err(|error| {
            let place = operation.path();
            Conflict::Patch(match error.kind {
                PatchErrorKind::TestFailed => {
                    format!("Operation {index} of the patch: {place} has another value by now")
                }
                PatchErrorKind::CannotMoveInsideItself => {
                    format!("Operation {index} of the patch: {place} lies within what would be moved there")
                }
                _ => format!("Operation {index} of the patch: the document has no place {place}, or none to take from"),
            })
        })?;
    }
    Ok(())
}

/// How many values there are in a value, itself included.
fn count(value: &Json) -> usize {
    1 + match value {
        Json::Array(values) => values.iter().map(count).sum(),
        Json::Object(values) => values.values().map(count).sum(),
        _ => 0,
    }
}

/// Numbers are the same if their values are (RFC 6902 §4.6): those without a fraction become whole.
fn whole_numbers(value: &mut Json) {
    match value {
        Json::Number(number) => {
            if let Some(whole) = number.as_f64().filter(|_| number.is_f64()).and_then(whole) {
                *value = Json::from(whole);
            }
        }
        Json::Array(values) => values.iter_mut().for_each(whole_numbers),
        Json::Object(values) => values.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

fn whole(number: f64) -> Option<i64> {
    /// Beyond it floats are further apart than whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() < EXACT).then(|| format!("{number:.0}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(document: &Json, operations: &Json) -> Result<Json> {
        let mut document = document.clone();
        let Json::Array(operations) = operations.clone() else { panic!("a list") };
        apply(&operations_of(operations)?, &mut document)?;
        Ok(document)
    }

    #[test]
    fn numbers_are_tested_by_their_value() {
        let operations = json!([{"op": "test", "path": "/price", "value": 5}]);
        let mut document = json!({"price": 5.0});
        whole_numbers(&mut document);
        assert_eq!(document, json!({"price": 5}));
        assert!(patched(&document, &operations).is_ok());
        assert!(matches!(patched(&json!({"price": 6}), &operations), Err(Error::Conflict(Conflict::Patch(_)))));
    }

    #[test]
    fn what_is_no_place_in_a_document_is_refused() {
        for path in ["", "/a/0/b/c"] {
            let operations = json!([{"op": "add", "path": path, "value": 1}]);
            assert!(matches!(patched(&json!({}), &operations), Err(Error::BadRequest(_))), "{path}");
        }
        for operation in [json!({"op": "add", "path": "/a"}), json!({"op": "grow", "path": "/a"}), json!(1)] {
            assert!(matches!(patched(&json!({}), &json!([operation])), Err(Error::BadRequest(_))), "{operation}");
        }
        let gone = json!([{"op": "remove", "path": "/a/3"}]);
        assert!(matches!(patched(&json!({"a": []}), &gone), Err(Error::Conflict(Conflict::Patch(_)))));
    }

    #[test]
    fn copies_do_not_grow_without_end() {
        let double = json!({"op": "copy", "from": "/a", "path": "/a/-"});
        let operations = Json::Array(vec![double; 40]);
        assert!(matches!(patched(&json!({"a": [1]}), &operations), Err(Error::TooLarge(_))));
    }
}
