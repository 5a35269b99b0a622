//! The behaviours of the OpenID Foundation's plan for a Basic OP, as far as they are about the login; named after its
//! modules.

use chrono::Duration;
use serde_json::{Value as Json, json};

use super::openid_connect::{tokens_with, verified};
use super::support::{BASE, Program, answer, bearer, hidden, parameter};
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";

/// A site, somebody who is logged in, and a program that asks for `openid`.
async fn begin() -> (TestSite, Client, Program) {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let mut program = Program::new(&site, json!({})).await;
    "openid".clone_into(&mut program.scope);
    (site, alice, program)
}

/// Consent is remembered from here on, and this program has it.
async fn remembered(site: &TestSite, program: &Program, person: &Client) -> Json {
    site.db_update("OAuth Settings", "OAuth Settings", json!({"skip_authorization": 1})).await;
    program.tokens(person).await
}

fn error(uri: &str) -> String {
    parameter(uri, "error").unwrap_or_default()
}

/// Logs in on the page that the browser was sent to, and returns where it goes then.
async fn log_in(person: &Client, login_page: &str) -> String {
    let page = person.get(login_page).await.status(200);
    let back = hidden(&page.body, "redirect-to");
    person.form("/login", &[("usr", ALICE), ("pwd", PASSWORD), ("redirect-to", &back)]).await.redirect()
}

#[tokio::test]
async fn oidcc_server_a_code_brings_tokens_and_an_id_token() {
    let (site, alice, program) = begin().await;
    let tokens = program.tokens(&alice).await;
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("openid")));
    assert!(verified(&site, &tokens).await.claims.text("sub").is_some_and(|sub| !sub.is_empty() && sub.len() <= 255));
}

#[tokio::test]
async fn oidcc_response_type_missing_is_told_to_the_client() {
    let (_site, alice, program) = begin().await;
    let to = alice.get(&program.authorize_uri(&[("response_type", "")])).await.redirect();
    assert_eq!((error(&to).as_str(), parameter(&to, "state").as_deref()), ("invalid_request", Some("the state")));
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri_others_get_no_answer() {
    let (_site, alice, program) = begin().await;
    let page = alice.get(&program.authorize_uri(&[("redirect_uri", "https://evil.example/")])).await.status(400);
    assert_eq!(page.header("location"), "");
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in_is_told_so() {
    let (site, _, program) = begin().await;
    let to = site.guest().get(&program.authorize_uri(&[("prompt", "none")])).await.redirect();
    assert_eq!(error(&to), "login_required");
    assert!(parameter(&to, "code").is_none());
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in_gets_a_code_without_a_page() {
    let (site, alice, program) = begin().await;
    let to = alice.get(&program.authorize_uri(&[("prompt", "none")])).await.redirect();
    assert_eq!(error(&to), "consent_required", "nobody has allowed it yet");
    let first = remembered(&site, &program, &alice).await;
    let to = alice.get(&program.authorize_uri(&[("prompt", "none")])).await.redirect();
    let second = program.exchange(&parameter(&to, "code").unwrap()).await.status(200).json();
    let (first, second) = (verified(&site, &first).await.claims, verified(&site, &second).await.claims);
    assert_eq!(first.text("sub"), second.text("sub"));
    assert_eq!(first.seconds("auth_time"), second.seconds("auth_time"));
}

#[tokio::test]
async fn oidcc_prompt_login_asks_for_the_password_although_a_session_is_there() {
    let (site, alice, program) = begin().await;
    let first = verified(&site, &remembered(&site, &program, &alice).await).await.claims;
    site.clock.advance(Duration::seconds(2));
    let back = alice.get(&program.authorize_uri(&[("prompt", "login")])).await.redirect();
    let page = alice.get(&back).await.status(200);
    assert!(page.body.contains("Log in once more") && parameter_of(&page.body).is_none());
    let login_page = answer(&alice, &page, "switch").await.redirect();
    assert!(login_page.starts_with("/login"));
    assert_eq!(alice.logged_user().await, "Guest");
    let resumed = log_in(&alice, &login_page).await;
    let page = alice.get(&resumed).await.status(200);
    let code = parameter_of(&page.body).expect("the code, without a further question");
    let second = verified(&site, &program.exchange(&code).await.status(200).json()).await.claims;
    assert!(second.seconds("auth_time") > first.seconds("auth_time"));
    assert_eq!(first.text("sub"), second.text("sub"));
}

/// The code in the page that goes on by itself after a form.
fn parameter_of(page: &str) -> Option<String> {
    let rest = &page[page.find("code&#x3D;").or_else(|| page.find("code="))?..];
    let rest = rest.trim_start_matches("code").trim_start_matches("&#x3D;").trim_start_matches('=');
    Some(rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "_-".contains(*letter)).collect())
}

#[tokio::test]
async fn oidcc_max_age_1_asks_again_when_the_login_is_older() {
    let (site, alice, program) = begin().await;
    remembered(&site, &program, &alice).await;
    site.clock.advance(Duration::seconds(5));
    let back = alice.get(&program.authorize_uri(&[("max_age", "1")])).await.redirect();
    assert!(alice.get(&back).await.status(200).body.contains("Log in once more"));
    let to = alice.get(&program.authorize_uri(&[("max_age", "1"), ("prompt", "none")])).await.redirect();
    assert_eq!(error(&to), "login_required");
}

#[tokio::test]
async fn oidcc_max_age_10000_goes_on_with_the_login_and_tells_its_time() {
    let (site, alice, program) = begin().await;
    let first = verified(&site, &remembered(&site, &program, &alice).await).await.claims;
    site.clock.advance(Duration::seconds(5));
    let to = alice.get(&program.authorize_uri(&[("max_age", "10000")])).await.redirect();
    let second = program.exchange(&parameter(&to, "code").unwrap()).await.status(200).json();
    assert_eq!(verified(&site, &second).await.claims.seconds("auth_time"), first.seconds("auth_time"));
}

#[tokio::test]
async fn oidcc_id_token_hint_brings_the_same_person_back() {
    let (site, alice, program) = begin().await;
    let tokens = remembered(&site, &program, &alice).await;
    // A hint may have expired.
    site.clock.advance(Duration::hours(2));
    let hint = tokens["id_token"].as_str().unwrap();
    let request = [("prompt", "none"), ("id_token_hint", hint)];
    let to = alice.get(&program.authorize_uri(&request)).await.redirect();
    assert!(parameter(&to, "code").is_some(), "{to}");
    let bob = site.user("bob@example.com", &[]).await;
    let to = bob.get(&program.authorize_uri(&request)).await.redirect();
    assert_eq!(error(&to), "login_required");
    let other = Program::new(&site, json!({})).await;
    for (program, hint) in [(&other, hint), (&program, "nonsense")] {
        let request = [("prompt", "none"), ("id_token_hint", hint)];
        let to = alice.get(&program.authorize_uri(&request)).await.redirect();
        assert_eq!(error(&to), "invalid_request");
    }
}

#[tokio::test]
async fn oidcc_login_hint_fills_in_the_login_page() {
    let (site, _, program) = begin().await;
    let guest = site.guest();
    let login = guest.get(&program.authorize_uri(&[("login_hint", "\"><b>alice@example.com")])).await.redirect();
    let page = guest.get(&login).await.status(200);
    assert!(page.body.contains("&lt;b&gt;alice@example.com\""), "{}", page.body);
    assert!(!page.body.contains("<b>alice"));
}

#[tokio::test]
async fn oidcc_prompt_select_account_shows_who_is_logged_in() {
    let (site, alice, program) = begin().await;
    remembered(&site, &program, &alice).await;
    let back = alice.get(&program.authorize_uri(&[("prompt", "select_account")])).await.redirect();
    let page = alice.get(&back).await.status(200);
    assert!(page.body.contains(ALICE) && page.body.contains("Use another account"));
    assert!(parameter(&answer(&alice, &page, "allow").await.redirect(), "code").is_some());
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameters_acr_values_and_ui_locales_succeeds() {
    let (site, alice, program) = begin().await;
    let request = [
        ("extra", "foobar"),
        ("acr_values", "1 2"),
        ("ui_locales", "se"),
        ("claims_locales", "se"),
        ("display", "popup"),
        ("claims", r#"{"userinfo":{"name":{"essential":true}}}"#),
    ];
    let tokens = tokens_with(&program, &alice, &request).await;
    assert_eq!(verified(&site, &tokens).await.claims.text("acr"), Some("1"));
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds_with_and_without_a_cookie() {
    let (site, alice, program) = begin().await;
    remembered(&site, &program, &alice).await;
    let uri = program.authorize_uri(&[("prompt", "none")]);
    let (endpoint, query) = uri.split_once('?').unwrap();
    let fields: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let to = alice.form(endpoint, &fields).await.redirect();
    assert!(parameter(&to, "code").is_some());
    // From another site the browser sends no cookie with the form; it does with the page that follows.
    let back = site.guest().form(endpoint, &fields).await.redirect();
    let page = alice.get(&back).await.status(200);
    assert!(parameter_of(&page.body).is_some());
}

#[tokio::test]
async fn oidcc_scope_profile_email_and_all_bring_their_claims_at_userinfo() {
    let (site, alice, mut program) = begin().await;
    for (scope, expected) in [("profile", vec!["name", "updated_at"]), ("email", vec!["email", "email_verified"])] {
        program.scope = format!("openid {scope}");
        let tokens = program.tokens(&alice).await;
        let who = bearer(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(200).json();
        assert_eq!(who.as_object().unwrap().keys().next().unwrap(), "sub");
        assert_eq!(who["sub"].as_str(), verified(&site, &tokens).await.claims.text("sub"));
        for claim in expected {
            assert!(who.get(claim).is_some(), "{claim}: {who}");
        }
    }
}

#[tokio::test]
async fn oidcc_userinfo_answers_get_and_post_with_the_token_in_the_header() {
    let (site, alice, program) = begin().await;
    let tokens = program.tokens(&alice).await;
    let uri = format!("{BASE}openid_profile");
    let client = bearer(&site, &tokens);
    let got = client.get(&uri).await.status(200).json();
    assert_eq!(client.form(&uri, &[]).await.status(200).json(), got);
}

#[tokio::test]
async fn oidcc_codereuse_is_refused_and_ends_the_tokens() {
    let (site, alice, program) = begin().await;
    let code = program.code(&alice).await;
    let tokens = program.exchange(&code).await.status(200).json();
    site.clock.advance(Duration::seconds(30));
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
    bearer(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(401);
}

#[tokio::test]
async fn oidcc_registration_parameter_is_refused_with_its_own_error() {
    let (_site, alice, program) = begin().await;
    let to = alice.get(&program.authorize_uri(&[("registration", "{}")])).await.redirect();
    assert_eq!(error(&to), "registration_not_supported");
}
