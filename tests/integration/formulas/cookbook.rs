//! Every task of `docs/cookbook.md` does what it says, with the very files that stand there.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::support::{Client, TestSite};

const PERMISSIONS: &str = "module: Tests
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
const CUSTOMER: &str = "
name: Customer
autoname: Prompt
fields:
  - { label: Payment Days, fieldtype: Int }
  - { label: Address, fieldtype: Small Text }
  - { label: Credit Limit, fieldtype: Currency }
";

/// The files of each task, by its heading.
fn tasks() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook.md")).unwrap();
    let section = |part: &str| {
        let title = part.lines().next().unwrap().to_owned();
        let blocks = part.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
        (title, blocks.collect())
    };
    text.split("\n## ").skip(1).map(section).collect()
}

/// A site with the files of a task and a customer.
async fn cook(title: &str) -> (TestSite, Client) {
    let mut builder = TestSite::new().with_doctype(&format!("{CUSTOMER}{PERMISSIONS}"));
    for file in &tasks()[title] {
        let more = if file.contains("istable") { "module: Tests\n" } else { PERMISSIONS };
        builder = builder.with_doctype(&format!("{file}{more}"));
    }
    let site = builder.await;
    let admin = site.administrator().await;
    let customer = json!({"__newname": "Ada", "payment_days": 14, "address": "1 Lane", "credit_limit": 100});
    admin.create("Customer", customer).await.ok();
    (site, admin)
}

/// A task in which one document is made of values, and shows what is expected.
async fn gives(title: &str, doctype: &str, values: Json, expected: &[(&str, Json)]) {
    let (_site, admin) = cook(title).await;
    let made = admin.create(doctype, values).await.ok();
    for (pointer, value) in expected {
        assert_eq!(made.pointer(pointer), Some(value), "{title}: {pointer} of {made}");
    }
}

/// A task in which some values are refused with words, and others are not.
async fn refuses(title: &str, doctype: &str, wrong: Json, words: &str, right: Json) {
    let (_site, admin) = cook(title).await;
    let answer = admin.create(doctype, wrong).await.status(417).json();
    assert!(answer.to_string().contains(words), "{title}: {answer}");
    admin.create(doctype, right).await.ok();
}

#[test]
fn each_task_takes_at_most_ten_lines_a_file() {
    for (title, files) in tasks() {
        assert!(!files.is_empty(), "{title}");
        assert!(files.iter().all(|file| file.lines().count() <= 10), "{title}");
    }
}

#[tokio::test]
async fn amounts_are_computed() {
    let lines = json!([{"qty": 3, "rate": 0.1}, {"qty": 2, "rate": 4.99}]);
    let expected = [("/lines/0/amount", json!(0.3)), ("/lines/1/amount", json!(9.98)), ("/total", json!(12.34))];
    gives("Amounts and totals of an order", "Shop Order", json!({"lines": lines}), &expected).await;
    let lines = json!([{"cost": 1}, {"cost": 2}]);
    let expected = [("/total", json!(3.0)), ("/lines/0/share", json!(33.3)), ("/lines/1/share", json!(66.7))];
    gives("Each row's share of the total", "Budget", json!({"lines": lines}), &expected).await;
    let tasks = json!([{"subject": "a", "status": "Open"}, {"subject": "b", "status": "Done"}]);
    let expected = [("/open_tasks", json!(1)), ("/progress", json!(50.0))];
    gives("Number of open tasks of a project", "Project", json!({"tasks": tasks}), &expected).await;
}

#[tokio::test]
async fn dates_are_computed() {
    let (site, admin) = cook("Age").await;
    let born = site.clock.now().date_naive() - chrono::Months::new(30 * 12 + 1);
    let made = admin.create("Member", json!({"born_on": born.to_string()})).await.ok();
    assert_eq!(made["age"], 30);
    let (site, admin) = cook("Expired after a date").await;
    let today = site.clock.now().date_naive().to_string();
    let name = admin.create("Contract", json!({"ends_on": today})).await.ok()["name"].as_str().unwrap().to_owned();
    assert_eq!(admin.read("Contract", &name).await.ok()["is_expired"], 0);
    site.clock.advance(chrono::Duration::days(1));
    assert_eq!(admin.read("Contract", &name).await.ok()["is_expired"], 1);
    let bill = json!({"customer": "Ada", "posted_on": "2026-02-20"});
    gives("Due date by the customer's terms", "Bill", bill, &[("/due_on", json!("2026-03-06"))]).await;
}

#[tokio::test]
async fn texts_come_from_elsewhere() {
    let delivery = json!({"customer": "Ada"});
    gives("The customer's address on the order", "Delivery", delivery, &[("/address", json!("1 Lane"))]).await;
    let person = json!({"first_name": "Ada", "last_name": ""});
    gives("A full name of its parts", "Person", person, &[("/full_name", json!("Ada"))]).await;
}

#[tokio::test]
async fn one_visit_a_day_is_enough() {
    let (_site, admin) = cook("One visit per customer and day").await;
    let visit = |day: &str| json!({"customer": "Ada", "day": day});
    admin.create("Visit", visit("2026-03-01")).await.ok();
    let refused = admin.create("Visit", visit("2026-03-01")).await.json().to_string();
    assert!(refused.contains("UniqueValidationError"), "{refused}");
    let other = admin.create("Visit", visit("2026-03-02")).await.ok()["name"].as_str().unwrap().to_owned();
    let refused = admin.update("Visit", &other, visit("2026-03-01")).await.json().to_string();
    assert!(refused.contains("UniqueValidationError"), "{refused}");
}

#[tokio::test]
async fn what_must_not_be_is_refused() {
    let sale = |total: u32| json!({"customer": "Ada", "total": total});
    let words = "101 is more than Ada may owe";
    refuses("No more than the customer may owe", "Credit Sale", sale(101), words, sale(100)).await;
    let stop =
        |day: &str| json!({"begins": "2026-03-01", "ends": "2026-03-09", "stops": [{"place": "Graz", "day": day}]});
    let title = "Rows within the dates of the document";
    refuses(title, "Trip", stop("2026-03-10"), "Graz is not within the trip", stop("2026-03-09")).await;
}

#[tokio::test]
async fn a_closed_month_stays_closed() {
    let (_site, admin) = cook("No posting in a closed month").await;
    let entry = |day: &str| json!({"posted_on": day});
    admin.create("Entry", entry("2026-01-15")).await.ok();
    admin.update("Books", "Books", json!({"closed_until": "2026-01-31"})).await.ok();
    let refused = admin.create("Entry", entry("2026-01-31")).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("2026-01-31 is in a month that is closed"), "{refused}");
    admin.create("Entry", entry("2026-02-01")).await.ok();
}

#[tokio::test]
async fn what_is_paid_stays() {
    let (_site, admin) = cook("Paid ones cannot be deleted").await;
    let name = admin.create("Invoice", json!({"status": "Paid"})).await.ok()["name"].as_str().unwrap().to_owned();
    let refused = admin.remove("Invoice", &name).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("It is paid and has to stay"), "{refused}");
    admin.update("Invoice", &name, json!({"status": "Open"})).await.ok();
    admin.remove("Invoice", &name).await.ok();
}
