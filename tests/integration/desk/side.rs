//! What stands beside a form: comments, tags, assignments, shares, and who may see the document.

use serde_json::json;

use super::{LOAN, LOAN_LINE, form_values, send, unescape};
use crate::support::{Client, TestSite};

const SHARING: &str = "extends: Loan\npermissions:\n  - { role: System Manager, share: true }\n  - { role: Librarian, read: true, write: true }\n";

async fn library() -> (TestSite, Client, String) {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).with_doctype(SHARING).await;
    let administrator = site.administrator().await;
    let name = site.db_insert("Loan", json!({"title": "Emma", "days": 3})).await;
    (site, administrator, format!("/app/loan/{name}"))
}

fn name_of(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_comment_is_read_by_all_readers_and_deleted_by_its_author_alone() {
    let (site, administrator, uri) = library().await;
    let reader = site.user("reader@example.com", &[]).await;
    let page = administrator.get(&uri).await.status(200);
    let typed = [("__comment", "It is <b>not</b> here\nany more")];
    assert_eq!(send(&administrator, &uri, &page, &typed, "side:comment").await.redirect(), uri);
    let theirs = reader.get(&uri).await.status(200);
    assert!(theirs.body.contains("It is &lt;b&gt;not&lt;/b&gt; here<br>any more"), "{}", theirs.body);
    assert!(!theirs.body.contains("side:uncomment:"), "only the author deletes it");
    let comment = site.db_names("Comment", json!({"reference_name": name_of(&uri)})).await.remove(0);
    let action = format!("side:uncomment:{comment}");
    send(&reader, &uri, &theirs, &[], &action).await.status(403);
    assert_eq!(site.db_names("Comment", json!({"name": comment.as_str()})).await.len(), 1);
    // Neither from the page of another document.
    let other = site.db_insert("Loan", json!({"title": "Dune"})).await;
    send(&administrator, &format!("/app/loan/{other}"), &page, &[], &action).await.status(404);
    let page = administrator.get(&uri).await.status(200);
    assert!(page.body.contains(&action), "{}", page.body);
    send(&administrator, &uri, &page, &[], &action).await.redirect();
    assert!(site.db_names("Comment", json!({"reference_name": name_of(&uri)})).await.is_empty());
}

#[tokio::test]
async fn buttons_beside_the_form_keep_what_was_typed_into_it() {
    let (site, administrator, uri) = library().await;
    let page = administrator.get(&uri).await.status(200);
    let typed = [("title", "Sanditon"), ("lines.0.volume", "II"), ("__tag", "red")];
    let shown = send(&administrator, &uri, &page, &typed, "side:tag").await.status(200);
    let values = form_values(&shown);
    assert_eq!((&*values["title"], &*values["lines.0.volume"]), ("Sanditon", "II"));
    assert!(shown.body.contains("not saved yet") && shown.body.contains("side:untag:red"), "{}", shown.body);
    assert_eq!(administrator.read("Loan", name_of(&uri)).await.ok()["title"], "Emma");
    send(&administrator, &uri, &shown, &[], "save").await.redirect();
    assert_eq!(administrator.read("Loan", name_of(&uri)).await.ok()["title"], "Sanditon");
    // A refusal keeps it as well.
    let refused = send(&administrator, &uri, &shown, &[("title", "Mine"), ("__tag", "a,b")], "side:tag").await;
    assert!(refused.body.contains("without commas"), "{}", refused.body);
    assert_eq!(form_values(&refused)["title"], "Mine");
    assert_eq!(site.db_names("Loan", json!([["_user_tags", "like", "%a,b%"]])).await, [""; 0]);
}

#[tokio::test]
async fn tags_lead_to_the_list_of_what_has_them() {
    let (site, administrator, uri) = library().await;
    site.db_insert("Loan", json!({"title": "Dune"})).await;
    let page = administrator.get(&uri).await.status(200);
    send(&administrator, &uri, &page, &[("__tag", "to mend")], "side:tag").await.redirect();
    let page = administrator.get(&uri).await.status(200);
    let href = unescape(page.body.split("class=\"tag\"><a href=\"").nth(1).unwrap().split('"').next().unwrap());
    let list = administrator.get(&href).await.status(200);
    assert!(list.body.contains("Emma") && !list.body.contains("Dune"), "{}", list.body);
    send(&administrator, &uri, &page, &[], "side:untag:to mend").await.redirect();
    assert!(!administrator.get(&uri).await.body.contains("side:untag"));
    // Readers see tags and cannot change them.
    let reader = site.user("reader@example.com", &[]).await;
    let theirs = reader.get(&uri).await.status(200);
    assert!(!theirs.body.contains("__tag"), "{}", theirs.body);
    send(&reader, &uri, &theirs, &[("__tag", "mine")], "side:tag").await.status(403);
}

#[tokio::test]
async fn an_assignment_is_a_todo_that_the_other_person_sees_and_closes() {
    let (site, administrator, uri) = library().await;
    let librarian = site.user("librarian@example.com", &["Librarian"]).await;
    let page = administrator.get(&uri).await.status(200);
    let typed =
        [("__assign_to", "librarian@example.com"), ("__assign_why", "Mend it"), ("__assign_until", "2031-04-01")];
    send(&administrator, &uri, &page, &typed, "side:assign").await.redirect();
    let name = name_of(&uri);
    assert_eq!(administrator.read("Loan", name).await.ok()["_assign"], "[\"librarian@example.com\"]");
    let todos = librarian.list("ToDo", r#"fields=["name","description","date","status","assigned_by"]"#).await.ok();
    let todo = &todos[0];
    assert_eq!((&todo["description"], &todo["date"]), (&json!("Mend it"), &json!("2031-04-01")));
    assert_eq!(todo["assigned_by"], "Administrator");
    // Once more is no second one.
    send(&administrator, &uri, &page, &typed, "side:assign").await.redirect();
    assert_eq!(site.db_names("ToDo", json!({"status": "Open"})).await.len(), 1);
    let theirs = librarian.get(&uri).await.status(200);
    assert!(
        theirs.body.contains("value=\"side:done\"") && theirs.body.contains("assigned librarian@example.com: Mend it")
    );
    send(&librarian, &uri, &theirs, &[], "side:done").await.redirect();
    let loan = administrator.read("Loan", name).await.ok();
    assert!(loan.get("_assign").is_none_or(serde_json::Value::is_null), "{loan}");
    assert_eq!(site.db_names("ToDo", json!({"status": "Closed"})).await.len(), 1);
    assert!(administrator.get(&uri).await.body.contains("completed the assignment"));
}

#[tokio::test]
async fn programs_assign_by_frappes_methods() {
    let (site, administrator, uri) = library().await;
    let name = name_of(&uri).to_owned();
    let librarian = site.user("librarian@example.com", &["Librarian"]).await;
    let stranger = site.user("stranger@example.com", &[]).await;
    let target = json!({"doctype": "Loan", "name": name});
    let with = |assign_to: serde_json::Value| json!({"doctype": "Loan", "name": name, "assign_to": assign_to});
    let both = json!(["librarian@example.com", "stranger@example.com"]);
    let made = administrator.call("frappe.desk.form.assign_to.add", with(both.clone())).await.ok();
    assert_eq!(made.as_array().unwrap().len(), 2, "{made}");
    assert_eq!(made[0]["owner"], "librarian@example.com");
    assert_eq!(stranger.call("frappe.desk.form.assign_to.get", target.clone()).await.ok(), made);
    let info = administrator.call("frappe.desk.form.load.get_docinfo", target.clone()).await;
    assert_eq!(info.json()["docinfo"]["assignments"][0]["owner"], "librarian@example.com");
    // Nobody closes what is somebody else's, nor takes it back without a right.
    let close = administrator.call("frappe.desk.form.assign_to.close", with(json!("librarian@example.com"))).await;
    close.error(403, "PermissionError");
    let remove = stranger.call("frappe.desk.form.assign_to.remove", with(json!("librarian@example.com"))).await;
    remove.error(403, "PermissionError");
    let left = librarian.call("frappe.desk.form.assign_to.remove", with(json!("stranger@example.com"))).await.ok();
    assert_eq!(left.as_array().unwrap().len(), 1, "who may change the document takes assignments back");
    assert!(administrator.get(&uri).await.body.contains("removed the assignment of stranger@example.com"));
    // Deleting the document takes its ToDos along.
    administrator.remove("Loan", &name).await.ok();
    assert!(site.db_names("ToDo", json!([])).await.is_empty());
    let nobody = json!({"doctype": "Loan", "name": "absent", "assign_to": both});
    administrator.call("frappe.desk.form.assign_to.add", nobody).await.error(404, "DoesNotExistError");
}

#[tokio::test]
async fn whoever_is_assigned_a_document_they_may_not_read_needs_somebody_who_may_share_it() {
    let site = TestSite::new()
        .with_doctype("name: Secret\nmodule: Tests\nfields:\n  - { fieldname: title, fieldtype: Data, label: Title }\npermissions:\n  - { role: Keeper, read: true, write: true }\n  - { role: System Manager, read: true, share: true }\n")
        .await;
    let keeper = site.user("keeper@example.com", &["Keeper"]).await;
    let other = site.user("other@example.com", &[]).await;
    let name = site.db_insert("Secret", json!({"title": "x"})).await;
    let arguments = json!({"doctype": "Secret", "name": name, "assign_to": ["other@example.com"]});
    keeper.call("frappe.desk.form.assign_to.add", arguments.clone()).await.error(403, "PermissionError");
    assert!(site.db_names("ToDo", json!([])).await.is_empty());
    other.read("Secret", &name).await.error(403, "PermissionError");
    site.administrator().await.call("frappe.desk.form.assign_to.add", arguments).await.ok();
    assert_eq!(other.read("Secret", &name).await.ok()["title"], "x");
    other.update("Secret", &name, json!({"title": "y"})).await.error(403, "PermissionError");
}

#[tokio::test]
async fn a_document_is_shared_and_no_longer() {
    let (site, administrator, uri) = library().await;
    let reader = site.user("reader@example.com", &[]).await;
    let page = administrator.get(&uri).await.status(200);
    let typed = [("__share_with", "reader@example.com"), ("__share_write", "1")];
    send(&administrator, &uri, &page, &typed, "side:share").await.redirect();
    let name = name_of(&uri);
    reader.update("Loan", name, json!({"days": 4})).await.ok();
    let page = administrator.get(&uri).await.status(200);
    assert!(page.body.contains("read, write"), "{}", page.body);
    send(&administrator, &uri, &page, &[], "side:unshare:reader@example.com").await.redirect();
    reader.update("Loan", name, json!({"days": 5})).await.error(403, "PermissionError");
    let theirs = reader.get(&uri).await.status(200);
    assert!(!theirs.body.contains("side-shares"), "who may not share is not asked to");
}

#[tokio::test]
async fn a_system_manager_reads_who_may_see_a_document_and_why() {
    let (site, administrator, uri) = library().await;
    site.user("librarian@example.com", &["Librarian"]).await;
    let reader = site.user("reader@example.com", &[]).await;
    let share = json!({"user": "reader@example.com", "share_doctype": "Loan", "share_name": name_of(&uri), "read": 1, "write": 1});
    site.db_insert("DocShare", share).await;
    let page = administrator.get(&uri).await.status(200);
    let address = format!("/app/_access?doctype=Loan&name={}", name_of(&uri));
    assert!(unescape(&page.body).contains(&address), "{}", page.body);
    let page = administrator.get(&address).await.status(200);
    let row = |user: &str| page.body.split("<tr>").find(|row| row.contains(user)).unwrap_or_default().to_owned();
    assert!(row("librarian@example.com").contains("by the roles"), "{}", page.body);
    assert!(row("librarian@example.com").contains("Librarian"));
    assert!(
        row("reader@example.com").contains("by the role Desk User; shared: write"),
        "{}",
        row("reader@example.com")
    );
    assert!(row("/app/user/Administrator").contains("may do everything"));
    reader.get(&address).await.status(403);
    administrator.get("/app/_access?doctype=Loan&name=absent").await.status(404);
}

#[tokio::test]
async fn a_form_says_how_programs_get_at_its_document() {
    let (_site, administrator, uri) = library().await;
    let page = administrator.get(&uri).await.status(200);
    let address = format!("/api/resource/Loan/{}", name_of(&uri));
    for said in ["curl &#x27;", "import requests", "await fetch(url", &format!("href=\"{address}\"")] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert_eq!(administrator.get(&address).await.status(200).json()["data"]["title"], "Emma");
}

/// A task is the business of who made it, who asked for it and who is to do it; the last may close it and no more.
#[tokio::test]
async fn a_task_is_seen_by_those_whom_it_concerns() {
    let site = TestSite::new().await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| format!("{name}@example.com"));
    let (maker, doer, other) = (site.user(&alice, &[]).await, site.user(&bob, &[]).await, site.user(&carol, &[]).await);
    let made = maker.create("ToDo", json!({"description": "Mend it", "allocated_to": bob})).await.ok();
    let name = made["name"].as_str().unwrap();
    let tasks = async |client: &Client| client.list("ToDo", "").await.ok().as_array().unwrap().len();
    assert_eq!((tasks(&maker).await, tasks(&doer).await, tasks(&other).await), (1, 1, 0));
    other.read("ToDo", name).await.status(403);
    other.update("ToDo", name, json!({"status": "Closed"})).await.status(403);
    doer.update("ToDo", name, json!({"status": "Closed"})).await.ok();
    doer.remove("ToDo", name).await.status(403);
    let share = json!({"doctype": "ToDo", "name": name, "user": carol, "read": 1});
    doer.call("frappe.share.add", share).await.status(403);
    // Whoever it was taken from has no more to do with it.
    maker.update("ToDo", name, json!({"allocated_to": carol, "status": "Open"})).await.ok();
    assert_eq!((tasks(&maker).await, tasks(&doer).await, tasks(&other).await), (1, 0, 1));
    doer.read("ToDo", name).await.status(403);
    maker.remove("ToDo", name).await.ok();
}
