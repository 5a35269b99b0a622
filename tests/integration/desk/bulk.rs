//! Many documents changed at once: all that match, in the request and in the background.

use chrono::Duration;
use doctyped::testing::jobs::{run, run_due};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::{LOAN, LOAN_LINE};
use crate::jobs::until;
use crate::support::client::Response;
use crate::support::{Client, TestSite, worker};

const UPDATE: &str = "frappe.desk.doctype.bulk_update.bulk_update.submit_cancel_or_update_docs";

/// A site with so many loans.
async fn library(loans: usize) -> TestSite {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    for number in 0..loans {
        site.db_insert("Loan", json!({"title": format!("{number:04}"), "kind": "Novel", "days": 7})).await;
    }
    site
}

fn token(page: &Response) -> String {
    page.body.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

async fn press(client: &Client, address: &str, action: &str, more: &[(&str, &str)]) -> Response {
    let token = token(&client.get("/app/loan").await.status(200));
    let mut fields = vec![("csrf_token", token.as_str()), ("__action", action), ("__all", "1")];
    fields.extend(more);
    client.form(address, &fields).await
}

#[tokio::test]
async fn all_that_match_are_changed_after_a_question_that_counts_them() {
    let site = library(25).await;
    let essay = site.db_insert("Loan", json!({"title": "Walden", "kind": "Essay", "days": 7})).await;
    let admin = site.administrator().await;
    let page = admin.get("/app/loan?kind=Novel").await.status(200).body;
    assert!(page.contains("All 25 that match"), "{page}");
    assert!(
        !admin.get("/app/loan?kind=Essay").await.status(200).body.contains("data-bulk-all"),
        "one page has them all"
    );
    let edit = [("__field", "days"), ("__value", "9")];
    let asked = press(&admin, "/app/loan?kind=Novel", "bulk:edit", &edit).await.status(200).body;
    assert!(asked.contains("Change Days of 25 documents to “9”?") && asked.contains("value=\"25\""), "{asked}");
    assert_eq!(site.db_names("Loan", json!({"days": 9})).await.len(), 0, "a question changes nothing");
    // Another one matches by now: the question is asked again.
    site.db_insert("Loan", json!({"title": "late", "kind": "Novel", "days": 7})).await;
    let confirmed = |count| [edit[0], edit[1], ("__confirmed", count)];
    let asked = press(&admin, "/app/loan?kind=Novel", "bulk:edit", &confirmed("25")).await.status(200).body;
    assert!(asked.contains("Change Days of 26 documents"), "{asked}");
    let done = press(&admin, "/app/loan?kind=Novel", "bulk:edit", &confirmed("26")).await;
    assert_eq!(done.redirect(), "/app/loan?kind=Novel");
    assert_eq!(site.db_names("Loan", json!({"days": 9})).await.len(), 26);
    assert_eq!(admin.read("Loan", &essay).await.ok()["days"], 7, "what does not match stays");
    for (action, field, filters) in [
        ("bulk:tag", "__tag", json!([["_user_tags", "like", "%,red%"]])),
        ("bulk:untag", "__tag", json!([["_user_tags", "is", "not set"], ["kind", "=", "Novel"]])),
    ] {
        press(&admin, "/app/loan?kind=Novel", action, &[(field, "red"), ("__confirmed", "26")]).await.redirect();
        assert_eq!(site.db_names("Loan", filters).await.len(), 26, "{action}");
    }
    // However it is pressed, to delete all is asked with their number.
    let asked = press(&admin, "/app/loan?kind=Novel", "delete_confirmed", &[]).await.status(200).body;
    assert!(asked.contains("Delete 26 documents?"), "{asked}");
    press(&admin, "/app/loan?kind=Novel", "bulk:delete", &[("__confirmed", "26")]).await.redirect();
    assert_eq!(site.db_names("Loan", json!([])).await, [essay]);
    // What the address cannot do, nothing is done for.
    press(&admin, "/app/loan?nope=1", "bulk:delete", &[("__confirmed", "1")]).await.redirect();
    assert_eq!(site.db_names("Loan", json!([])).await.len(), 1);
}

#[tokio::test]
async fn more_than_one_request_changes_are_changed_in_the_background_with_a_result_for_each() {
    let site = library(510).await;
    // Ann may change loans but one, which is submitted.
    let ann = site.user("ann@example.com", &["System Manager"]).await;
    let stubborn = site.db_names("Loan", json!({"title": "0007"})).await.remove(0);
    ann.call("frappe.client.set_value", json!({"doctype": "Loan", "name": stubborn, "fieldname": {"docstatus": 1}}))
        .await
        .ok();
    let edit = [("__field", "days"), ("__value", "9"), ("__confirmed", "510")];
    let asked = press(&ann, "/app/loan", "bulk:edit", &edit[..2]).await.status(200).body;
    assert!(asked.contains("510 documents") && asked.contains("in the background"), "{asked}");
    let address = press(&ann, "/app/loan", "bulk:edit", &edit).await.redirect();
    let name = address.strip_prefix("/app/bulk-change/").expect("the change is shown").to_owned();
    let told = ann.read("Bulk Change", &name).await.ok();
    assert_eq!((&told["status"], &told["total"]), (&json!("In Progress"), &json!(510)));
    run_due(&site.site).await.unwrap();
    let told = ann.read("Bulk Change", &name).await.ok();
    assert_eq!(
        (&told["status"], &told["succeeded"], &told["refused"]),
        (&json!("Partial Success"), &json!(509), &json!(1))
    );
    assert_eq!(site.db_names("Loan", json!({"days": 9})).await.len(), 509);
    assert_eq!(site.db_names("Loan", json!({"modified_by": "ann@example.com"})).await.len(), 510, "as the person");
    let page = ann.get(&address).await.status(200).body;
    assert!(page.contains("510 of 510 done: 509 changed, 1 refused"), "{page}");
    let list = ann.get(&format!("/app/bulk-change-log?bulk_change={name}&success=0")).await.status(200).body;
    assert!(list.contains(&stubborn) && list.contains("1–1 of 1") && list.to_lowercase().contains("submit"), "{list}");
    // Whose change it is sees it, and nobody else.
    let bob = site.user("bob@example.com", &[]).await;
    bob.read("Bulk Change", &name).await.error(403, "PermissionError");
    assert_eq!(bob.list("Bulk Change Log", "").await.ok(), json!([]));
    // It stays as it was asked for.
    ann.update("Bulk Change", &name, json!({"total": 1})).await.status(417);
}

#[tokio::test]
async fn a_bulk_change_has_the_rights_of_whoever_asks_for_it() {
    let site = library(3).await;
    let ann = site.user("ann@example.com", &["System Manager"]).await;
    let bob = site.user("bob@example.com", &[]).await;
    let change = |action: &str, data: Json| json!({"reference_doctype": "Loan", "action": action, "data": data.to_string(), "filters": "[[\"kind\", \"=\", \"Novel\"]]"});
    for (action, data) in [("Update", json!({"days": 1})), ("Delete", json!({})), ("Add Tag", json!({"tag": "x"}))] {
        bob.create("Bulk Change", change(action, data)).await.error(403, "PermissionError");
    }
    for (action, data, said) in [
        ("Update", json!({}), "Update needs data"),
        ("Update", json!({"nope": 1}), "no field `nope`"),
        ("Update", json!({"owner": "bob@example.com"}), "no field `owner`"),
        ("Assign", json!({}), "Assign needs data"),
        ("Add Tag", json!({"tag": "a,b"}), "A tag is short text"),
    ] {
        let refused = ann.create("Bulk Change", change(action, data)).await.status(417).body;
        assert!(refused.contains(said), "{action}: {refused}");
    }
    let none = json!({"reference_doctype": "Loan", "action": "Delete", "filters": "{\"kind\": \"Essay\"}"});
    assert!(ann.create("Bulk Change", none).await.status(417).body.contains("nothing to change"));
    // Rights that are gone when its turn comes are gone.
    let asked = ann.create("Bulk Change", change("Update", json!({"days": 1}))).await.ok();
    site.db_update("User", "ann@example.com", json!({"enabled": 0})).await;
    run_due(&site.site).await.unwrap();
    assert_eq!(site.db_names("Loan", json!({"days": 1})).await.len(), 0);
    let admin = site.administrator().await;
    let told = admin.read("Bulk Change", asked["name"].as_str().unwrap()).await.ok();
    assert_eq!(told["status"], "Error");
    assert!(told["problem"].as_str().unwrap().contains("disabled"), "{told}");
    // Who may assign one may assign many.
    let assign = change("Assign", json!({"assign_to": ["bob@example.com"]}));
    admin.create("Bulk Change", assign).await.ok();
    run_due(&site.site).await.unwrap();
    assert_eq!(site.db_names("ToDo", json!({"allocated_to": "bob@example.com", "status": "Open"})).await.len(), 3);
}

#[tokio::test]
async fn programs_change_some_hundred_in_a_request() {
    let site = library(4).await;
    let ann = site.user("ann@example.com", &["System Manager"]).await;
    let names = site.db_names("Loan", json!([])).await;
    let update = json!({"doctype": "Loan", "docnames": names, "action": "update", "data": {"days": 3}});
    assert_eq!(ann.call(UPDATE, update).await.ok(), json!([]));
    assert_eq!(site.db_names("Loan", json!({"days": 3})).await.len(), 4);
    let some = json!({"doctype": "Loan", "docnames": [names[0], "nothing", names[1]]});
    assert_eq!(ann.call(UPDATE, some).await.ok(), json!(["nothing"]), "those that refuse are told");
    let cancel = json!({"doctype": "Loan", "docnames": names, "action": "cancel"});
    assert_eq!(ann.call(UPDATE, cancel).await.ok(), json!([names[2], names[3]]));
    assert_eq!(site.db_names("Loan", json!({"docstatus": 2})).await.len(), 2);
    let many: Vec<String> = (0..501).map(|number| number.to_string()).collect();
    let told = ann.call(UPDATE, json!({"doctype": "Loan", "docnames": many})).await.status(417).body;
    assert!(told.contains("create a Bulk Change for more"), "{told}");
    let docs = json!({"docs": [{"name": names[2], "days": 5}, {"name": "nothing", "days": 5}, {"name": names[3], "days": -5}]});
    let told = ann.post("/api/v2/document/Loan/bulk_update", docs).await.json()["data"].clone();
    assert_eq!((&told["updated"], &told["total"]), (&json!([names[2]]), &json!(3)));
    assert_eq!(told["failed"][0]["name"], "nothing");
    let told =
        ann.post("/api/v2/document/Loan/bulk_delete", json!({"names": [names[2], 7]})).await.json()["data"].clone();
    assert_eq!((&told["deleted"], &told["failed"][0]["name"]), (&json!([names[2]]), &json!(7)));
    let bob = site.user("bob@example.com", &[]).await;
    let told = bob.post("/api/v2/document/Loan/bulk_delete", json!({"names": [names[3]]})).await.json()["data"].clone();
    assert_eq!(told["deleted"], json!([]));
    let update = json!({"doctype": "Loan", "docnames": [names[3]], "action": "update", "data": {"days": 1}});
    assert_eq!(bob.call(UPDATE, update).await.ok(), json!([names[3]]));
    assert_eq!(site.db_names("Loan", json!({"days": 1})).await.len(), 0);
    assert_eq!(site.db_names("Loan", json!([])).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_change_is_stopped_behind_the_document_that_it_is_at() {
    let site = library(400).await;
    let ann = site.user("ann@example.com", &["System Manager"]).await;
    let change = json!({"reference_doctype": "Loan", "action": "Update", "data": "{\"days\": 1}"});
    let stop = |name: &Json| json!({"dt": "Bulk Change", "dn": name, "method": "stop_change"});
    // One that waits.
    let waiting = ann.create("Bulk Change", change.clone()).await.ok()["name"].clone();
    ann.remove("Bulk Change", waiting.as_str().unwrap()).await.error(417, "ValidationError");
    ann.call("run_doc_method", stop(&waiting)).await.ok();
    run_due(&site.site).await.unwrap();
    assert_eq!(site.db_names("Loan", json!({"days": 1})).await.len(), 0);
    assert_eq!(ann.read("Bulk Change", waiting.as_str().unwrap()).await.ok()["status"], "Cancelled");
    ann.call("run_doc_method", stop(&waiting)).await.error(417, "ValidationError");
    // One that runs.
    let running = ann.create("Bulk Change", change).await.ok()["name"].as_str().unwrap().to_owned();
    let (end, ended) = watch::channel(false);
    let worker = run(site.site.clone(), ended);
    until("some are changed", || async { !site.db_names("Loan", json!({"days": 1})).await.is_empty() }).await;
    ann.call("run_doc_method", stop(&json!(running))).await.ok();
    until("it has stopped", || async { ann.read("Bulk Change", &running).await.ok()["status"] == "Cancelled" }).await;
    let changed = site.db_names("Loan", json!({"days": 1})).await.len();
    assert!(changed < 400, "it ran to its end");
    assert_eq!(ann.read("Bulk Change", &running).await.ok()["succeeded"], changed);
    end.send_replace(true);
    worker.await.unwrap();
}

/// Not a test: the process that the test below kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a process of its own"]
async fn changing_process() {
    worker::work(&[LOAN, LOAN_LINE], vec![]).await;
}

#[tokio::test]
async fn a_killed_bulk_change_goes_on_and_does_nothing_twice() {
    const LOANS: usize = 900;
    const KILLS: usize = 2;
    let site = library(LOANS).await;
    let ann = site.user("ann@example.com", &["System Manager"]).await;
    // What was deleted cannot be deleted again: doing it twice would be a refusal.
    let change = json!({"reference_doctype": "Loan", "action": "Delete"});
    let name = ann.create("Bulk Change", change).await.ok()["name"].as_str().unwrap().to_owned();
    let noted = async || site.db_names("Bulk Change Log", json!({"bulk_change": name})).await.len();
    for kill in 1..=KILLS {
        let mut process = worker::start(&site, "desk::bulk::changing_process");
        until("it goes on", || async { noted().await >= LOANS * kill / (KILLS + 3) }).await;
        process.kill().unwrap();
        process.wait().unwrap();
        // The lease of the one that died has to end. Its process reads the time of day, so that the row is moved instead.
        let job = site.db_names("Background Job", json!({"reference_name": name})).await.remove(0);
        site.db_update("Background Job", &job, json!({"lease_until": "2020-01-01 00:00:00"})).await;
    }
    let before = noted().await;
    assert!(before < LOANS, "there was something left to do");
    site.clock.advance(Duration::minutes(5));
    run_due(&site.site).await.unwrap();
    let told = ann.read("Bulk Change", &name).await.ok();
    assert_eq!((&told["status"], &told["succeeded"], &told["refused"]), (&json!("Success"), &json!(LOANS), &json!(0)));
    assert_eq!(noted().await, LOANS);
    assert_eq!(site.db_names("Deleted Document", json!({"deleted_doctype": "Loan"})).await.len(), LOANS);
}
