//! Changing documents and their rows.

use serde_json::json;

use super::library_with_books;

#[tokio::test]
async fn values_are_merged() {
    let (_site, alice) = library_with_books().await;
    let book = alice.update("Book", "Dune", json!({"pages": 500, "nothing": 1, "doctype": "Shelf"})).await.ok();
    assert_eq!((&book["pages"], &book["author"]), (&json!(500), &json!("Herbert")));
    assert_eq!(alice.read("Book", "Dune").await.ok()["pages"], 500);
}

#[tokio::test]
async fn an_old_modified_is_refused_with_the_words_clients_look_for() {
    let (_site, alice) = library_with_books().await;
    let old = alice.read("Book", "Dune").await.ok();
    alice.update("Book", "Dune", json!({"pages": 1})).await.ok();
    let refused = alice.update("Book", "Dune", json!({"pages": 2, "modified": old["modified"]})).await;
    let message = refused.server_messages().remove(0);
    refused.error(417, "TimestampMismatchError");
    assert!(message.contains("modified after you have opened") && message.contains("Please refresh"), "{message}");
}

#[tokio::test]
async fn rows_are_replaced_or_patched() {
    let (_site, alice) = library_with_books().await;
    let before = alice.read("Book", "Dune").await.ok();
    let (first, second) = (before["chapters"][0]["name"].clone(), before["chapters"][1]["name"].clone());
    let patching = alice.with_header("prefer", "children=patch");
    let change = json!({"chapters": [
        {"name": first, "pages": 99},
        {"name": second, "_delete": true},
        {"heading": "Dune 3"},
    ]});
    let book = patching.update("Book", "Dune", change).await.ok();
    let headings: Vec<&str> =
        book["chapters"].as_array().unwrap().iter().map(|row| row["heading"].as_str().unwrap()).collect();
    assert_eq!(headings, ["Dune 1", "Dune 3"]);
    assert_eq!(book["chapters"][0]["pages"], 99);
    assert_eq!(book["chapters"][1]["idx"], 2);
    let book = alice.update("Book", "Dune", json!({"chapters": [{"heading": "Only"}]})).await.ok();
    assert_eq!(book["chapters"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_row_by_itself_is_written_through_its_parent() {
    let (site, alice) = library_with_books().await;
    let row = alice.read("Book", "Dune").await.ok()["chapters"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(alice.read("Chapter", &row).await.ok()["heading"], "Dune 1");
    assert_eq!(alice.update("Chapter", &row, json!({"pages": 77})).await.ok()["pages"], 77);
    assert_eq!(alice.read("Book", "Dune").await.ok()["chapters"][0]["pages"], 77);
    let new = json!({"parent": "Dune", "parenttype": "Book", "parentfield": "chapters", "heading": "Added"});
    assert_eq!(alice.create("Chapter", new.clone()).await.ok()["idx"], 3);
    let reader = site.user("rita@example.com", &[super::READER]).await;
    reader.update("Chapter", &row, json!({"pages": 1})).await.error(403, "PermissionError");
    let mut doc = new;
    doc["doctype"] = json!("Chapter");
    let parent = alice.call("frappe.client.insert", json!({"doc": doc})).await.ok();
    assert_eq!(parent["chapters"].as_array().unwrap().len(), 4);
    alice.remove("Chapter", &row).await.status(202).ok();
    assert_eq!(alice.read("Book", "Dune").await.ok()["chapters"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn rows_that_are_only_shown_are_not_written() {
    let (site, alice) = library_with_books().await;
    let administrator = site.administrator().await;
    let shown = administrator.list("DocField", "limit=1").await.ok()[0]["name"].as_str().unwrap().to_owned();
    for client in [&administrator, &alice] {
        assert!(client.update("DocField", &shown, json!({"label": "Other"})).await.status.is_client_error());
        assert!(client.remove("DocField", &shown).await.status.is_client_error());
    }
    administrator.update("DocField", "nothing", json!({})).await.error(404, "DoesNotExistError");
    administrator.remove("DocPerm", "nothing").await.error(404, "DoesNotExistError");
}
