//! Refresh tokens: rotation, lost answers, reuse, and what ends them.

use chrono::Duration;
use serde_json::json;

use super::support::{Program, bearer};
use crate::support::TestSite;

const WHO: &str = "/api/method/frappe.auth.get_logged_user";

#[tokio::test]
async fn each_renewal_replaces_both_tokens() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let second = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    bearer(&site, &first).get(WHO).await.error(401, "AuthenticationError");
    bearer(&site, &second).get(WHO).await.ok();
}

#[tokio::test]
async fn a_used_refresh_token_that_comes_back_ends_the_family() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let second = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    bearer(&site, &second).get(WHO).await.ok();
    program.refresh(first["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    bearer(&site, &second).get(WHO).await.error(401, "AuthenticationError");
    program.refresh(second["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    assert_eq!(site.db_names("Security Event", json!({"event": "Refresh Token Reused"})).await.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_grace() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let lost = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    let again = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    bearer(&site, &again).get(WHO).await.ok();
    bearer(&site, &lost).get(WHO).await.error(401, "AuthenticationError");
    site.clock.advance(Duration::seconds(11));
    program.refresh(first["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    bearer(&site, &again).get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_renewal_may_ask_for_less_but_not_for_more() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let mut program = Program::public(&site).await;
    program.scope = "openid read".to_owned();
    let tokens = program.tokens(&alice).await;
    let renew = |token: String, scope: &'static str| {
        let program = &program;
        async move {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", scope)];
            program.post("get_token", &fields).await
        }
    };
    let token = tokens["refresh_token"].as_str().unwrap().to_owned();
    renew(token.clone(), "openid all").await.oauth_error(400, "invalid_scope");
    let less = renew(token, "openid").await.status(200).json();
    assert_eq!(less["scope"], "openid");
    // The refresh token keeps what was granted (RFC 6749 §6).
    let whole = renew(less["refresh_token"].as_str().unwrap().to_owned(), "openid read").await.status(200).json();
    assert_eq!(whole["scope"], "openid read");
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_client() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let other = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    other.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200);
}

#[tokio::test]
async fn an_unused_refresh_token_expires() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    site.clock.advance(Duration::days(31));
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn housekeeping_removes_what_has_expired_and_nothing_else() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    site.clock.advance(Duration::days(2));
    doctyped::oauth::jobs::remove_expired(site.documents()).await.unwrap();
    assert!(site.db_names("OAuth Authorization Code", json!({})).await.is_empty());
    assert!(site.db_names("OAuth Authorization Request", json!({})).await.is_empty());
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200);
    site.clock.advance(Duration::days(60));
    doctyped::oauth::jobs::remove_expired(site.documents()).await.unwrap();
    assert!(site.db_names("OAuth Bearer Token", json!({})).await.is_empty());
}
