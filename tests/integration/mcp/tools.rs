//! What the tools do, and what they say when they do nothing.

use serde_json::json;

use super::support::{Assistant, library, text};
use crate::support::TestSite;

async fn assistant(site: &TestSite) -> Assistant {
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    Assistant::of(site, &alice, "read write").await
}

#[tokio::test]
async fn a_document_is_made_found_read_and_changed() {
    let site = library().await;
    let assistant = assistant(&site).await;
    let values = json!({"title": "Emma", "due": "2030-01-31", "lines": [{"item": "Book", "count": 1}]});
    let made = assistant.json("create", json!({"doctype": "Loan", "values": values})).await;
    assert_eq!((&made["name"], &made["docstatus"]), (&json!("Emma"), &json!(0)));
    assert!(made.get("reader").is_none(), "what is empty is left out: {made}");
    let found = assistant.call("search", json!({"text": "mma"})).await;
    assert_eq!(found["structuredContent"]["rows"], json!([{"doctype": "Loan", "name": "Emma", "title": "Emma"}]));
    assert_eq!(serde_json::from_str::<serde_json::Value>(text(&found)).unwrap(), found["structuredContent"]);
    let named = assistant.json("search", json!({"text": "loan"})).await;
    assert_eq!(named["rows"][0], json!({"doctype": "DocType", "name": "Loan", "title": "Loan"}));
    let read = assistant.json("get", json!({"doctype": "Loan", "name": "Emma"})).await;
    assert_eq!(read["lines"][0]["item"], "Book");
    assert!(read["lines"][0].get("parent").is_none());
    let part = assistant.json("get", json!({"doctype": "Loan", "name": "Emma", "fields": ["due"]})).await;
    assert_eq!(part, json!({"due": "2030-01-31"}));
    let change =
        json!({"doctype": "Loan", "name": "Emma", "values": {"status": "Closed"}, "modified": read["modified"]});
    let changed = assistant.json("update", change.clone()).await;
    assert_eq!((&changed["status"], &changed["due"]), (&json!("Closed"), &json!("2030-01-31")));
    let late = assistant.refusal("update", change).await;
    assert!(late.contains("changed") || late.contains("modified"), "{late}");
}

#[tokio::test]
async fn lists_come_in_pages_and_long_texts_are_cut() {
    let site = library().await;
    for number in 0..7 {
        let values = json!({"title": format!("Loan {number}"), "text": "ä".repeat(20_000)});
        site.db_insert("Loan", values).await;
    }
    let assistant = assistant(&site).await;
    let mut arguments = json!({"doctype": "Loan", "order_by": "name asc", "limit": 3, "fields": ["name", "text"]});
    let mut names = Vec::new();
    loop {
        let page = assistant.json("list", arguments.clone()).await;
        for row in page["rows"].as_array().unwrap() {
            names.push(row["name"].as_str().unwrap().to_owned());
            assert!(row["text"].as_str().unwrap().ends_with("(19500 more characters)"));
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => break,
        }
    }
    assert_eq!(names.len(), 7);
    assert!(names.is_sorted());
    let usual = assistant.json("list", json!({"doctype": "Loan", "filters": {"name": "Loan 3"}})).await;
    assert_eq!(usual["rows"][0]["title"], "Loan 3");
    let counted = json!({"doctype": "Loan", "fields": ["status", "count(name) as n"], "group_by": "status"});
    assert_eq!(assistant.json("list", counted).await["rows"][0]["n"], 7);
    let whole = assistant.json("get", json!({"doctype": "Loan", "name": "Loan 1"})).await;
    assert!(whole["text"].as_str().unwrap().ends_with("(12000 more characters)"));
    let asked = json!({"doctype": "Loan", "name": "Loan 1", "fields": ["text"]});
    assert_eq!(assistant.json("get", asked).await["text"].as_str().unwrap().chars().count(), 20_000);
}

#[tokio::test]
async fn a_doctype_is_described_by_its_help_texts() {
    let site = library().await;
    let assistant = assistant(&site).await;
    let all = assistant.json("describe", json!({})).await;
    let names: Vec<&str> =
        all["doctypes"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"Loan") && !names.contains(&"Loan Line"), "{names:?}");
    let loan = assistant.json("describe", json!({"doctype": "Loan"})).await;
    let properties = &loan["schema"]["properties"];
    assert_eq!(properties["title"]["description"], "What is lent.");
    assert_eq!(properties["status"]["enum"], json!(["Open", "Closed"]));
    assert_eq!(properties["reader"]["x-link-to"], "User");
    assert_eq!(properties["lines"]["items"]["properties"]["count"]["type"], "integer");
    assert_eq!(loan["schema"]["required"], json!(["title"]));
    let methods: Vec<&str> =
        loan["methods"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(methods.contains(&"submit") && methods.contains(&"cancel"), "{methods:?}");
    let rights = loan["you_may"].as_array().unwrap();
    assert!(rights.contains(&json!("create")) && rights.contains(&json!("submit")), "{rights:?}");
    let user = assistant.json("describe", json!({"doctype": "User"})).await.to_string();
    assert!(!user.contains("api_secret\":{\"secret"), "{user}");
}

#[tokio::test]
async fn a_mistake_is_told_with_its_mend() {
    let site = library().await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    let assistant = assistant(&site).await;
    for (tool, arguments, said) in [
        ("get", json!({"doctype": "Lone", "name": "x"}), vec!["Lone", "describe"]),
        ("get", json!({"doctype": "Loan", "name": "x"}), vec!["Loan x not found", "search"]),
        ("get", json!({"doctype": "Loan", "name": "Emma", "fields": ["titel"]}), vec!["no field titel"]),
        ("get", json!({"doctype": "Loan"}), vec!["`name`"]),
        ("list", json!({"doctype": "Loan", "fields": ["titel"]}), vec!["titel"]),
        ("list", json!({"doctype": "Loan", "cursor": "x"}), vec!["cursor"]),
        ("list", json!({"doctype": "Loan", "filters": {"titel": 1}}), vec!["titel"]),
        ("create", json!({"doctype": "Loan", "values": {"titel": "x"}}), vec!["no field titel", "title, status"]),
        ("create", json!({"doctype": "Loan", "values": {"status": "x"}}), vec!["Title", "Status"]),
        (
            "create",
            json!({"doctype": "Loan", "values": {"title": "a", "lines": [{"itm": 1}]}}),
            vec!["Loan Line", "itm"],
        ),
        ("create", json!({"doctype": "Loan", "values": {"title": "a", "docstatus": 1}}), vec!["docstatus", "run"]),
        ("update", json!({"doctype": "Loan", "name": "Emma", "values": {"docstatus": 1}}), vec!["docstatus", "run"]),
        ("update", json!({"doctype": "Loan", "name": "Emma", "values": {"reader": "nobody"}}), vec!["nobody"]),
        ("run", json!({"doctype": "Loan", "name": "Emma", "method": "lend"}), vec!["no method lend", "submit, cancel"]),
        ("create", json!({"doctype": "Loan", "values": {"title": "Emma"}}), vec!["Emma"]),
    ] {
        let refusal = assistant.refusal(tool, arguments.clone()).await;
        for word in said {
            assert!(refusal.contains(word), "{tool} {arguments}: {refusal}");
        }
    }
    assert_eq!(site.db_names("Loan", json!({})).await, ["Emma"]);
}
