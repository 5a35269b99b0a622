//! Links lead nowhere that the writer may not know, fetch nothing that they may not read, and are named to nobody else.

use serde_json::{Value as Json, json};

use crate::support::TestSite;

const SECRET: &str = "
name: Secret
module: Tests
autoname: Prompt
fields:
  - { fieldname: city, fieldtype: Data, label: City }
  - { fieldname: wage, fieldtype: Int, label: Wage, permlevel: 1 }
permissions:
  - { role: Keeper, if_owner: true, read: true, write: true, create: true, delete: true }
  - { role: Reader, read: true }
  - { role: Chooser, select: true }
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
const ROW: &str = "
name: Pointer Row
module: Tests
istable: true
fields:
  - { fieldname: secret, fieldtype: Link, label: Secret, options: Secret }
";
const POINTER: &str = "
name: Pointer
module: Tests
fields:
  - { fieldname: secret, fieldtype: Link, label: Secret, options: Secret }
  - { fieldname: city, fieldtype: Data, label: City, fetch_from: secret.city, read_only: true }
  - { fieldname: wage, fieldtype: Int, label: Wage, fetch_from: secret.wage }
  - { fieldname: open, fieldtype: Link, label: Open, options: Secret, ignore_permissions: true }
  - { fieldname: open_city, fieldtype: Data, label: Open City, fetch_from: open.city }
  - { fieldname: kind, fieldtype: Link, label: Kind, options: DocType }
  - { fieldname: target, fieldtype: Dynamic Link, label: Target, options: kind }
  - { fieldname: rows, fieldtype: Table, label: Rows, options: Pointer Row }
permissions:
  - { role: Keeper, read: true, write: true, create: true }
  - { role: Reader, read: true, write: true, create: true }
  - { role: Chooser, read: true, write: true, create: true }
  - { role: Nobody, read: true, write: true, create: true }
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

async fn site() -> TestSite {
    let site = TestSite::new().with_doctype(SECRET).with_doctype(ROW).with_doctype(POINTER).await;
    site.db_insert("Secret", json!({"name": "hidden", "city": "Rome", "wage": 7})).await;
    site
}

#[tokio::test]
async fn a_link_tells_nobody_that_a_document_exists() {
    let site = site().await;
    let links = |name: &str| -> [Json; 3] {
        [json!({"secret": name}), json!({"kind": "Secret", "target": name}), json!({"rows": [{"secret": name}]})]
    };
    for role in ["Keeper", "Nobody"] {
        let client = site.user(&format!("{role}@example.com").to_lowercase(), &[role]).await;
        let mine = client.create("Pointer", json!({})).await.ok()["name"].as_str().unwrap().to_owned();
        for (hidden, absent) in links("hidden").into_iter().zip(links("absent")) {
            for (theirs, nobodys) in [
                (client.create("Pointer", hidden.clone()).await, client.create("Pointer", absent.clone()).await),
                (client.update("Pointer", &mine, hidden).await, client.update("Pointer", &mine, absent).await),
            ] {
                let theirs = theirs.error(417, "LinkValidationError").to_string();
                let nobodys = nobodys.error(417, "LinkValidationError").to_string();
                assert_eq!(theirs.replace("hidden", "?"), nobodys.replace("absent", "?"));
            }
        }
    }
    // Whoever may select may link.
    for role in ["Chooser", "Reader"] {
        let client = site.user(&format!("{role}@example.com").to_lowercase(), &[role]).await;
        for link in links("hidden") {
            client.create("Pointer", link).await.ok();
        }
        client.create("Pointer", json!({"secret": "absent"})).await.error(417, "LinkValidationError");
    }
    // One's own, and what is shared.
    let keeper = site.guest();
    keeper.log_in("keeper@example.com", crate::support::PASSWORD).await.ok();
    keeper.create("Secret", json!({"name": "mine"})).await.ok();
    keeper.create("Pointer", json!({"secret": "mine"})).await.ok();
    let share = json!({"user": "keeper@example.com", "share_doctype": "Secret", "share_name": "hidden"});
    site.db_insert("DocShare", share).await;
    keeper.create("Pointer", json!({"secret": "hidden"})).await.ok();
}

#[tokio::test]
async fn nothing_is_fetched_that_the_writer_may_not_read() {
    let site = site().await;
    let reader = site.user("reader@example.com", &["Reader"]).await;
    let chooser = site.user("chooser@example.com", &["Chooser"]).await;
    let made = reader.create("Pointer", json!({"secret": "hidden", "wage": 3})).await.ok();
    assert_eq!((&made["city"], &made["wage"]), (&json!("Rome"), &json!(0)), "level 1 is not theirs");
    let made = chooser.create("Pointer", json!({"secret": "hidden", "city": "mine"})).await.ok();
    assert_eq!(made["city"], json!(null));
    // What somebody else fetched stays.
    let admin = site.administrator().await;
    let full = admin.create("Pointer", json!({"secret": "hidden"})).await.ok();
    let name = full["name"].as_str().unwrap();
    assert_eq!((&full["city"], &full["wage"]), (&json!("Rome"), &json!(7)));
    let kept = chooser.update("Pointer", name, json!({"wage": 1, "city": "mine"})).await.ok();
    assert_eq!((&kept["city"], &kept["wage"]), (&json!("Rome"), &json!(7)));
    // The field may say otherwise.
    let nobody = site.user("nobody@example.com", &["Nobody"]).await;
    assert_eq!(nobody.create("Pointer", json!({"open": "hidden"})).await.ok()["open_city"], "Rome");
}

#[tokio::test]
async fn user_permissions_on_rows_hold_for_lists_as_for_documents() {
    let site = site().await;
    site.db_insert("Secret", json!({"name": "open"})).await;
    let reader = site.user("reader@example.com", &["Reader"]).await;
    let pointer = async |rows: Json| site.db_insert("Pointer", json!({"rows": rows})).await;
    let inside = pointer(json!([{"secret": "open"}, {}])).await;
    let outside = pointer(json!([{"secret": "open"}, {"secret": "hidden"}])).await;
    let without = pointer(json!([])).await;
    let permission = json!({"user": "reader@example.com", "allow": "Secret", "for_value": "open"});
    site.db_insert("User Permission", permission).await;
    let listed = reader.list("Pointer", "order_by=name asc").await.ok();
    let mut expected = [inside.as_str(), without.as_str()];
    expected.sort_unstable();
    assert_eq!(listed, json!(expected.map(|name| json!({"name": name}))));
    let count = reader.call("frappe.client.get_count", json!({"doctype": "Pointer"})).await.ok();
    assert_eq!(count, 2);
    let rows = reader.list("Pointer Row", "parent=Pointer&fields=[\"parent\"]&limit_page_length=0").await.ok();
    assert!(!rows.to_string().contains(&outside), "{rows}");
    reader.read("Pointer", &outside).await.error(403, "PermissionError");
    reader.read("Pointer", &inside).await.ok();
}

#[tokio::test]
async fn a_refused_deletion_names_only_what_the_asker_may_read() {
    let site = site().await;
    let keeper = site.user("keeper@example.com", &["Keeper"]).await;
    keeper.create("Secret", json!({"name": "mine"})).await.ok();
    let theirs = site.db_insert("Pointer", json!({"secret": "mine"})).await;
    let other = site.db_insert("Pointer", json!({})).await;
    let permission = json!({"user": "keeper@example.com", "allow": "Pointer", "for_value": other});
    site.db_insert("User Permission", permission).await;
    let refused = keeper.remove("Secret", "mine").await.error(417, "LinkExistsError").to_string();
    assert!(!refused.contains(&theirs) && refused.contains("may not read"), "{refused}");
    let admin = site.administrator().await;
    site.db_insert("Pointer", json!({"secret": "mine"})).await;
    let refused = admin.remove("Secret", "mine").await.error(417, "LinkExistsError").to_string();
    assert!(refused.contains("1 other document"), "{refused}");
}
