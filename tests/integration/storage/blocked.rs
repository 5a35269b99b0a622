//! Whatever holds up writes holds up nothing else: who asks is recognised, and what is there is read.

use std::time::Duration;

use serde_json::json;

use super::{create, site};
use crate::oauth::support::Program;
use crate::support::PASSWORD;

/// Far below what a write waits for its turn.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn reads_by_cookie_key_and_token_go_on_while_writes_are_held_up() {
    let site = site().await;
    let administrator = site.administrator().await;
    create(&administrator, "Storage Note", "first").await.ok();
    let keys =
        administrator.call("frappe.core.doctype.user.user.generate_keys", json!({"user": "Administrator"})).await;
    let keys = keys.ok();
    let pair = format!("token {}:{}", keys["api_key"].as_str().unwrap(), keys["api_secret"].as_str().unwrap());
    let values = json!({"allow_client_credentials": 1, "user": "Administrator", "scopes": "all"});
    let program = Program::made_by(&administrator, site.guest(), values).await;
    let tokens = program.post("get_token", &[("grant_type", "client_credentials")]).await.status(200).json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    // So that their use would be noted again.
    site.clock.advance(chrono::Duration::minutes(6));
    let holding = site.documents().database().begin().await.unwrap();
    let clients = [
        administrator.clone(),
        site.guest().with_header("authorization", &pair),
        site.guest().with_header("authorization", &bearer),
    ];
    for client in clients {
        for path in ["/api/resource/Storage%20Note/first", "/api/resource/Storage%20Note", "/api/resource/DocType/User"]
        {
            let answer = tokio::time::timeout(SOON, client.get(path)).await.expect("it is answered while writes wait");
            answer.ok();
        }
    }
    // A wrong password is verified without the writer too; that it failed is noted when there is room.
    drop(holding);
    site.guest().log_in("Administrator", PASSWORD).await.ok();
}

#[tokio::test]
async fn a_document_never_goes_back_in_time() {
    let site = site().await;
    let administrator = site.administrator().await;
    let made = create(&administrator, "Storage Note", "first").await.ok();
    site.clock.advance(chrono::Duration::hours(-1));
    let mut before = made["modified"].as_str().unwrap().to_owned();
    for text in ["a", "b", "c"] {
        let changed = administrator.update("Storage Note", "first", json!({"text": text})).await.ok();
        let after = changed["modified"].as_str().unwrap().to_owned();
        assert!(after > before, "{after} is not after {before}");
        assert!(after.as_str() >= changed["creation"].as_str().unwrap());
        before = after;
    }
    // Whoever has read the last but one state learns that there is a later one.
    let stale = json!({"text": "d", "modified": made["modified"]});
    administrator.update("Storage Note", "first", stale).await.error(417, "TimestampMismatchError");
}
