//! Programs that came by themselves and that nobody uses go; everything that is used or trusted stays.

use chrono::Duration;
use doctyped::testing::unused_clients::remove_unused_clients;

use serde_json::json;

use super::described_program::Page;
use super::registration_rfc7591::{register, settings};
use super::support::{BASE, Program, REDIRECT_URI, bearer};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";

async fn registered(site: &TestSite) -> Program {
    let metadata = json!({
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    Program::registered(site, &register(&site.guest(), metadata).await.status(201).json(), "openid")
}

async fn run(site: &TestSite) -> usize {
    remove_unused_clients(site.documents()).await.unwrap()
}

async fn is_there(site: &TestSite, id: &str) -> bool {
    !site.db_names("OAuth Client", json!({"client_id": id})).await.is_empty()
}

#[tokio::test]
async fn a_program_that_registered_and_was_never_used_goes_after_the_days_of_the_settings() {
    let site = TestSite::new().await;
    let by_administrator = Program::new(&site, json!({})).await;
    let (unused, trusted) = (registered(&site).await, registered(&site).await);
    site.db_update("OAuth Client", &trusted.id, json!({"trusted": 1})).await;
    site.clock.advance(Duration::days(13));
    assert_eq!(run(&site).await, 0);
    site.clock.advance(Duration::days(2));
    settings(&site, json!({"unused_client_days": 0})).await;
    assert_eq!(run(&site).await, 0);
    settings(&site, json!({"unused_client_days": 14})).await;
    assert_eq!(run(&site).await, 1);
    assert!(!is_there(&site, &unused.id).await);
    assert!(is_there(&site, &trusted.id).await && is_there(&site, &by_administrator.id).await);
    assert_eq!(site.db_names("Security Event", json!({"event": "Client Removed", "client": unused.id})).await.len(), 1);
    unused.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn a_program_through_which_somebody_is_signed_in_stays_and_goes_with_its_tokens_afterwards() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = registered(&site).await;
    let tokens = program.tokens(&alice).await;
    site.clock.advance(Duration::days(29));
    assert_eq!(run(&site).await, 0);
    let tokens = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
    site.clock.advance(Duration::days(31));
    assert_eq!(run(&site).await, 1);
    assert!(site.db_names("OAuth Bearer Token", json!({})).await.is_empty());
    assert!(site.db_names("OAuth Grant", json!({})).await.is_empty());
    bearer(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(401);
}

#[tokio::test]
async fn a_page_that_was_only_read_is_forgotten_once_it_has_expired() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let (read, used) = (page.describe(&site, "/read"), page.describe(&site, "/used"));
    alice.get(&read.authorize_uri(&[])).await.redirect();
    used.tokens(&alice).await;
    site.clock.advance(Duration::hours(2));
    assert_eq!(run(&site).await, 0);
    site.clock.advance(Duration::hours(24));
    assert_eq!(run(&site).await, 1);
    assert!(!is_there(&site, &read.id).await && is_there(&site, &used.id).await);
    // It is read again when it is needed.
    let alice = site.guest();
    alice.log_in(ALICE, crate::support::PASSWORD).await.ok();
    alice.get(&read.authorize_uri(&[])).await.redirect();
    assert_eq!(page.requests("/read"), 2);
}
