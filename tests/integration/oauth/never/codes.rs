//! What a code is bound to, beyond the client.

use serde_json::json;

use crate::oauth::support::{Program, REDIRECT_URI, VERIFIER, bearer, parameter};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn a_code_works_for_the_one_address_that_it_was_sent_to() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let other = "https://app.example/other";
    let program = Program::new(&site, json!({"redirect_uris": other})).await;
    let to = program.ask(&alice, &[("redirect_uri", other)], "allow").await;
    let code = parameter(&to, "code").unwrap();
    let redeem = async |redirect_uri: &str| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        program.post("get_token", &fields).await
    };
    // That this one is registered as well does not help.
    redeem(REDIRECT_URI).await.oauth_error(400, "invalid_grant");
    redeem(&format!("{other}/")).await.oauth_error(400, "invalid_grant");
    redeem(other).await.status(200);
}

#[tokio::test]
async fn a_public_client_cannot_do_without_pkce() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let lax = json!({"token_endpoint_auth_method": "None", "require_pkce": 0});
    let program = Program::new(&site, lax).await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let to = alice.get(&program.authorize_uri(&without)).await.redirect();
    assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"), "{to}");
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({"require_pkce": 0})).await;
    let without = [("code_challenge", ""), ("code_challenge_method", ""), ("nonce", "n")];
    let to = program.ask(&alice, &without, "allow").await;
    let code = parameter(&to, "code").unwrap();
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT_URI)];
    let tokens = program.post("get_token", &fields).await.status(200).json();
    assert_eq!(bearer(&site, &tokens).logged_user().await, ALICE);
    // And a challenge, once sent, has to be answered.
    let code = parameter(&program.ask(&alice, &[], "allow").await, "code").unwrap();
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT_URI)];
    program.post("get_token", &fields).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_code_of_somebody_who_was_disabled_is_worth_nothing() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let code = program.code(&alice).await;
    site.db_update("User", ALICE, json!({"enabled": 0})).await;
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
    site.db_update("User", ALICE, json!({"enabled": 1})).await;
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_exchange_cannot_ask_for_another_resource_than_was_allowed() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"additional_resources": "/mcp"})).await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let root = site.documents().site_url().to_owned();
    let to = program.ask(&alice, &[("resource", &format!("{root}/mcp"))], "allow").await;
    let code = parameter(&to, "code").unwrap();
    let api = format!("{root}/api");
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("resource", api.as_str()),
    ];
    program.post("get_token", &fields).await.oauth_error(400, "invalid_target");
}
