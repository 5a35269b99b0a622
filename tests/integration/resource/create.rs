//! Inserting documents.

use poem::http::Method;
use serde_json::json;

use super::{book, library, library_with_books};
use crate::support::TestSite;

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

/// A DocType that has a field of the name that old clients wrap documents in.
const READING: &str = "
name: Reading
autoname: Prompt
allow_rename: true
fields:
  - {fieldname: title, fieldtype: Data, label: Title}
  - {fieldname: data, fieldtype: JSON, label: Data}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";

#[tokio::test]
async fn a_field_called_data_is_stored_by_both_versions() {
    let site = TestSite::new().with_doctype(READING).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let values = [json!({"k": 1}), json!({"title": "inner"}), json!([1, 2])];
    for (number, value) in values.iter().enumerate() {
        let name = format!("R{number}");
        alice.create("Reading", json!({"name": name, "title": "x"})).await.ok();
        for path in ["/api/resource/Reading", "/api/v2/document/Reading"] {
            let changed = alice.put(&format!("{path}/{name}"), json!({"data": value})).await.ok();
            assert_eq!((&changed["data"], &changed["title"]), (&json!(value.to_string()), &json!("x")), "{path}");
        }
    }
    let whole = json!({"name": "whole", "title": "t"}).to_string();
    assert_eq!(alice.form("/api/resource/Reading", &[("data", &whole)]).await.ok()["name"], "whole");
}

#[tokio::test]
async fn names_that_no_address_leads_to_or_nobody_can_see_are_refused() {
    let site = TestSite::new().with_doctype(READING).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    for name in
        [".", "..", "a\nb", "a\tb", "a\u{7f}b", "a\u{85}b", "x\u{202e}y", "x\u{200b}", "\u{feff}x", "a\u{2028}b", "<b>"]
    {
        alice.create("Reading", json!({ "name": name })).await.error(409, "NameError");
        let v2 = alice.post("/api/v2/document/Reading", json!({ "name": name })).await;
        v2.error(409, "NameError");
    }
    assert_eq!(alice.create("Reading", json!({"name": "..."})).await.ok()["name"], "...");
    assert_eq!(alice.create("Reading", json!({"name": " spaced "})).await.ok()["name"], "spaced");
    let rename = json!({"doctype": "Reading", "old_name": "...", "new_name": ".."});
    alice.call("frappe.client.rename_doc", rename).await.error(409, "NameError");
}

#[tokio::test]
async fn a_field_that_names_the_document_reads_as_the_name() {
    let (_site, alice) = library_with_books().await;
    let book = alice.create("Book", json!({"title": " Emil\u{a0}"})).await.ok();
    assert_eq!((&book["name"], &book["title"]), (&json!("Emil"), &json!("Emil")));
    assert_eq!(alice.read("Book", "Emil").await.ok()["title"], "Emil");
}

#[tokio::test]
async fn an_option_of_a_naming_series_may_write_its_counter_out() {
    let invoice = "
name: Invoice
autoname: 'naming_series:'
fields:
  - {fieldname: naming_series, fieldtype: Select, label: Series, options: [PR-.#####., SI-.####, B-, C-.YYYY.-.##.-X]}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";
    let site = TestSite::new().with_doctype(invoice).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let year = site.clock.now().format("%Y");
    for (series, expected) in [
        ("PR-.#####.", "PR-00001".to_owned()),
        ("PR-.#####.", "PR-00002".to_owned()),
        ("SI-.####", "SI-0001".to_owned()),
        ("B-", "B-00001".to_owned()),
        ("C-.YYYY.-.##.-X", format!("C-{year}-01-X")),
    ] {
        assert_eq!(alice.create("Invoice", json!({"naming_series": series})).await.ok()["name"], expected);
    }
    // The last number comes back when its document goes.
    alice.delete("/api/resource/Invoice/SI-0001").await.status(202);
    assert_eq!(alice.create("Invoice", json!({"naming_series": "SI-.####"})).await.ok()["name"], "SI-0001");
}
