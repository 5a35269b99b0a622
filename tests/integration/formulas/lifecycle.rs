//! Formulas are computed by every save, in the order of dependencies, and nobody says what they are.

use serde_json::{Value as Json, json};

use super::{BUYER, ITEM, ORDER};
use crate::support::{Client, TestSite};

async fn site() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(ORDER).with_doctype(ITEM).with_doctype(BUYER).await;
    let admin = site.administrator().await;
    admin.create("Buyer", json!({"buyer_name": "Ada", "payment_days": 30})).await.ok();
    (site, admin)
}

fn order() -> Json {
    json!({
        "customer": "Ada", "posted_on": "2026-01-31", "discount": 10, "note": "abc",
        "items": [{"item": "Pen", "qty": 3, "rate": 0.1}, {"item": "Ink", "qty": 1.5, "rate": 1.1}]
    })
}

#[tokio::test]
async fn rows_come_before_what_adds_them_up_and_what_reads_the_sum_comes_last() {
    let (_site, admin) = site().await;
    let saved = admin.create("Sales Order", order()).await.ok();
    let amounts: Vec<&Json> = saved["items"].as_array().unwrap().iter().map(|row| &row["amount"]).collect();
    assert_eq!(amounts, [&json!(0.3), &json!(1.65)]);
    // 1.755 to two places: a half goes to the even digit.
    assert_eq!((&saved["net"], &saved["total"]), (&json!(1.95), &json!(1.76)));
    assert_eq!((&saved["items"][0]["share"], &saved["items"][1]["share"]), (&json!(15.4), &json!(84.6)));
    assert_eq!((&saved["lines"], &saved["dearest"]), (&json!(2), &json!(1.65)));
    assert_eq!((&saved["due_on"], &saved["headline"]), (&json!("2026-03-02"), &json!("Ada, 2026-01-31")));
    let name = saved["name"].as_str().unwrap();
    let read = admin.read("Sales Order", name).await.ok();
    assert_eq!((&read["items"], &read["total"]), (&saved["items"], &saved["total"]));
    assert_eq!(admin.list("Sales Order", "fields=[\"net\",\"due_on\"]").await.ok()[0]["net"], 1.95);
    let changed = admin.update("Sales Order", name, json!({"items": [], "customer": null})).await.ok();
    assert_eq!((&changed["net"], &changed["total"], &changed["lines"]), (&json!(0.0), &json!(0.0), &json!(0)));
    assert_eq!((&changed["dearest"], &changed["due_on"]), (&json!(0.0), &json!("2026-01-31")));
}

#[tokio::test]
async fn what_somebody_sends_for_a_formula_is_ignored() {
    let (_site, admin) = site().await;
    let mut values = order();
    values["net"] = json!(1_000_000);
    values["due_on"] = json!("no date");
    values["items"][0]["amount"] = json!(99);
    let saved = admin.create("Sales Order", values).await.ok();
    assert_eq!((&saved["net"], &saved["due_on"]), (&json!(1.95), &json!("2026-03-02")));
    let name = saved["name"].as_str().unwrap();
    let row = saved["items"][0]["name"].as_str().unwrap();
    assert_eq!(admin.update("Sales Order", name, json!({"total": 5})).await.ok()["total"], 1.76);
    // Also where one value, or one row, is written.
    let one = json!({"doctype": "Sales Order", "name": name, "fieldname": "net", "value": 7});
    assert_eq!(admin.call("frappe.client.set_value", one).await.ok()["net"], 1.95);
    assert_eq!(admin.update("Sales Item", row, json!({"qty": 13, "amount": 1})).await.ok()["amount"], 1.3);
    assert_eq!(admin.read("Sales Order", name).await.ok()["net"], 2.95);
}

#[tokio::test]
async fn a_submitted_document_keeps_what_was_computed_but_for_what_may_change() {
    let (_site, admin) = site().await;
    let name = admin.create("Sales Order", order()).await.ok()["name"].as_str().unwrap().to_owned();
    admin.update("Sales Order", &name, json!({"docstatus": 1})).await.ok();
    admin.update("Buyer", "Ada", json!({"payment_days": 60})).await.ok();
    let noted = admin.update("Sales Order", &name, json!({"note": "longer", "net": 5})).await.ok();
    assert_eq!(
        (&noted["note_length"], &noted["due_on"], &noted["net"]),
        (&json!(6), &json!("2026-03-02"), &json!(1.95))
    );
    admin.update("Sales Order", &name, json!({"discount": 5})).await.error(417, "UpdateAfterSubmitError");
    admin.update("Sales Order", &name, json!({"docstatus": 2})).await.ok();
    let amended =
        admin.create("Sales Order", json!({"amended_from": name, "customer": "Ada", "posted_on": "2026-01-31"})).await;
    assert_eq!(amended.ok()["due_on"], "2026-04-01");
}

#[tokio::test]
async fn a_division_by_zero_and_a_date_that_is_missing_are_empty() {
    let (_site, admin) = site().await;
    let empty = admin.create("Sales Order", json!({"items": [{"item": "Gift"}]})).await.ok();
    assert_eq!((&empty["items"][0]["share"], &empty["due_on"]), (&json!(0.0), &Json::Null));
}

#[tokio::test]
async fn the_result_does_not_depend_on_who_saves() {
    // Somebody may link to a purse, and read nothing of it.
    let own = r"
name: Slip
module: Tests
fields:
  - { fieldname: customer, fieldtype: Link, options: Purse, label: Customer }
  - { fieldname: days, fieldtype: Int, label: Days, formula: customer.days }
permissions:
  - { role: Desk User, read: true, write: true, create: true }
";
    let purse = r"
name: Purse
module: Tests
autoname: Prompt
fields:
  - { fieldname: days, fieldtype: Int, label: Days }
permissions:
  - { role: System Manager, read: true, write: true, create: true }
  - { role: Desk User, select: true }
";
    let site = TestSite::new().with_doctype(own).with_doctype(purse).await;
    site.db_insert("Purse", json!({"name": "P1", "days": 14})).await;
    let clerk = site.user("clerk@example.com", &[]).await;
    clerk.read("Purse", "P1").await.error(403, "PermissionError");
    assert_eq!(clerk.create("Slip", json!({"customer": "P1"})).await.ok()["days"], 14);
    // A link to what they may not know is refused as it is without a formula.
    clerk.create("Slip", json!({"customer": "P2"})).await.error(417, "LinkValidationError");
}

#[tokio::test]
async fn documents_are_named_by_what_is_computed_and_it_can_be_unique() {
    let visit = r#"
name: Visit
module: Tests
autoname: "format:{key}"
fields:
  - { fieldname: who, fieldtype: Data, label: Who }
  - { fieldname: day, fieldtype: Date, label: Day }
  - { fieldname: key, fieldtype: Data, label: Key, unique: true, hidden: true, formula: "who + '/' + day" }
permissions:
  - { role: System Manager, read: true, write: true, create: true }
"#;
    let site = TestSite::new().with_doctype(visit).await;
    let admin = site.administrator().await;
    let made = admin.create("Visit", json!({"who": "Ada", "day": "2026-03-01"})).await.ok();
    assert_eq!(made["name"], "Ada/2026-03-01");
    let again = admin.create("Visit", json!({"who": "Ada", "day": "2026-03-01"})).await;
    assert!(again.status.is_client_error(), "{}", again.body);
    admin.create("Visit", json!({"who": "Ada", "day": "2026-03-02"})).await.ok();
}

#[tokio::test]
async fn datetimes_are_those_of_the_site_whoever_saves() {
    let shift = r#"
name: Shift
module: Tests
fields:
  - { fieldname: begins, fieldtype: Datetime, label: Begins }
  - { fieldname: day, fieldtype: Date, label: Day, formula: "date(begins)" }
  - { fieldname: ends, fieldtype: Datetime, label: Ends, formula: "add_days(begins, 1)" }
  - { fieldname: hours, fieldtype: Float, label: Hours, formula: "time_diff(ends, begins) / 3600" }
  - { fieldname: made_on, fieldtype: Date, label: Made On, formula: "today()" }
permissions:
  - { role: System Manager, read: true, write: true, create: true }
"#;
    let site = TestSite::new().with_doctype(shift).await;
    site.db_update("System Settings", "System Settings", json!({"time_zone": "Asia/Tokyo"})).await;
    let admin = site.administrator().await;
    let made = admin.create("Shift", json!({"begins": "2026-03-01 23:30:00"})).await.ok();
    assert_eq!((&made["day"], &made["hours"]), (&json!("2026-03-01"), &json!(24.0)));
    assert_eq!(made["ends"], "2026-03-02 23:30:00.000000");
    let tokyo = site.clock.now() + chrono::Duration::hours(9);
    assert_eq!(made["made_on"], tokyo.format("%Y-%m-%d").to_string());
}
