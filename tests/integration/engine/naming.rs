//! How documents get their names.

use serde_json::json;

use crate::support::TestSite;

fn doctype(name: &str, autoname: &str) -> String {
    format!(
        "name: {name}\nmodule: Tests\nautoname: '{autoname}'\nfields:\n  - {{ fieldname: title, fieldtype: Data, label: Title }}\npermissions:\n  - {{ role: System Manager, read: true, write: true, create: true, delete: true }}\n"
    )
}

#[tokio::test]
async fn each_naming_rule_gives_its_names() {
    let site = TestSite::new()
        .with_doctype(&doctype("By Prompt", "Prompt"))
        .with_doctype(&doctype("By Field", "field:title"))
        .with_doctype(&doctype("By Number", "autoincrement"))
        .with_doctype(&doctype("By Uuid", "UUID"))
        .with_doctype(&doctype("By Format", "format:T-{YYYY}-{title}-{###}"))
        .with_doctype(&doctype("By Series", "OLD-.YY.-.####"))
        .with_doctype(&doctype("By Hash", "hash"))
        .await;
    let admin = site.administrator().await;
    let year = site.clock.year();
    let name = |answer: serde_json::Value| answer["name"].clone();
    assert_eq!(name(admin.create("By Prompt", json!({"name": "Mine"})).await.ok()), "Mine");
    admin.create("By Prompt", json!({})).await.error(417, "ValidationError");
    admin.create("By Prompt", json!({"name": "Mine"})).await.error(409, "DuplicateEntryError");
    assert_eq!(name(admin.create("By Field", json!({"title": " Ada "})).await.ok()), "Ada");
    admin.create("By Field", json!({})).await.error(417, "MandatoryError");
    assert_eq!(name(admin.create("By Number", json!({})).await.ok()), 1);
    assert_eq!(name(admin.create("By Number", json!({})).await.ok()), 2);
    assert_eq!(admin.read("By Number", "2").await.ok()["name"], 2);
    let uuid = name(admin.create("By Uuid", json!({})).await.ok());
    assert_eq!(uuid.as_str().unwrap().len(), 36);
    admin.create("By Uuid", json!({"name": "no uuid"})).await.error(417, "InvalidUUIDValue");
    assert_eq!(name(admin.create("By Format", json!({"title": "a"})).await.ok()), format!("T-{year}-a-001"));
    assert_eq!(name(admin.create("By Series", json!({})).await.ok()), format!("OLD-{:02}-0001", year % 100));
    assert_eq!(name(admin.create("By Hash", json!({"name": "mine"})).await.ok()).as_str().unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_has_no_gaps_when_many_insert_at_once() {
    let site = TestSite::new().with_doctype(&doctype("Ticket", "T-.####")).await;
    let admin = site.administrator().await;
    let made = (0..40).map(|n| {
        let admin = admin.clone();
        tokio::spawn(async move {
            // Every fourth is refused after its number was taken; the number must come back.
            let title = if n % 4 == 0 { "x".repeat(200) } else { "fine".to_owned() };
            admin.create("Ticket", json!({"title": title})).await
        })
    });
    for task in made.collect::<Vec<_>>() {
        drop(task.await.unwrap());
    }
    let mut names = site.db_names("Ticket", json!({})).await;
    names.sort();
    let expected: Vec<String> = (1..=30).map(|n| format!("T-{n:04}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn deleting_the_last_of_a_series_gives_its_number_back() {
    let site = TestSite::new().with_doctype(&doctype("Ticket", "T-.####")).await;
    let admin = site.administrator().await;
    for _ in 0..2 {
        admin.create("Ticket", json!({})).await.ok();
    }
    admin.remove("Ticket", "T-0002").await.status(202);
    assert_eq!(admin.create("Ticket", json!({})).await.ok()["name"], "T-0002");
}
