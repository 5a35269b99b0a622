//! Reading one document.

use poem::http::Method;
use serde_json::json;

use super::{READER, library_with_books};

#[tokio::test]
async fn names_may_hold_slashes_spaces_and_percent_signs() {
    let (_site, alice) = library_with_books().await;
    for name in ["a/b", "a b", "100%", "a/copy", "ü?#&", "a+b"] {
        alice.create("Shelf", json!({"name": name})).await.ok();
        assert_eq!(alice.read("Shelf", name).await.ok()["name"], name);
        assert_eq!(alice.update("Shelf", name, json!({"label": "x"})).await.ok()["label"], "x");
    }
    // A slash in a name need not be encoded in the first version.
    assert_eq!(alice.get("/api/resource/Shelf/a/b").await.ok()["name"], "a/b");
    assert_eq!(alice.get("/api/v1/resource/Shelf/a/b/").await.ok()["name"], "a/b");
    alice.remove("Shelf", "a/b").await.status(202).ok();
}

#[tokio::test]
async fn a_single_document_is_read_and_changed_under_its_own_name() {
    let (_site, alice) = library_with_books().await;
    assert_eq!(alice.read("Library Rules", "Library Rules").await.ok()["days"], 14);
    assert_eq!(alice.update("Library Rules", "Library Rules", json!({"days": 7})).await.ok()["days"], 7);
    let single = json!({"doctype": "Library Rules", "field": "days"});
    assert_eq!(alice.call("frappe.client.get_single_value", single).await.ok(), 7);
}

#[tokio::test]
async fn links_are_expanded_into_documents() {
    let (_site, alice) = library_with_books().await;
    let book = alice.get("/api/resource/Book/Dune?expand_links=True").await.ok();
    assert_eq!(book["shelf"]["label"], "First shelf");
    assert_eq!(book["chapters"][0]["heading"], "Dune 1");
    let plain = alice.get("/api/resource/Book/Dune?expand_links=0").await.ok();
    assert_eq!(plain["shelf"], "S1");
}

#[tokio::test]
async fn levels_that_may_not_be_read_are_left_out() {
    let (site, alice) = library_with_books().await;
    alice.update("Book", "Dune", json!({"price": 9.5})).await.ok();
    let reader = site.user("rita@example.com", &[READER]).await;
    assert!(reader.read("Book", "Dune").await.ok().get("price").is_none());
    assert_eq!(alice.read("Book", "Dune").await.ok()["price"], 9.5);
    let expanded = reader.get("/api/resource/Book/Dune?expand_links=1").await.ok();
    assert!(expanded.get("price").is_none());
    assert_eq!(expanded["shelf"]["label"], "First shelf");
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let (site, _alice) = library_with_books().await;
    let guest = site.guest();
    let there = guest.read("Book", "Dune").await;
    let not_there = guest.read("Book", "Nothing").await;
    assert_eq!((there.status, not_there.status), (401.try_into().unwrap(), 401.try_into().unwrap()));
    assert!(there.header("www-authenticate").starts_with("Bearer"));
    let bob = site.user("bob@example.com", &[]).await;
    bob.read("Book", "Dune").await.error(403, "PermissionError");
    bob.read("Book", "Nothing").await.error(403, "PermissionError");
}

#[tokio::test]
async fn heads_options_and_wrong_verbs_are_answered() {
    let (_site, alice) = library_with_books().await;
    let head = alice.send(Method::HEAD, "/api/resource/Book/Dune", "", "").await;
    assert_eq!(head.status, 200);
    let options = alice.send(Method::OPTIONS, "/api/resource/Book", "", "").await.status(200);
    assert_eq!(options.header("allow"), "GET, POST, HEAD, OPTIONS");
    let wrong = alice.patch("/api/resource/Book/Dune", json!({})).await.status(405);
    assert!(wrong.header("allow").contains("PUT"));
    alice.delete("/api/resource/Book").await.status(405);
    alice.get("/api/nothing").await.error(404, "DoesNotExistError");
    alice.post("/api/resource/Book/Dune", json!({})).await.error(417, "ValidationError");
}

#[tokio::test]
async fn doctypes_are_documents_too() {
    let (_site, alice) = library_with_books().await;
    let doctype = alice.read("DocType", "Book").await.ok();
    assert_eq!(doctype["fields"][0]["fieldname"], "title");
    assert_eq!(doctype["permissions"][0]["role"], "System Manager");
    let query =
        "parent=DocType&fields=[\"fieldname\",\"fieldtype\"]&filters={\"parent\":\"Book\"}&limit=2&order_by=idx asc";
    let fields = alice.list("DocField", query).await.ok();
    assert_eq!(
        fields,
        json!([
            {"fieldname": "title", "fieldtype": "Data"},
            {"fieldname": "author", "fieldtype": "Data"},
        ])
    );
    let names = alice.list("DocType", "filters={\"name\":\"Book\"}").await.ok();
    assert_eq!(names, json!([{"name": "Book"}]));
    let roots = alice.get("/api/resource").await.ok();
    assert!(roots.as_array().unwrap().contains(&json!({"name": "Book"})));
}
