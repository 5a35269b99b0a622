//! Methods of documents.

use serde_json::json;

use super::library_with_books;

#[tokio::test]
async fn a_document_is_submitted_cancelled_and_amended() {
    let (_site, alice) = library_with_books().await;
    let order = alice.create("Purchase Order", json!({"book": "Dune"})).await.ok();
    let name = order["name"].as_str().unwrap().to_owned();
    let path = format!("/api/v2/document/Purchase%20Order/{name}/method");
    let answer = alice.post(&format!("{path}/submit"), json!({})).await.json();
    assert_eq!(answer["docs"][0]["docstatus"], 1);
    alice.update("Purchase Order", &name, json!({"book": "Emma"})).await.error(417, "UpdateAfterSubmitError");
    assert_eq!(alice.update("Purchase Order", &name, json!({"remark": "x"})).await.ok()["remark"], "x");
    let cancelled = alice.post(&format!("/api/resource/Purchase%20Order/{name}?run_method=cancel"), json!({})).await;
    assert_eq!(cancelled.ok()["docstatus"], 2);
    alice.update("Purchase Order", &name, json!({"docstatus": 1})).await.status(417);
    let amended = alice.create("Purchase Order", json!({"book": "Dune", "amended_from": name})).await.ok();
    assert_eq!(amended["name"], format!("{name}-1"));
    let asked = json!({"doctype": "Purchase Order", "docname": name});
    assert_eq!(alice.call("frappe.client.is_document_amended", asked).await.ok(), format!("{name}-1"));
}

#[tokio::test]
async fn run_doc_method_answers_the_document_beside_the_result() {
    let (_site, alice) = library_with_books().await;
    let arguments = json!({"dt": "Book", "dn": "Dune", "method": "rename", "args": {"name": "Dune II"}});
    let answer = alice.call("run_doc_method", arguments).await.json();
    assert_eq!(answer["message"], "Dune II");
    assert_eq!(answer["docs"][0]["title"], "Dune II");
    let comment = json!({"dt": "Book", "dn": "Dune II", "method": "add_comment", "args": {"text": "Hm"}});
    assert_eq!(alice.call("run_doc_method", comment).await.ok()["comment_by"], "alice");
}

#[tokio::test]
async fn unknown_methods_and_wrong_verbs_are_told() {
    let (_site, alice) = library_with_books().await;
    alice.post("/api/v2/document/Book/Dune/method/explode", json!({})).await.error(404, "DoesNotExistError");
    alice.get("/api/resource/Book/Dune?run_method=rename").await.error(403, "PermissionError");
    alice.post("/api/v2/document/Book/Nothing/method/rename", json!({"name": "x"})).await.status(404);
    alice.post("/api/v2/document/Book/Dune/method/rename", json!({})).await.error(417, "ValidationError");
}
