//! `POST /api/v2/batch`: all or nothing.

use serde_json::{Value as Json, json};

use super::{READER, library_with_books};
use crate::support::Client;
use crate::support::client::Response;

async fn batch(client: &Client, operations: Json) -> Response {
    client.post("/api/v2/batch", json!({"operations": operations})).await
}

#[tokio::test]
async fn operations_answer_in_order_and_refer_to_earlier_ones() {
    let (_site, alice) = library_with_books().await;
    let etag = alice.get("/api/v2/document/Book/Emma").await.header("etag").to_owned();
    let results = batch(
        &alice,
        json!([
            {"op": "create", "doctype": "Shelf", "values": {"name": "S2", "label": "Second"}},
            {"op": "create", "doctype": "Book", "values": {"title": "Middlemarch", "shelf": {"$ref": "/0/name"}}},
            {"op": "create", "doctype": "Purchase Order", "values": {"book": {"$ref": "/1/name"}}},
            {"op": "submit", "doctype": "Purchase Order", "name": {"$ref": "/2/name"}},
            {"op": "update", "doctype": "Book", "name": "Emma", "values": {"shelf": {"$ref": "/0/name"}}, "if_match": etag},
            {"op": "call", "doctype": "Book", "name": {"$ref": "/1/name"}, "method": "rename",
             "arguments": {"name": "Middlemarch, 1st"}},
            {"op": "call", "doctype": "Book", "name": {"$ref": "/5"}, "method": "add_comment",
             "arguments": {"text": {"$ref": "/4/author"}}},
            {"op": "cancel", "doctype": "Purchase Order", "name": {"$ref": "/2/name"}},
            {"op": "delete", "doctype": "Book", "name": "Ulysses"},
        ]),
    )
    .await
    .ok();
    assert_eq!((&results[0]["name"], &results[1]["shelf"]), (&json!("S2"), &json!("S2")));
    assert_eq!((&results[3]["docstatus"], &results[7]["docstatus"]), (&json!(1), &json!(2)));
    assert_eq!((&results[4]["shelf"], &results[5]), (&json!("S2"), &json!("Middlemarch, 1st")));
    assert_eq!((&results[6]["content"], &results[8]), (&json!("Austen"), &json!("ok")));
    let order = results[2]["name"].as_str().unwrap();
    let order = alice.read("Purchase Order", order).await.ok();
    assert_eq!((&order["docstatus"], &order["book"]), (&json!(2), &json!("Middlemarch, 1st")));
    alice.read("Book", "Ulysses").await.error(404, "DoesNotExistError");
}

#[tokio::test]
async fn the_first_refusal_names_its_operation_and_undoes_all() {
    let (site, alice) = library_with_books().await;
    let reader = site.user("reader@example.com", &[READER]).await;
    let first = json!({"op": "create", "doctype": "Shelf", "values": {"name": "S2"}});
    let last = json!({"op": "delete", "doctype": "Book", "name": "Dune"});
    for (operation, status, class) in [
        (json!({"op": "create", "doctype": "Book", "values": {"title": "Dune"}}), 409, "DuplicateEntryError"),
        (json!({"op": "create", "doctype": "Book", "values": {"pages": 1}}), 417, "MandatoryError"),
        (json!({"op": "update", "doctype": "Book", "name": "Nothing", "values": {}}), 404, "DoesNotExistError"),
        (json!({"op": "delete", "doctype": "Shelf", "name": "S1"}), 417, "LinkExistsError"),
        (json!({"op": "submit", "doctype": "Book", "name": "Dune"}), 417, "DocstatusTransitionError"),
        (json!({"op": "call", "doctype": "Book", "name": "Dune", "method": "fly"}), 404, "DoesNotExistError"),
        (json!({"op": "update", "doctype": "Book", "name": {"$ref": "/2/name"}, "values": {}}), 417, "ValidationError"),
        (
            json!({"op": "update", "doctype": "Book", "name": "Dune", "values": {}, "if_match": "\"2020-0\""}),
            412,
            "TimestampMismatchError",
        ),
        (json!({"op": "update", "doctype": "Book", "name": "Dune", "valves": {}}), 400, "ValidationError"),
        (json!({"op": "fly", "doctype": "Book"}), 400, "ValidationError"),
        (
            json!({"op": "create", "doctype": "File", "values": {"file_name": "a.txt", "content": "x"}}),
            417,
            "ValidationError",
        ),
    ] {
        let told = batch(&alice, json!([first, operation, last])).await.error(status, class);
        assert_eq!(told["errors"][0]["operation"], 1, "{operation}: {told}");
        alice.read("Shelf", "S2").await.error(404, "DoesNotExistError");
        let _ = alice.read("Book", "Dune").await.ok();
    }
    let told = batch(&reader, json!([last])).await.error(403, "PermissionError");
    assert_eq!(told["errors"][0]["operation"], 0);
    batch(&site.guest(), json!([first])).await.error(401, "AuthenticationError");
    alice.post("/api/v2/batch", json!({"operations": [], "and": 1})).await.error(417, "ValidationError");
    alice.post("/api/v2/batch", json!({})).await.error(417, "ValidationError");
    batch(&alice, Json::Array(vec![first; 101])).await.error(413, "ValidationError");
    assert_eq!(site.db_names("Version", json!({})).await, [""; 0], "nothing was kept of what did not happen");
}

#[tokio::test]
async fn a_batch_sent_again_is_answered_again() {
    let (site, alice) = library_with_books().await;
    let once = alice.with_header("idempotency-key", "one-batch");
    let operations = json!([
        {"op": "create", "doctype": "Purchase Order", "values": {"book": "Dune"}},
        {"op": "create", "doctype": "Purchase Order", "values": {"book": "Emma"}},
    ]);
    let first = batch(&once, operations.clone()).await.ok();
    let again = batch(&once, operations).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.ok(), first);
    assert_eq!(site.db_names("Purchase Order", json!({})).await.len(), 2);
}

#[tokio::test]
async fn every_operation_counts_against_the_limit() {
    let (site, _alice) = library_with_books().await;
    site.db_update("System Settings", "System Settings", json!({"api_rate_limit": 10})).await;
    let bob = site.user("bob@example.com", &["System Manager"]).await;
    let shelf = |number: usize| json!({"op": "create", "doctype": "Shelf", "values": {"name": format!("L{number}")}});
    let eight: Json = (0..8).map(shelf).collect();
    let five: Json = (10..15).map(shelf).collect();
    batch(&bob, eight).await.ok();
    batch(&bob, five).await.error(429, "TooManyRequestsError");
    assert_eq!(site.db_names("Shelf", json!({"name": ["like", "L%"]})).await.len(), 8);
}
