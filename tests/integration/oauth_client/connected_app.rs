//! Connecting, renewing once for all, using and ending a connection.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value as Json, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{answer_grant, parameter, site, tokens};
use crate::support::{Client, TestSite};

pub async fn app(site: &TestSite, provider: &MockServer) -> String {
    let base = provider.uri();
    site.db_insert(
        "Connected App",
        json!({
            "provider_name": "Example", "client_id": "me", "client_secret": "secret of the app",
            "authorization_uri": format!("{base}/authorize"), "token_uri": format!("{base}/token"),
            "revocation_uri": format!("{base}/revoke"), "allowed_base_urls": format!("{base}/api"),
            "scopes": [{"scope": "read"}, {"scope": "offline_access"}],
        }),
    )
    .await
}

pub async fn run(client: &Client, app: &str, name: &str, arguments: Json) -> crate::support::client::Response {
    client.post(&format!("/api/v2/document/Connected%20App/{app}/method/{name}"), arguments).await
}

/// Where the provider sends the person back to, with an answer of theirs.
pub async fn callback(client: &Client, app: &str) -> String {
    let location = run(client, app, "initiate_web_application_flow", json!({"success_uri": "/app/done"})).await.ok();
    let location = location.as_str().unwrap().to_owned();
    assert_eq!(parameter(&location, "code_challenge_method"), "S256");
    assert_eq!(parameter(&location, "scope"), "read offline_access");
    let back = parameter(&location, "redirect_uri");
    let (_, path) = back.split_once("/api/").unwrap();
    format!("/api/{path}?code=abc&state={}", parameter(&location, "state"))
}

pub async fn connect(client: &Client, app: &str) {
    let callback = callback(client, app).await;
    assert_eq!(client.get(&callback).await.redirect(), "/app/done");
}

#[tokio::test]
async fn a_connection_is_made_shown_without_tokens_and_ended_at_the_provider() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("at-of-alice", Some("rt-of-alice")), 1).await;
    Mock::given(method("POST")).and(path("/revoke")).respond_with(ResponseTemplate::new(200)).mount(&provider).await;
    connect(&alice, &app).await;
    let page = alice.get(&format!("/connected-app/{app}")).await.status(200).body;
    assert!(page.contains("Connected") && page.contains("offline_access"), "{page}");
    let shown = run(&alice, &app, "get_active_token", json!({})).await.status(200).body;
    assert!(!shown.contains("of-alice") && shown.contains("\"status\":\"Connected\""), "{shown}");
    let stored = alice.read("Token Cache", &format!("{app}-alice@example.com")).await.status(200).body;
    assert!(!stored.contains("of-alice"), "{stored}");
    assert_eq!(run(&alice, &app, "disconnect", json!({})).await.ok(), "disconnected");
    assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), false);
    for _ in 0..50 {
        let asked = provider.received_requests().await.unwrap();
        if asked.iter().any(|request| String::from_utf8_lossy(&request.body).contains("token=rt-of-alice")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the provider was not told");
}

#[tokio::test]
async fn an_answer_without_its_state_of_another_person_or_used_before_connects_nobody() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    let mallory = site.user("mallory@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("at", None), 1).await;
    let back = callback(&alice, &app).await;
    let (address, _) = back.split_once('?').unwrap();
    let _ = alice.get(&format!("{address}?code=abc")).await.status(400);
    let _ = alice.get(&format!("{address}?code=abc&state=")).await.status(400);
    let _ = alice.get(&format!("{address}?code=abc&state=forged")).await.status(400);
    let _ = mallory.get(&callback(&alice, &app).await).await.status(400);
    let late = callback(&alice, &app).await;
    assert_eq!(alice.get(&back).await.redirect(), "/app/done");
    let _ = alice.get(&back).await.status(400);
    site.clock.advance(chrono::Duration::minutes(11));
    let _ = alice.get(&late).await.status(400);
    assert_eq!(run(&mallory, &app, "has_token", json!({})).await.ok(), false);
    // Neither may somebody probe or begin the connection of another, nor send people elsewhere.
    for name in ["has_token", "get_active_token", "initiate_web_application_flow"] {
        run(&mallory, &app, name, json!({"user": "alice@example.com"})).await.error(403, "PermissionError");
    }
    let elsewhere = json!({"success_uri": "https://evil.example/"});
    run(&alice, &app, "initiate_web_application_flow", elsewhere).await.error(417, "ValidationError");
}

#[tokio::test]
async fn a_hundred_requests_with_an_expired_token_renew_it_once() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("first", Some("kept")), 1).await;
    answer_grant(&provider, "refresh_token", tokens("second", None).set_delay(Duration::from_millis(200)), 1).await;
    connect(&alice, &app).await;
    site.clock.advance(chrono::Duration::minutes(10));
    let asking = (0..100).map(|_| run(&alice, &app, "get_active_token", json!({})));
    for answer in join_all(asking).await {
        assert_eq!(answer.ok()["status"], "Connected");
    }
    provider.verify().await;
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_repeated() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("first", Some("rt")), 1).await;
    answer_grant(&provider, "refresh_token", tokens("second", Some("rt2")), 1).await;
    let calendar = || Mock::given(method("GET")).and(path("/api/calendar"));
    let good = ResponseTemplate::new(200).set_body_json(json!({"events": []}));
    calendar().and(header("authorization", "Bearer second")).respond_with(good).mount(&provider).await;
    calendar()
        .and(header("authorization", "Bearer first"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&provider)
        .await;
    connect(&alice, &app).await;
    let answer = run(&alice, &app, "request", json!({"path": "calendar"})).await.ok();
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!({"events": []})));
    let method = "frappe.integrations.doctype.connected_app.connected_app.request";
    let streamed = alice.call(method, json!({"connected_app": app, "path": "calendar"})).await.status(200);
    assert_eq!(streamed.body, r#"{"events":[]}"#);
    let outside = json!({"connected_app": app, "path": "../token"});
    alice.call(method, outside).await.error(417, "ValidationError");
    provider.verify().await;
}

#[tokio::test]
async fn a_grant_that_is_gone_says_so_and_is_not_tried_again() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("first", Some("rt")), 1).await;
    let gone = ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_grant"}));
    answer_grant(&provider, "refresh_token", gone, 1).await;
    connect(&alice, &app).await;
    site.clock.advance(chrono::Duration::minutes(10));
    for _ in 0..2 {
        run(&alice, &app, "get_active_token", json!({})).await.error(417, "ValidationError");
    }
    let page = alice.get(&format!("/connected-app/{app}")).await.status(200).body;
    assert!(page.contains("Expired") && page.contains("connect again"), "{page}");
    provider.verify().await;
}

#[tokio::test]
async fn a_provider_that_breaks_costs_a_message_and_no_token() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("first", Some("rt")), 1).await;
    connect(&alice, &app).await;
    for (answer, status, says) in [
        (ResponseTemplate::new(500), 503, "500"),
        (ResponseTemplate::new(200).set_body_string("{\"access_token\":"), 417, "JSON"),
        (ResponseTemplate::new(200).set_body_string("x".repeat(600 * 1024)), 417, "KiB"),
        (ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1/"), 417, "redirect"),
    ] {
        provider.reset().await;
        answer_grant(&provider, "refresh_token", answer, 1).await;
        site.clock.advance(chrono::Duration::minutes(10));
        let failed = run(&alice, &app, "get_active_token", json!({})).await.status(status);
        assert!(failed.body.contains(says), "{}", failed.body);
    }
    provider.reset().await;
    answer_grant(&provider, "refresh_token", tokens("second", None), 1).await;
    site.clock.advance(chrono::Duration::minutes(10));
    assert_eq!(run(&alice, &app, "get_active_token", json!({})).await.ok()["status"], "Connected");
}

#[tokio::test]
async fn saving_a_connection_makes_its_token_live_no_longer() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("first", Some("rt")), 1).await;
    answer_grant(&provider, "refresh_token", tokens("second", None), 1).await;
    connect(&alice, &app).await;
    let name = format!("{app}-alice@example.com");
    let ends = alice.read("Token Cache", &name).await.ok()["expires_at"].clone();
    site.clock.advance(chrono::Duration::seconds(200));
    site.db_update("Token Cache", &name, json!({"account": "somebody"})).await;
    assert_eq!(alice.read("Token Cache", &name).await.ok()["expires_at"], ends);
    site.clock.advance(chrono::Duration::seconds(101));
    assert_eq!(run(&alice, &app, "get_active_token", json!({})).await.ok()["status"], "Connected");
    assert_ne!(alice.read("Token Cache", &name).await.ok()["expires_at"], ends);
    provider.verify().await;
}
