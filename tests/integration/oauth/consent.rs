//! Consent: who may give it, to what exactly, for how long it is remembered, and how it is taken back.

use chrono::Duration;
use serde_json::json;

use super::support::{BASE, Program, answer, bearer, hidden, parameter};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";

#[tokio::test]
async fn the_page_says_who_asks_for_what_and_where_the_answer_goes() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({"app_name": "<b>Planner</b>"})).await;
    let page = alice.get(&program.authorize_uri(&[])).await.redirect();
    let page = alice.get(&page).await.status(200);
    for text in ["&lt;b&gt;Planner&lt;/b&gt;", "app.example", ALICE, "Do everything that you can do"] {
        assert!(page.body.contains(text), "{text} is missing in {}", page.body);
    }
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
}

#[tokio::test]
async fn who_is_not_logged_in_logs_in_first_and_the_request_stays_on_the_server() {
    let site = TestSite::new().await;
    site.db_user(ALICE, json!({})).await;
    let program = Program::new(&site, json!({})).await;
    let browser = site.guest();
    let login = browser.get(&program.authorize_uri(&[])).await.redirect();
    assert!(login.starts_with("/login?redirect-to="), "{login}");
    assert!(!login.contains("code_challenge") && !login.contains("app.example"), "{login}");
    let back = parameter(&format!("https://site.example{login}"), "redirect-to").unwrap();
    browser.log_in(ALICE, crate::support::PASSWORD).await.ok();
    let page = browser.get(&back).await.status(200);
    let to = answer(&browser, &page, "allow").await.redirect();
    program.exchange(&parameter(&to, "code").unwrap()).await.status(200);
}

#[tokio::test]
async fn opening_a_page_never_grants() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let uri = alice.get(&program.authorize_uri(&[])).await.redirect();
    alice.get(&format!("{uri}&decision=allow")).await.status(200);
    assert!(site.db_names("OAuth Authorization Code", json!({})).await.is_empty());
}

#[tokio::test]
async fn a_consent_needs_the_token_of_the_form() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let uri = alice.get(&program.authorize_uri(&[])).await.redirect();
    let page = alice.get(&uri).await.status(200);
    let id = hidden(&page.body, "request_id");
    let fields = [("request_id", id.as_str()), ("decision", "allow")];
    alice.form(&format!("{BASE}approve"), &fields).await.status(400);
    assert!(site.db_names("OAuth Authorization Code", json!({})).await.is_empty());
}

#[tokio::test]
async fn a_request_is_answered_by_the_person_it_was_shown_to_and_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let mallory = site.user("mallory@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let uri = alice.get(&program.authorize_uri(&[])).await.redirect();
    let page = alice.get(&uri).await.status(200);
    let other = mallory.get(&mallory.get(&program.authorize_uri(&[])).await.redirect()).await.status(200);
    let fields = [
        ("csrf_token", hidden(&other.body, "csrf_token")),
        ("request_id", hidden(&page.body, "request_id")),
        ("decision", "allow".to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    mallory.form(&format!("{BASE}approve"), &fields).await.status(400);
    answer(&alice, &page, "allow").await.redirect();
    answer(&alice, &page, "allow").await.status(400);
}

#[tokio::test]
async fn a_request_expires_after_ten_minutes() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let uri = alice.get(&program.authorize_uri(&[])).await.redirect();
    let page = alice.get(&uri).await.status(200);
    site.clock.advance(Duration::minutes(11));
    answer(&alice, &page, "allow").await.status(400);
}

#[tokio::test]
async fn an_api_key_or_a_token_cannot_consent() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let token = bearer(&site, &program.tokens(&alice).await);
    let to = token.get(&program.authorize_uri(&[])).await.redirect();
    assert!(to.starts_with("/login"), "{to}");
}

#[tokio::test]
async fn a_consent_is_remembered_for_the_same_client_and_not_more_than_it_covers() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"skip_authorization": 1})).await;
    let alice = site.user(ALICE, &[]).await;
    let mut program = Program::new(&site, json!({})).await;
    program.scope = "openid read".to_owned();
    program.tokens(&alice).await;
    let again = alice.get(&program.authorize_uri(&[])).await.redirect();
    assert!(parameter(&again, "code").is_some(), "{again}");
    let more = alice.get(&program.authorize_uri(&[("scope", "openid read email")])).await.redirect();
    assert!(more.contains("approve?request_id="), "{more}");
    let asked = alice.get(&program.authorize_uri(&[("prompt", "consent")])).await.redirect();
    assert!(asked.contains("approve?request_id="), "{asked}");
    let other = Program::new(&site, json!({})).await;
    let other = alice.get(&other.authorize_uri(&[("scope", "openid read")])).await.redirect();
    assert!(other.contains("approve?request_id="), "{other}");
}

#[tokio::test]
async fn consent_is_asked_every_time_unless_the_site_says_otherwise() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({"skip_authorization": 1})).await;
    program.tokens(&alice).await;
    let again = alice.get(&program.authorize_uri(&[])).await.redirect();
    assert!(again.contains("approve?request_id="), "{again}");
    site.db_update("OAuth Client", &program.id, json!({"trusted": 1})).await;
    let trusted = alice.get(&program.authorize_uri(&[])).await.redirect();
    assert!(parameter(&trusted, "code").is_some(), "{trusted}");
}

#[tokio::test]
async fn prompt_none_shows_no_page() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let uri = program.authorize_uri(&[("prompt", "none")]);
    let guest = site.guest().get(&uri).await.redirect();
    assert_eq!(parameter(&guest, "error").as_deref(), Some("login_required"));
    let alice = alice.get(&uri).await.redirect();
    assert_eq!(parameter(&alice, "error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn a_person_takes_a_consent_back_and_the_program_is_out_at_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    let token = bearer(&site, &tokens);
    token.get(WHO).await.ok();
    let grants = alice.get("/api/resource/OAuth%20Grant").await.ok();
    let name = grants[0]["name"].as_str().unwrap();
    let mallory = site.user("mallory@example.com", &[]).await;
    mallory.delete(&format!("/api/resource/OAuth%20Grant/{name}")).await.error(403, "PermissionError");
    alice.delete(&format!("/api/resource/OAuth%20Grant/{name}")).await.ok();
    token.get(WHO).await.error(401, "AuthenticationError");
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    assert_eq!(site.db_names("Security Event", json!({"event": "Consent Revoked"})).await.len(), 1);
}
