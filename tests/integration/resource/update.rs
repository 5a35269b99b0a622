//! Changing documents and their rows.

use serde_json::json;

use super::library_with_books;
use crate::support::{Client, TestSite};

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

/// A good with a price, and something that takes it.
const GOOD: &str = "
name: Good
autoname: Prompt
fields:
  - {fieldname: price, fieldtype: Currency, label: Price}
  - {fieldname: pieces, fieldtype: Int, label: Pieces}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1}
";
const GOOD_ROW: &str = "
name: Good Row
istable: true
fields:
  - {fieldname: good, fieldtype: Link, options: Good, label: Good}
  - {fieldname: price, fieldtype: Currency, label: Price, fetch_from: good.price}
";
const SALE: &str = "
name: Sale
fields:
  - {fieldname: mode, fieldtype: Select, label: Mode, options: [Month, Custom], default: Month}
  - {fieldname: from_date, fieldtype: Date, label: From Date, read_only_depends_on: 'eval:doc.mode!=\"Custom\"'}
  - {fieldname: seal, fieldtype: Data, label: Seal, read_only_depends_on: 'eval:doc.seal'}
  - {fieldname: good, fieldtype: Link, options: Good, label: Good}
  - {fieldname: price, fieldtype: Currency, label: Price, fetch_from: good.price, fetch_if_empty: 1}
  - {fieldname: pieces, fieldtype: Int, label: Pieces, fetch_from: good.pieces, fetch_if_empty: 1}
  - {fieldname: rows, fieldtype: Table, options: Good Row, label: Rows}
  - {fieldname: page, fieldtype: HTML Editor, label: Page}
  - {fieldname: notes, fieldtype: Markdown Editor, label: Notes}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1}
";

async fn shop() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(GOOD).with_doctype(GOOD_ROW).with_doctype(SALE).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    alice.create("Good", json!({"name": "G", "price": 12.5, "pieces": 3})).await.ok();
    (site, alice)
}

#[tokio::test]
async fn numbers_that_nobody_touched_are_fetched_and_two_links_with_one_target_both_fetch() {
    let (_site, alice) = shop().await;
    let sale = json!({"good": "G", "rows": [{"good": "G", "price": 1}, {"good": "G"}]});
    let sale = alice.create("Sale", sale).await.ok();
    assert_eq!((&sale["price"], &sale["pieces"]), (&json!(12.5), &json!(3)));
    assert_eq!((&sale["rows"][0]["price"], &sale["rows"][1]["price"]), (&json!(12.5), &json!(12.5)));
    let typed = alice.create("Sale", json!({"good": "G", "price": 2})).await.ok();
    assert_eq!(typed["price"], json!(2.0));
}

#[tokio::test]
async fn what_is_saved_decides_whether_a_field_is_read_only() {
    let (_site, alice) = shop().await;
    let name = alice.create("Sale", json!({})).await.ok()["name"].as_str().unwrap().to_owned();
    alice.update("Sale", &name, json!({"from_date": "2026-01-01"})).await.error(417, "CannotChangeConstantError");
    alice.update("Sale", &name, json!({"mode": "Custom", "from_date": "2026-02-01"})).await.ok();
    let locked = json!({"mode": "Month", "from_date": "2026-05-05"});
    alice.update("Sale", &name, locked).await.error(417, "CannotChangeConstantError");
    alice.update("Sale", &name, json!({"mode": "Month"})).await.ok();
    // A field that locks itself is filled once.
    alice.update("Sale", &name, json!({"seal": "x"})).await.ok();
    for change in ["y", ""] {
        alice.update("Sale", &name, json!({"seal": change})).await.error(417, "CannotChangeConstantError");
    }
}

#[tokio::test]
async fn every_fieldtype_that_holds_html_or_becomes_it_is_made_safe() {
    let (_site, alice) = shop().await;
    let sale = alice.create(
        "Sale",
        json!({
            "page": "<b onclick=\"x()\">bold</b><script>x()</script>",
            "notes": "**bold** <script>x()</script>, `<script>` and [x](javascript:x)",
        }),
    );
    let sale = sale.await.ok();
    assert_eq!(sale["page"], "<b>bold</b>");
    assert_eq!(sale["notes"], "**bold** &lt;script>x()&lt;/script>, `<script>` and \\[x](javascript:x)");
}
