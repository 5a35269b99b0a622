//! Trees: what holds for their nodes, and User Permissions on them.

use serde_json::json;

use crate::support::{Client, TestSite};

const PLACE: &str = "
name: Place
module: Tests
autoname: Prompt
is_tree: true
allow_rename: true
fields:
  - { fieldname: note, fieldtype: Data, label: Note }
permissions:
  - { role: Clerk, read: true, write: true, create: true, delete: true }
";

async fn site() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(PLACE).await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    for (name, parent, is_group) in [
        ("World", "", 1),
        ("Europe", "World", 1),
        ("Austria", "Europe", 1),
        ("Vienna", "Austria", 0),
        ("Asia", "World", 1),
    ] {
        clerk.create("Place", json!({"name": name, "parent_place": parent, "is_group": is_group})).await.ok();
    }
    (site, clerk)
}

#[tokio::test]
async fn a_node_never_stands_below_itself() {
    let (_site, clerk) = site().await;
    for below in ["Europe", "Austria", "Vienna"] {
        let moved = clerk.update("Place", "Europe", json!({"parent_place": below})).await;
        moved.error(417, "NestedSetRecursionError");
    }
    clerk.update("Place", "Austria", json!({"parent_place": "Asia"})).await.ok();
}

#[tokio::test]
async fn nodes_with_others_below_and_roots_stay() {
    let (_site, clerk) = site().await;
    clerk.remove("Place", "Austria").await.error(417, "NestedSetChildExistsError");
    clerk.update("Place", "Austria", json!({"is_group": 0})).await.error(417, "NestedSetChildExistsError");
    clerk.remove("Place", "Vienna").await.status(202);
    clerk.remove("Place", "Austria").await.status(202);
    clerk.create("Place", json!({"name": "Moon"})).await.ok();
    clerk.remove("Place", "Moon").await.error(417, "ValidationError");
    let merge = |old: &str, new: &str| json!({"doctype": "Place", "old_name": old, "new_name": new, "merge": 1});
    clerk.create("Place", json!({"name": "Leaf", "parent_place": "Asia"})).await.ok();
    let answer = clerk.call("frappe.client.rename_doc", merge("Europe", "Leaf")).await;
    answer.error(417, "NestedSetInvalidMergeError");
    clerk.call("frappe.client.rename_doc", merge("World", "Asia")).await.error(417, "NestedSetInvalidMergeError");
    clerk.call("frappe.client.rename_doc", merge("Europe", "Asia")).await.ok();
}

#[tokio::test]
async fn a_user_permission_on_a_node_reaches_what_is_below_unless_hidden() {
    let (site, _) = site().await;
    let permission = json!({"user": "clerk@example.com", "allow": "Place", "for_value": "Europe"});
    let clerk = site.guest();
    clerk.log_in("clerk@example.com", crate::support::PASSWORD).await.ok();
    let name = site.db_insert("User Permission", permission).await;
    let names = async || clerk.list("Place", "order_by=name asc").await.ok();
    assert_eq!(names().await, json!([{"name": "Austria"}, {"name": "Europe"}, {"name": "Vienna"}]));
    clerk.read("Place", "Vienna").await.ok();
    // New nodes are reached at once.
    site.db_insert("Place", json!({"name": "Graz", "parent_place": "Austria"})).await;
    clerk.read("Place", "Graz").await.ok();
    site.db_update("User Permission", &name, json!({"hide_descendants": 1})).await;
    assert_eq!(names().await, json!([{"name": "Europe"}]));
}
