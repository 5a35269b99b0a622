//! Who guesses passwords is locked out, and nobody else is.

use chrono::Duration;
use serde_json::json;

use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";

/// A site behind one proxy, so that tests can come from anywhere.
async fn site() -> TestSite {
    let site = TestSite::new().with_config(|config| config.trusted_proxies = 1).await;
    site.db_user(ALICE, json!({})).await;
    site
}

/// Somebody at that address.
fn at(site: &TestSite, address: &str) -> Client {
    site.guest().with_header("x-forwarded-for", address)
}

async fn guess(client: &Client, user: &str, times: usize) {
    for _ in 0..times {
        client.log_in(user, "a wrong password").await.error(401, "AuthenticationError");
    }
}

#[tokio::test]
async fn who_guesses_locks_out_only_themselves() {
    let site = site().await;
    for user in ["Administrator", ALICE] {
        guess(&at(&site, "203.0.113.66"), user, 5).await;
        at(&site, "203.0.113.66").log_in(user, PASSWORD).await.error(429, "TooManyRequestsError");
        at(&site, "198.51.100.7").log_in(user, PASSWORD).await.ok();
    }
    // Nor do they lock out their neighbours.
    site.db_user("bob@example.com", json!({})).await;
    at(&site, "203.0.113.66").log_in("bob@example.com", PASSWORD).await.ok();
}

#[tokio::test]
async fn a_device_that_was_logged_in_before_is_not_locked_out_by_its_neighbours() {
    let site = TestSite::new().await;
    site.db_user(ALICE, json!({})).await;
    let own = site.guest();
    own.log_in(ALICE, PASSWORD).await.ok();
    own.post("/api/method/logout", json!({})).await.ok();
    // From the same address, as behind a proxy that the site does not know.
    guess(&site.guest(), ALICE, 5).await;
    site.guest().log_in(ALICE, PASSWORD).await.error(429, "TooManyRequestsError");
    own.log_in(ALICE, PASSWORD).await.ok();
    // It has failures of its own, and what it knows of one account is nothing for another.
    own.post("/api/method/logout", json!({})).await.ok();
    guess(&own, ALICE, 5).await;
    own.log_in(ALICE, PASSWORD).await.error(429, "TooManyRequestsError");
    guess(&site.guest(), "Administrator", 5).await;
    own.log_in("Administrator", PASSWORD).await.error(429, "TooManyRequestsError");
}

#[tokio::test]
async fn guessing_from_everywhere_is_slowed_and_locks_out_no_known_place() {
    let site = site().await;
    site.db_update("System Settings", "System Settings", json!({"allow_consecutive_login_attempts": 1})).await;
    at(&site, "198.51.100.7").log_in(ALICE, PASSWORD).await.ok();
    for at_address in 0..20 {
        guess(&at(&site, &format!("203.0.113.{at_address}")), ALICE, 1).await;
    }
    let held_up = at(&site, "192.0.2.1").log_in(ALICE, PASSWORD).await;
    let seconds: u64 = held_up.header("retry-after").parse().unwrap();
    assert!(seconds <= 61, "{seconds}");
    held_up.error(429, "TooManyRequestsError");
    at(&site, "198.51.100.7").log_in(ALICE, PASSWORD).await.ok();
    site.clock.advance(Duration::seconds(61));
    at(&site, "192.0.2.1").log_in(ALICE, PASSWORD).await.ok();
}

#[tokio::test]
async fn the_delay_grows_and_a_success_ends_it() {
    let site = site().await;
    let seconds =
        async || at(&site, "203.0.113.66").log_in(ALICE, PASSWORD).await.header("retry-after").parse::<i64>().unwrap();
    guess(&at(&site, "203.0.113.66"), ALICE, 5).await;
    for expected in [300, 600, 1200] {
        let told = seconds().await;
        assert!((expected - 10..=expected + 1).contains(&told), "{told}");
        site.clock.advance(Duration::seconds(told + 1));
        guess(&at(&site, "203.0.113.66"), ALICE, 1).await;
    }
    site.clock.advance(Duration::hours(2));
    at(&site, "203.0.113.66").log_in(ALICE, PASSWORD).await.ok();
    guess(&at(&site, "203.0.113.66"), ALICE, 4).await;
    at(&site, "203.0.113.66").log_in(ALICE, PASSWORD).await.ok();
}

#[tokio::test]
async fn a_clock_that_goes_back_makes_no_lock_longer() {
    let site = site().await;
    guess(&at(&site, "203.0.113.66"), ALICE, 5).await;
    let locked = async || at(&site, "203.0.113.66").log_in(ALICE, PASSWORD).await;
    locked().await.error(429, "TooManyRequestsError");
    site.clock.advance(Duration::hours(-1));
    let seconds: u64 = locked().await.header("retry-after").parse().unwrap();
    assert!(seconds <= 301, "{seconds}");
    site.clock.advance(Duration::seconds(302));
    locked().await.ok();
}

#[tokio::test]
async fn system_managers_are_told_of_a_proxy_that_the_site_does_not_know() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let person = site.user(ALICE, &[]).await;
    let told = async |client: &Client| client.get("/app").await.body.contains("DOCTYPED_TRUSTED_PROXIES");
    assert!(!told(&administrator).await);
    let _ = at(&site, "203.0.113.66").get("/api/method/ping").await;
    assert!(told(&administrator).await && !told(&person).await);
    let known = self::site().await;
    let administrator = known.administrator().await;
    let _ = at(&known, "203.0.113.66").get("/api/method/ping").await;
    assert!(!told(&administrator).await);
}
