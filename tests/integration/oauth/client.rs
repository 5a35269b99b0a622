//! OAuth Client: its secret is shown once, and what is not safe cannot be saved.

use chrono::Duration;
use serde_json::{Value as Json, json};

use super::support::{Program, REDIRECT_URI};
use crate::support::TestSite;

#[tokio::test]
async fn a_client_secret_is_shown_once_and_has_256_bits() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    assert!(program.secret.starts_with("dt_cs_") && program.secret.len() >= 6 + 43);
    let administrator = site.administrator().await;
    let stored = administrator.get(&format!("/api/resource/OAuth%20Client/{}", program.id)).await.ok();
    assert!(stored.get("client_secret").is_none());
    assert_eq!(stored["client_id"], Json::from(program.id.as_str()));
    assert_eq!(stored["name"], Json::from(program.id.as_str()));
    let public = Program::public(&site).await;
    assert!(public.secret.is_empty());
}

#[tokio::test]
async fn two_secrets_live_while_a_new_one_is_rolled_out() {
    let site = TestSite::new().await;
    let mut program = Program::new(&site, json!({})).await;
    let administrator = site.administrator().await;
    let uri = format!("/api/v2/document/OAuth%20Client/{}/method/rotate_client_secret", program.id);
    let made = administrator.post(&uri, json!({})).await.ok();
    let old = std::mem::replace(&mut program.secret, made["client_secret"].as_str().unwrap().to_owned());
    program.refresh("dt_rt_x").await.oauth_error(400, "invalid_grant");
    program.secret = old;
    program.refresh("dt_rt_x").await.oauth_error(400, "invalid_grant");
    site.clock.advance(Duration::days(8));
    program.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn a_secret_that_was_stored_in_the_clear_is_digested_at_the_next_start() {
    let site = TestSite::new().await;
    let mut program = Program::new(&site, json!({})).await;
    let system = doctyped::testing::permissions::Session::system();
    let mut work = site.documents().begin(&system).await.unwrap();
    let plain = [("client_secret", doctyped::testing::meta::Value::from("89ab12cd34"))];
    work.set_values("OAuth Client", &program.id, &plain).await.unwrap();
    work.commit().await.unwrap();
    let digested = doctyped::testing::oauth_client::digest_plain_secrets(site.documents()).await.unwrap();
    assert_eq!(digested, 1);
    let stored = site.documents().get(&system, "OAuth Client", &program.id).await.unwrap();
    assert!(!stored.text("client_secret").contains("89ab12cd34"));
    program.secret = "89ab12cd34".to_owned();
    program.refresh("dt_rt_x").await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn what_is_not_safe_cannot_be_saved() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    for (field, value) in [
        ("grant_type", json!("Implicit")),
        ("response_type", json!("Token")),
        ("default_redirect_uri", json!("http://app.example/callback")),
        ("default_redirect_uri", json!("javascript:alert(1)")),
        ("redirect_uris", json!("https://app.example/callback#x")),
        ("redirect_uris", json!("https://user@app.example/callback")),
        ("scopes", json!("doctype:Nothing:read")),
        ("jwks", json!("{\"keys\": [{\"kty\": \"EC\", \"d\": \"x\"}]}")),
    ] {
        let mut client = json!({"app_name": "Planner", "default_redirect_uri": REDIRECT_URI, "scopes": "openid"});
        client[field] = value;
        let refused = administrator.post("/api/resource/OAuth%20Client", client).await.error(417, "ValidationError");
        assert_eq!(refused["problems"][0]["field"], field, "{refused}");
    }
}

#[tokio::test]
async fn several_redirect_uris_are_stored_one_a_line_and_each_works() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let uris = "https://app.example/two http://127.0.0.1/callback\nhttps://app.example/callback";
    let program = Program::new(&site, json!({"redirect_uris": uris})).await;
    for uri in ["https://app.example/two", "http://127.0.0.1:49152/callback", REDIRECT_URI] {
        let to = program.ask(&alice, &[("redirect_uri", uri)], "allow").await;
        assert!(to.starts_with(&format!("{uri}?code=")), "{to}");
    }
}
