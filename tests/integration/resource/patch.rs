//! Changes by patch: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902).

use poem::http::Method;
use serde_json::{Value as Json, json};

use super::{library_with_books, order};
use crate::support::Client;
use crate::support::client::Response;

const DUNE: &str = "/api/v2/document/Book/Dune";
const MERGE: &str = "application/merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";

async fn merge(client: &Client, path: &str, body: Json) -> Response {
    client.send(Method::PATCH, path, MERGE, body.to_string()).await
}

async fn patch(client: &Client, path: &str, body: Json) -> Response {
    client.send(Method::PATCH, path, OPERATIONS, body.to_string()).await
}

fn headings(book: &Json) -> Vec<&str> {
    book["chapters"].as_array().unwrap().iter().map(|row| row["heading"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_merge_patch_empties_what_is_null_and_replaces_tables() {
    let (_site, alice) = library_with_books().await;
    let answer = merge(&alice, DUNE, json!({"author": null, "pages": 7, "chapters": [{"heading": "One"}]})).await;
    assert_eq!(
        answer.header("accept-patch"),
        "application/json, application/merge-patch+json, application/json-patch+json"
    );
    let etag = answer.header("etag").to_owned();
    let book = answer.ok();
    assert_eq!((&book["author"], &book["pages"], headings(&book)), (&Json::Null, &json!(7), vec!["One"]));
    assert_eq!(book["shelf"], "S1", "what is not named stays");
    let book = merge(&alice.with_header("if-match", &etag), DUNE, json!({"chapters": null})).await.ok();
    assert_eq!(book["chapters"], json!([]));
    merge(&alice.with_header("if-match", &etag), DUNE, json!({"pages": 8})).await.error(412, "TimestampMismatchError");
    let stale = json!({"pages": 8, "modified": "2020-01-01 00:00:00"});
    merge(&alice, DUNE, stale).await.error(417, "TimestampMismatchError");
}

#[tokio::test]
async fn a_json_patch_works_on_rows_by_their_place_and_keeps_them() {
    let (_site, alice) = library_with_books().await;
    let before = alice.get(DUNE).await.ok();
    let operations = json!([
        {"op": "test", "path": "/pages", "value": 412.0},
        {"op": "replace", "path": "/chapters/1/pages", "value": 21},
        {"op": "add", "path": "/chapters/0", "value": {"heading": "Preface"}},
        {"op": "copy", "from": "/chapters/2/heading", "path": "/author"},
        {"op": "move", "from": "/chapters/1", "path": "/chapters/2"},
        {"op": "remove", "path": "/shelf"},
    ]);
    let book = patch(&alice, DUNE, operations).await.ok();
    assert_eq!(headings(&book), ["Preface", "Dune 2", "Dune 1"]);
    assert_eq!(book["chapters"][1]["pages"], 21);
    for (now, then) in [(1, 1), (2, 0)] {
        assert_eq!(book["chapters"][now]["name"], before["chapters"][then]["name"], "the row is the same one");
    }
    assert_eq!((&book["author"], &book["shelf"]), (&json!("Dune 2"), &Json::Null));
}

#[tokio::test]
async fn a_patch_that_does_not_fit_changes_nothing() {
    let (site, alice) = library_with_books().await;
    let before = alice.get(DUNE).await.ok();
    let title = json!({"op": "replace", "path": "/author", "value": "Nobody"});
    for (operation, status, class) in [
        (json!({"op": "test", "path": "/pages", "value": 1}), 409, "TimestampMismatchError"),
        (json!({"op": "replace", "path": "/chapters/9/pages", "value": 1}), 409, "TimestampMismatchError"),
        (json!({"op": "add", "path": "/nothing", "value": 1}), 417, "ValidationError"),
        (json!({"op": "replace", "path": "/name", "value": "x"}), 417, "ValidationError"),
        (json!({"op": "replace", "path": "/pages", "value": -1}), 417, "NonNegativeError"),
        (json!({"op": "remove", "path": "/title"}), 417, "MandatoryError"),
        (json!({"op": "replace", "path": "/owner", "value": "Guest"}), 417, "CannotChangeConstantError"),
        (json!({"op": "grow", "path": "/pages"}), 400, "ValidationError"),
        (json!({"op": "add", "path": "pages", "value": 1}), 400, "ValidationError"),
        (json!({"op": "remove", "path": ""}), 400, "ValidationError"),
    ] {
        let told = patch(&alice, DUNE, json!([title, operation])).await.error(status, class);
        let names_it = told["errors"][0]["message"].as_str().is_some_and(|message| !message.is_empty());
        assert!(names_it, "{operation}: {told}");
    }
    merge(&alice, DUNE, json!({"nothing": 1})).await.error(417, "ValidationError");
    merge(&alice, DUNE, json!([1])).await.error(400, "ValidationError");
    patch(&alice, DUNE, json!({"author": "x"})).await.error(400, "ValidationError");
    let other = alice.send(Method::PATCH, DUNE, "application/vnd.x.patch+xml", "<x/>").await;
    assert!(other.header("accept-patch").contains(OPERATIONS));
    other.error(415, "UnsupportedMediaType");
    assert_eq!(alice.get(DUNE).await.ok(), before);
    let reader = site.user("reader@example.com", &[super::READER]).await;
    patch(&reader, DUNE, json!([title])).await.error(403, "PermissionError");
    merge(&reader, DUNE, json!({"author": "x"})).await.error(403, "PermissionError");
    merge(&alice, "/api/v2/document/Book/Nothing", json!({})).await.error(404, "DoesNotExistError");
    assert!(alice.json(Method::OPTIONS, DUNE, json!({})).await.header("accept-patch").contains(MERGE));
}

#[tokio::test]
async fn patches_submit_and_change_singles_and_rows() {
    let (_site, alice) = library_with_books().await;
    let path = format!("/api/v2/document/Purchase%20Order/{}", order(&alice).await);
    let order = patch(&alice, &path, json!([{"op": "replace", "path": "/docstatus", "value": 1}])).await.ok();
    assert_eq!(order["docstatus"], 1);
    merge(&alice, &path, json!({"book": "Emma"})).await.error(417, "UpdateAfterSubmitError");
    let rules = "/api/v2/document/Library%20Rules/Library%20Rules";
    assert_eq!(merge(&alice, rules, json!({"days": 21})).await.ok()["days"], 21);
    let row = alice.get(DUNE).await.ok()["chapters"][0]["name"].as_str().unwrap().to_owned();
    let row = merge(&alice, &format!("/api/v2/document/Chapter/{row}"), json!({"pages": 99})).await.ok();
    assert_eq!(row["pages"], 99);
    assert_eq!(alice.get(DUNE).await.ok()["chapters"][0]["pages"], 99);
}
