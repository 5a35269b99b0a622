//! Rows of tables obey the rules of fields, whatever names they come under: no door changes by a new row what it may not
//! change in the old one.

use serde_json::{Value as Json, json};

use crate::desk::send;
use crate::support::{Client, TestSite};

const ORDER: &str = "
name: Order
module: Tests
autoname: Prompt
is_submittable: true
fields:
  - { fieldname: locked, fieldtype: Check, label: Locked, allow_on_submit: true }
  - { fieldname: lines, fieldtype: Table, label: Lines, options: Order Line }
  - { fieldname: terms, fieldtype: Table, label: Terms, options: Order Line, set_only_once: true }
  - { fieldname: parts, fieldtype: Table, label: Parts, options: Order Line, read_only_depends_on: locked }
  - { fieldname: log, fieldtype: Table, label: Log, options: Order Line, allow_on_submit: true }
permissions:
  - { role: Clerk, read: true, write: true, create: true, delete: true, submit: true, cancel: true }
  - { role: Keeper, if_owner: true, read: true, write: true, create: true }
  - { role: Auditor, read: true, write: true }
  - { role: Auditor, permlevel: 1, read: true, write: true }
";
const ORDER_LINE: &str = "
name: Order Line
module: Tests
istable: true
fields:
  - { fieldname: text, fieldtype: Data, label: Text }
  - { fieldname: wage, fieldtype: Int, label: Wage, permlevel: 1, default: 1 }
";

async fn site() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(ORDER).with_doctype(ORDER_LINE).await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    (site, clerk)
}

fn rows(document: &Json, table: &str) -> Json {
    let rows = document[table].as_array().unwrap().iter();
    rows.map(|row| json!([row["name"], row["text"], row["wage"]])).collect()
}

#[tokio::test]
async fn a_submitted_document_keeps_its_rows_whatever_they_are_called() {
    let (_site, clerk) = site().await;
    let values = json!({"name": "o", "lines": [{"text": "a"}, {"text": "b"}], "docstatus": 1});
    let made = clerk.create("Order", values).await.ok();
    let again = json!([{"text": "a"}, {"text": "other"}]);
    for lines in [again.clone(), json!([made["lines"][0], {"text": "other"}]), json!([]), json!([{"text": "a"}])] {
        for answer in [
            clerk.update("Order", "o", json!({"lines": lines})).await,
            clerk.patch("/api/v2/document/Order/o", json!({"lines": lines})).await,
            clerk.call("frappe.client.save", json!({"doc": {"doctype": "Order", "name": "o", "lines": lines}})).await,
        ] {
            answer.error(417, "UpdateAfterSubmitError");
        }
    }
    let page = clerk.get("/app/order/o").await.status(200);
    let typed = [("lines.0.text", "a"), ("lines.1.text", "other")];
    let _ = send(&clerk, "/app/order/o", &page, &typed, "save").await;
    // As they were read they are fine, and so are rows that may be added.
    let read = clerk.read("Order", "o").await.ok();
    clerk.update("Order", "o", read.clone()).await.ok();
    clerk.update("Order", "o", json!({"log": [{"text": "sent"}]})).await.ok();
    let now = clerk.read("Order", "o").await.ok();
    assert_eq!(rows(&now, "lines"), rows(&made, "lines"));
    assert_eq!(now["log"][0]["text"], "sent");
}

#[tokio::test]
async fn a_level_is_not_written_by_a_row_that_is_new() {
    let (site, clerk) = site().await;
    let auditor = site.user("auditor@example.com", &["Clerk", "Auditor"]).await;
    let made = clerk.create("Order", json!({"name": "o", "lines": [{"text": "a", "wage": 9}]})).await.ok();
    let name = made["lines"][0]["name"].clone();
    for lines in [json!([{"name": name, "wage": 9}]), json!([{"text": "b", "wage": 9}])] {
        clerk.update("Order", "o", json!({"lines": lines})).await.ok();
        assert_eq!(auditor.read("Order", "o").await.ok()["lines"][0]["wage"], 1, "{lines}");
    }
    let written = auditor.update("Order", "o", json!({"lines": [{"text": "c", "wage": 9}]})).await.ok();
    assert_eq!(written["lines"][0]["wage"], 9);
}

#[tokio::test]
async fn a_table_is_constant_where_it_says_so() {
    let (_site, clerk) = site().await;
    let values = json!({"name": "o", "terms": [{"text": "a"}], "parts": [{"text": "a"}], "locked": 1});
    let made = clerk.create("Order", values).await.ok();
    for table in ["terms", "parts"] {
        for rows in [json!([]), json!([{"text": "other"}]), json!([{"text": "a"}, {"text": "b"}])] {
            let change = json!({table: rows});
            clerk.update("Order", "o", change).await.error(417, "CannotChangeConstantError");
        }
    }
    let read = clerk.read("Order", "o").await.ok();
    clerk.update("Order", "o", read).await.ok();
    clerk.update("Order", "o", json!({"locked": 0, "parts": [{"text": "b"}]})).await.ok();
    let now = clerk.read("Order", "o").await.ok();
    assert_eq!(rows(&now, "terms"), rows(&made, "terms"));
    assert_eq!(now["parts"][0]["text"], "b");
}

#[tokio::test]
async fn rows_of_another_document_stay_there() {
    let (site, clerk) = site().await;
    let keeper = site.user("keeper@example.com", &["Keeper"]).await;
    let theirs = clerk.create("Order", json!({"name": "theirs", "lines": [{"text": "a"}]})).await.ok();
    let row = theirs["lines"][0]["name"].as_str().unwrap().to_owned();
    let taken = json!([{"name": row, "text": "taken", "parent": "theirs"}]);
    keeper.create("Order", json!({"name": "mine", "lines": taken})).await.ok();
    for values in [json!({"lines": taken}), json!({"log": taken})] {
        let mine = keeper.update("Order", "mine", values.clone()).await.ok();
        assert!(!mine.to_string().contains(&row), "{mine}");
        let mine =
            keeper.with_header("prefer", "children=patch").patch("/api/v2/document/Order/mine", values).await.ok();
        assert!(!mine.to_string().contains(&row), "{mine}");
    }
    for values in [json!({"text": "taken"}), json!({"parent": "mine"})] {
        keeper.update("Order Line", &row, values.clone()).await.error(403, "PermissionError");
        let set = json!({"doctype": "Order Line", "name": row, "fieldname": values});
        keeper.call("frappe.client.set_value", set).await.error(403, "PermissionError");
    }
    keeper.remove("Order Line", &row).await.error(403, "PermissionError");
    assert_eq!(rows(&clerk.read("Order", "theirs").await.ok(), "lines"), rows(&theirs, "lines"));
}
