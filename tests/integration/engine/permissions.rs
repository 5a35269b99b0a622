//! Who may see and do what.

use serde_json::json;

use crate::support::TestSite;

const TASK: &str = r"
name: Task
module: Tests
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true }
  - { fieldname: budget, fieldtype: Int, label: Budget, permlevel: 1 }
  - { fieldname: project, fieldtype: Link, label: Project, options: Project }
permissions:
  - { role: Worker, if_owner: true, read: true, write: true, create: true, delete: true }
  - { role: Boss, read: true, write: true, create: true }
  - { role: Boss, permlevel: 1, read: true, write: true }
";
const PROJECT: &str = r"
name: Project
module: Tests
autoname: Prompt
fields:
  - { fieldname: notes, fieldtype: Data, label: Notes }
permissions:
  - { role: Boss, read: true, write: true, create: true }
  - { role: Worker, read: true }
";

async fn site() -> TestSite {
    TestSite::new().with_doctype(TASK).with_doctype(PROJECT).await
}

#[tokio::test]
async fn owners_see_their_own_and_nothing_of_others() {
    let site = site().await;
    let ann = site.user("ann@example.com", &["Worker"]).await;
    let bob = site.user("bob@example.com", &["Worker"]).await;
    let name = ann.create("Task", json!({"title": "Ann's"})).await.ok()["name"].as_str().unwrap().to_owned();
    ann.read("Task", &name).await.ok();
    assert_eq!(bob.list("Task", "").await.ok(), json!([]));
    let theirs = bob.read("Task", &name).await.error(403, "PermissionError");
    let missing = bob.read("Task", "0000000000").await.error(403, "PermissionError");
    // The answers differ in nothing but the name that was asked for.
    assert_eq!(theirs.to_string().replace(&name, "?"), missing.to_string().replace("0000000000", "?"));
    // A refusal names what was to be done.
    let update = bob.update("Task", &name, json!({"title": "x"})).await.error(403, "PermissionError");
    assert!(update.to_string().contains("may not write"), "{update}");
    let remove = bob.remove("Task", &name).await.error(403, "PermissionError");
    assert!(remove.to_string().contains("may not delete"), "{remove}");
    let count = bob.call("frappe.client.get_count", json!({"doctype": "Task"})).await.ok();
    assert_eq!(count, json!(0));
}

#[tokio::test]
async fn fields_of_a_higher_level_are_neither_shown_nor_written() {
    let site = site().await;
    let boss = site.user("boss@example.com", &["Boss"]).await;
    let ann = site.user("ann@example.com", &["Worker"]).await;
    let name = ann.create("Task", json!({"title": "t", "budget": 5})).await.ok()["name"].as_str().unwrap().to_owned();
    assert_eq!(boss.read("Task", &name).await.ok()["budget"], 0);
    boss.update("Task", &name, json!({"budget": 7})).await.ok();
    let seen = ann.read("Task", &name).await.ok();
    assert!(seen.get("budget").is_none(), "{seen}");
    ann.update("Task", &name, json!({"budget": 9})).await.ok();
    assert_eq!(boss.read("Task", &name).await.ok()["budget"], 7);
    ann.list("Task", "filters={\"budget\": 7}").await.status(417);
}

#[tokio::test]
async fn user_permissions_narrow_lists_and_documents() {
    let site = site().await;
    let boss = site.user("boss@example.com", &["Boss"]).await;
    for project in ["Alpha", "Beta"] {
        boss.create("Project", json!({"name": project})).await.ok();
        boss.create("Task", json!({"title": project, "project": project})).await.ok();
    }
    site.db_insert("User Permission", json!({"user": "boss@example.com", "allow": "Project", "for_value": "Alpha"}))
        .await;
    let titles = boss.list("Task", "fields=[\"title\"]").await.ok();
    assert_eq!(titles, json!([{"title": "Alpha"}]));
    boss.read("Project", "Beta").await.error(403, "PermissionError");
    boss.create("Task", json!({"title": "x", "project": "Beta"})).await.error(403, "PermissionError");
}

#[tokio::test]
async fn guests_are_asked_for_credentials_and_users_without_roles_are_refused() {
    let site = site().await;
    let guest = site.guest();
    guest.read("Task", "x").await.error(401, "AuthenticationError");
    guest.list("Task", "").await.error(401, "AuthenticationError");
    guest.create("Task", json!({"title": "x"})).await.error(401, "AuthenticationError");
    let nobody = site.user("nobody@example.com", &[]).await;
    nobody.list("Task", "").await.error(403, "PermissionError");
    nobody.create("Task", json!({"title": "x"})).await.error(403, "PermissionError");
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once() {
    let site = site().await;
    let ann = site.user("ann@example.com", &["Worker"]).await;
    ann.list("Task", "").await.ok();
    let admin = site.administrator().await;
    admin.update("User", "ann@example.com", json!({"enabled": 0})).await.ok();
    ann.list("Task", "").await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn what_somebody_owns_stays_theirs_beside_user_permissions() {
    let site = site().await;
    let boss = site.user("boss@example.com", &["Boss", "Worker"]).await;
    for project in ["Alpha", "Beta"] {
        site.db_insert("Project", json!({"name": project})).await;
    }
    let own = boss.create("Task", json!({"title": "own", "project": "Beta"})).await.ok();
    let own = own["name"].as_str().unwrap();
    let other = site.db_insert("Task", json!({"title": "other", "project": "Beta"})).await;
    site.db_insert("User Permission", json!({"user": "boss@example.com", "allow": "Project", "for_value": "Alpha"}))
        .await;
    boss.read("Task", own).await.ok();
    boss.update("Task", own, json!({"title": "changed"})).await.ok();
    assert_eq!(boss.list("Task", "").await.ok(), json!([{"name": own}]));
    boss.read("Task", &other).await.error(403, "PermissionError");
    // What is new has to be within them.
    boss.create("Task", json!({"title": "x", "project": "Beta"})).await.error(403, "PermissionError");
}

#[tokio::test]
async fn who_may_only_select_is_told_so() {
    let chosen = PROJECT.replace("{ role: Worker, read: true }", "{ role: Worker, select: true }");
    let site = TestSite::new().with_doctype(TASK).with_doctype(&chosen).await;
    site.db_insert("Project", json!({"name": "Alpha"})).await;
    let worker = site.user("worker@example.com", &["Worker"]).await;
    let stranger = site.user("stranger@example.com", &[]).await;
    let asked = |name: &str, right: &str| json!({"doctype": "Project", "docname": name, "perm_type": right});
    for (client, name, right, expected) in [
        (&worker, "Alpha", "select", true),
        (&worker, "Alpha", "read", false),
        (&worker, "Beta", "select", false),
        (&stranger, "Alpha", "select", false),
    ] {
        let answer = client.call("frappe.client.has_permission", asked(name, right)).await.ok();
        assert_eq!(answer["has_permission"], expected, "{name} {right}");
    }
}
