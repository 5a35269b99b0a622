//! What assistants did is there to read, for as long as the settings say.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::support::{Assistant, library};
use crate::support::TestSite;

/// The calls as an administrator sees them, once there are as many.
async fn calls(site: &TestSite, count: usize) -> Vec<Json> {
    let administrator = site.administrator().await;
    for _ in 0..200 {
        let rows =
            administrator.list("MCP Call", "fields=[\"*\"]&order_by=creation asc&limit_page_length=0").await.ok();
        let rows = rows.as_array().unwrap().clone();
        if rows.len() >= count {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("there are no {count} calls");
}

#[tokio::test]
async fn every_call_is_kept_with_who_did_what_for_whom() {
    let site = library().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let assistant = Assistant::of(&site, &alice, "doctype:Loan:write doctype:Loan:create").await;
    let made = json!({"doctype": "Loan", "values": {"title": "Emma"}});
    assistant.json("create", made.clone()).await;
    let written = calls(&site, 1).await;
    assert_eq!(written.len(), 1, "a change is noted before it is answered");
    let emma = json!({"doctype": "Loan", "name": "Emma"});
    for _ in 0..5 {
        assistant.json("get", emma.clone()).await;
    }
    assistant.refusal("create", made).await;
    assistant.send("tools/call", json!({"name": "delete", "arguments": emma})).await.status(403);
    assistant.result("resources/read", json!({"uri": "doctype:///Loan/Emma"})).await;
    let rows = calls(&site, 5).await;
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
            assert_eq!((text("user"), text("client")), ("alice@example.com".to_owned(), assistant.client.clone()));
            assert_eq!(text("client_name"), "Helper");
            assert!(!text("request_id").is_empty() && !text("ip_address").is_empty());
            format!("{} {} {} {}", text("tool"), text("outcome"), text("reference_doctype"), text("reference_name"))
        })
        .collect();
    for expected in [
        "create Done Loan Emma",
        "get Done Loan Emma",
        "create Failed Loan -",
        "delete Refused Loan Emma",
        "resources/read Done Loan Emma",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected}: {told:#?}");
    }
    let gets: i64 = rows.iter().filter(|row| row["tool"] == "get").map(|row| row["calls"].as_i64().unwrap()).sum();
    assert_eq!(gets, 5);
    // Nobody but an administrator reads it, and no token changes it.
    let rita = site.user("rita@example.com", &[]).await;
    rita.list("MCP Call", "").await.status(403);
}

#[tokio::test]
async fn old_calls_go_when_the_settings_say() {
    let site = library().await;
    let administrator = site.administrator().await;
    let assistant = Assistant::of(&site, &administrator, "all").await;
    assistant.json("create", json!({"doctype": "Loan", "values": {"title": "Emma"}})).await;
    let job = "clear old logs";
    site.clock.advance(chrono::Duration::days(89));
    assert!(!site.run_scheduled(job).await.contains("MCP Call"));
    assert_eq!(site.db_names("MCP Call", json!({})).await.len(), 1);
    site.clock.advance(chrono::Duration::days(2));
    assert!(site.run_scheduled(job).await.contains("1 of MCP Call"));
    assert_eq!(site.db_names("MCP Call", json!({})).await.len(), 0);
    assert_eq!(site.db_names("Deleted Document", json!({"deleted_doctype": "MCP Call"})).await.len(), 0);
}

#[tokio::test]
async fn what_no_field_could_hold_is_noted_all_the_same() {
    let site = library().await;
    let administrator = site.administrator().await;
    let assistant = Assistant::of(&site, &administrator, "all").await;
    assistant.refusal("get", json!({"doctype": "x\u{0}".repeat(500), "name": "ä".repeat(5000)})).await;
    let rows = calls(&site, 1).await;
    assert_eq!(rows[0]["reference_doctype"].as_str().unwrap(), "x".repeat(140));
}

#[tokio::test]
async fn the_form_of_the_settings_has_the_address_and_who_called() {
    let site = library().await;
    let administrator = site.administrator().await;
    let form = "/app/oauth-settings";
    let page = administrator.get(form).await.status(200).body;
    let address = format!("{}/mcp", site.documents().site_url());
    assert!(page.contains(&address.replace('=', "&#x3D;")) && page.contains("claude mcp add"), "{address}");
    assert!(!page.contains("called lately"));
    let assistant = Assistant::of(&site, &administrator, "all").await;
    assistant.json("create", json!({"doctype": "Loan", "values": {"title": "Emma"}})).await;
    assert!(administrator.get(form).await.status(200).body.contains("Helper for Administrator"));
    administrator.update("OAuth Settings", "OAuth Settings", json!({"enable_mcp": 0})).await.ok();
    assert!(!administrator.get(form).await.status(200).body.contains("claude mcp add"));
}
