//! Refresh tokens: rotation, lost answers, reuse, and what ends them.

use chrono::Duration;
use serde_json::json;

use super::support::{Program, bearer};
use crate::support::TestSite;

const WHO: &str = "/api/method/frappe.auth.get_logged_user";

#[tokio::test]
async fn each_renewal_gives_another_pair_and_the_access_token_before_it_lives_to_its_end() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let second = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    bearer(&site, &first).get(WHO).await.ok();
    bearer(&site, &second).get(WHO).await.ok();
    site.clock.advance(Duration::minutes(59));
    bearer(&site, &first).get(WHO).await.ok();
    site.clock.advance(Duration::minutes(2));
    bearer(&site, &first).get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_used_refresh_token_that_comes_back_ends_the_family() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let second = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    site.clock.advance(Duration::seconds(11));
    program.refresh(first["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    for pair in [&first, &second] {
        bearer(&site, pair).get(WHO).await.error(401, "AuthenticationError");
    }
    program.refresh(second["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    assert_eq!(site.db_names("Security Event", json!({"event": "Refresh Token Reused"})).await.len(), 1);
}

#[tokio::test]
async fn within_the_grace_everybody_gets_the_same_successor_whatever_tokens_look_like() {
    for format in ["Opaque", "JWT"] {
        let site = TestSite::new().await;
        let alice = site.user("alice@example.com", &[]).await;
        let program = Program::new(&site, json!({"access_token_format": format})).await;
        let first = program.tokens(&alice).await;
        let renew = async || program.refresh(first["refresh_token"].as_str().unwrap()).await;
        let quick = renew().await.status(200).json();
        // The quicker worker goes to work with it, and that is nobody's loss.
        bearer(&site, &quick).get(WHO).await.ok();
        site.clock.advance(Duration::seconds(3));
        let slow = renew().await.status(200).json();
        for same in ["access_token", "refresh_token", "id_token", "scope"] {
            assert_eq!(quick[same], slow[same], "{format}: {same}");
        }
        let lived = quick["expires_in"].as_u64().unwrap() - slow["expires_in"].as_u64().unwrap();
        assert!((3..6).contains(&lived), "{format}: {lived}");
        assert_eq!(site.db_names("OAuth Bearer Token", json!({"status": "Active"})).await.len(), 1);
        assert!(site.db_names("Security Event", json!({"event": "Refresh Token Reused"})).await.is_empty());
        site.clock.advance(Duration::seconds(8));
        renew().await.oauth_error(400, "invalid_grant");
        bearer(&site, &slow).get(WHO).await.error(401, "AuthenticationError");
    }
}

#[tokio::test]
async fn a_token_whose_successor_was_renewed_ends_the_family_even_within_the_grace() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let second = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    let third = program.refresh(second["refresh_token"].as_str().unwrap()).await.status(200).json();
    program.refresh(first["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    for pair in [&first, &second, &third] {
        bearer(&site, pair).get(WHO).await.error(401, "AuthenticationError");
        program.refresh(pair["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    }
    assert_eq!(site.db_names("Security Event", json!({"event": "Refresh Token Reused"})).await.len(), 1);
}

#[tokio::test]
async fn an_answer_is_kept_sealed_and_only_for_the_grace() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let first = program.tokens(&alice).await;
    let second = program.refresh(first["refresh_token"].as_str().unwrap()).await.status(200).json();
    let kept = async || {
        let name = site.db_names("OAuth Bearer Token", json!({"status": "Active"})).await.remove(0);
        let system = doctyped::testing::permissions::Session::system();
        let document = site.documents().get(&system, "OAuth Bearer Token", &name).await.unwrap();
        document.text("sealed_answer").to_owned()
    };
    let sealed = kept().await;
    assert!(sealed.starts_with("sealed1.") && !sealed.contains(second["access_token"].as_str().unwrap()), "{sealed}");
    doctyped::testing::jobs::forget_answers(site.documents()).await.unwrap();
    assert_eq!(kept().await, sealed);
    site.clock.advance(Duration::seconds(11));
    doctyped::testing::jobs::forget_answers(site.documents()).await.unwrap();
    assert_eq!(kept().await, "");
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
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    assert!(site.db_names("OAuth Authorization Code", json!({})).await.is_empty());
    assert!(site.db_names("OAuth Authorization Request", json!({})).await.is_empty());
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200);
    site.clock.advance(Duration::days(60));
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    assert!(site.db_names("OAuth Bearer Token", json!({})).await.is_empty());
}
