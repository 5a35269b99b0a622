//! What a workflow may be, in a file and as a document.

use serde_json::{Value as Json, json};

use super::EXPENSE;
use crate::support::{Client, TestSite};

/// Holidays, with a field for a state and no workflow of their own.
const HOLIDAY: &str = "name: Holiday
module: Test
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: days, fieldtype: Int, label: Days }
  - { fieldname: workflow_state, fieldtype: Link, options: Workflow State, label: State, no_copy: true, allow_on_submit: true }
permissions:
  - { role: Employee, read: true, write: true, create: true }
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

fn state(state: &str, role: &str) -> Json {
    json!({"state": state, "allow_edit": role, "doc_status": "0"})
}

async fn with_names(site: &TestSite) -> Client {
    let administrator = site.administrator().await;
    for name in ["Asked", "Granted"] {
        administrator.create("Workflow State", json!({"workflow_state_name": name})).await.ok();
    }
    administrator.create("Workflow Action Master", json!({"workflow_action_name": "Grant"})).await.ok();
    administrator
}

fn holidays(name: &str) -> Json {
    json!({
        "workflow_name": name,
        "document_type": "Holiday",
        "is_active": 1,
        "states": [state("Asked", "Employee"), state("Granted", "System Manager")],
        "transitions": [
            {"state": "Asked", "action": "Grant", "next_state": "Granted", "allowed": "System Manager"},
        ],
    })
}

#[tokio::test]
async fn a_workflow_made_by_form_holds_from_then_on() {
    let site = TestSite::new().with_doctype(HOLIDAY).await;
    let employee = site.user("eva@example.com", &["Employee"]).await;
    let before = employee.create("Holiday", json!({"title": "Sea"})).await.ok();
    let administrator = with_names(&site).await;
    administrator.create("Workflow", holidays("First")).await.ok();
    let after = employee.create("Holiday", json!({"title": "Hills"})).await.ok();
    assert_eq!(after["workflow_state"], "Asked");
    // One from before stands in the first state.
    for holiday in [before, after] {
        let name = holiday["name"].as_str().unwrap();
        employee.update("Holiday", name, json!({"workflow_state": "Granted"})).await.error(403, "PermissionError");
        employee.update("Holiday", name, json!({"days": 3})).await.ok();
        administrator.update("Holiday", name, json!({"workflow_state": "Granted"})).await.ok();
        employee.update("Holiday", name, json!({"days": 30})).await.error(403, "PermissionError");
    }
    // A second one ends the first.
    administrator.create("Workflow", holidays("Second")).await.ok();
    assert_eq!(administrator.read("Workflow", "First").await.ok()["is_active"], 0);
    administrator.update("Workflow", "Second", json!({"is_active": 0})).await.ok();
    let free = employee.create("Holiday", json!({"title": "Home", "workflow_state": "Granted"})).await.ok();
    assert_eq!(free["workflow_state"], "Granted", "nothing holds it any more");
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_its_place() {
    let site = TestSite::new().with_doctype(HOLIDAY).with_doctype(EXPENSE).await;
    let administrator = with_names(&site).await;
    let with = |change: &dyn Fn(&mut Json)| {
        let mut workflow = holidays("W");
        change(&mut workflow);
        workflow
    };
    let table: [(Json, &str, &str); 7] = [
        (with(&|w| w["document_type"] = json!("Expense")), "is_active", "file of Expense says its workflow"),
        (with(&|w| w["workflow_state_field"] = json!("stage")), "workflow_state_field", "no field `stage`"),
        (with(&|w| w["states"][1]["doc_status"] = json!("1")), "doc_status", "not submittable"),
        (with(&|w| w["states"][1]["update_field"] = json!("day")), "update_field", "no field `day`"),
        (
            with(&|w| {
                w["states"][1]["update_field"] = json!("days");
                w["states"][1]["update_value"] = json!("many");
            }),
            "update_field",
            "`Days`",
        ),
        (with(&|w| w["transitions"][0]["condition"] = json!("doc.dayz > 2")), "condition", "no field `dayz`"),
        (with(&|w| w["states"] = json!([state("Asked", "Employee")])), "next_state", "not among the states"),
    ];
    for (workflow, field, message) in table {
        let refused = administrator.create("Workflow", workflow).await;
        assert!(refused.body.contains(message), "{field}: {}", refused.body);
        assert!(refused.body.contains(&format!("\"{field}\"")), "{field}: {}", refused.body);
        refused.error(417, "ValidationError");
    }
    // As long as it is not active, anything is a beginning.
    let mut unfinished = holidays("W");
    unfinished["is_active"] = json!(0);
    unfinished["workflow_state_field"] = json!("stage");
    administrator.create("Workflow", unfinished).await.ok();
}
