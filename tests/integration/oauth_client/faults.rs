//! Providers that are slow, broken, or renew their keys: nothing hangs, nothing is lost, and people read what happened.

use std::time::{Duration, Instant};

use doctyped::testing::jwt::SigningKey;
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::connected_app::{app, callback, connect, run};
use super::social_login::Provider;
use super::{answer_grant, tokens};
use crate::support::TestSite;

/// Longer than a site here waits.
const TOO_LONG: Duration = Duration::from_secs(4);

/// A site that does not wait long for other servers.
async fn impatient() -> TestSite {
    let configure = |config: &mut doctyped::testing::config::Config| {
        config.development = true;
        config.outgoing_timeout = Duration::from_millis(400);
    };
    TestSite::new().with_config(configure).await
}

#[tokio::test]
async fn who_connects_at_a_provider_that_breaks_reads_what_happened() {
    let (provider, site) = (MockServer::start().await, impatient().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    let text = |body: &str| ResponseTemplate::new(200).set_body_string(body);
    for (answer, says) in [
        (tokens("late", None).set_delay(TOO_LONG), "did not answer in time: try again later"),
        (ResponseTemplate::new(500).set_body_string("<h1>Oops</h1>"), "answered with the status 500"),
        (ResponseTemplate::new(429), "answered with the status 429"),
        (text("{\"access_token\": \"at\","), "did not answer with JSON"),
        (text(""), "did not answer with JSON"),
        (text(&format!("{{\"access_token\": \"{}\"}}", "x".repeat(700 * 1024))), "more than 512 KiB"),
        (ResponseTemplate::new(200).set_body_json(json!({"access_token": 7})), "no access token"),
        (ResponseTemplate::new(307).insert_header("location", "https://elsewhere.example/"), "redirect"),
    ] {
        provider.reset().await;
        answer_grant(&provider, "authorization_code", answer, 1).await;
        let back = callback(&alice, &app).await;
        let began = Instant::now();
        let page = alice.get(&back).await.status(400).body;
        assert!(began.elapsed() < TOO_LONG, "{says}");
        assert!(page.contains("Connecting did not work") && page.contains(says), "{says}: {page}");
        assert!(page.contains("Connect to Example"), "the way to try again: {page}");
        assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), false, "{says}");
    }
    let noted = site.db_names("Security Event", json!({"event": "Connection Failed"})).await;
    assert_eq!(noted.len(), 8);
    provider.reset().await;
    answer_grant(&provider, "authorization_code", tokens("at", None), 1).await;
    connect(&alice, &app).await;
}

#[tokio::test]
async fn a_slow_renewal_loses_no_token_and_a_slow_api_hangs_nobody() {
    let (provider, site) = (MockServer::start().await, impatient().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    answer_grant(&provider, "authorization_code", tokens("first", Some("rt")), 1).await;
    connect(&alice, &app).await;
    let slow = ResponseTemplate::new(200).set_delay(TOO_LONG);
    Mock::given(method("GET")).and(path("/api/slow")).respond_with(slow).mount(&provider).await;
    let began = Instant::now();
    let answer = run(&alice, &app, "request", json!({"path": "slow"})).await.status(503).body;
    assert!(answer.contains("did not answer in time") && began.elapsed() < TOO_LONG, "{answer}");

    answer_grant(&provider, "refresh_token", tokens("late", None).set_delay(TOO_LONG), 1).await;
    site.clock.advance(chrono::Duration::minutes(10));
    let began = Instant::now();
    let _ = run(&alice, &app, "get_active_token", json!({})).await.status(503);
    assert!(began.elapsed() < TOO_LONG);
    let page = alice.get(&format!("/connected-app/{app}")).await.status(200).body;
    assert!(page.contains("Failed") && page.contains("did not answer in time: try again later"), "{page}");
    provider.reset().await;
    answer_grant(&provider, "refresh_token", tokens("second", None), 1).await;
    let health = run(&alice, &app, "get_active_token", json!({})).await.ok();
    assert_eq!((&health["status"], &health["last_error"]), (&json!("Connected"), &json!(null)));
}

#[tokio::test]
async fn a_provider_that_cannot_be_told_keeps_nobody_from_disconnecting() {
    let (provider, site) = (MockServer::start().await, impatient().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    for answer in [ResponseTemplate::new(500), ResponseTemplate::new(200).set_delay(TOO_LONG)] {
        provider.reset().await;
        answer_grant(&provider, "authorization_code", tokens("at", Some("rt")), 1).await;
        Mock::given(method("POST")).and(path("/revoke")).respond_with(answer).mount(&provider).await;
        connect(&alice, &app).await;
        let began = Instant::now();
        assert_eq!(run(&alice, &app, "disconnect", json!({})).await.ok(), "disconnected");
        assert!(began.elapsed() < TOO_LONG);
        assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), false);
    }
}

#[tokio::test]
async fn a_login_after_the_provider_renewed_its_keys_works_and_the_old_key_opens_nothing() {
    let (mut provider, site) = (Provider::start().await, impatient().await);
    provider.key(&site, json!({})).await;
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    let old = std::mem::replace(&mut provider.key, SigningKey::generate(SigningAlgorithm::Es256));
    site.clock.advance(chrono::Duration::minutes(1));
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    // The provider publishes the new key alone; a token signed with the old one comes too late.
    let new = std::mem::replace(&mut provider.key, old);
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    provider.key = new;
    provider.renew_keys().await;
    site.clock.advance(chrono::Duration::minutes(2));
    let page = browser.get(&back).await.status(400).body;
    assert!(page.contains("its ID token is refused"), "{page}");
    assert_eq!(browser.logged_user().await, "Guest");
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_minute_and_no_more() {
    let (provider, site) = (Provider::start().await, impatient().await);
    provider.key(&site, json!({})).await;
    for (ahead, lives, gets_in) in [(20, 300, true), (-20, 10, true), (90, 300, false), (-90, 10, false)] {
        let issued = site.clock.now().timestamp() + ahead;
        let browser = site.guest();
        let change = json!({"iat": issued, "nbf": issued, "exp": issued + lives});
        let back = provider.begin(&site, &browser, change).await;
        let answer = browser.get(&back).await;
        assert_eq!(answer.status == 303, gets_in, "{ahead} seconds ahead: {}", answer.body);
    }
}

#[tokio::test]
async fn a_provider_of_logins_that_is_down_costs_a_message() {
    let (provider, site) = (Provider::start().await, impatient().await);
    // It is down from the start, so that nothing is known of it.
    provider.server.reset().await;
    provider.key(&site, json!({})).await;
    for (answer, says) in [
        (ResponseTemplate::new(503), "answered with the status 503"),
        (ResponseTemplate::new(200).set_delay(TOO_LONG), "did not answer in time"),
        (ResponseTemplate::new(200).set_body_string("<html>"), "did not answer with JSON"),
    ] {
        provider.server.reset().await;
        Mock::given(method("GET")).respond_with(answer).mount(&provider.server).await;
        // A failure is remembered for a while.
        let resting = "failed a moment ago";
        let page = async || site.guest().get("/login/with/example_login").await.status(400).body;
        site.clock.advance(chrono::Duration::seconds(11));
        let began = Instant::now();
        let mut page_now = page().await;
        if page_now.contains(resting) {
            site.clock.advance(chrono::Duration::seconds(11));
            page_now = page().await;
        }
        assert!(began.elapsed() < TOO_LONG);
        let asked = provider.server.received_requests().await.unwrap().len();
        assert!(page().await.contains(resting));
        assert_eq!(provider.server.received_requests().await.unwrap().len(), asked, "nobody is asked again");
        let page = page_now;
        assert!(page.contains(says) && page.contains("Log in another way"), "{page}");
    }
    // Back again: after a while nothing of it counts.
    provider.server.reset().await;
    site.clock.advance(chrono::Duration::seconds(11));
    let browser = site.guest();
    provider.publish().await;
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
}
