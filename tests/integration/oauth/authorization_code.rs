//! The authorization code grant: what a code is bound to, and that it is used once.

use chrono::Duration;
use serde_json::json;

use super::support::{BASE, Program, REDIRECT_URI, VERIFIER, bearer, parameter};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn a_code_becomes_tokens_that_open_the_api() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let answer = program.exchange(&program.code(&alice).await).await.status(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "openid all");
    assert!(tokens["access_token"].as_str().unwrap().starts_with("dt_at_"));
    assert!(tokens["refresh_token"].as_str().unwrap().starts_with("dt_rt_"));
    assert_eq!(bearer(&site, &tokens).logged_user().await, ALICE);
}

#[tokio::test]
async fn the_answer_carries_state_and_issuer() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let allowed = program.ask(&alice, &[], "allow").await;
    assert!(allowed.starts_with("https://app.example/callback?code=dt_ac_"), "{allowed}");
    assert_eq!(parameter(&allowed, "state").as_deref(), Some("the state"));
    assert_eq!(parameter(&allowed, "iss").as_deref(), Some(site.documents().site_url()));
    let denied = program.ask(&alice, &[], "deny").await;
    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&denied, "state").as_deref(), Some("the state"));
    assert_eq!(parameter(&denied, "iss").as_deref(), Some(site.documents().site_url()));
}

#[tokio::test]
async fn a_code_cannot_be_used_twice_and_its_tokens_end_with_the_second_use() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let code = program.code(&alice).await;
    let tokens = program.exchange(&code).await.status(200).json();
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
    bearer(&site, &tokens).get("/api/method/frappe.auth.get_logged_user").await.error(401, "AuthenticationError");
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    let events = site.db_names("Security Event", json!({"event": "Authorization Code Reused"})).await;
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_code_expires_after_a_minute() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let code = program.code(&alice).await;
    site.clock.advance(Duration::seconds(61));
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_code_is_bound_to_client_redirect_uri_and_verifier() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let other = Program::new(&site, json!({})).await;
    let code = program.code(&alice).await;
    other.exchange(&code).await.oauth_error(400, "invalid_grant");
    let wrong_verifier = "x".repeat(43);
    for (redirect_uri, verifier) in
        [("https://app.example/other", VERIFIER), (REDIRECT_URI, wrong_verifier.as_str()), (REDIRECT_URI, "")]
    {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        program.post("get_token", &fields).await.oauth_error(400, "invalid_grant");
    }
    // None of this used it up.
    program.exchange(&code).await.status(200);
}

#[tokio::test]
async fn pkce_is_required_and_s256_only() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    for changes in [
        &[("code_challenge", ""), ("code_challenge_method", "")][..],
        &[("code_challenge_method", "plain")],
        &[("code_challenge_method", "")],
    ] {
        let to = alice.get(&program.authorize_uri(changes)).await.redirect();
        assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"), "{to}");
        assert_eq!(parameter(&to, "state").as_deref(), Some("the state"));
    }
}

#[tokio::test]
async fn an_unknown_client_or_redirect_uri_is_told_on_a_page_and_never_by_redirect() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    for changes in [
        [("client_id", "nobody")],
        [("redirect_uri", "https://evil.example/callback")],
        [("redirect_uri", "https://app.example/callback/")],
        [("redirect_uri", "https://app.example/callback?x=1")],
    ] {
        let answer = alice.get(&program.authorize_uri(&changes)).await.status(400);
        assert_eq!(answer.header("location"), "", "{changes:?}");
    }
}

#[tokio::test]
async fn the_token_endpoint_takes_forms_without_repetition_and_nothing_from_the_address() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    program.post("get_token?grant_type=client_credentials", &[]).await.oauth_error(400, "invalid_request");
    let twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    program.post("get_token", &twice).await.oauth_error(400, "invalid_request");
    let json = site.guest().post(&format!("{BASE}get_token"), json!({"grant_type": "client_credentials"})).await;
    json.oauth_error(400, "invalid_request");
    program.post("get_token", &[("grant_type", "password")]).await.oauth_error(400, "unsupported_grant_type");
    let get = site.guest().get(&format!("{BASE}get_token")).await.status(405);
    assert!(get.header("allow").contains("POST"));
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_client_get_the_same_answer() {
    let site = TestSite::new().await;
    let mut program = Program::new(&site, json!({})).await;
    program.secret = "dt_cs_wrong".to_owned();
    let wrong = program.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    program.id = "nobody".to_owned();
    let unknown = program.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
    assert_eq!(wrong.body, unknown.body);
}

#[tokio::test]
async fn the_method_of_authentication_is_exactly_the_registered_one() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "dt_rt_x"),
        ("client_id", program.id.as_str()),
        ("client_secret", program.secret.as_str()),
    ];
    site.guest().form(&format!("{BASE}get_token"), &fields).await.oauth_error(401, "invalid_client");
    site.guest().form(&format!("{BASE}get_token"), &fields[..3]).await.oauth_error(401, "invalid_client");
    program.post("get_token", &fields[..2]).await.oauth_error(400, "invalid_grant");
    program.post("get_token", &fields).await.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn guesses_lock_no_client_whose_secret_nobody_can_guess() {
    let site = TestSite::new().await;
    let mut program = Program::new(&site, json!({})).await;
    let right = std::mem::replace(&mut program.secret, "dt_cs_wrong".to_owned());
    for _ in 0..120 {
        program.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
    }
    // They are not even noted any more; who knows the secret gets in.
    let answer = program.refresh("dt_rt_x").await.status(429);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    program.secret = right;
    program.refresh("dt_rt_x").await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn who_guesses_a_secret_that_was_not_made_here_has_to_wait() {
    let site = TestSite::new().await;
    let mut program = Program::new(&site, json!({})).await;
    let mut work = site.documents().begin(&doctyped::testing::permissions::Session::system()).await.unwrap();
    let short = [("client_secret", doctyped::testing::meta::Value::from("89ab12cd34"))];
    work.set_values("OAuth Client", &program.id, &short).await.unwrap();
    work.commit().await.unwrap();
    doctyped::testing::oauth_client::digest_plain_secrets(site.documents()).await.unwrap();
    for _ in 0..5 {
        program.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
    }
    program.secret = "89ab12cd34".to_owned();
    let answer = program.refresh("dt_rt_x").await.status(429);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn a_client_acts_as_its_own_user_without_a_person() {
    let site = TestSite::new().await;
    site.db_user("robot@example.com", json!({})).await;
    let program = Program::new(&site, json!({"allow_client_credentials": 1, "user": "robot@example.com"})).await;
    let tokens = program.post("get_token", &[("grant_type", "client_credentials")]).await.status(200).json();
    assert!(tokens.get("refresh_token").is_none());
    assert_eq!(bearer(&site, &tokens).logged_user().await, "robot@example.com");
    let identity = [("grant_type", "client_credentials"), ("scope", "openid")];
    program.post("get_token", &identity).await.oauth_error(400, "invalid_scope");
    let without = Program::new(&site, json!({})).await;
    let refused = without.post("get_token", &[("grant_type", "client_credentials")]).await;
    refused.oauth_error(400, "unauthorized_client");
}

#[tokio::test]
async fn no_secret_is_stored_in_the_clear() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let code = program.code(&alice).await;
    let tokens = program.exchange(&code).await.status(200).json();
    let secrets =
        [&code, &program.secret, tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap()]
            .map(ToString::to_string);
    for doctype in ["OAuth Client", "OAuth Authorization Code", "OAuth Bearer Token", "OAuth Authorization Request"] {
        for name in site.db_names(doctype, json!({})).await {
            let system = doctyped::testing::permissions::Session::system();
            let document = site.documents().get(&system, doctype, &name).await.unwrap();
            let stored = format!("{:?}", document.values);
            assert!(secrets.iter().all(|secret| !stored.contains(secret.as_str())), "{doctype} {name}");
            let shown = serde_json::to_string(&document.to_json_whole()).unwrap();
            for field in ["access_token", "refresh_token", "authorization_code", "client_secret", "request_digest"] {
                assert!(!shown.contains(&format!("\"{field}\":")), "{doctype} shows {field}");
            }
        }
    }
}
