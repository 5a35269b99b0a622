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

#[tokio::test]
async fn rows_are_named_by_the_rule_of_their_doctype() {
    let row =
        |name: &str, autoname: &str| doctype(name, autoname).replace("module: Tests", "module: Tests\nistable: true");
    let parent = "
name: Tour
autoname: Prompt
fields:
  - {fieldname: stops, fieldtype: Table, label: Stops, options: Stop}
  - {fieldname: legs, fieldtype: Table, label: Legs, options: Leg}
  - {fieldname: notes, fieldtype: Table, label: Notes, options: Tour Note}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";
    let site = TestSite::new()
        .with_doctype(&row("Stop", "field:title"))
        .with_doctype(&row("Leg", "L-.####"))
        .with_doctype(&row("Tour Note", "hash"))
        .with_doctype(parent)
        .await;
    let admin = site.administrator().await;
    let names = |answer: &serde_json::Value, table: &str| -> Vec<String> {
        let rows = answer[table].as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let stops = |titles: &[&str]| -> serde_json::Value { titles.iter().map(|title| json!({"title": title})).collect() };
    let tour = json!({"name": "A", "stops": stops(&["Rome", " Bari "]), "legs": [{}, {}], "notes": [{"title": "n"}]});
    let tour = admin.create("Tour", tour).await.ok();
    assert_eq!(
        (names(&tour, "stops"), names(&tour, "legs")),
        (vec!["Rome".to_owned(), "Bari".to_owned()], vec!["L-0001".to_owned(), "L-0002".to_owned()])
    );
    assert_eq!(names(&tour, "notes")[0].len(), 10);

    let refused = admin.create("Tour", json!({"name": "B", "stops": stops(&["Rome"])})).await;
    let refused = refused.error(409, "DuplicateEntryError").to_string();
    assert!(refused.contains("Stop") && refused.contains("Rome"), "{refused}");
    admin
        .create("Tour", json!({"name": "B", "stops": stops(&["Oslo", "Oslo"])}))
        .await
        .error(409, "DuplicateEntryError");
    let nameless =
        admin.create("Tour", json!({"name": "B", "stops": stops(&["Oslo", ""])})).await.error(417, "MandatoryError");
    assert_eq!((&nameless["problems"][0]["table"], &nameless["problems"][0]["row"]), (&json!("stops"), &json!(2)));

    let mut change = tour;
    change["stops"][0]["title"] = json!("Turin");
    change["stops"].as_array_mut().unwrap().push(json!({"title": "Como"}));
    let changed = admin.update("Tour", "A", change).await.ok();
    assert_eq!(names(&changed, "stops"), ["Rome", "Bari", "Como"]);
    assert_eq!(changed["stops"][0]["title"], "Rome", "what names a row stays");
    let replaced = admin.update("Tour", "A", json!({"stops": stops(&["Bari"])})).await.ok();
    assert_eq!(names(&replaced, "stops"), ["Bari"], "the name of a row that goes is free");
}

#[tokio::test]
async fn rows_are_counted_where_their_doctype_counts() {
    let row = doctype("Bill Row", "autoincrement").replace("module: Tests", "module: Tests\nistable: true");
    let bill = "
name: Bill
fields:
  - {fieldname: rows, fieldtype: Table, label: Rows, options: Bill Row}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";
    let site = TestSite::new().with_doctype(&row).with_doctype(bill).await;
    let admin = site.administrator().await;
    let numbers = |bill: &serde_json::Value| -> Vec<serde_json::Value> {
        bill["rows"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect()
    };
    let first = admin.create("Bill", json!({"rows": [{"title": "a"}, {"title": "b"}]})).await.ok();
    assert_eq!(numbers(&first), [json!(1), json!(2)]);
    let second = admin.create("Bill", json!({"rows": [{"title": "c"}]})).await.ok();
    assert_eq!(numbers(&second), [json!(3)]);
    let name = first["name"].as_str().unwrap();
    let mut change = admin.read("Bill", name).await.ok();
    assert_eq!(change, first, "what is answered is what is stored");
    change["rows"].as_array_mut().unwrap().push(json!({"title": "d"}));
    change["rows"][0]["title"] = json!("first");
    let changed = admin.update("Bill", name, change).await.ok();
    assert_eq!(numbers(&changed), [json!(1), json!(2), json!(4)]);
    assert_eq!((&changed["rows"][0]["title"], &changed["rows"][2]["title"]), (&json!("first"), &json!("d")));
    assert_eq!(admin.read("Bill", name).await.ok(), changed);
}

#[tokio::test]
async fn a_password_of_a_numbered_document_is_its_own() {
    let safe = "
name: Safe
autoname: autoincrement
fields:
  - {fieldname: code, fieldtype: Password, label: Code}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";
    let site = TestSite::new().with_doctype(safe).await;
    let admin = site.administrator().await;
    for (number, code) in [(1, "swordfish"), (2, "open sesame")] {
        let made = admin.create("Safe", json!({"code": code})).await.ok();
        assert_eq!((&made["name"], &made["code"]), (&json!(number), &json!("*".repeat(code.len()))));
    }
    admin.update("Safe", "2", json!({"code": "friend"})).await.ok();
    admin.create("Safe", json!({})).await.ok();
    let mut work = site.documents().reading(&doctyped::testing::permissions::Session::system());
    let mut codes = Vec::new();
    for name in ["1", "2", "3", ""] {
        codes.push(work.get_password("Safe", name, "code").await.unwrap());
    }
    assert_eq!(codes, [Some("swordfish".to_owned()), Some("friend".to_owned()), None, None]);
}
