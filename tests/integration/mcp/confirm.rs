//! What is final is asked back: by the client where it can, else by a code.

use serde_json::{Value as Json, json};

use super::support::{Assistant, library, text};
use crate::support::TestSite;
use crate::workflow::Office;

async fn assistant(site: &TestSite) -> Assistant {
    let administrator = site.administrator().await;
    Assistant::of(site, &administrator, "all").await
}

/// The code that a refusal names.
fn code(refusal: &str) -> String {
    let (_, rest) = refusal.split_once("confirm: \"").unwrap_or_else(|| panic!("{refusal}"));
    rest.split('"').next().unwrap().to_owned()
}

fn emma() -> Json {
    json!({"doctype": "Loan", "name": "Emma"})
}

fn with(mut arguments: Json, name: &str, value: impl Into<Json>) -> Json {
    arguments[name] = value.into();
    arguments
}

#[tokio::test]
async fn a_client_that_cannot_ask_brings_back_a_code_for_this_very_thing() {
    let site = library().await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    site.db_insert("Loan", json!({"title": "Other"})).await;
    let assistant = assistant(&site).await;
    let asked = assistant.refusal("delete", emma()).await;
    assert!(asked.contains("Delete Loan Emma?"), "{asked}");
    let confirm = code(&asked);
    for (tool, arguments) in [
        ("delete", with(emma(), "confirm", "yes")),
        ("delete", with(emma(), "confirm", format!("{confirm}x"))),
        ("delete", with(json!({"doctype": "Loan", "name": "Other"}), "confirm", confirm.as_str())),
        ("run", with(with(emma(), "method", "submit"), "confirm", confirm.as_str())),
    ] {
        assert!(assistant.refusal(tool, arguments.clone()).await.contains("Nothing was done yet"), "{arguments}");
    }
    let somebody_else = Assistant::of(&site, &site.administrator().await, "all").await;
    assert!(somebody_else.refusal("delete", with(emma(), "confirm", confirm.as_str())).await.contains("Nothing"));
    site.db_update("Loan", "Emma", json!({"status": "Closed"})).await;
    let stale = assistant.refusal("delete", with(emma(), "confirm", confirm.as_str())).await;
    assert!(stale.contains("Nothing was done yet"), "the document is another one now");
    let fresh = code(&stale);
    site.clock.advance(chrono::Duration::minutes(11));
    let late = assistant.refusal("delete", with(emma(), "confirm", fresh)).await;
    let done = assistant.call("delete", with(emma(), "confirm", code(&late))).await;
    assert_eq!(text(&done), "Loan Emma is deleted.");
    assert_eq!(site.db_names("Loan", json!({})).await, ["Other"]);
}

#[tokio::test]
async fn a_document_is_submitted_and_cancelled_only_with_consent() {
    let site = library().await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    let assistant = assistant(&site).await;
    for (method, docstatus) in [("submit", 1), ("cancel", 2)] {
        let run = with(emma(), "method", method);
        let asked = assistant.refusal("run", run.clone()).await;
        let done = assistant.json("run", with(run, "confirm", code(&asked))).await;
        assert_eq!(done["docstatus"], docstatus);
    }
}

#[tokio::test]
async fn a_step_of_a_workflow_is_taken_only_with_consent_and_by_no_other_tool() {
    let office = Office::new().await;
    let name = office.pending(200).await;
    let assistant = Assistant::of(&office.site, &office.accountant, "all").await;
    let described = assistant.json("describe", json!({"doctype": "Expense"})).await;
    assert_eq!(described["workflow"]["ways"][0]["action"], "Hand in", "{described}");
    let expense = json!({"doctype": "Expense", "name": name});
    let past = with(expense.clone(), "values", json!({"workflow_state": "Approved"}));
    assert!(assistant.refusal("update", past).await.contains("apply_workflow"));
    let run = with(with(expense, "method", "apply_workflow"), "arguments", json!({"action": "Approve"}));
    let asked = assistant.refusal("run", run.clone()).await;
    assert_eq!(office.stored(&name).await.0, "Pending");
    let done = assistant.json("run", with(run, "confirm", code(&asked))).await;
    assert_eq!((&done["workflow_state"], &done["docstatus"]), (&json!("Approved"), &json!(1)));
}

#[tokio::test]
async fn a_client_that_can_ask_gets_the_question_and_brings_back_the_answer() {
    let site = library().await;
    for title in ["Emma", "Other"] {
        site.db_insert("Loan", json!({"title": title})).await;
    }
    let assistant = assistant(&site).await.stateless().asking();
    let delete = json!({"name": "delete", "arguments": emma()});
    let question = assistant.result("tools/call", delete.clone()).await;
    assert_eq!(question["resultType"], "input_required");
    let asked = &question["inputRequests"]["confirm"];
    assert_eq!((&asked["method"], &asked["params"]["mode"]), (&json!("elicitation/create"), &json!("form")));
    assert_eq!(asked["params"]["message"], "Delete Loan Emma?");
    assert!(question.get("content").is_none());
    let answered = |action: &str, content: Json, state: &Json| {
        let response = json!({"action": action, "content": content});
        let mut params = delete.clone();
        params["inputResponses"] = json!({"confirm": response});
        params["requestState"] = state.clone();
        params
    };
    let state = &question["requestState"];
    // What cannot be used is asked again.
    for content in [json!({}), json!({"confirm": "yes"}), Json::Null] {
        let again = assistant.result("tools/call", answered("accept", content, state)).await;
        assert_eq!(again["resultType"], "input_required");
    }
    for (action, content) in [("decline", json!({})), ("cancel", json!({})), ("accept", json!({"confirm": false}))] {
        let declined = assistant.result("tools/call", answered(action, content, state)).await;
        assert!(text(&declined).contains("declined"), "{declined}");
    }
    let forged = json!(format!("{}A", state.as_str().unwrap()));
    let (code, _) = assistant.fault("tools/call", answered("accept", json!({"confirm": true}), &forged)).await;
    assert_eq!(code, -32602);
    let mut other = answered("accept", json!({"confirm": true}), state);
    other["arguments"]["name"] = json!("Other");
    assert_eq!(assistant.fault("tools/call", other).await.0, -32602);
    assert_eq!(site.db_names("Loan", json!({})).await.len(), 2, "nothing happened so far");
    let done = assistant.result("tools/call", answered("accept", json!({"confirm": true}), state)).await;
    assert_eq!((text(&done), &done["resultType"]), ("Loan Emma is deleted.", &json!("complete")));
    assert_eq!(site.db_names("Loan", json!({})).await, ["Other"]);
}

#[tokio::test]
async fn a_client_without_the_ability_is_never_asked_by_a_question() {
    let site = library().await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    let assistant = assistant(&site).await.stateless();
    let asked = assistant.refusal("delete", emma()).await;
    let done = assistant.call("delete", with(emma(), "confirm", code(&asked))).await;
    assert_eq!(done["resultType"], "complete");
}
