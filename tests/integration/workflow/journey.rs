//! The way of a document from hand to hand.

use serde_json::{Value as Json, json};

use super::{Office, actions, apply};

fn state(state: &str, docstatus: i64, decision: &str) -> (String, i64, String) {
    (state.to_owned(), docstatus, decision.to_owned())
}

#[tokio::test]
async fn a_document_begins_in_the_first_state_as_a_draft() {
    let office = Office::new().await;
    let expense = office.employee.create("Expense", json!({"title": "Train"})).await.ok();
    assert_eq!((&expense["workflow_state"], &expense["docstatus"]), (&json!("Draft"), &json!(0)));
    for values in [json!({"title": "Taxi", "workflow_state": "Approved"}), json!({"title": "Taxi", "docstatus": 1})] {
        office.accountant.create("Expense", values).await.error(417, "WorkflowTransitionError");
    }
}

#[tokio::test]
async fn it_goes_from_hand_to_hand_and_takes_its_docstatus_and_values_along() {
    let office = Office::new().await;
    let name = office.pending(200).await;
    assert_eq!(office.stored(&name).await, state("Pending", 0, ""));
    assert_eq!(actions(&office.employee, &name).await, Vec::<String>::new());
    assert_eq!(actions(&office.accountant, &name).await, ["Approve", "Reject"]);
    apply(&office.accountant, &name, "Reject").await.ok();
    assert_eq!(office.stored(&name).await, state("Rejected", 0, "no"));
    apply(&office.employee, &name, "Hand in").await.ok();
    apply(&office.accountant, &name, "Approve").await.ok();
    assert_eq!(office.stored(&name).await, state("Approved", 1, "yes"));
    apply(&office.accountant, &name, "Withdraw").await.ok();
    assert_eq!(office.stored(&name).await, state("Withdrawn", 2, "yes"));
    let filters = json!([["comment_type", "=", "Workflow"], ["reference_name", "=", name]]);
    assert_eq!(office.site.db_names("Comment", filters).await.len(), 5);
    let amended = office.accountant.create("Expense", json!({"title": "Train", "amended_from": name})).await.ok();
    assert_eq!(amended["workflow_state"], "Draft", "an amendment begins anew");
}

#[tokio::test]
async fn whoever_may_not_is_told_what_it_takes() {
    let office = Office::new().await;
    let small = office.pending(200).await;
    let refused = apply(&office.employee, &small, "Approve").await;
    assert!(refused.body.contains("Approve is for the role Accountant"), "{}", refused.body);
    refused.error(403, "PermissionError");
    let unknown = apply(&office.employee, &small, "Withdraw").await;
    assert!(unknown.body.contains("possible are Approve, Reject"), "{}", unknown.body);
    unknown.error(417, "WorkflowTransitionError");
    let large = office.pending(5000).await;
    let refused = apply(&office.accountant, &large, "Approve").await;
    assert!(refused.body.contains("doc.total <= 1000"), "{}", refused.body);
    refused.error(403, "PermissionError");
    apply(&office.director, &large, "Approve").await.ok();
    // Nobody approves alone what they made alone.
    let own = office.accountant.create("Expense", json!({"title": "Taxi", "total": 5})).await.ok();
    let own = own["name"].as_str().unwrap();
    apply(&office.employee, own, "Hand in").await.ok();
    apply(&office.accountant, own, "Approve").await.error(403, "PermissionError");
    apply(&office.accountant, own, "Reject").await.ok();
}

#[tokio::test]
async fn a_state_says_who_may_change_the_document() {
    let office = Office::new().await;
    let name = office.pending(5000).await;
    let refused = office.employee.update("Expense", &name, json!({"total": 10})).await;
    assert!(refused.body.contains("only the role Accountant may change it"), "{}", refused.body);
    refused.error(403, "PermissionError");
    office.accountant.update("Expense", &name, json!({"total": 4000})).await.ok();
    // Nobody slips a change in beside a step.
    let both = json!({"total": 10, "workflow_state": "Approved"});
    office.accountant.update("Expense", &name, both).await.error(403, "PermissionError");
    let both = json!({"total": 10, "workflow_state": "Rejected"});
    office.accountant.update("Expense", &name, both).await.error(417, "WorkflowTransitionError");
    assert_eq!(office.stored(&name).await, state("Pending", 0, ""));
    let discard = format!("/api/v2/document/Expense/{name}/method/discard");
    assert_eq!(office.employee.post(&discard, json!({})).await.status, 403, "nor discards it");
    // An earlier version brings back what was typed, and leaves the state alone.
    let handed_in = json!([["docname", "=", name], ["data", "like", "%Draft%"]]);
    let versions = office.site.db_names("Version", handed_in).await;
    let restore = json!({"name": versions[0], "before": 1});
    let administrator = office.site.administrator().await;
    administrator.call("frappe.core.doctype.version.version.restore", restore).await.ok();
    assert_eq!(office.stored(&name).await, state("Pending", 0, ""));
    assert_eq!(office.director.read("Expense", &name).await.ok()["total"], 5000.0);
}

#[tokio::test]
async fn of_many_who_decide_at_once_one_does() {
    let office = Office::new().await;
    let name = office.pending(100).await;
    let mut asked = Vec::new();
    for index in 0..100 {
        let (who, action) = if index % 2 == 0 { (&office.accountant, "Reject") } else { (&office.director, "Approve") };
        asked.push(apply(who, &name, action));
    }
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(!answers.iter().any(|answer| answer.status.is_server_error()));
    let filters = json!([["comment_type", "=", "Workflow"], ["reference_name", "=", name]]);
    assert_eq!(office.site.db_names("Comment", filters).await.len(), 2);
}

#[tokio::test]
async fn whoever_may_take_the_next_step_finds_that_a_document_waits() {
    let office = Office::new().await;
    let name = office.pending(100).await;
    let fields = "fields=[\"reference_name\",\"status\",\"workflow_state\",\"completed_by\"]&order_by=creation asc";
    let waiting = |client: crate::support::Client| async move { client.list("Workflow Action", fields).await.ok() };
    let open = |found: &Json| -> Vec<String> {
        let rows = found.as_array().unwrap().iter().filter(|row| row["status"] == "Open");
        rows.map(|row| row["workflow_state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(open(&waiting(office.accountant.clone()).await), ["Pending"]);
    let of_employee = waiting(office.employee.clone()).await;
    assert!(open(&of_employee).is_empty() && of_employee[0]["completed_by"] == "eva@example.com", "{of_employee}");
    apply(&office.accountant, &name, "Reject").await.ok();
    assert!(open(&waiting(office.accountant.clone()).await).is_empty());
    assert_eq!(open(&waiting(office.employee.clone()).await), ["Rejected"]);
    office.site.administrator().await.remove("Expense", &name).await.ok();
    assert!(office.site.db_names("Workflow Action", json!([])).await.is_empty());
}
