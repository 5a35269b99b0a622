//! A merge takes rights on both documents, hands on none, and does all that deleting does.

use serde_json::json;

use crate::support::{Client, TestSite};

const NOTE: &str = "
name: Note
module: Tests
autoname: Prompt
allow_rename: true
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: lines, fieldtype: Table, label: Lines, options: Note Line }
permissions:
  - { role: Keeper, if_owner: true, read: true, write: true, create: true, delete: true, share: true }
  - { role: Writer, read: true, write: true, create: true }
";
const LINE: &str = "
name: Note Line
module: Tests
istable: true
fields:
  - { fieldname: text, fieldtype: Data, label: Text }
";
const PIN: &str = "
name: Pin
module: Tests
fields:
  - { fieldname: note, fieldtype: Link, label: Note, options: Note }
permissions:
  - { role: System Manager, read: true, write: true, create: true }
";

async fn site() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(NOTE).with_doctype(LINE).with_doctype(PIN).await;
    let admin = site.administrator().await;
    (site, admin)
}

fn merge(old: &str, new: &str) -> serde_json::Value {
    json!({"doctype": "Note", "old_name": old, "new_name": new, "merge": 1})
}

#[tokio::test]
async fn nobody_merges_into_what_they_may_not_write_nor_learns_that_it_is_there() {
    let (site, admin) = site().await;
    admin.create("Note", json!({"name": "theirs", "title": "secret"})).await.ok();
    let keeper = site.user("keeper@example.com", &["Keeper"]).await;
    keeper.create("Note", json!({"name": "mine"})).await.ok();
    let hidden = keeper.call("frappe.client.rename_doc", merge("mine", "theirs")).await.error(403, "PermissionError");
    let absent = keeper.call("frappe.client.rename_doc", merge("mine", "nobodys")).await.error(403, "PermissionError");
    assert_eq!(hidden.to_string().replace("theirs", "?"), absent.to_string().replace("nobodys", "?"));
    // The one that goes takes the right to delete.
    let writer = site.user("writer@example.com", &["Writer"]).await;
    writer.create("Note", json!({"name": "other"})).await.ok();
    writer.call("frappe.client.rename_doc", merge("other", "theirs")).await.error(403, "PermissionError");
    assert_eq!(site.db_names("Note", json!({})).await.len(), 3);
    assert_eq!(admin.read("Note", "theirs").await.ok()["title"], "secret");
}

#[tokio::test]
async fn a_merge_hands_on_links_but_no_shares_rows_or_secrets() {
    let (site, admin) = site().await;
    let keeper = site.user("keeper@example.com", &["Keeper"]).await;
    site.db_user("friend@example.com", json!({})).await;
    keeper.create("Note", json!({"name": "old", "lines": [{"text": "of the old one"}]})).await.ok();
    keeper.create("Note", json!({"name": "new", "lines": [{"text": "of the new one"}]})).await.ok();
    let pin = site.db_insert("Pin", json!({"note": "old"})).await;
    let share = json!({"user": "friend@example.com", "share_doctype": "Note", "share_name": "old", "write": 1});
    site.db_insert("DocShare", share).await;
    keeper.call("frappe.client.rename_doc", merge("old", "new")).await.ok();
    assert_eq!(admin.read("Pin", &pin).await.ok()["note"], "new");
    assert_eq!(site.db_names("DocShare", json!({})).await, [""; 0]);
    let new = admin.read("Note", "new").await.ok();
    assert_eq!(new["lines"].as_array().unwrap().len(), 1);
    assert_eq!(new["lines"][0]["text"], "of the new one");
    assert_eq!(site.db_names("Deleted Document", json!({"deleted_name": "old"})).await.len(), 1);
    admin.read("Note", "old").await.error(404, "DoesNotExistError");
    // What narrows somebody down to a document is not moved to another one: it has to be settled first.
    site.db_insert("Note", json!({"name": "third"})).await;
    site.db_insert("User Permission", json!({"user": "friend@example.com", "allow": "Note", "for_value": "third"}))
        .await;
    admin.call("frappe.client.rename_doc", merge("third", "new")).await.error(417, "LinkExistsError");
}
