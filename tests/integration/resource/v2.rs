//! What the second version of the API does otherwise.

use serde_json::json;

use super::library_with_books;

#[tokio::test]
async fn lists_tell_of_a_next_page_and_drop_unknown_fields() {
    let (_site, alice) = library_with_books().await;
    let page = alice.get("/api/v2/document/Book?limit=2&order_by=name%20asc&fields=[%22name%22,%22nothing%22]").await;
    assert_eq!(page.json(), json!({"has_next_page": true, "data": [{"name": "Dune"}, {"name": "Emma"}]}));
    let rest = alice.get("/api/v2/document/Book?limit=2&start=2&order_by=name%20asc").await.json();
    assert_eq!(rest, json!({"has_next_page": false, "data": [{"name": "Ulysses"}]}));
    let arrays = alice.get("/api/v2/document/Book?limit=1&order_by=name%20asc&as_dict=false").await.json();
    assert_eq!(arrays, json!({"has_next_page": true, "data": [["Dune"]]}));
}

#[tokio::test]
async fn a_name_counts_whatever_the_naming_rule() {
    let (_site, alice) = library_with_books().await;
    let order = alice.post("/api/v2/document/Purchase%20Order", json!({"name": "Mine", "book": "Dune"})).await.ok();
    assert_eq!(order["name"], "Mine");
    let first = alice.create("Purchase Order", json!({"name": "Mine too"})).await.ok();
    assert_eq!(first["name"], "PO-0001");
}

#[tokio::test]
async fn documents_are_patched_copied_and_deleted() {
    let (_site, alice) = library_with_books().await;
    let path = "/api/v2/document/Book/Dune";
    assert_eq!(alice.patch(path, json!({"pages": 5})).await.ok()["pages"], 5);
    assert_eq!(alice.put(path, json!({"pages": 6})).await.ok()["pages"], 6);
    let copy = alice.get(&format!("{path}/copy")).await.ok();
    assert_eq!(copy["pages"], 6);
    for stored in ["name", "docstatus", "idx", "creation"] {
        assert!(copy.get(stored).is_none(), "{stored}");
    }
    assert_eq!(alice.delete(path).await.status(202).ok(), "ok");
    let gone = alice.get(&format!("{path}/")).await.error(404, "DoesNotExistError");
    assert!(gone["errors"][0]["message"].is_string());
}

#[tokio::test]
async fn definitions_and_counts_are_answered() {
    let (site, alice) = library_with_books().await;
    let meta = alice.get("/api/v2/doctype/Book/meta").await.ok();
    assert_eq!((&meta["name"], &meta["fields"][5]["options"]), (&json!("Book"), &json!("Paper\nAudio")));
    assert_eq!(alice.get("/api/v2/doctype/Book/count").await.ok(), 3);
    let filtered = "/api/v2/doctype/Book/count?filters=[[%22pages%22,%22%3E%22,400]]&limit=1";
    assert_eq!(alice.get(filtered).await.ok(), 1);
    site.guest().get("/api/v2/doctype/Book/meta").await.error(401, "AuthenticationError");
    alice.get("/api/v2/doctype/Nothing/meta").await.error(404, "DoesNotExistError");
    let bob = site.user("bob@example.com", &[]).await;
    bob.get("/api/v2/doctype/Book/count").await.error(403, "PermissionError");
}

#[tokio::test]
async fn discovery_shows_methods_to_the_system_manager() {
    let (site, alice) = library_with_books().await;
    let method = alice.get("/api/v2/discovery/method/frappe.client.get_list").await.ok();
    assert_eq!((&method["kind"], &method["params"][0]["name"]), (&json!("rpc"), &json!("doctype")));
    let methods = alice.get("/api/v2/discovery/doctype/Purchase%20Order").await.ok();
    assert!(methods["methods"].as_array().unwrap().iter().any(|method| method["method"] == "submit"));
    let one = alice.get("/api/v2/discovery/doctype/Purchase%20Order/method/submit").await.ok();
    assert_eq!(one["http_methods"], json!(["POST"]));
    let found = alice.get("/api/v2/discovery/search?q=rename").await.ok();
    assert!(!found["results"].as_array().unwrap().is_empty());
    alice.get("/api/v2/discovery/method/nothing").await.error(404, "DoesNotExistError");
    site.user("bob@example.com", &[]).await.get("/api/v2/discovery").await.error(403, "PermissionError");
}
