//! Every door leads through the same workflow: the verdict is the same, and so is what is stored.

use serde_json::{Value as Json, json};

use super::{Office, apply};
use crate::support::Client;
use crate::support::client::Response;

/// The doors by which somebody might approve an expense, each with the status of a refusal for want of the role.
const DOORS: [&str; 8] = [
    "apply_workflow",
    "state by REST",
    "state by set_value",
    "docstatus by REST",
    "frappe.client.submit",
    "method by v2",
    "run_doc_method",
    "bulk approval",
];

async fn approve(client: &Client, door: &str, name: &str) -> Response {
    let doc = json!({"doctype": "Expense", "name": name});
    match door {
        "apply_workflow" => apply(client, name, "Approve").await,
        "state by REST" => client.update("Expense", name, json!({"workflow_state": "Approved"})).await,
        "state by set_value" => {
            let values =
                json!({"doctype": "Expense", "name": name, "fieldname": "workflow_state", "value": "Approved"});
            client.call("frappe.client.set_value", values).await
        }
        "docstatus by REST" => client.update("Expense", name, json!({"docstatus": 1})).await,
        "frappe.client.submit" => {
            let stored = client.read("Expense", name).await.ok();
            client.call("frappe.client.submit", json!({ "doc": stored })).await
        }
        "method by v2" => {
            let uri = format!("/api/v2/document/Expense/{name}/method/apply_workflow");
            client.post(&uri, json!({"action": "Approve"})).await
        }
        "run_doc_method" => {
            let values =
                json!({"dt": "Expense", "dn": name, "method": "apply_workflow", "args": {"action": "Approve"}});
            client.call("run_doc_method", values).await
        }
        _ => {
            let values = json!({"docnames": [doc["name"]], "doctype": "Expense", "action": "Approve"});
            client.call("frappe.model.workflow.bulk_workflow_approval", values).await
        }
    }
}

#[tokio::test]
async fn no_door_leads_past_the_workflow_and_each_leads_through_it() {
    let office = Office::new().await;
    for door in DOORS {
        let name = office.pending(200).await;
        // Without the role, and where the condition does not hold.
        for (who, total) in [(&office.employee, 200), (&office.accountant, 5000)] {
            office.site.db_update("Expense", &name, json!({ "total": total })).await;
            let refused = approve(who, door, &name).await;
            if door == "bulk approval" {
                assert_eq!(refused.ok()["failed"], json!([name]));
            } else {
                assert_eq!(refused.status, 403, "{door}: {}", refused.body);
            }
            assert_eq!(office.stored(&name).await, ("Pending".to_owned(), 0, String::new()), "{door}");
        }
        office.site.db_update("Expense", &name, json!({"total": 200})).await;
        approve(&office.accountant, door, &name).await.ok();
        assert_eq!(office.stored(&name).await, ("Approved".to_owned(), 1, "yes".to_owned()), "{door}");
    }
}

#[tokio::test]
async fn why_somebody_may_not_is_told_as_the_doors_decide() {
    let office = Office::new().await;
    let administrator = office.site.administrator().await;
    let small = office.pending(200).await;
    let large = office.pending(5000).await;
    for (user, name, right, allowed, why) in [
        ("eva@example.com", &small, "write", false, "only the role Accountant may change it"),
        ("ada@example.com", &small, "write", true, ""),
        ("ada@example.com", &small, "submit", true, ""),
        ("ada@example.com", &large, "submit", false, "doc.total <= 1000"),
        ("dora@example.com", &large, "submit", true, ""),
    ] {
        let asked = json!({"doctype": "Expense", "name": name, "right": right, "user": user});
        let told = administrator.call("doctyped.permissions.explain", asked).await.ok();
        assert_eq!(told["allowed"], allowed, "{user} {right}: {told}");
        assert!(told.to_string().contains(why), "{why}: {told}");
    }
}

#[tokio::test]
async fn the_form_offers_what_somebody_may_do_and_does_it() {
    let office = Office::new().await;
    let name = office.pending(200).await;
    let page = format!("/app/expense/{name}");
    let seen = office.accountant.get(&page).await.status(200).body;
    assert!(seen.contains("value=\"workflow:Approve\"") && seen.contains("value=\"workflow:Reject\""), "{seen}");
    assert!(seen.contains("<span class=\"pill orange\">Pending</span>"), "{seen}");
    assert!(seen.contains("Please look at the receipts."));
    assert!(!seen.contains("value=\"submit\""), "submitting is the workflow's");
    let seen = office.employee.get(&page).await.status(200).body;
    assert!(!seen.contains("workflow:") && !seen.contains("data-save"), "{seen}");
    // What was typed is saved first.
    let stored = office.accountant.read("Expense", &name).await.ok();
    let token = office.accountant.get(&page).await.body;
    let token = token.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [
        ("csrf_token", token.as_str()),
        ("__action", "workflow:Approve"),
        ("title", "Train to Ulm"),
        ("total", "200"),
        ("decision", ""),
    ];
    let answer = office.accountant.form(&page, &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(office.stored(&name).await, ("Approved".to_owned(), 1, "yes".to_owned()));
    let changed: Json = office.accountant.read("Expense", &name).await.ok();
    assert_eq!((&stored["title"], &changed["title"]), (&json!("Train"), &json!("Train to Ulm")));
}
