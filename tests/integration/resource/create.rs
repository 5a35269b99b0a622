//! Inserting documents.

use poem::http::Method;
use serde_json::json;

use super::{book, library, library_with_books};

#[tokio::test]
async fn an_insert_answers_200_with_the_document_in_order_and_without_nulls() {
    let (_site, alice) = library_with_books().await;
    let answer = alice.create("Book", book("Iliad", "Homer", 600)).await.status(200);
    let data = answer.ok();
    let keys: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys[..7], ["name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"]);
    assert_eq!(data["name"], "Iliad");
    assert_eq!(data["format"], "Paper");
    assert_eq!(data["doctype"], "Book");
    assert!(data.get("isbn").is_none(), "never set");
    assert_eq!(data["chapters"][1]["idx"], 2);
    assert_eq!(data["chapters"][0]["parenttype"], "Book");
}

#[tokio::test]
async fn old_clients_wrap_the_document_in_data() {
    let (_site, alice) = library_with_books().await;
    let text = json!({"title": "A", "pages": 1}).to_string();
    assert_eq!(alice.form("/api/resource/Book", &[("data", &text)]).await.ok()["name"], "A");
    assert_eq!(alice.create("Book", json!({"data": {"title": "B"}})).await.ok()["name"], "B");
    assert_eq!(alice.form("/api/resource/Book/", &[("title", "C"), ("pages", "3")]).await.ok()["pages"], 3);
}

#[tokio::test]
async fn every_problem_comes_at_once() {
    let (_site, alice) = library_with_books().await;
    let values = json!({"email": "nobody", "pages": -1, "format": "Stone", "shelf": "nowhere", "title": ""});
    let body = alice.create("Book", values).await.status(417).json();
    let mut fields: Vec<&str> =
        body["problems"].as_array().unwrap().iter().filter_map(|problem| problem["field"].as_str()).collect();
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(fields, ["email", "format", "pages", "shelf", "title"], "{body}");
}

#[tokio::test]
async fn a_body_that_does_not_parse_is_a_400() {
    let (_site, alice) = library_with_books().await;
    for body in ["{", "{\"title\":", "nonsense"] {
        let answer = alice.send(Method::POST, "/api/resource/Book", "application/json", body).await;
        answer.error(400, "ValidationError");
    }
    let scalar = alice.send(Method::POST, "/api/resource/Book", "application/json", "7").await;
    scalar.error(417, "ValidationError");
    let list = alice.send(Method::POST, "/api/resource/Book", "application/json", "[1]").await;
    list.error(417, "ValidationError");
}

#[tokio::test]
async fn an_unknown_doctype_is_a_404() {
    let site = library().await;
    let admin = site.administrator().await;
    admin.create("Nothing", json!({})).await.error(404, "DoesNotExistError");
    admin.get("/api/resource/Nothing").await.error(404, "DoesNotExistError");
    admin.get("/api/resource/Nothing/x").await.error(404, "DoesNotExistError");
}
