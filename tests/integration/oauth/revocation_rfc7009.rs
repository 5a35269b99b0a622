//! Revocation: both kinds of token are found, the rest is answered as if it had been.

use serde_json::json;

use super::support::{Program, bearer};
use crate::support::TestSite;

const WHO: &str = "/api/method/frappe.auth.get_logged_user";

#[tokio::test]
async fn a_refresh_token_takes_its_family_along_without_any_hint() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let tokens = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    let token = bearer(&site, &tokens);
    token.get(WHO).await.ok();
    program.post("revoke_token", &[("token", tokens["refresh_token"].as_str().unwrap())]).await.status(200);
    token.get(WHO).await.error(401, "AuthenticationError");
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_access_token_is_revoked_whatever_the_hint() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    let access = tokens["access_token"].as_str().unwrap();
    let fields = [("token", access), ("token_type_hint", "refresh_token")];
    program.post("revoke_token", &fields).await.status(200);
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn unknown_and_foreign_tokens_are_answered_alike_and_stay() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let other = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    for token in ["garbage", tokens["access_token"].as_str().unwrap()] {
        other.post("revoke_token", &[("token", token)]).await.status(200);
    }
    bearer(&site, &tokens).get(WHO).await.ok();
    let code = program.code(&alice).await;
    program.post("revoke_token", &[("token", &code)]).await.oauth_error(400, "unsupported_token_type");
}
