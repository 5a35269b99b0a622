//! Introspection: who may ask, about what, and what is told.

use chrono::Duration;
use serde_json::json;

use super::support::{Program, bearer};
use crate::support::TestSite;

#[tokio::test]
async fn a_client_asks_about_its_own_tokens_and_learns_nothing_of_others() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let other = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    let access = tokens["access_token"].as_str().unwrap();
    let answer = program.post("introspect_token", &[("token", access)]).await.status(200).json();
    assert_eq!(answer["active"], true);
    assert_eq!(answer["scope"], "openid all");
    assert_eq!(answer["client_id"], program.id.as_str());
    assert_eq!(answer["username"], "alice@example.com");
    assert_eq!(answer["iss"], site.documents().site_url());
    assert!(answer["sub"].as_str().is_some_and(|sub| !sub.is_empty() && sub != "alice@example.com"));
    assert!(answer["exp"].as_i64().unwrap() > answer["iat"].as_i64().unwrap());
    let foreign = other.post("introspect_token", &[("token", access)]).await.status(200).json();
    assert_eq!(foreign, json!({"active": false}));
    let server = Program::new(&site, json!({"can_introspect": 1})).await;
    let seen = server.post("introspect_token", &[("token", access)]).await.status(200).json();
    assert_eq!(seen["active"], true);
}

#[tokio::test]
async fn nobody_asks_without_proving_who_they_are() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let public = Program::public(&site).await;
    let tokens = public.tokens(&alice).await;
    let access = tokens["access_token"].as_str().unwrap();
    public.post("introspect_token", &[("token", access)]).await.oauth_error(401, "invalid_client");
    let guest = site.guest();
    let uri = format!("{}introspect_token", super::support::BASE);
    guest.form(&uri, &[("token", access)]).await.oauth_error(401, "invalid_client");
    bearer(&site, &tokens).form(&uri, &[("token", access)]).await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn what_no_longer_opens_anything_is_inactive_and_nothing_else_is_said() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    site.clock.advance(Duration::seconds(3601));
    for token in [tokens["access_token"].as_str().unwrap(), "garbage", "dt_at_garbage"] {
        let answer = program.post("introspect_token", &[("token", token)]).await.status(200);
        assert_eq!(answer.body, "{\"active\":false}");
    }
}
