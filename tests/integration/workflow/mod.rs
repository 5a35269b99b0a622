//! Workflows: who may move documents from one state to another, whichever door they come through.

mod definition;
mod doors;
mod journey;

use serde_json::{Value as Json, json};

use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// Expenses, which somebody approves.
pub const EXPENSE: &str = "name: Expense
module: Test
autoname: 'EXP-.####'
is_submittable: true
track_changes: true
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true }
  - { fieldname: total, fieldtype: Currency, label: Total }
  - { fieldname: decision, fieldtype: Data, label: Decision, allow_on_submit: true }
permissions:
  - { role: Employee, read: true, write: true, create: true }
  - { role: Accountant, read: true, write: true, submit: true, cancel: true, amend: true, create: true }
  - { role: Director, read: true, write: true, create: true, submit: true }
workflow:
  states:
    - { state: Draft, allow_edit: Employee }
    - { state: Pending, allow_edit: Accountant, style: Warning, message: Please look at the receipts. }
    - { state: Approved, allow_edit: Accountant, doc_status: 1, update_field: decision, update_value: 'yes', style: Success }
    - { state: Rejected, allow_edit: Employee, update_field: decision, update_value: 'no' }
    - { state: Withdrawn, allow_edit: Accountant, doc_status: 2 }
  transitions:
    - { state: Draft, action: Hand in, next_state: Pending, allowed: Employee }
    - { state: Pending, action: Approve, next_state: Approved, allowed: Accountant, allow_self_approval: false, condition: doc.total <= 1000 }
    - { state: Pending, action: Approve, next_state: Approved, allowed: Director }
    - { state: Pending, action: Reject, next_state: Rejected, allowed: Accountant }
    - { state: Rejected, action: Hand in, next_state: Pending, allowed: Employee }
    - { state: Approved, action: Withdraw, next_state: Withdrawn, allowed: Accountant }
";

/// A site with expenses and the people who work with them.
pub struct Office {
    pub site: TestSite,
    pub employee: Client,
    pub accountant: Client,
    pub director: Client,
}

impl Office {
    pub async fn new() -> Self {
        let site = TestSite::new().with_doctype(EXPENSE).await;
        let employee = site.user("eva@example.com", &["Employee"]).await;
        let accountant = site.user("ada@example.com", &["Accountant"]).await;
        let director = site.user("dora@example.com", &["Director"]).await;
        Self { site, employee, accountant, director }
    }

    /// The name of an expense of that total, handed in.
    pub async fn pending(&self, total: i64) -> String {
        let expense = self.employee.create("Expense", json!({"title": "Train", "total": total})).await.ok();
        let name = expense["name"].as_str().unwrap().to_owned();
        apply(&self.employee, &name, "Hand in").await.ok();
        name
    }

    /// State, docstatus and decision as they are stored.
    pub async fn stored(&self, name: &str) -> (String, i64, String) {
        let document = self.director.read("Expense", name).await.ok();
        let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
        (text("workflow_state"), document["docstatus"].as_i64().unwrap(), text("decision"))
    }
}

/// Takes a step, as Frappe's clients do.
pub async fn apply(client: &Client, name: &str, action: &str) -> Response {
    let doc = json!({"doctype": "Expense", "name": name});
    client.call("frappe.model.workflow.apply_workflow", json!({"doc": doc, "action": action})).await
}

/// What somebody may do next with an expense.
pub async fn actions(client: &Client, name: &str) -> Vec<String> {
    let doc = json!({"doctype": "Expense", "name": name});
    let ways = client.call("frappe.model.workflow.get_transitions", json!({ "doc": doc })).await.ok();
    ways.as_array().unwrap().iter().map(|way: &Json| way["action"].as_str().unwrap().to_owned()).collect()
}
